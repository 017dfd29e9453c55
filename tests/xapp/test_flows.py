"""Flows as taps tell of them: their life, what may have been lost, and how many there can be."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classifier.messages import Labelled, Message, TapStatus
from xapp.errors import ConfigurationError
from xapp.flows import FlowsConfig, FlowTable, subnets
from xapp.observations import Flow, Snssai, UeKey
from xapp.ue_map import Origin, UeEntry, UeMap

HERE, THERE = "tcp://10.0.0.5:5556", "tcp://10.0.0.6:5556"
UE, SERVER = "10.45.0.2", "192.0.2.7"
EMPTY = UeMap()


def said(flow: int = 1, sequence: int = 1, **changes: object) -> Labelled:
    plain = Labelled(flow, "llm_split", 0.9, "AFTER_1_S", 5, UE, SERVER, 40000, 8470, 6,
                     tap="upf-1-2", sequence=sequence)
    return replace(plain, **changes)  # type: ignore[arg-type]  # tests name its own fields


def status(labels: int = 0, live: int = 1, sequence: int = 1, tap: str = "upf-1-2") -> TapStatus:
    return TapStatus(5, 1.0, 10, 100, 0, 1, live, 0, labels, 0.0, tap, "m", sequence)


def told(*messages: tuple[float, Message]) -> FlowTable:
    table = FlowTable()
    for now, message in messages:
        table.take(message, HERE, now)
    return table


def only(table: FlowTable, now: float, ue_map: UeMap = EMPTY) -> Flow:
    flow, = table.flows(ue_map, now).values()
    return flow


def test_a_flow_lasts_as_long_as_its_tap_does_not_end_it() -> None:
    table = told((0.0, said()), (100.0, status(1)), (200.0, status(1)))
    flow = only(table, 201.0)
    assert (flow.key, flow.since, flow.at, flow.label) == ("upf-1-2/1", 0.0, 200.0, "llm_split")
    assert flow.address == UE
    assert table.heard == 200.0


def test_a_flow_that_ended_is_shown_for_a_while() -> None:
    table = told((0.0, said()), (10.0, said(sequence=2, ended=True)), (20.0, status(2)))
    assert only(table, 24.0).at == 10.0
    assert table.flows(EMPTY, 26.0) == {}
    assert len(table) == 0


def test_a_label_changes() -> None:
    table = told((0.0, said()), (5.0, said(label="web", confidence=0.5)))
    flow = only(table, 6.0)
    assert (flow.label, flow.confidence, flow.since, flow.at) == ("web", 0.5, 0.0, 5.0)


def test_a_tap_that_starts_anew_knows_nothing_of_its_former_flows() -> None:
    table = told((0.0, said()), (10.0, said(flow=1, tap="upf-9-9")))
    assert table.counters.restarts == 1
    assert {flow.key: flow.at for flow in table.flows(EMPTY, 11.0).values()} == {
        "upf-1-2/1": 10.0, "upf-9-9/1": 10.0}
    assert set(table.flows(EMPTY, 26.0)) == {"upf-9-9/1"}


def test_two_taps_do_not_mix() -> None:
    table = told((0.0, said()))
    table.take(said(tap="other-3-4", sequence=50), THERE, 1.0)
    table.take(status(1, live=0), HERE, 2.0)
    assert table.counters.lost == 0
    assert set(table.flows(EMPTY, 20.0)) == {"other-3-4/1"}


def test_a_tap_without_flows_has_ended_them_all() -> None:
    table = told((0.0, said()), (1.0, status(1)), (2.0, status(1, live=0, sequence=2)))
    assert only(table, 3.0).at == 2.0
    assert table.flows(EMPTY, 18.0) == {}


def test_a_tap_that_is_away_takes_its_flows_along() -> None:
    table = told((0.0, said()))
    assert only(table, 299.0).at == 0.0
    assert table.flows(EMPTY, 301.0) == {}
    assert table.taps == {}


def test_what_was_lost_makes_doubtful() -> None:
    """Its end may have been among what was lost: it goes unless it is spoken of again."""
    table = told((0.0, said(1)), (0.0, said(2, 2)), (5.0, said(3, 9)))
    assert table.counters.lost == 6
    table.take(said(2, 10, confidence=0.8), HERE, 20.0)
    table.take(status(10), HERE, 65.0)
    assert set(table.flows(EMPTY, 65.0)) == {"upf-1-2/1", "upf-1-2/2", "upf-1-2/3"}
    assert set(table.flows(EMPTY, 66.0)) == {"upf-1-2/2"}
    # What came with the gap itself was heard of then, and not since.
    assert table.taps[HERE].doubt_since is None


def test_a_status_shows_what_no_number_can() -> None:
    """The last message of a topic is missed by its count alone."""
    table = told((0.0, said()), (1.0, status(1, sequence=1)), (2.0, status(2, sequence=2)))
    assert table.counters.lost == 1
    table.take(status(2, sequence=3), HERE, 70.0)
    assert table.flows(EMPTY, 70.0) == {}


def test_joining_late_is_no_loss() -> None:
    table = told((0.0, said(sequence=70)), (1.0, status(70, sequence=99)),
                 (2.0, said(sequence=71)), (3.0, status(71, sequence=100)))
    assert table.counters.lost == 0


def test_whose_a_flow_is() -> None:
    known = UeMap()
    ue, llm = UeKey("gnb", "du:3"), Snssai(1, 1)
    known.put(Origin.FILE, [UeEntry(UE, ue, llm, teid_up=77)], 0.0)
    flow = only(told((0.0, said())), 1.0, known)
    assert (flow.address, flow.ue, flow.slice) == (UE, ue, llm)
    began_elsewhere = said(source=SERVER, destination=UE)
    assert only(told((0.0, began_elsewhere)), 1.0, known).ue == ue
    tunnelled = said(source="198.51.100.1", destination=SERVER, teid_up=77)
    assert only(told((0.0, tunnelled)), 1.0, known).ue == ue
    stranger = said(source="198.51.100.1", destination=SERVER)
    flow = only(told((0.0, stranger)), 1.0, known)
    assert (flow.address, flow.ue) == (None, None)
    unknown = only(told((0.0, said(source="2001:db8:cafe::5", destination="2001:db8::1"))), 1.0)
    assert (unknown.address, unknown.ue) == ("2001:db8:cafe::5", None)


def test_a_flood_is_bounded_and_what_is_wanted_stays() -> None:
    table = FlowTable(FlowsConfig(most=100))
    for number in range(50):
        table.take(said(number, number + 1), HERE, 0.0)
    for number in range(50, 1050):
        table.take(said(number, number + 1, label="web"), HERE, 1.0)
    assert len(table) == 100
    assert table.counters.evicted == 950
    assert sum(flow.label == "llm_split" for flow in table.flows(EMPTY, 2.0).values()) == 50
    for number in range(2000, 2200):
        table.take(said(number, number), HERE, 3.0)
    assert len(table) == 100
    assert min(flow.since for flow in table.flows(EMPTY, 4.0).values()) == 3.0


def test_made_up_flows_leave_those_of_known_ues_alone() -> None:
    known, ue = UeMap(), UeKey("gnb", "du:1")
    known.put(Origin.FILE, [UeEntry(UE, ue, Snssai(1))], 0.0)
    table = FlowTable(FlowsConfig(most_strangers=50))
    table.take(said(1), HERE, 0.0)
    table.flows(known, 0.0)
    for number in range(2, 1002):
        table.take(said(number, source="198.51.100.1"), HERE, 1.0)
    found = table.flows(known, 2.0)
    assert len(found) == 51
    assert [flow.ue for flow in found.values()].count(ue) == 1
    assert table.counters.evicted == 950


def test_taps_of_made_up_names_end_what_was_told_and_no_more() -> None:
    table = FlowTable()
    for number in range(500):
        table.take(said(tap=f"made-up-{number}"), HERE, number / 100)
    assert table.counters.restarts == 499
    ends = {flow.key: flow.at for flow in table.flows(EMPTY, 5.0).values()}
    assert ends["made-up-0/1"] == pytest.approx(0.01)
    assert ends["made-up-499/1"] == pytest.approx(4.99)


def test_of_whom_nobody_knows_it_is_not_said_anew_at_each_look_that_it_lasts() -> None:
    known = UeMap()
    table = told((0.0, said()), (10.0, status(1)))
    assert only(table, 10.0).at == 10.0
    table.take(status(1, sequence=2), HERE, 10.5)
    assert only(table, 10.5).at == 10.0
    known.put(Origin.FILE, [UeEntry(UE, UeKey("gnb", "du:1"), Snssai(1))], 10.6)
    assert only(table, 10.6, known).at == 10.5
    table.take(status(1, sequence=3), HERE, 10.7)
    assert only(table, 10.7, known).at == 10.7


def test_more_taps_than_are_remembered() -> None:
    table = FlowTable(FlowsConfig(most_taps=2))
    for number in range(5):
        table.take(said(tap=f"t{number}"), f"tcp://{number}", 0.0)
    assert (len(table.taps), table.counters.refused, len(table)) == (2, 3, 2)


@pytest.mark.parametrize("text", ["", "x", "10.45.0.1/16", "10.45.0.0/33"])
def test_subnets_that_are_none(text: str) -> None:
    with pytest.raises(ConfigurationError, match="no network"):
        subnets(text)


messages = st.one_of(
    st.builds(said, st.integers(0, 8), st.integers(0, 30), label=st.sampled_from(["web", "x"]),
              ended=st.booleans(), tap=st.sampled_from(["a", "b"]), at=st.integers(0, 2**63)),
    st.builds(status, st.integers(0, 30), st.integers(0, 3), st.integers(0, 30),
              st.sampled_from(["a", "b"])))


@settings(max_examples=100)
@given(st.lists(st.tuples(messages, st.sampled_from([HERE, THERE]), st.floats(0, 50)),
                max_size=40))
def test_any_story_ends(story: list[tuple[Message, str, float]]) -> None:
    table, now = FlowTable(FlowsConfig(most=5, most_taps=2)), 0.0
    for message, source, pause in story:
        now += pause
        table.take(message, source, now)
        assert len(table) <= 5
        for flow in table.flows(EMPTY, now).values():
            assert flow.since <= flow.at <= now
    assert table.flows(EMPTY, now + 400) == {}


def test_what_a_flow_sends_is_what_its_tap_tells() -> None:
    told_of = said(up_rate=40_000, down_rate=300, step_bytes=4096, step_us=100_000)
    flow = only(told((0.0, told_of)), 1.0)
    assert (flow.up_bytes_per_second, flow.down_bytes_per_second) == (40_000, 300)
    assert (flow.step_bytes, flow.steps_per_second) == (4096, 10)
    turned = only(told((0.0, replace(told_of, source=SERVER, destination=UE))), 1.0)
    assert (turned.up_bytes_per_second, turned.step_bytes) == (300, None)
    for unknown in (said(), replace(told_of, stage="PACKETS_5")):
        flow = only(told((0.0, unknown)), 1.0)
        assert (flow.up_bytes_per_second, flow.step_bytes, flow.steps_per_second) == (None,) * 3
    assert only(told((0.0, replace(told_of, label="web"))), 1.0).step_bytes is None
