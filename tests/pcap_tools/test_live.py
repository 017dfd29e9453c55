"""Listening on interfaces of a namespace: every frame once, filtered, tagged, counted; and errors.

The ring and the sniffer are held to the same.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from pcap_tools.errors import FilterError, LiveError, NotPermitted, UsageError
from pcap_tools.interfaces import COOKED, find_interface
from pcap_tools.live import LiveConfig, RingShape, RingSource, SnifferSource
from pcap_tools.records import Records
from pcap_tools.sending import Sender
from tests.pcap_tools import frames, network

WHY_NOT = network.missing()
pytestmark = pytest.mark.skipif(WHY_NOT is not None, reason=WHY_NOT or "")
Source = RingSource | SnifferSource
Open = Callable[..., Source]
SMALL = RingShape(block_bytes=1 << 16, blocks=8, retire_ms=2)


@pytest.fixture(scope="module")
def space() -> Iterator[network.Namespace]:
    with network.namespace() as made:
        yield made


@pytest.fixture(params=["ring", "sniffer"])
def listen(request: pytest.FixtureRequest, space: network.Namespace) -> Open:
    """`listen("far", filter)` is either source, opened in the namespace."""
    def open_source(interface: str, filter: str = "", **options: Any) -> Source:
        with space.inside():
            if request.param == "sniffer":
                return SnifferSource(interface, filter, LiveConfig(**options))
            return RingSource(interface, filter, LiveConfig(ring=SMALL, **options))

    return open_source


def send(space: network.Namespace, sent: Sequence[bytes], interface: str = "near") -> None:
    with space.inside(), Sender(interface) as sender:
        records = frames.records_of(sent)
        sender.send(records.data, records.start, records.captured)
        assert sender.sent.packets == len(sent)


def collect(source: Source, wanted: int, seconds: float = 20.0) -> list[Records]:
    """Everything that arrives until there are `wanted` frames; then the source is closed."""
    runs: list[Records] = []
    stopper = threading.Timer(seconds, source.close)
    stopper.start()
    for records in source:
        runs.append(records)
        if sum(map(len, runs)) >= wanted:
            source.close()
    stopper.cancel()
    return runs


def contents(runs: Sequence[Records]) -> list[bytes]:
    return [frame for records in runs for frame in frames.frames_of(records)]


def test_every_frame_arrives_once_in_order_with_its_tag(
        space: network.Namespace, listen: Open) -> None:
    source, sent = listen("far"), frames.mixed(300)
    before = time.time_ns()
    send(space, sent)
    runs = collect(source, len(sent))
    assert contents(runs) == sent
    assert source.counters.packets == len(sent)
    assert source.counters.bytes == sum(map(len, sent))
    assert source.counters.dropped == 0
    assert source.counters.links == {1: len(sent)}
    assert source.counters.first is not None
    assert source.counters.last is not None
    assert before - 1000 <= source.counters.first <= source.counters.last <= time.time_ns()


def test_delivered_frames_stay_as_they_were_when_the_ring_goes_round(
        space: network.Namespace) -> None:
    with space.inside():
        source = RingSource("far", config=LiveConfig(ring=SMALL))
    sent = frames.mixed(6000)  # six times what the ring holds
    sending = threading.Thread(target=lambda: [
        send(space, sent[begin:begin + 200]) or time.sleep(2e-3)  # type: ignore[func-returns-value]
        for begin in range(0, len(sent), 200)])
    sending.start()
    runs = collect(source, len(sent))
    sending.join()
    assert source.counters.dropped == 0
    assert contents(runs) == sent


def test_a_filter_lets_through_what_it_asks_for_and_nothing_from_before(
        space: network.Namespace, listen: Open) -> None:
    source, sent = listen("far", "udp port 53"), frames.mixed(90)
    send(space, sent)
    wanted = [frame for number, frame in enumerate(sent) if number % 3 == 1]
    assert contents(collect(source, len(wanted))) == wanted


def test_our_own_filter_does_the_same_in_the_kernel(
        space: network.Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pcap_tools.bpf.libpcap", lambda: None)
    with space.inside():
        source = RingSource("far", "tcp and net 10.0.0.0/30", LiveConfig(ring=SMALL))
    sent = frames.mixed(90)
    send(space, sent)
    wanted = [frame for number, frame in enumerate(sent) if number % 3 == 0 and number % 7 < 3]
    assert contents(collect(source, len(wanted))) == wanted


def test_a_snap_length_cuts_and_the_length_on_the_wire_stays(
        space: network.Namespace, listen: Open) -> None:
    source = listen("far", snap=60)
    sent = [frame for frame in frames.mixed(60) if frame[12:14] != b"\x81\0"]
    send(space, sent)
    runs = collect(source, len(sent))
    assert contents(runs) == [frame[:60] for frame in sent]
    assert [int(size) for records in runs for size in records.length] == [len(f) for f in sent]
    assert source.counters.truncated == sum(len(frame) > 60 for frame in sent)


def test_frames_that_leave_are_heard_unless_told_otherwise(
        space: network.Namespace, listen: Open) -> None:
    both, incoming = listen("near"), listen("near", ignore_outgoing=True)
    away, back = frames.mixed(3), frames.mixed(6)[3:]
    send(space, away)
    send(space, back, "far")
    assert contents(collect(both, 6)) == away + back
    assert contents(collect(incoming, 3)) == back


def test_the_loopback_says_everything_once(space: network.Namespace, listen: Open) -> None:
    source, sent = listen("lo"), frames.mixed(9)
    send(space, sent, "lo")
    time.sleep(0.1)  # for second copies that should not come
    assert contents(collect(source, 9)) == sent


def test_a_tun_device_gives_bare_ip(space: network.Namespace, listen: Open) -> None:
    with space.open_tun() as number:
        source = listen(space.tun)
        packets = [frames.udp("10.1.0.1", "10.1.0.2", (1000, 2000), b"x" * size)
                   for size in range(5)]
        for packet in packets:
            os.write(number, packet)
        assert contents(collect(source, 5)) == packets
        assert source.counters.links == {101: 5}


def test_all_interfaces_at_once_say_where_each_frame_was(space: network.Namespace) -> None:
    with space.inside():
        source = RingSource("any", "udp", LiveConfig(ring=SMALL, ignore_outgoing=True))
    sent = [frames.ethernet(0x0800, frames.udp("10.0.0.1", "10.0.0.2", (1, 2), b"hello"))]
    send(space, sent)
    [frame] = contents(collect(source, 1))
    with space.inside():
        index = find_interface("far").index
    # LINKTYPE_LINUX_SLL2: protocol, 0, interface, ARPHRD, packet type, address
    assert frame[:8] == b"\x08\x00\0\0" + index.to_bytes(4, "big")
    assert frame[8:10] == b"\0\1"
    assert frame[11:18] == b"\6" + frames.MAC_A
    assert frame[20:] == sent[0][14:]
    assert source.link == COOKED


def test_what_the_ring_has_no_room_for_is_counted(space: network.Namespace) -> None:
    with space.inside():
        source = RingSource("far", config=LiveConfig(
            ring=RingShape(block_bytes=1 << 14, blocks=2, retire_ms=2)))
    sent = frames.mixed(2000)
    send(space, sent)
    got = contents(collect(source, len(sent), seconds=0.2))
    assert source.counters.dropped is not None
    assert source.counters.dropped > 0
    assert len(got) + source.counters.dropped == len(sent)
    assert got == sent[:len(got)]


def test_a_source_ends_after_its_duration_with_all_that_came(
        space: network.Namespace, listen: Open) -> None:
    source, sent = listen("far", duration=0.3), frames.mixed(30)
    send(space, sent)
    assert contents(list(source)) == sent
    assert list(source) == []


def test_another_thread_ends_a_silent_source(listen: Open) -> None:
    source = listen("far")
    threading.Timer(0.05, source.close).start()
    assert contents(list(source)) == []
    source.close()


def test_a_source_that_was_never_read_is_closed_too(listen: Open) -> None:
    source = listen("far")
    source.close()
    assert contents(list(source)) == []


def test_a_silent_source_ticks(listen: Open) -> None:
    source = listen("far", tick=0.01)
    iterator = iter(source)
    runs = [next(iterator) for _ in range(3)]
    source.close()
    runs += list(iterator)
    assert [len(records) for records in runs] == [0] * len(runs)


def test_an_interface_that_goes_away_ends_the_source_with_a_word(
        space: network.Namespace) -> None:
    space.ip("link", "add", "one", "type", "veth", "peer", "name", "other")
    for end in ("one", "other"):
        space.ip("link", "set", end, "up")
    with space.inside():
        source = RingSource("one", config=LiveConfig(ring=SMALL, duration=20.0))
    threading.Timer(0.05, space.ip, ("link", "delete", "one")).start()
    assert contents(list(source)) == []
    assert [str(warning) for warning in source.warnings][-1:] == ["one: the interface is gone"]


def test_an_unknown_interface_is_an_error_that_names_those_there_are(
        space: network.Namespace) -> None:
    with space.inside(), pytest.raises(LiveError, match="far, lo, near"):
        RingSource("eth77")


def test_an_interface_that_is_down_says_so(space: network.Namespace) -> None:
    space.ip("link", "add", "sleepy", "type", "veth", "peer", "name", "sleeper")
    with space.inside(), pytest.raises(LiveError, match=r"is down.*ip link set sleepy up"):
        RingSource("sleepy")


def test_a_filter_with_a_mistake_opens_nothing(listen: Open) -> None:
    with pytest.raises(FilterError):
        listen("far", "tcp and and")


def test_a_ring_that_cannot_be_had_is_an_error(space: network.Namespace) -> None:
    with space.inside(), pytest.raises(LiveError, match="gives no ring"):
        RingSource("far", config=LiveConfig(ring=RingShape(block_bytes=5000)))


def test_a_missing_privilege_is_explained(
        listen: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("pcap_tools.interfaces.socket.socket", refuse)
    monkeypatch.setattr("pcap_tools.live.find_interface", lambda name: KNOWN)
    monkeypatch.setattr("pcap_tools.sniffer.find_interface", lambda name: KNOWN)
    with pytest.raises(NotPermitted, match=r"CAP_NET_RAW.*sudo setcap cap_net_raw\+ep"):
        listen("far")


KNOWN = find_interface("lo")


@pytest.mark.parametrize("snap", [0, -1, 1 << 30])
def test_a_snap_length_that_makes_no_sense_is_refused(snap: int) -> None:
    with pytest.raises(UsageError):
        LiveConfig(snap=snap)
