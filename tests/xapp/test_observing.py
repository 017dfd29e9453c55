"""What is observed: figures in their units; reports that are stale, lost, doubled or unknown."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xapp.e2.common import Snssai as E2Snssai
from xapp.e2.kpm import Report, UeReport, UeReports
from xapp.e2.measurements import NO_LABEL, Label, Measurement, Unmet, Value, Values
from xapp.e2.ue_id import GnbDuUe, GnbUe, Guami
from xapp.observations import CellKey, Flow, Load, Observations, Quota, Snssai, UeKey
from xapp.observing import Observer, ObservingConfig, Source
from xapp.ue_map import Origin, UeEntry, UeMap
from xapp.units import UNITS

CELL = CellKey("gnb", "000000001")
OTHER = CellKey("gnb", "000000002")
LLM, WEB = Snssai(1, 1), Snssai(1)
NAMES = ("DRB.UEThpDl", "DRB.UEThpUl", "RRU.PrbTotDl", "RRU.PrbTotUl", "DRB.RlcSduDelayDl",
         "DRB.RlcDelayUl")
ASKED = tuple(Measurement(name) for name in NAMES)
SOURCE = Source("gnb", 7, ASKED)
EMPTY = UeMap()


def report(*values: Value, names: tuple[str, ...] = NAMES) -> Report:
    return Report((Values(values),), tuple(Measurement(name) for name in names))


def of_ues(reports: dict[int, Report]) -> UeReports:
    return UeReports(tuple(UeReport(GnbDuUe(number), one) for number, one in reports.items()))


def observer(profile: str = "spec", prbs: int | None = 100) -> Observer:
    seen = Observer()
    seen.node_up("gnb", UNITS[profile], {CELL: prbs})
    return seen


def observe(seen: Observer, now: float, ue_map: UeMap = EMPTY) -> Observations:
    return seen.observe({}, ue_map, None, now)


def du(number: int) -> UeKey:
    return UeKey("gnb", f"du:{number}")


def test_ues_add_up_to_slices_and_cells() -> None:
    seen, known = observer(), UeMap()
    known.put(Origin.FILE, [UeEntry("10.45.0.1", du(1), LLM), UeEntry("10.45.0.2", du(2), LLM),
                            UeEntry("10.45.0.3", du(3), WEB)], 0.0)
    assert seen.report(SOURCE, of_ues({
        1: report(1000, 500, 10, 5, 30, 90), 2: report(2000, None, 20, None, 80.0, None),
        3: report(7000, 100, 60, 1, 5, 5)}), 10.0)
    now = observe(seen, 10.5, known)
    assert now.ues[du(1)].load == Load(10.0, 1000, 500, 10, 5, 3.0, 9.0)
    assert (now.ues[du(1)].cell, now.ues[du(1)].slice) == (CELL, LLM)
    assert now.ues[du(1)].address == "10.45.0.1"
    assert now.ues[du(2)].load.up_kbps is None
    cell = now.cells[CELL]
    assert cell.slices[LLM].load == Load(10.0, 3000, 500, 30, 5, 8.0, 9.0)
    assert cell.load == Load(10.0, 10_000, 600, 90, 6, 8.0, 9.0)


def test_a_cell_has_room_since_it_was_last_crowded_and_not_where_nothing_tells() -> None:
    seen = observer()
    assert observe(seen, 0.5).cells[CELL].roomy_since is None
    for at, prbs in ((1.0, 20), (2.0, 30), (3.0, 85), (4.0, 79), (5.0, 10)):
        seen.report(SOURCE, report(1, 1, prbs, 5, 1, 1), at)
        since = observe(seen, at + 0.1).cells[CELL].roomy_since
        assert since == {1.0: 1.0, 2.0: 1.0, 3.0: None, 4.0: 4.0, 5.0: 4.0}[at]
    assert observe(seen, 20.0).cells[CELL].roomy_since is None  # what it said is too old


@pytest.mark.parametrize(("cap", "used", "roomy"), [(100, 71, True), (71, 71, False),
                                                    (71, 57, False), (71, 50, True)])
def test_what_a_cap_leaves_over_is_no_room(cap: int, used: int, roomy: bool) -> None:
    seen = observer()
    seen.slice_is_there(CELL, WEB)
    seen.quota_is(CELL, WEB, Quota(10, cap), 0.5)
    source = replace(SOURCE, cell=CELL, slice=WEB)
    seen.report(source, of_ues({1: report(1, 1, used, 5, 1, 1)}), 1.0)
    assert (observe(seen, 1.1).cells[CELL].roomy_since is not None) is roomy


def test_what_nobody_reports_stays_unknown() -> None:
    seen = observer()
    seen.report(SOURCE, of_ues({1: report(None, None, Unmet.NOT_SATISFIED, -5, -1, 2**60)}), 1.0)
    assert observe(seen, 1.0).ues[du(1)].load == Load(1.0)
    assert observe(seen, 1.0).cells[CELL].load == Load(1.0)
    silent = observe(observer(), 5.0).cells[CELL]
    assert silent.load.at == float("-inf")
    assert silent.slices == {}


@pytest.mark.parametrize(("profile", "values", "load"), [
    ("srsran", (None, None, 20, 10, 250.0, 40), Load(1.0, None, None, 20, 10, 25.0, 4.0)),
    ("oai", (None, None, 20, 10, 2500.0, None), Load(1.0, None, None, 20, 10, 2.5)),
    # 20,000 of 100 PRBs in 1,000 slots of a second.
    ("oai-old", (1.0, 2.0, 20_000, 10_000, 0, None), Load(1.0, 1.0, 2.0, 20, 10, 0.0)),
    ("spec", (None, None, 250, 100.0, None, None), Load(1.0, None, None, 100, 100))])
def test_units_are_those_of_the_node(
    profile: str, values: tuple[Value, ...], load: Load
) -> None:
    seen = observer(profile)
    seen.report(SOURCE, of_ues({1: report(*values)}), 1.0)
    assert observe(seen, 1.0).ues[du(1)].load == load


def test_counted_prbs_of_a_cell_of_unknown_width_tell_nothing() -> None:
    seen = observer("oai-old", prbs=None)
    seen.report(SOURCE, of_ues({1: report(1, 2, 20_000, 10_000, 0, None)}), 1.0)
    assert observe(seen, 1.0).ues[du(1)].load.down_prbs is None


def test_volumes_and_used_prbs_serve_where_nothing_better_is_there() -> None:
    seen = observer()
    names = ("DRB.RlcSduTransmittedVolumeDL", "RRU.PrbUsedDl", "RRU.PrbAvailDl",
             "DRB.RlcPacketDropRateDl")
    seen.report(replace(SOURCE, granularity=500),
                of_ues({1: report(400, 30, 90, 5, names=names)}), 1.0)
    assert observe(seen, 1.0).ues[du(1)].load == Load(1.0, 800.0, None, 25.0, None, None, None, .05)


def test_names_that_are_left_out_are_those_asked_for() -> None:
    seen = observer()
    bare = Report((Values((1, 2)), Values((1000, 500, 10, 5, 0, 0))))
    seen.report(SOURCE, of_ues({1: bare}), 1.0)
    assert observe(seen, 1.0).ues[du(1)].load.down_kbps == 1000  # the latest set
    seen.report(replace(SOURCE, subscription=8), of_ues({2: Report(())}), 1.0)
    assert observe(seen, 1.0).ues[du(2)].load == Load(1.0)


def test_a_cells_report_fills_in_what_its_ues_do_not_tell() -> None:
    seen = observer("srsran", prbs=None)
    names = ("DRB.UEThpDl", "RRU.PrbTotDl", "RRU.PrbUsedDl", "RRU.PrbAvailDl")
    source = replace(SOURCE, subscription=1)
    seen.report(source, report(5000, 40, 42, 64, names=names), 1.0)
    cell = observe(seen, 1.0).cells[CELL]
    # The mean throughput of its UEs is not the cell's.
    assert cell.load == Load(1.0, None, None, 40)
    assert cell.prbs == 106
    seen.report(SOURCE, of_ues({1: report(900, 100, 10, 5, 0, 0)}), 1.5)
    assert observe(seen, 1.5).cells[CELL].load == Load(1.5, 900, 100, 40, 5, 0.0, 0.0)


def test_values_by_slice() -> None:
    seen = observer()
    labels = (NO_LABEL, Label(slice=E2Snssai(1, 1)), Label(slice=E2Snssai(1)))
    message = Report((Values((60, 20, 40)),), (Measurement("RRU.PrbTotDl", labels),))
    seen.report(SOURCE, message, 1.0)
    cell = observe(seen, 1.0).cells[CELL]
    assert (cell.load.down_prbs, cell.slices[LLM].load.down_prbs) == (60, 20)
    assert cell.slices[WEB].load.down_prbs == 40


def test_repeats_within_a_nodes_own_period_do_not_look_fresh() -> None:
    """srsRAN measures once a second, however often it is asked."""
    seen = observer("srsran")
    for tenth in range(10):
        seen.report(SOURCE, of_ues({1: report(1000, 1, 1, 1, 1, 1)}), 1 + tenth / 10)
    assert observe(seen, 1.9).ues[du(1)].load.at == 1.0
    assert seen.counters.repeated == 9
    seen.report(SOURCE, of_ues({1: report(1000, 1, 1, 1, 1, 1)}), 2.05)  # measured again, alike
    assert observe(seen, 2.1).ues[du(1)].load.at == 2.05
    seen.report(SOURCE, of_ues({1: report(999, 1, 1, 1, 1, 1)}), 2.2)
    assert observe(seen, 2.2).ues[du(1)].load.at == 2.2
    plain = observer("oai")
    for tenth in range(3):
        plain.report(SOURCE, of_ues({1: report(1000, 1, 1, 1, 1, 1)}), 1 + tenth / 10)
    assert observe(plain, 1.3).ues[du(1)].load.at == 1.2


def test_repeats_of_a_cell() -> None:
    seen = observer("srsran")
    for tenth in range(5):
        seen.report(SOURCE, report(0, 0, 40, 0, 0, 0), 1 + tenth / 10)
    assert observe(seen, 1.5).cells[CELL].load.at == 1.0


def test_lost_doubled_and_late() -> None:
    seen = observer()
    for sequence, kbps in ((5, 1), (6, 2), (6, 3), (9, 4), (7, 5)):
        seen.report(SOURCE, of_ues({1: report(kbps)}), 1.0 + sequence, sequence)
    assert observe(seen, 11.0).ues[du(1)].load.down_kbps == 4
    assert (seen.counters.lost, seen.counters.doubled, seen.counters.reports) == (2, 2, 3)


def test_a_ue_that_is_not_reported_any_more_is_forgotten() -> None:
    seen = observer()
    seen.report(SOURCE, of_ues({1: report(1), 2: report(1)}), 1.0)
    seen.report(SOURCE, of_ues({2: report(1)}), 8.0)
    assert set(observe(seen, 11.5).ues) == {du(2)}
    # And its old figures are no part of the cell's even before.
    again = observer()
    again.report(SOURCE, of_ues({1: report(100)}), 1.0)
    again.report(SOURCE, of_ues({2: report(5)}), 6.0)
    assert observe(again, 6.0).cells[CELL].load.down_kbps == 5
    assert set(observe(again, 6.0).ues) == {du(1), du(2)}


def test_a_lost_node_is_forgotten_with_its_names_and_quotas() -> None:
    seen = observer()
    seen.quota_is(CELL, LLM, Quota(30), 1.0)
    seen.report(SOURCE, of_ues({1: report(1)}), 1.0, sequence=900)
    assert observe(seen, 1.0).cells[CELL].slices[LLM].quota == Quota(30)
    seen.node_lost("gnb")
    assert observe(seen, 2.0) == Observations(2.0)
    assert not seen.report(SOURCE, of_ues({1: report(1)}), 2.0)
    assert seen.counters.unknown_nodes == 1
    seen.node_up("gnb", UNITS["spec"], {CELL: 100})
    assert seen.report(SOURCE, of_ues({4: report(1)}), 3.0, sequence=0)  # it counts anew
    now = observe(seen, 3.0)
    assert set(now.ues) == {du(4)}
    assert now.cells[CELL].slices == {}


def test_quotas_slices_and_streams_from_elsewhere() -> None:
    seen = observer()
    seen.slice_is_there(CELL, WEB)
    seen.quota_is(CELL, LLM, Quota(20, 80), 4.0)
    seen.load_is(du(9), Load(5.0, 700.0))
    seen.ue_is(du(9), CELL, LLM, ((CellKey("gnb", "2"), -80.0),))
    seen.cell_is(CELL, 51)
    now = observe(seen, 5.0)
    cell = now.cells[CELL]
    assert (cell.prbs, cell.slices[WEB].quota, cell.slices[LLM].quota) == (51, None, Quota(20, 80))
    assert cell.slices[LLM].since == 4.0
    assert cell.slices[LLM].load.down_kbps == 700
    assert now.ues[du(9)].neighbours == ((CellKey("gnb", "2"), -80.0),)
    # Of a node that is not there nothing is kept.
    seen.quota_is(CellKey("no", "1"), LLM, Quota(), 1.0)
    seen.load_is(UeKey("no", "du:1"), Load(1.0))
    seen.ue_is(UeKey("no", "du:1"))
    assert seen.names("no") is None
    assert set(observe(seen, 5.0).cells) == {CELL}


def test_the_subscription_tells_the_slice_and_names_are_the_nodes() -> None:
    seen = observer("oai")
    ue = GnbUe(17, Guami(b"\x00\xf1\x10", 1, 1, 0), ran_id=(5).to_bytes(8))
    seen.report(replace(SOURCE, slice=LLM), UeReports((UeReport(ue, report(800)),)), 1.0)
    now = observe(seen, 1.0)
    assert now.ues[UeKey("gnb", "oai:5")].slice == LLM
    assert now.cells[CELL].slices[LLM].load.down_kbps == 800
    names = seen.names("gnb")
    assert names is not None
    assert names.full("oai:5") == ue


def test_several_cells_need_to_be_told_apart() -> None:
    seen, other = observer(), CellKey("gnb", "000000002")
    seen.cell_is(other, 50)
    seen.report(SOURCE, of_ues({1: report(800), 2: report(5)}), 1.0)
    known = UeMap()
    known.put(Origin.CORE, [UeEntry("10.45.0.1", du(1), LLM, other)], 0.0)
    now = observe(seen, 1.0, known)
    assert (now.ues[du(1)].cell, now.ues[du(2)].cell) == (other, None)
    assert now.cells[other].slices[LLM].load.down_kbps == 800
    assert now.cells[CELL].load.down_kbps is None


def test_flows_are_given_the_ue_of_their_address() -> None:
    seen, known = observer(), UeMap()
    known.put(Origin.CORE, [UeEntry("10.45.0.1", du(1), LLM)], 0.0)
    flows = {"a": Flow("a", "llm_split", 0.9, 0.0, 1.0, address="10.45.0.1"),
             "b": Flow("b", "web", 0.9, 0.0, 1.0, address="192.0.2.1"),
             "c": Flow("c", "web", 0.9, 0.0, 1.0)}
    now = seen.observe(flows, known, 1.0, 1.0)
    assert (now.flows["a"].ue, now.flows["a"].slice) == (du(1), LLM)
    assert now.flows["b"] == flows["b"]
    assert now.tap_heard == 1.0


def test_caps_hold() -> None:
    seen = Observer(ObservingConfig(most_ues=2, most_cells=2, most_slices=2))
    seen.node_up("gnb", UNITS["spec"], {})
    for number in range(5):
        seen.report(SOURCE, of_ues({number: report(1)}), 1.0)
        for inner in range(5):
            seen.quota_is(CellKey("gnb", str(number)), Snssai(inner), Quota(), 1.0)
    now = observe(seen, 1.0)
    assert (len(now.ues), len(now.cells)) == (2, 2)
    assert all(len(cell.slices) == 2 for cell in now.cells.values())
    assert seen.counters.refused == 3 + 2 * 3 + 3 * 5


values = st.none() | st.integers(0, 2**32 - 1) | st.floats() | st.just(Unmet.NOT_SATISFIED)
names = st.sampled_from([*NAMES, "RRU.PrbUsedDl", "RRU.PrbAvailDl", "CQI", "x", 5])
random_reports = st.builds(
    Report, st.lists(st.builds(Values, st.lists(values, max_size=8).map(tuple)),
                     max_size=3).map(tuple),
    st.none() | st.lists(st.builds(Measurement, names), max_size=8).map(tuple))


@settings(max_examples=150)
@given(st.lists(st.tuples(random_reports, st.integers(0, 3), st.booleans(),
                          st.none() | st.integers(0, 10), st.sampled_from(list(UNITS))),
                max_size=12))
def test_no_report_makes_a_figure_that_cannot_be(
    story: list[tuple[Report, int, bool, int | None, str]]
) -> None:
    seen, now = Observer(), 0.0
    for one, number, whole, sequence, profile in story:
        now += 0.3
        if number == 3:
            seen.node_up("gnb", UNITS[profile], {CELL: 50})
        seen.report(SOURCE, one if whole else of_ues({number: one}), now, sequence)
        observed = observe(seen, now)
        loads = [ue.load for ue in observed.ues.values()]
        loads += [cell.load for cell in observed.cells.values()]
        for load in loads:
            assert load.at <= now
            for share in (load.down_prbs, load.up_prbs):
                assert share is None or 0 <= share <= 100
            for value in (load.down_kbps, load.up_kbps, load.down_delay_ms, load.up_delay_ms):
                assert value is None or 0 <= value < float("inf")


def test_a_ue_with_sessions_in_two_slices_counts_for_its_cell_alone() -> None:
    seen, known = observer("srsran"), UeMap()
    known.put(Origin.CORE, [UeEntry("10.45.0.1", du(1), WEB),
                            UeEntry("10.46.0.1", du(1), LLM)], 0.0)
    seen.report(SOURCE, of_ues({1: report(5000, 900, 50, 20, 30, 90)}), 1.0)
    flows = {"a": Flow("a", "llm_split", 0.9, 0.0, 1.0, address="10.46.0.1")}
    now = seen.observe(flows, known, 1.0, 1.0)
    assert now.ues[du(1)].slice is None
    assert (now.flows["a"].ue, now.flows["a"].slice) == (du(1), LLM)
    cell = now.cells[CELL]
    assert set(cell.slices) == {LLM, WEB}
    assert cell.load.down_kbps == 5000
    # Its figures are one sum: whose they are is not known.
    assert {one.load for one in cell.slices.values()} == {Load(float("-inf"))}


@pytest.mark.parametrize("order", [(LLM, WEB), (WEB, LLM)])
def test_a_ue_that_two_slices_reports_have_counts_in_both_whichever_came_last(
        order: tuple[Snssai, Snssai]) -> None:
    seen = observer()
    sources = {snssai: Source("gnb", 7 + place, ASKED, slice=snssai)
               for place, snssai in enumerate((LLM, WEB))}
    said = {LLM: report(300, 500, 10, 5, 30, 90), WEB: report(7000, 100, 60, 1, 5, 5)}
    for snssai in order:
        seen.report(sources[snssai], of_ues({1: said[snssai]}), 10.0)
    now = observe(seen, 10.1)
    cell = now.cells[CELL]
    assert now.ues[du(1)].slice == order[-1]
    assert cell.slices[LLM].load == Load(10.0, 300, 500, 10, 5, 3.0, 9.0)
    assert cell.slices[WEB].load == Load(10.0, 7000, 100, 60, 1, 0.5, 0.5)
    assert (cell.load.down_kbps, cell.load.up_prbs) == (7300, 6)
    # One slice's session ends: what it had is stale, and the other's goes on.
    seen.report(sources[order[-1]], of_ues({1: said[order[-1]]}), 14.0)
    later = observe(seen, 14.1).cells[CELL]
    assert later.load.down_kbps == (300 if order[-1] is LLM else 7000)


def test_what_slices_said_of_a_ue_does_not_go_along_to_another_cell() -> None:
    seen = observer()
    seen.cell_is(OTHER, 106)
    for snssai, figures in ((LLM, report(300, 500)), (WEB, report(7000, 100))):
        seen.report(Source("gnb", 7, ASKED, CELL, snssai), of_ues({1: figures}), 10.0)
    assert observe(seen, 10.1).cells[CELL].load.down_kbps == 7300
    seen.report(Source("gnb", 8, ASKED, OTHER, LLM), of_ues({1: report(400, 500)}), 10.5)
    now = observe(seen, 10.6).cells
    assert now[OTHER].load.down_kbps == 400
    assert WEB not in now[OTHER].slices
    # Told by another way than KPM: the figures of the last report are its own until the next.
    seen.report(Source("gnb", 9, ASKED, OTHER, WEB), of_ues({1: report(7000, 100)}), 11.0)
    seen.ue_is(du(1), CELL)
    assert observe(seen, 11.1).cells[CELL].load.down_kbps == 7000


def test_the_same_figures_of_two_slices_are_no_repeat() -> None:
    seen = observer("srsran")
    for place, snssai in enumerate((LLM, WEB)):
        seen.report(Source("gnb", 7 + place, ASKED, slice=snssai),
                    of_ues({1: report(10, 10, 1, 1, 1, 1)}), 10.0)
    assert seen.counters.repeated == 0
    seen.report(Source("gnb", 7, ASKED, slice=LLM), of_ues({1: report(10, 10, 1, 1, 1, 1)}), 10.5)
    assert seen.counters.repeated == 1
    assert observe(seen, 10.6).cells[CELL].slices[LLM].load.at == 10.0


def test_neighbours_are_those_of_the_operator_and_nothing_tells_how_they_are_heard() -> None:
    seen, other = observer(), CellKey("gnb", "000000002")
    seen.neighbours_are(CELL, (other,))
    seen.report(replace(SOURCE, cell=CELL), of_ues({1: report(5)}), 1.0)
    assert observe(seen, 1.0).ues[du(1)].neighbours == ((other, None),)
    seen.moves(du(1), (), 1.5)
    assert observe(seen, 2.0).ues[du(1)].moved == 1.5


STEPS = st.lists(st.one_of(
    st.tuples(st.just("report"), st.integers(1, 3), st.integers(0, 9)),
    st.tuples(st.just("map"), st.integers(1, 3), st.sampled_from([LLM, WEB, None])),
    st.tuples(st.just("ue"), st.integers(1, 3), st.sampled_from([LLM, WEB])),
    st.tuples(st.just("cell"), st.integers(1, 3), st.sampled_from([CELL, OTHER])),
    st.tuples(st.just("neighbours"), st.integers(0, 1), st.integers(0, 1)),
    st.tuples(st.just("sessions"), st.integers(1, 3), st.integers(0, 1))), max_size=12)


@given(STEPS)
@settings(max_examples=60)
def test_what_was_reckoned_before_is_as_if_it_were_reckoned_now(
    steps: list[tuple[str, int, Any]],
) -> None:
    """One is looked at after each step, the other at the end only."""
    often, once, known = observer(), observer(), UeMap()
    entries: dict[str, UeEntry] = {}
    for at, (what, number, value) in enumerate(steps):
        for seen in (often, once):
            if what == "report":
                seen.report(SOURCE, of_ues({number: report(value, 5, 10, 5, 30, 90)}), at)
            elif what == "ue":
                seen.ue_is(du(number), slice_=value)
            elif what == "cell":
                seen.cell_is(value, 100)
                seen.ue_is(du(number), value)
            elif what == "neighbours":
                seen.neighbours_are(CELL, (OTHER,) * number)
        if what in ("map", "sessions"):
            address = f"10.45.{int(what == 'map')}.{number}"
            slice_ = value if what == "map" else (LLM, WEB)[value]
            entries[address] = UeEntry(address, du(number), slice_)
            known.put(Origin.FILE, entries.values(), at)
        observe(often, at, known)
    ours, theirs = observe(often, len(steps), known), observe(once, len(steps), known)
    # Who was never looked at in another cell is not known to have moved.
    assert {key: replace(ue, moved=0.0) for key, ue in ours.ues.items()} == {
        key: replace(ue, moved=0.0) for key, ue in theirs.ues.items()}
    assert {key: cell.load for key, cell in ours.cells.items()} == {
        key: cell.load for key, cell in theirs.cells.items()}
    for key, cell in theirs.cells.items():
        for snssai, one in cell.slices.items():
            assert ours.cells[key].slices[snssai].load == one.load


def test_who_moves_between_two_looks_is_seen_to_move_at_the_second() -> None:
    seen = observer()
    seen.cell_is(OTHER, 100)
    first = replace(SOURCE, cell=CELL)
    assert seen.report(first, of_ues({1: report(1, 1, 1, 1, 1, 1)}), 1.0, 1)
    assert observe(seen, 1.0).ues[du(1)].moved == float("-inf")
    assert seen.report(replace(SOURCE, cell=OTHER), of_ues({1: report(1, 1, 1, 1, 1, 1)}), 2.0, 2)
    assert (observe(seen, 2.5).ues[du(1)].moved, observe(seen, 3.0).ues[du(1)].moved) == (2.5, 2.5)
