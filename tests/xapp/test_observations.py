"""Identities and their one text form."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xapp.errors import ConfigurationError
from xapp.observations import CellKey, Load, Observations, Quota, Snssai, UeKey


@given(st.integers(0, 255), st.none() | st.integers(0, 0xFFFFFE))
def test_a_slice_comes_back_from_its_text(sst: int, sd: int | None) -> None:
    one = Snssai(sst, sd)
    assert Snssai.parse(str(one)) == one
    assert Snssai.parse(str(one).upper()) == one


@pytest.mark.parametrize("text", [
    "", "x", "256", "1-", "1-1", "1-0000001", "-1", "1-00000g", " 1", "1\n", "1-000001 ", "1.0",
    "1--00001", "999"])
def test_what_is_no_slice_is_told(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Snssai.parse(text)
    assert repr(text) in caught.value.problem
    assert caught.value.remedy


@given(st.text())
def test_any_text_is_a_slice_or_refused(text: str) -> None:
    try:
        one = Snssai.parse(text)
    except ConfigurationError:
        return
    assert 0 <= one.sst <= 255


def test_texts() -> None:
    assert str(Snssai(1)) == "1"
    assert str(Snssai(1, 5)) == "1-000005"
    assert str(CellKey("gnb", "00066c000")) == "gnb/00066c000"
    assert str(CellKey("gnb", "")) == "gnb/"
    assert str(UeKey("gnb", "du:3")) == "gnb/du:3"
    assert str(Quota(10, 60, 5)) == "10-60 %, 5 % dedicated"


def test_what_is_not_known_is_none() -> None:
    known = dataclasses.asdict(Load(1.0))
    assert (known.pop("at"), known.pop("prbs_over")) == (1.0, 0.0)  # nothing can be wrong of none
    assert set(known.values()) == {None}
    assert Observations(1.0).tap_heard is None


def test_facts_do_not_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Quota().minimum = 5  # type: ignore[misc]  # it is frozen
