"""Names of UEs: kinds stay apart, and what a number alone does not tell is remembered."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xapp import ue_names
from xapp.e2.aper import BitString, Chosen
from xapp.e2.ue_id import (
    EnbUe,
    EnGnbUe,
    GlobalEnbId,
    GnbCuUpUe,
    GnbDuUe,
    GnbUe,
    Guami,
    Gummei,
    NgEnbDuUe,
    NgEnbUe,
    UeId,
)
from xapp.errors import ConfigurationError
from xapp.ue_names import Seen, name, parse, split

GUAMI = Guami(b"\x00\xf1\x10", 2, 1, 0)
ENB = GlobalEnbId(b"\x00\xf1\x10", Chosen("macro", BitString(1, 20)))
ALL: tuple[tuple[UeId, str], ...] = (
    (GnbUe(17, GUAMI, (3,)), "amf:17"), (GnbDuUe(3), "du:3"), (GnbCuUpUe(4), "cuup:4"),
    (NgEnbUe(5, GUAMI), "ngenb:5"), (NgEnbDuUe(6), "w1:6"), (EnGnbUe(7, ENB), "x2:7"),
    (EnbUe(8, Gummei(b"\x00\xf1\x10", 1, 1)), "mme:8"))


@pytest.mark.parametrize(("ue", "text"), ALL, ids=[text for _, text in ALL])
def test_every_kind_has_a_form_of_its_own(ue: UeId, text: str) -> None:
    assert name(ue) == text
    assert split(text)[0] in ue_names.KINDS
    assert len({name(one) for one, _ in ALL}) == len(ALL)


def test_openairinterface_gives_a_number_of_its_own() -> None:
    ue = GnbUe(17, GUAMI, ran_id=(5).to_bytes(8))
    assert (name(ue), name(ue, oai=True)) == ("amf:17", "oai:5")
    assert name(GnbUe(17, GUAMI), oai=True) == "amf:17"


@given(st.integers(0, 2**32 - 1))
def test_what_is_written_is_read(number: int) -> None:
    for kind in (GnbDuUe, GnbCuUpUe, NgEnbDuUe):
        assert parse(name(kind(number))) == kind(number)
    assert parse(f"amf:{number}", GUAMI) == GnbUe(number, GUAMI)
    assert name(parse(f"oai:{number}", GUAMI), oai=True) == f"oai:{number}"


@pytest.mark.parametrize("text", ["", "du", "du:", "du:-1", "du:x", "DU:3", "foo:3", "du:3 ",
                                  "du:" + "9" * 21, "du:3\n", "du:²"])
def test_what_is_no_name(text: str) -> None:
    with pytest.raises(ConfigurationError, match="no name"):
        parse(text)


def test_a_number_alone_does_not_address_a_ue_of_a_core() -> None:
    for text in ("amf:3", "oai:3", "ngenb:3", "mme:3"):
        with pytest.raises(ConfigurationError, match="not enough"):
            parse(text)


def test_the_rest_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ue_names, "MOST_SEEN", 2)
    seen = Seen()
    first = GnbUe(17, GUAMI, (3,))
    assert seen.take(first) == "amf:17"
    assert seen.full("amf:17") == first
    again = GnbUe(17, GUAMI, (9,))  # after a handover
    seen.take(again)
    assert seen.full("amf:17") == again
    seen.take(GnbDuUe(1))
    seen.take(GnbDuUe(2))
    assert (len(seen), seen.full("amf:17")) == (2, None)
    seen.drop("du:1")
    seen.drop("du:1")
    assert seen.texts() == ("du:2",)
    seen.forget()
    assert len(seen) == 0


def test_what_a_node_said_last_is_kept_whichever_objects_its_reports_repeat() -> None:
    seen = Seen()
    one, other = GnbUe(7, GUAMI), GnbUe(7, GUAMI, (9,))
    for ue in (one, other, one, one, other):
        assert seen.take(ue) == "amf:7"
        assert seen.full("amf:7") == ue
    seen.forget()
    assert seen.full("amf:7") is None
    assert seen.take(one) == "amf:7"
    assert seen.full("amf:7") == one
    seen.drop("amf:7")
    assert seen.take(one) == "amf:7"
    assert seen.full("amf:7") == one
