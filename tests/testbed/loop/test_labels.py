"""How soon a flow had the right label: from a capture's first packet to the message's arrival."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pcap_tools.write import PcapWriter
from testbed.loop.labels import (
    RAW_IP,
    FlowLabels,
    first_packets,
    flow_of_message,
    is_of,
    label_figures,
    of_flows,
)
from testbed.tap import Flow
from tests.pcap_tools.frames import tcp, udp

EDGE, PHONE, OTHER = ("10.46.0.1", 8470), "10.46.0.2", "10.45.0.9"
START = 1024  # seconds since 1970


def message(port: int, label: str, heard: float, at: float | None = None,
            source: str = PHONE) -> dict[str, Any]:
    return {"source": source, "source_port": port, "destination": EDGE[0] if source == PHONE else
            "198.18.0.1", "destination_port": EDGE[1] if source == PHONE else 443, "protocol": 6,
            "label": label, "confidence": 0.8, "heard": START + heard,
            "at": round(1e9 * (START + (heard if at is None else at)))}


def flow(port: int) -> Flow:
    return flow_of_message(message(port, "web", 0))


def test_a_capture_tells_when_flows_began(tmp_path: Path) -> None:
    writer = PcapWriter(tmp_path / "it.pcap", RAW_IP)
    for number, packet in enumerate((
            tcp(PHONE, EDGE[0], (4000, 8470)), tcp(EDGE[0], PHONE, (8470, 4000)),
            tcp(PHONE, EDGE[0], (4001, 8470)), udp(PHONE, "192.0.2.1", (53, 53), b""), b"\x45")):
        writer.write_frame((START + number) * 10**9, packet)
    writer.close()
    found = first_packets(tmp_path / "it.pcap")
    assert found[flow(4000)] == START
    assert found[flow(4001)] == START + 2
    assert len(found) == 3


def test_delays_count_from_the_first_packet() -> None:
    began = {flow(4000): START + 0.0, flow(4001): START + 10.0}
    found = label_figures([
        message(4000, "web", 0.5), message(4000, "llm_split", 1.5, 1.25),
        message(4000, "llm_split", 3.0), message(4001, "llm_split", 10.5, 10.25)],
        began, EDGE, PHONE)
    first, second = found.flows
    assert first == FlowLabels(START, "web", "llm_split", 0.8, 0.5, 1.5, 1.25, 1)
    assert (second.right_seconds, second.decided_seconds, second.changes) == (0.5, 0.25, 0)
    assert found.first_right_seconds == 1.0
    assert found.right == 2


def test_a_flow_without_a_right_label_is_not_measured() -> None:
    began = {flow(4000): float(START), flow(4001): float(START)}
    found = label_figures([message(4000, "web", 1)], began, EDGE, PHONE)
    assert found.first_right_seconds is None
    assert found.right == 0
    assert [one.last_label for one in found.flows] == ["web", None]
    assert label_figures([], {}, EDGE, PHONE).flows == ()


@pytest.mark.parametrize(("right", "median"), [
    ([0.1, None], None), ([0.1, 0.3, None], 0.3), ([None, 0.1, None], None), ([], None),
    ([0.1, 0.3], pytest.approx(0.2)), ([None, None], None)])
def test_a_flow_that_never_had_its_label_is_later_than_any(
        right: list[float | None], median: float | None) -> None:
    found = of_flows([FlowLabels(START, "web", "web", 0.8, 0.1, one, one, 0) for one in right],
                     0, 0)
    assert found.first_right_seconds == found.decided_seconds == median


def test_others_are_counted_apart() -> None:
    """Other phones of the edge's are neither the phone's flows nor wrong."""
    found = label_figures([
        message(5000, "video", 1, source=OTHER), message(5001, "llm_split", 1, source=OTHER),
        {**message(6000, "llm_split", 1), "source": "10.46.0.3"}], {}, EDGE, PHONE)
    assert (found.others_labelled, found.others_wrong) == (2, 1)


@pytest.mark.parametrize(("source", "destination"), [("10.46.0.2", "10.46.0.1"),
                                                     ("10.46.0.2", "10.46.0.10"),
                                                     ("fd46::2", "fd46::10")])
def test_a_message_and_a_packet_name_a_flow_alike(source: str, destination: str) -> None:
    from testbed.tap import flow_key, flow_of

    one = message(4000, "web", 0) | {"source": source, "destination": destination}
    assert flow_of(flow_key(tcp(source, destination, (4000, 8470)))) == flow_of_message(one)
    assert is_of(flow_of_message(one), (destination, 8470))
