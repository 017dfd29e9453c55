"""Sums over UEs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from xapp.observations import CellKey, Load, Snssai
from xapp.totals import Totals

CELL = CellKey("gnb", "1")


def test_old_and_homeless_ues_do_not_count() -> None:
    totals = Totals(10.0, 3.0)
    totals.add(CELL, None, Load(9.0, 5.0))
    totals.add(CELL, None, Load(6.0, 100.0))
    totals.add(None, Snssai(1), Load(10.0, 100.0))
    assert totals.of(CELL, None, None) == Load(9.0, 5.0)
    assert totals.of(CELL, Snssai(1), None).at == float("-inf")


def test_a_part_counts_for_its_slice_and_not_again_for_the_cell() -> None:
    totals = Totals(10.0, 3.0)
    totals.add(CELL, None, Load(9.0, 5.0))
    totals.add_part(CELL, Snssai(1), Load(8.5, 2.0))
    totals.add(CELL, Snssai(1), Load(9.5, 1.0))
    totals.add_part(CELL, Snssai(2), Load(6.0, 3.0))  # it is too old
    totals.add_part(None, Snssai(2), Load(9.0, 3.0))
    assert totals.of(CELL, None, None) == Load(9.0, 6.0)
    assert totals.of(CELL, Snssai(1), None) == Load(8.5, 3.0)
    assert totals.of(CELL, Snssai(2), None) == Load(float("-inf"))


def test_what_the_node_reports_itself_goes_before_the_sum() -> None:
    totals = Totals(10.0, 3.0)
    totals.add(CELL, None, Load(9.0, 5.0, 6.0))
    assert totals.of(CELL, None, Load(10.0, 7.0)) == Load(10.0, 7.0, 6.0)
    assert totals.of(CELL, None, Load(1.0, 7.0)) == Load(9.0, 5.0, 6.0)  # unless it is old
    assert totals.of(CellKey("gnb", "2"), None, Load(1.0, 7.0)) == Load(1.0, 7.0)


known = st.none() | st.floats(0, 100)


@given(st.lists(st.tuples(st.floats(0, 10), known, known, known), min_size=1, max_size=8))
def test_a_sum_is_as_old_as_its_oldest_part_and_knows_no_more(
    parts: list[tuple[float, float | None, float | None, float | None]]
) -> None:
    totals = Totals(10.0, 100.0)
    for at, kbps, prbs, delay in parts:
        totals.add(CELL, None, Load(at, kbps, None, prbs, None, delay))
    total = totals.of(CELL, None, None)
    assert total.at == min(at for at, *_ in parts)
    for place, value in ((1, total.down_kbps), (2, total.down_prbs), (3, total.down_delay_ms)):
        some = [part[place] for part in parts if part[place] is not None]
        assert (value is None) == (not some)
    delays = [part[3] for part in parts if part[3] is not None]
    assert total.down_delay_ms == max(delays, default=None)
    assert total.down_prbs is None or total.down_prbs <= 100
