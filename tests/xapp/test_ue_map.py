"""The UE map: who goes before whom, what is disputed, and what is not said any more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xapp import ue_map
from xapp.e2.ue_id import GnbUe, Guami
from xapp.observations import CellKey, Snssai, UeKey
from xapp.ue_map import CoreNames, MapConfig, Origin, UeEntry, UeMap, canonical

DU, AMF = UeKey("gnb", "du:3"), UeKey("gnb", "amf:17")
LLM, WEB = Snssai(1, 1), Snssai(1)
A, B = "10.45.0.2", "10.46.0.2"


def test_sources_fill_each_other_up() -> None:
    known = UeMap()
    known.put(Origin.CORE, [UeEntry(A, None, LLM, supi="imsi-1", teid_up=9)], 0.0)
    known.put(Origin.CORRELATION, [UeEntry(A, DU, confidence=0.7)], 0.0)
    entry = known.of_address(A)
    assert entry is not None
    assert (entry.ue, entry.slice, entry.supi) == (DU, LLM, "imsi-1")
    assert entry.origins == (Origin.CORE, Origin.CORRELATION)
    assert entry.confidence == 0.7  # no surer than its least sure part
    assert known.address_of_tunnel(9) == A


def test_what_an_operator_wrote_goes_first() -> None:
    known = UeMap()
    known.put(Origin.CORE, [UeEntry(A, AMF, WEB)], 0.0)
    known.put(Origin.FILE, [UeEntry(A, DU, LLM)], 5.0)
    entry = known.of_address(A)
    assert entry == UeEntry(A, DU, LLM, origins=(Origin.FILE,))
    assert known.of_ue(AMF) is None
    known.put(Origin.FILE, [], 6.0)
    entry = known.of_address(A)
    assert entry is not None
    assert entry.ue == AMF


def test_an_address_of_two_ues_is_nobodys() -> None:
    known = UeMap()
    known.put(Origin.CORE, [UeEntry(A, DU, LLM), UeEntry(A, AMF, LLM), UeEntry(B, DU, WEB)], 0.0)
    assert known.of_address(A) is None
    assert known.of_address(B) is not None


def test_a_ue_with_two_addresses_has_no_slice_of_its_own() -> None:
    known = UeMap()
    known.put(Origin.FILE, [UeEntry(A, DU, LLM), UeEntry(B, DU, WEB)], 0.0)
    entry = known.of_ue(DU)
    assert entry is not None
    assert entry.slice is None
    known.put(Origin.FILE, [UeEntry(A, DU, LLM, CellKey("gnb", "1")), UeEntry(B, DU, LLM)], 0.0)
    entry = known.of_ue(DU)
    assert entry is not None
    assert (entry.slice, entry.cell) == (LLM, CellKey("gnb", "1"))


def test_what_is_not_said_again_is_forgotten() -> None:
    known = UeMap(MapConfig(core=60, correlation=30))
    known.put(Origin.CORE, [UeEntry(A, AMF)], 0.0)
    known.put(Origin.FILE, [UeEntry(B, DU)], 0.0)
    assert known.expire(60.0) == ()
    assert known.expire(61.0) == (Origin.CORE,)
    assert known.of_address(A) is None
    assert known.of_address(B) is not None
    assert known.expire(1e9) == ()


def test_more_than_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ue_map, "MOST_ENTRIES", 3)
    known = UeMap()
    known.put(Origin.CORE, [UeEntry(f"10.0.0.{n}") for n in range(5)], 0.0)
    assert (len(known), known.refused) == (3, 2)


entries = st.builds(
    UeEntry, st.none() | st.sampled_from([A, B, "::1"]), st.none() | st.sampled_from([DU, AMF]),
    st.none() | st.sampled_from([LLM, WEB]), st.none() | st.just(CellKey("gnb", "1")),
    teid_up=st.none() | st.sampled_from([1, 2]))


@given(st.dictionaries(st.sampled_from(list(Origin)), st.lists(entries, max_size=5)))
def test_nothing_is_made_up(said: dict[Origin, list[UeEntry]]) -> None:
    known = UeMap()
    for origin, some in said.items():
        known.put(origin, some, 0.0)
    for entry in known.entries():
        mine = [one for origin in entry.origins for one in said[origin]
                if one.address == entry.address]
        for name in ("ue", "slice", "cell"):
            value = getattr(entry, name)
            assert value is None or value in [getattr(one, name) for one in mine]


@given(st.lists(st.tuples(st.sampled_from(list(Origin)), st.lists(entries, max_size=5)),
                max_size=8))
def test_what_was_said_one_after_the_other_is_as_if_said_at_once(
    said: list[tuple[Origin, list[UeEntry]]]
) -> None:
    known, anew = UeMap(), UeMap()
    for origin, some in said:
        before, version = known.entries(), known.version
        known.put(origin, some, 0.0)
        assert known.version != version or set(known.entries()) == set(before)
    for origin, some in dict(said).items():
        anew.put(origin, some, 0.0)
    assert set(known.entries()) == set(anew.entries())
    for ue in (DU, AMF):
        assert known.of_ue(ue) == anew.of_ue(ue)
        assert known.addresses_of(ue) == anew.addresses_of(ue)
        assert known.sessions_of(ue) == anew.sessions_of(ue)
    for teid in (1, 2):
        address = known.address_of_tunnel(teid)
        assert address == anew.address_of_tunnel(teid)
        assert {entry.address for entry in known.entries() if entry.teid_up == teid} >= (
            set() if address is None else {address})


def test_addresses_have_one_form() -> None:
    assert canonical("2001:DB8::0001") == "2001:db8::1"
    assert canonical("10.45.0.256") is None


def test_all_addresses_and_slices_of_a_ue() -> None:
    known, ue = UeMap(), UeKey("gnb", "du:1")
    known.put(Origin.CORE, [UeEntry("10.45.0.1", ue, Snssai(1)),
                            UeEntry("10.46.0.1", ue, Snssai(1, 1)),
                            UeEntry("10.47.0.1", ue), UeEntry("10.48.0.1", slice=Snssai(9))], 0.0)
    assert known.addresses_of(ue) == ("10.45.0.1", "10.46.0.1", "10.47.0.1")
    assert known.slices_of(ue) == (Snssai(1), Snssai(1, 1))
    assert known.sessions_of(ue) == ()  # of one the slice is not known
    other = UeKey("gnb", "du:2")
    known.put(Origin.FILE, [UeEntry("10.49.0.1", other, Snssai(1)),
                            UeEntry("10.50.0.1", other, Snssai(2))], 0.0)
    assert known.sessions_of(other) == (("10.49.0.1", Snssai(1)), ("10.50.0.1", Snssai(2)))
    known.put(Origin.FILE, [], 0.0)
    assert known.addresses_of(UeKey("gnb", "du:2")) == ()
    assert known.slices_of(UeKey("gnb", "du:2")) == ()


def test_a_du_s_name_with_its_amf_s_is_what_a_cu_cp_wants() -> None:
    known, guami = UeMap(), Guami(b"\x00\xf1\x10", 2, 1, 0)
    names = CoreNames(known)
    du, amf, strange = (UeKey("gnb", text) for text in ("du:3", "amf:17", "du:4"))
    known.put(Origin.FILE, [UeEntry("10.45.0.1", du, core_name=(17, guami)),
                            UeEntry("10.46.0.1", du),
                            UeEntry("10.45.0.2", amf, core_name=(17, guami)),
                            UeEntry("10.45.0.3", strange)], 0.0)
    assert names[du] == GnbUe(17, guami, (3,))
    assert names.get(amf) is None  # without an F1AP id it cannot be asked for
    assert names.get(strange) is None
    assert list(names) == [du]
    assert len(names) == 1
