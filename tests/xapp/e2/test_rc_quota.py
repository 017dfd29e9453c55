"""Slice quotas as each kind of base station spells and reads them."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.xapp.e2 import e2sm_values as values
from tests.xapp.e2.examples import GUAMI, INTERNET, LLM, QUOTAS
from tests.xapp.e2.hostile import assault, flips, truncations
from xapp.e2.common import Snssai
from xapp.e2.profiles import OAI, OAI_OLD, OCUDU, PROFILES, SPEC, SRSRAN, Profile
from xapp.e2.quota import SliceQuota
from xapp.e2.rc import (
    ActionParameters,
    BundleMessage,
    ControlHeader,
    ControlMessage,
    StyleActions,
)
from xapp.e2.rc_parameters import Element, Entries, Parameter, Structure
from xapp.e2.rc_quota import read_slice_quota, slice_quota_control
from xapp.e2.ue_id import GnbDuUe, GnbUe
from xapp.errors import PolicyError, ProtocolError

UE = GnbDuUe(4)
ONE = (SliceQuota(LLM, 40, 80, 10),)
KINDS = pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)


def parameters(profile: Profile, quotas: Any = ONE) -> tuple[Parameter, ...]:
    message = profile.rc.message.decode(slice_quota_control(profile, quotas, UE).message)
    assert isinstance(message, ControlMessage)
    return message.parameters


def of(number: int, *parameters: Parameter) -> Parameter:
    return Parameter(number, Structure(parameters))


def listed(number: int, *parameters: Parameter) -> Parameter:
    """A list of one item, which has these parameters."""
    return Parameter(number, Entries((Structure(parameters),)))


def value(number: int, plain: int | bytes) -> Parameter:
    return Parameter(number, Element(plain))


def test_as_srsran_takes_it() -> None:
    # Lists hold structures with numbers of their own, 2 and 6; octets; all three ratios.
    member = of(6, value(7, b"\x00\xf1\x10"), of(8, value(9, b"\1"), value(10, b"\0\0\5")))
    policy = of(2, of(3, listed(5, member)), value(11, 40), value(12, 80), value(13, 10))
    assert parameters(SRSRAN) == (listed(1, policy),)


def test_as_oai_takes_it() -> None:
    # No structures between; text; the order is group, minimum, maximum, dedicated.
    member = (value(7, b"00101"), of(8, value(9, b"1"), value(10, b"5")))
    assert parameters(OAI) == (listed(
        1, of(3, listed(5, *member)), value(11, 40), value(12, 80), value(13, 10)),)


def test_older_forks_of_oai_count_without_a_gap() -> None:
    def numbers(some: tuple[Parameter, ...]) -> list[int]:
        found = []
        for one in some:
            found.append(one.id)
            inner = one.value
            for structure in inner.items if isinstance(inner, Entries) else (inner,):
                if isinstance(structure, Structure):
                    found += numbers(structure.parameters or ())
        return found

    assert sorted(numbers(parameters(OAI_OLD))) == [1, 3, 4, 6, 7, 8, 9, 10, 11, 12]


@KINDS
def test_what_a_node_reads_is_what_was_asked(profile: Profile) -> None:
    for one in QUOTAS:
        control = slice_quota_control(profile, [one], UE)
        assert read_slice_quota(profile, control.message) == (one,)
        header = profile.rc.header.decode(control.header)
        assert isinstance(header, ControlHeader)
        assert (header.style, header.action) == (2, 6)
        assert header.ue == UE


@settings(max_examples=60)
@given(st.sampled_from([SPEC, OAI, OAI_OLD, PROFILES["flexric"]]), values.quotas())
def test_any_quotas(profile: Profile, quotas: list[SliceQuota]) -> None:
    control = slice_quota_control(profile, quotas, UE)
    assert read_slice_quota(profile, control.message) == tuple(quotas)


@settings(max_examples=60)
@given(st.sampled_from([SPEC, OAI, OAI_OLD]), values.quotas())
def test_what_is_remembered_of_a_message_changes_no_octet(
    profile: Profile, quotas: list[SliceQuota]
) -> None:
    whole = profile.rc.message.decode(slice_quota_control(profile, quotas, UE).message)
    for _ in range(2):  # the second time its form is known
        assert slice_quota_control(profile, quotas, UE).message == profile.rc.message.encode(whole)


def test_quotas_of_so_many_slices_that_their_form_is_not_known() -> None:
    many = [SliceQuota(Snssai(1, number), 1, 100, 0) for number in range(60)]
    assert read_slice_quota(SPEC, slice_quota_control(SPEC, many, UE).message) == tuple(many)


def test_a_ue_is_needed_where_it_is() -> None:
    for profile in (SPEC, SRSRAN, OCUDU):
        with pytest.raises(PolicyError, match="needs a UE as GnbDuUe"):
            slice_quota_control(profile, ONE)
        with pytest.raises(PolicyError, match="needs a UE as GnbDuUe"):
            slice_quota_control(profile, ONE, GnbUe(1, GUAMI))
    header = OAI.rc.header.decode(slice_quota_control(OAI, ONE).header)
    assert isinstance(header, ControlHeader)


def test_entries_that_would_be_passed_over_are_not_sent() -> None:
    for profile in (SRSRAN, OCUDU):
        with pytest.raises(PolicyError, match="obeys 1 of 2"):
            slice_quota_control(profile, QUOTAS, UE)


@KINDS
def test_what_cannot_be_meant_is_not_sent(profile: Profile) -> None:
    for bad in (replace(ONE[0], minimum=90), replace(ONE[0], slice=Snssai(300))):
        with pytest.raises(PolicyError):
            slice_quota_control(profile, [bad], UE)


def test_a_slice_without_sd() -> None:
    for profile in (SRSRAN, OAI):
        control = slice_quota_control(profile, [SliceQuota(INTERNET, 1, 2, 1)], UE)
        assert read_slice_quota(profile, control.message)[0].slice == INTERNET
    assert b"16777215" in slice_quota_control(OAI, [SliceQuota(INTERNET, 1, 2, 1)]).message
    bare = replace(SPEC, quota=replace(SPEC.quota, sd_needed=False))
    control = slice_quota_control(bare, [SliceQuota(INTERNET, 1, 2, 1)], UE)
    assert read_slice_quota(bare, control.message)[0].slice == INTERNET
    with pytest.raises(ProtocolError, match="octets 10"):
        read_slice_quota(SPEC, control.message)


def test_one_kinds_spelling_is_refused_by_another() -> None:
    spec = slice_quota_control(SPEC, ONE, UE).message
    with pytest.raises(ProtocolError):
        read_slice_quota(replace(OAI, rc=SPEC.rc), spec)
    oai = slice_quota_control(OAI, ONE).message
    with pytest.raises(ProtocolError):
        read_slice_quota(replace(SPEC, rc=OAI.rc), oai)
    with pytest.raises(ProtocolError):
        read_slice_quota(OAI_OLD, oai)


def test_a_quota_in_another_order_is_refused_where_it_is_read_by_place() -> None:
    entries = parameters(OAI)[0].value
    assert isinstance(entries, Entries)
    turned = Entries((Structure(tuple(reversed(entries.items[0].parameters or ()))),))
    message = ControlMessage((Parameter(1, turned),))
    with pytest.raises(ProtocolError, match="another order"):
        read_slice_quota(OAI, message)
    assert read_slice_quota(replace(OAI, quota=replace(OAI.quota, positional=False)),
                            message) == ONE


def test_a_message_of_another_format_is_refused() -> None:
    bundle = BundleMessage((StyleActions(2, (ActionParameters(6, ControlMessage(())),)),))
    with pytest.raises(ProtocolError, match="another format"):
        read_slice_quota(SPEC, SPEC.rc.message.encode(bundle))


@KINDS
def test_damaged_quotas_are_refused_or_others(profile: Profile) -> None:
    data = slice_quota_control(profile, ONE, UE).message
    assault(lambda damaged: read_slice_quota(profile, damaged),
            itertools.chain(truncations(data), flips(data)))


@pytest.mark.parametrize(("text", "number"), [(b"", 9), (b"x", 9), (b"256", 9), (b"-1", 9),
                                              (b"16777216", 10), (b"1" * 9, 10), (b"\xb2", 9)])
def test_text_that_is_no_number(text: bytes, number: int) -> None:
    def replaced(one: Any) -> Any:
        if isinstance(one, Parameter):
            return Parameter(one.id, Element(text) if one.id == number else replaced(one.value))
        if isinstance(one, Structure):
            return Structure(tuple(map(replaced, one.parameters or ())))
        return Entries(tuple(map(replaced, one.items))) if isinstance(one, Entries) else one

    with pytest.raises(ProtocolError, match="digits"):
        read_slice_quota(OAI, ControlMessage(tuple(map(replaced, parameters(OAI)))))
