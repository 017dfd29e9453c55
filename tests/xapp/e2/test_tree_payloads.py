"""Payloads are read by what nodes announced, and a guess is called one."""

from __future__ import annotations

import pytest

from tests.xapp.e2.e2ap_examples import CCC_OID, DU, F1, KPM_OID, RC_OID
from tests.xapp.e2.examples import EXAMPLES, SPEC, Example
from xapp.e2.e2ap_messages import E2SetupRequest, ServiceUpdate
from xapp.e2.e2ap_types import RanFunction
from xapp.e2.profiles import FLEXRIC
from xapp.e2.profiles import SPEC as SPEC_PROFILE
from xapp.e2.rc import RC_FLEXRIC, ControlHeader
from xapp.e2.tree_payloads import KnownFunctions, meaning, model_of
from xapp.e2.ue_id import GnbDuUe


def setup(*functions: RanFunction) -> E2SetupRequest:
    return E2SetupRequest(1, DU, functions, (F1,))


@pytest.mark.parametrize("example", SPEC, ids=lambda one: one.name)
def test_payloads_of_every_part_are_read(example: Example) -> None:
    found = meaning(example.part, example.data, example.model.upper())
    assert found.problem == ""
    assert found.title == f"{example.model.upper()} {example.part.replace('_', ' ')}"
    if example.model != "ccc":
        assert found.value == example.value


@pytest.mark.parametrize("example", [one for one in EXAMPLES if one not in SPEC],
                         ids=lambda one: one.name)
def test_payloads_in_other_layouts_are_read_too(example: Example) -> None:
    assert meaning(example.part, example.data, example.model.upper()).problem == ""


def test_the_nodes_own_layout_goes_first() -> None:
    header = ControlHeader(GnbDuUe(4), 2, 6)
    data = RC_FLEXRIC.header.encode(header)
    assert data.startswith(b"\0\x80")
    own = meaning("control_header", data, "RC", FLEXRIC)
    assert (own.title, own.value) == ("RC control header", header)
    other = meaning("control_header", data, "RC", SPEC_PROFILE)
    assert (other.title, other.value) == ("RC control header, as FlexRIC's RC has it", header)


def test_what_cannot_be_read_says_why() -> None:
    assert "ends too early" in meaning("message", b"", "KPM").problem
    assert meaning("control_header", b"x", "KPM").problem == (
        "KPM has no control header that is known")
    assert "no JSON" in meaning("message", b"{", "CCC").problem


def test_functions_are_known_by_their_oids_for_each_association() -> None:
    known = KnownFunctions()
    known.learn(setup(RanFunction(147, b"", 1, KPM_OID + "\0")), "a")
    known.learn(setup(RanFunction(147, b"", 1, RC_OID)), "b")
    assert (known.of(147, "a").model, known.of(147, "b").model) == ("KPM", "RC")
    known.learn(ServiceUpdate(1, (RanFunction(9, b"", 1, CCC_OID),)), "a")
    assert known.of(9, "a").model == "CCC"
    assert known.of(9, "c").model == "CCC"  # any other association's is better than a guess
    assert known.of(2, "a").model is None  # it told what it has, and 2 is not of it
    assert not known.of(147, "a").guessed


def test_a_number_that_nobody_named_is_a_guess() -> None:
    known = KnownFunctions()
    assert [(known.of(number).model, known.of(number).guessed) for number in (2, 3, 4)] == [
        ("KPM", True), ("RC", True), ("CCC", True)]
    assert known.of(5).model is None
    given = KnownFunctions({142: "KPM"})
    assert (given.of(142).model, given.of(142).guessed) == ("KPM", False)
    assert given.of(2).model is None


def test_models_of_oids() -> None:
    assert model_of(RanFunction(1, b"", 1, "1.2.3")) is None
    assert model_of(RanFunction(1, b"", 1, " " + KPM_OID)) == "KPM"
