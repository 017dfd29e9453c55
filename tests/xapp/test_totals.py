"""Sums over UEs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from xapp.observations import CellKey, Load, Snssai
from xapp.totals import Totals, bounded

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


WEB, LLM = Snssai(1), Snssai(1, 1)


def phones(web: float, llm: float, cell: Load) -> dict[Snssai, Load]:
    """97 phones and three users of models, as whole percents are reported of each."""
    totals = Totals(10.0, 3.0)
    for number in range(100):
        share = float(round((llm / 3) if number < 3 else web / 97))
        totals.add(CELL, LLM if number < 3 else WEB,
                   Load(10.0, down_prbs=share, prbs_over=0.5 if share else 0.0))
    found = {one: totals.of(CELL, one, None) for one in (WEB, LLM)}
    return bounded(found, totals.of(CELL, None, cell))


def test_rounded_figures_of_many_ues_add_up_to_what_their_cell_can_have_had() -> None:
    own = Load(10.0, down_prbs=94.0, prbs_over=0.5)
    web = phones(85.0, 9.0, own)[WEB]  # 97 x 0.88 is 97 of 1 %
    assert web.down_prbs is not None
    assert 85 - web.prbs_over <= web.down_prbs <= 85 + web.prbs_over
    assert web.prbs_over == 0.5 + 2 * 1.5
    unlimited = phones(97.0, 3.0, Load(10.0, down_prbs=100.0, prbs_over=0.5))[WEB]
    assert unlimited.down_prbs == 97.0  # and not less: a limit that is none shows


def test_without_a_figure_of_the_cell_the_sum_says_how_wrong_it_may_be() -> None:
    web = phones(85.0, 9.0, Load(float("-inf")))[WEB]
    assert (web.down_prbs, web.prbs_over) == (97.0, 48.5)
