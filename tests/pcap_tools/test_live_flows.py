"""Live and replayed, the same packets give the same flows; the ring and the sniffer as well."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pcap_tools.flow_engine import FlowEngine
from pcap_tools.flows import FlowConfig
from pcap_tools.live import LiveConfig, RingShape, RingSource, SnifferSource
from pcap_tools.read import open_captures
from pcap_tools.records import Records
from pcap_tools.replay import ReplayConfig, replay
from pcap_tools.sending import Sender
from pcap_tools.write import PcapWriter
from tests.pcap_tools import frames, network

WHY_NOT = network.missing()
pytestmark = pytest.mark.skipif(WHY_NOT is not None, reason=WHY_NOT or "")
# What a flow is, apart from when it was, and the bytes that nobody sent.
WITHOUT_TIMES = ("flow", "source", "destination", "source_port", "destination_port", "teid_up",
                 "teid_down", "vlan", "version", "protocol", "tunnel", "qfi", "end",
                 "packets_up", "packets_down", "bytes_up", "bytes_down", "payload_up",
                 "payload_down", "length_mean_up", "length_std_down", "syn_up", "fin_up",
                 "rst_down", "psh_up")


@pytest.fixture(scope="module")
def space() -> Iterator[network.Namespace]:
    with network.namespace() as made:
        yield made


def traffic() -> list[bytes]:
    """Plain conversations, VLANs, fragments, a tunnel, TCP from SYN to FIN, and ARP."""
    a, b = "10.3.0.1", "10.3.0.2"
    pieces = [frames.ip(a, b, 17, b"\x10\x00\x20\x00\x01\x00\0\0" + bytes(400), 0x2000),
              frames.ip(a, b, 17, bytes(300), 51)]
    inside = [frames.gtp(77, frames.udp("10.45.0.2", "10.45.0.3", (5000, 5001), bytes(size)))
              for size in (10, 500, 1200)]
    flags = (0x02, 0x10, 0x18, 0x11)
    connection = [frames.tcp(a, b, (40_000, 443), bytes(9 * number), flag, number)
                  for number, flag in enumerate(flags)]
    return [*frames.mixed(200), frames.ethernet(0x0806, bytes(28)),
            *[frames.ethernet(0x0800, packet) for packet in [*pieces, *inside, *connection]],
            *[frames.ethernet(0x0800, packet, vlan=9) for packet in inside]]


def flows_of(runs: Sequence[Records]) -> tuple[NDArray[Any], NDArray[Any]]:
    engine = FlowEngine(FlowConfig())
    for records in runs:
        engine.feed(records)
    engine.finish()
    return engine.flows(), engine.samples()


def assert_same(some: NDArray[Any], others: NDArray[Any], names: Sequence[str]) -> None:
    assert len(some) == len(others)
    for name in names:  # one by one: so that what is not known (NaN) is equal to itself
        np.testing.assert_array_equal(some[name], others[name], name)


def heard(space: network.Namespace, kind: type[RingSource] | type[SnifferSource], interface: str,
          act: Any, wanted: int) -> list[Records]:
    """What is heard on an interface while `act` runs in the namespace."""
    with space.inside():
        source = kind(interface, "", LiveConfig(
            ring=RingShape(1 << 17, 16, 2), ignore_outgoing=True))
        stopper = threading.Timer(20, source.close)
        stopper.start()
        act()
    runs = []
    for records in source:
        runs.append(records)
        if source.counters.packets >= wanted:
            source.close()
    stopper.cancel()
    assert source.counters.packets == wanted
    assert source.counters.dropped == 0
    return runs


def send(sent: Sequence[bytes]) -> None:
    records = frames.records_of(sent)
    with Sender("near") as sender:
        sender.send(records.data, records.start, records.captured)


@pytest.mark.parametrize("kind", [RingSource, SnifferSource])
def test_a_capture_of_what_was_heard_gives_the_flows_that_were_heard(
        space: network.Namespace, tmp_path: Path,
        kind: type[RingSource] | type[SnifferSource]) -> None:
    sent, path = traffic(), tmp_path / "heard.pcap"
    runs = heard(space, kind, "far", lambda: send(sent), len(sent))
    with PcapWriter(path) as writer:
        for records in runs:
            writer.write(records)
    live_flows, live_samples = flows_of(runs)
    read_flows, read_samples = flows_of(list(open_captures([path])))
    assert len(live_flows) > 15
    assert_same(live_flows, read_flows, live_flows.dtype.names or ())
    assert_same(live_samples, read_samples, live_samples.dtype.names or ())


def test_a_capture_replayed_onto_an_interface_gives_its_flows_again(
        space: network.Namespace, tmp_path: Path) -> None:
    sent, path = traffic(), tmp_path / "given.pcap"
    with PcapWriter(path) as writer:
        writer.write(replace(records := frames.records_of(sent),
                             time=10**18 + np.arange(len(records)) * 10_000))

    def again() -> None:
        with Sender("near") as sender:
            clock = iter(range(0, 10**18, 10_000))
            replay(open_captures([path]), sender, ReplayConfig(), lambda: next(clock),
                   lambda _: None)

    live, _ = flows_of(heard(space, RingSource, "far", again, len(sent)))
    read, _ = flows_of(list(open_captures([path])))
    assert_same(live, read, WITHOUT_TIMES)


def test_a_tun_device_gives_the_flows_of_the_wire(space: network.Namespace) -> None:
    packets = [frame[14:] for frame in frames.mixed(60) if frame[12:14] != b"\x81\0"]

    def send_bare() -> None:
        records = frames.records_of(packets, link=101)
        with Sender("tun0") as sender:
            sender.send(records.data, records.start, records.captured)

    with space.open_tun():
        with space.inside():
            source = RingSource("tun0", "", LiveConfig(ring=RingShape(1 << 16, 8, 2)))
            send_bare()
        threading.Timer(0.2, source.close).start()
        live, _ = flows_of(list(source))
    wire, _ = flows_of([frames.records_of(packets, link=101)])
    assert_same(live, wire, WITHOUT_TIMES)
