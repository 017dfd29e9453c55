"""What plots are drawn from: counts add up whatever the order, and memory has its bounds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pcap_tools import survey as module
from pcap_tools.flow_table import FLOW
from pcap_tools.packets import PACKET, Status
from pcap_tools.parse import parse
from pcap_tools.survey import BINS, Survey, Timeline, gap_edges, gap_index
from tests.pcap_tools.frames import ethernet, mixed, records_of, tcp

Moments = st.lists(st.integers(0, 1 << 62), min_size=1, max_size=40)


@given(st.lists(Moments, max_size=4))
@settings(max_examples=100, deadline=None)
def test_every_packet_is_in_the_timeline(batches: list[list[int]]) -> None:
    timeline = Timeline()
    for batch in batches:
        time = np.array(batch, np.int64)
        timeline.add(time, time % 2 == 0, np.full(len(time), 100, np.int32))
    count = sum(len(batch) for batch in batches)
    assert timeline.packets.sum() == count
    assert timeline.bytes.sum() == 100 * count
    assert timeline.packets.shape == (2, BINS)


def test_a_slice_holds_what_happened_in_it() -> None:
    rng = np.random.default_rng(1)
    time = rng.integers(10**12, 10**12 + 90 * 10**9, 5_000)
    timeline = Timeline()
    for part in np.array_split(time, 7):
        timeline.add(part, np.ones(len(part), bool), np.full(len(part), 60, np.int32))
    assert timeline.origin is not None
    expected = np.bincount((time - timeline.origin) // timeline.width, minlength=BINS)
    assert np.array_equal(timeline.packets[0], expected)
    assert timeline.origin % timeline.width == 0


def test_directions_and_gaps_are_each_flows_own() -> None:
    ends, back = ("10.0.0.1", "192.0.2.9", (5000, 80)), ("192.0.2.9", "10.0.0.1", (80, 5000))
    frames = [tcp(*ends, flags=2), tcp(*back, flags=0x12), tcp(*ends, b"x" * 100),
              tcp(*back, b"y" * 300)]
    records = records_of([ethernet(0x0800, frame) for frame in frames])
    packets = parse(records)
    packets["time"] = 10**18 + np.array([0, 1, 2, 4]) * 10**6
    result = Survey()
    result.feed(packets)
    assert result.timeline.packets.sum(axis=1).tolist() == [2, 2]
    assert result.timeline.bytes.sum(axis=1).tolist() == [180, 380]
    assert result.gaps.sum(axis=1).tolist() == [1, 1]
    edges = gap_edges()
    for row, gap in zip(result.gaps, (2e-3, 3e-3), strict=True):
        place = int(np.flatnonzero(row)[0])
        assert edges[place] <= gap <= edges[place + 1]


def test_who_answers_is_down_even_where_the_answer_is_first() -> None:
    packets = parse(records_of([ethernet(0x0800, tcp("192.0.2.9", "10.0.0.1", (80, 5000),
                                                     flags=0x12))]))
    result = Survey()
    result.feed(packets)
    assert result.timeline.packets.sum(axis=1).tolist() == [0, 1]


def test_everything_is_accounted_for() -> None:
    result = Survey()
    packets = parse(records_of([*mixed(200), b"\0" * 60]))
    result.feed(packets)
    assert result.statuses.sum() == 201
    counted = int(result.statuses[[Status.FLOW, Status.FRAGMENT]].sum())
    assert result.sizes.sum() == result.timeline.packets.sum() == counted
    assert sum(count for count, _ in result.protocols.values()) == counted


def test_details_have_a_cap_and_know_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    result = Survey(details_left=5)
    frame = ethernet(0x0800, tcp("10.0.0.1", "10.0.0.2", (1, 2), b"data"))
    packets = parse(records_of([frame] * 8))
    result.feed(packets)
    flow = np.zeros(1, FLOW)
    for name in ("source", "destination", "source_port", "destination_port", "version",
                 "protocol"):
        flow[name] = packets[name][0]
    flow["last"] = 1 << 62
    time, size = result.details_of(flow[0])
    assert size.tolist() == [4] * 5
    assert len(time) == 5
    assert result.details_missing == 3
    monkeypatch.setattr(module, "DETAILS_OF_FLOW", 2)
    assert len(result.details_of(flow[0])[0]) == 2


def test_the_largest_flows_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TOP_FLOWS", 3)
    result = Survey()
    for begin in range(0, 10, 2):
        flows = np.zeros(2, FLOW)
        flows["flow"] = flows["bytes_up"] = [begin, begin + 1]
        result.add_flows(flows)
    assert result.top["flow"].tolist() == [9, 8, 7]
    assert (result.flows, result.flow_bytes) == (10, 45)


def test_the_table_of_flows_forgets_rather_than_grows() -> None:
    rng = np.random.default_rng(2)
    packets = np.zeros(2_000, PACKET)
    packets["source"][:, :8] = rng.integers(0, 256, (2_000, 8))
    packets["version"], packets["protocol"], packets["length"] = 6, 17, 100
    packets["time"] = np.arange(2_000)
    result = Survey()
    result.feed(packets)
    assert result.timeline.packets.sum(axis=1).tolist() == [2_000, 0]


def test_absurd_gaps_are_in_the_outermost_slices() -> None:
    index = gap_index(np.array([0, 1, 1 << 62], np.int64))
    assert index.tolist() == [0, 0, len(gap_edges()) - 2]
