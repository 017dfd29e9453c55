"""One UE's sum is divided as its addresses' bytes are, and never where that is not known."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifier.messages import AddressRates
from xapp.observations import Load, Snssai
from xapp.sessions import AWAY, MOST, SessionRates

LLM, REST = Snssai(1, 1), Snssai(1)
BOTH = (("10.46.0.2", LLM), ("10.45.0.2", REST))
LOAD = Load(5.0, 800.0, 400.0, 40.0, 20.0, 9.0, 8.0, 0.1)


def rates(*told: tuple[str, int, int], at: float = 6.0) -> SessionRates:
    made = SessionRates()
    made.heard(AddressRates(1, 1.0, told), "tap", at)
    return made


def test_bits_and_prbs_are_divided_and_delays_stay_unknown() -> None:
    parts = rates(("10.46.0.2", 300, 100), ("10.45.0.2", 100, 300)).parts(LOAD, BOTH)
    assert parts == {LLM: Load(5.0, 200.0, 300.0, 10.0, 15.0),
                     REST: Load(5.0, 600.0, 100.0, 30.0, 5.0)}


def test_a_part_is_as_old_as_the_older_of_both() -> None:
    made = rates(("10.46.0.2", 1, 1), ("10.45.0.2", 1, 1), at=4.0)
    assert made.parts(LOAD, BOTH)[LLM].at == 4.0
    made.heard(AddressRates(1, 1.0, (("10.45.0.2", 1, 1),)), "tap", 7.0)
    assert made.parts(LOAD, BOTH)[LLM].at == 5.0


def test_an_address_that_its_tap_names_no_more_carries_nothing() -> None:
    made = rates(("10.46.0.2", 1, 1), ("10.45.0.2", 1, 1))
    made.heard(AddressRates(1, 1.0, (("10.45.0.2", 1, 1),)), "tap", 7.0)
    parts = made.parts(LOAD, BOTH)
    assert (parts[LLM].up_kbps, parts[REST].up_kbps) == (0.0, 400.0)
    made.heard(AddressRates(1, 1.0, (("10.45.0.2", 1, 1),)), "tap", 7.0 + AWAY)
    assert made.parts(LOAD, BOTH) == {}  # and after a while nobody knows


def test_what_an_address_carries_is_told_of_its_taps_latest_second() -> None:
    made = rates(("10.46.0.2", 300, 100))
    assert made.carried("10.46.0.2") == 400
    assert made.carried("10.45.0.2") is None
    made.heard(AddressRates(1, 1.0, ()), "tap", 8.0)
    assert made.carried("10.46.0.2") == 0


def test_several_messages_of_one_second_are_one_word() -> None:
    made = rates(("10.46.0.2", 3, 3))
    made.heard(AddressRates(1, 1.0, (("10.45.0.2", 1, 1),)), "tap", 6.01)
    assert made.parts(LOAD, BOTH)[LLM].up_kbps == 300.0


def test_an_address_that_no_tap_saw_leaves_all_unknown() -> None:
    assert rates(("10.45.0.2", 5, 5)).parts(LOAD, BOTH) == {}
    assert SessionRates().parts(LOAD, BOTH) == {}
    assert SessionRates().parts(LOAD, ()) == {}


def test_what_the_tap_did_not_count_at_all_is_unknown() -> None:
    made = rates(("10.46.0.2", 0, 5), ("10.45.0.2", 0, 5))
    assert made.parts(LOAD, BOTH)[LLM] == Load(5.0, 400.0, None, 20.0, None)
    assert made.parts(Load(5.0, None, 0.0), BOTH)[LLM] == Load(5.0, None, 0.0)


def test_caps_hold() -> None:
    made = SessionRates()
    for number in range(MOST + 10):
        made.heard(AddressRates(1, 1.0, ((f"a{number}", 1, 1),)), f"tap{number}", float(number))
    assert len(made._rates) == MOST
    assert made.parts(LOAD, [("a20", LLM)]) == {}  # its tap was forgotten


@given(st.lists(st.tuples(st.integers(0, 2**40), st.integers(0, 2**40)), min_size=2, max_size=5))
def test_parts_add_up_to_the_whole(counted: Sequence[tuple[int, int]]) -> None:
    told = tuple((f"a{place}", up, down) for place, (up, down) in enumerate(counted))
    parts = rates(*told).parts(LOAD, [(name, Snssai(place % 3)) for place, (name, *_)
                                      in enumerate(told)])
    for field in ("up_kbps", "down_kbps", "up_prbs", "down_prbs"):
        known = [value for one in parts.values() if (value := getattr(one, field)) is not None]
        if known:
            assert sum(known) == pytest.approx(getattr(LOAD, field))
