"""When frames are due, how late they left, and what is exchanged in them; with a clock of our own.
"""

from __future__ import annotations

import ipaddress
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pcap_tools.errors import UsageError
from pcap_tools.packets import Status
from pcap_tools.parse import parse
from pcap_tools.records import Records
from pcap_tools.replay import Lateness, Pace, ReplayConfig, Replayed, Rewrite, replay
from tests.pcap_tools import frames
from tests.pcap_tools.frames import records_of

START = 10**15  # nanoseconds: a clock that began long ago


class Stage:
    """A clock that only moves when somebody sleeps or sends, and an interface that notes times."""

    def __init__(self, link: int = 1, cost: int = 0) -> None:
        self.link, self.now, self._cost = link, START, cost
        self.sent: list[tuple[int, bytes]] = []

    def clock(self) -> int:
        self.now += 100  # looking takes time, too: a wait that looks on and on must end
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += round(seconds * 1e9)

    def send(self, data: NDArray[np.uint8], start: NDArray[np.int64],
             captured: NDArray[np.int32]) -> None:
        for begin, size in zip(start, captured, strict=True):
            self.sent.append((self.now - START, data[begin:begin + size].tobytes()))
            self.now += self._cost


def run(stage: Stage, runs: list[Records], **options: object) -> Replayed:
    return replay(runs, stage, ReplayConfig(**options),  # type: ignore[arg-type]  # by name
                  stage.clock, stage.sleep)


def at(*milliseconds: float) -> list[int]:
    return [10**18 + round(moment * 1e6) for moment in milliseconds]


def milliseconds(stage: Stage) -> list[int]:
    return [round(moment / 1e6) for moment, _ in stage.sent]


def test_frames_leave_at_the_pace_of_the_capture() -> None:
    stage, sent = Stage(), frames.mixed(4)
    done = run(stage, [records_of(sent[:2], at(0, 20)), records_of(sent[2:], at(25, 125))])
    assert milliseconds(stage) == [0, 20, 25, 125]
    assert [frame for _, frame in stage.sent] == sent
    assert done.packets == 4
    assert done.bytes == sum(map(len, sent))
    facts = done.as_dict()
    assert facts["late_over_1_ms"] == 0
    assert facts["seconds"] == pytest.approx(0.125, abs=1e-3)


@pytest.mark.parametrize(("options", "expected"), [
    ({"speed": 5.0}, [0, 4, 5, 25]),
    ({"speed": 0.5}, [0, 40, 50, 250]),
    ({"rate": 100.0}, [0, 10, 20, 30]),
    ({"longest_gap": 0.05}, [0, 20, 25, 75]),
])
def test_the_pace_can_be_another(options: dict[str, float], expected: list[int]) -> None:
    stage = Stage()
    run(stage, [records_of(frames.mixed(4), at(0, 20, 25, 125))], **options)
    assert milliseconds(stage) == expected


def test_as_fast_as_it_goes_has_no_lateness() -> None:
    stage = Stage(cost=1000)
    done = run(stage, [records_of(frames.mixed(50))], speed=math.inf)
    assert len(stage.sent) == 50
    assert stage.now - START < 10**6
    assert done.as_dict()["late_ms_p99"] is None


def test_time_that_runs_backwards_in_a_capture_is_no_time() -> None:
    stage = Stage()
    run(stage, [records_of(frames.mixed(4), at(0, 50, 10, 60)),
                records_of(frames.mixed(2), at(20, 70))])
    assert milliseconds(stage) == [0, 50, 50, 60, 60, 70]


def test_an_interface_that_is_slow_makes_frames_late_and_none_is_left_out() -> None:
    stage = Stage(cost=3_000_000)  # 3 ms a frame, of which one is due every millisecond
    done = run(stage, [records_of(frames.mixed(100))])
    assert len(stage.sent) == done.packets == 100
    facts = done.as_dict()
    assert facts["late_over_1_ms"] == pytest.approx(99, abs=1)
    assert isinstance(facts["late_ms_most"], float)
    assert 190 < facts["late_ms_most"] < 310  # told of many at once: the last one's


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=200), st.floats(0.01, 1.0))
def test_quantiles_of_lateness_are_true_to_an_eighth(late: list[int], share: float) -> None:
    lateness = Lateness()
    for half in (late[:len(late) // 2], late[len(late) // 2:]):
        lateness.add(np.array(half, np.int64))
    exact = sorted(late)[math.ceil(share * len(late)) - 1]
    found = lateness.quantile(share)
    assert found is not None
    assert exact * 0.99 <= found <= max(exact * 1.13, 1.13)
    assert lateness.most == max(late)


@given(st.lists(st.integers(-10**15, 10**15), min_size=1, max_size=60), st.integers(1, 5))
def test_dues_never_go_back_and_do_not_depend_on_batches(times: list[int], size: int) -> None:
    whole = Pace(ReplayConfig(speed=2.0)).due(np.array(times, np.int64))
    pace = Pace(ReplayConfig(speed=2.0))
    parts = [pace.due(np.array(times[begin:begin + size], np.int64))
             for begin in range(0, len(times), size)]
    assert whole[0] == 0
    assert (np.diff(whole) >= 0).all()
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=2)


def test_addresses_are_exchanged_and_checksums_follow() -> None:
    stage, count = Stage(), 30
    networks = tuple((ipaddress.ip_network(old), ipaddress.ip_network(new)) for old, new in (
        ("10.0.1.1/32", "192.0.2.9/32"), ("10.0.0.0/24", "198.51.100.0/24"),
        ("2001:db8::/64", "2001:db8:5::/64")))
    run(stage, [records_of(frames.mixed(count))], rewrite=Rewrite(
        source_mac=b"\2\0\0\0\0\x55", destination_mac=b"\2\0\0\0\0\x66", networks=networks))
    sent = [frame for _, frame in stage.sent]
    assert all(frame[:12] == b"\2\0\0\0\0\x66\2\0\0\0\0\x55" for frame in sent)
    for number, frame in enumerate(sent):
        ip = frame[18:] if frame[12:14] == b"\x81\0" else frame[14:]
        if number % 3 == 1:
            assert ip[8:16] == ipaddress.ip_address("2001:db8:5::").packed[:8]
            addresses, segment = (ip[8:24], ip[24:40]), ip[40:]
        else:
            assert {bytes(ip[12:15]), bytes(ip[16:19])} == {b"\xc0\0\2", b"\xc6\x33\x64"}
            assert frames.checksum(ip[:20]) == 0
            addresses, segment = (ip[12:16], ip[16:20]), ip[20:]
        one, other = (str(ipaddress.ip_address(address)) for address in addresses)
        protocol = ip[6] if number % 3 == 1 else ip[9]
        assert frames.transport_checksum(one, other, protocol, segment) == 0


def test_what_cannot_be_looked_into_is_not_sent_with_old_addresses() -> None:
    stage = Stage()
    done = run(stage, [records_of([frames.ethernet(0x88CC, b"lldp" * 9), frames.mixed(1)[0]])],
               rewrite=Rewrite(networks=((ipaddress.ip_network("10.0.0.0/8"),
                                          ipaddress.ip_network("11.0.0.0/8")),)))
    assert len(stage.sent) == done.packets == 1
    assert sum(done.left_out.values()) == 1


def test_frames_change_their_link_where_the_interface_is_of_another() -> None:
    packet = frames.udp("10.0.0.1", "10.0.0.2", (1, 2), b"payload")
    stage = Stage(link=101)
    done = run(stage, [records_of([frames.ethernet(0x0800, packet, vlan=7),
                                   frames.ethernet(0x0806, bytes(28))]),
                       records_of([bytes(14) + b"\x08\0" + packet], link=113),
                       records_of([packet], link=228)])
    assert [frame for _, frame in stage.sent] == [packet] * 3
    assert done.left_out.total() == 1
    wire = Stage()
    run(wire, [records_of([packet], link=101)],
        rewrite=Rewrite(destination_mac=frames.MAC_B, source_mac=frames.MAC_A))
    [(_, frame)] = wire.sent
    assert frame == frames.ethernet(0x0800, packet)
    assert parse(records_of([frame]))["status"][0] == Status.FLOW


def test_frames_that_were_not_captured_whole_go_short_and_are_counted() -> None:
    stage, records = Stage(), records_of(frames.mixed(5))
    done = run(stage, [replace(records, length=records.length + 10)])
    assert done.cut == 5


def test_a_pace_that_does_not_move_is_refused() -> None:
    with pytest.raises(UsageError):
        ReplayConfig(speed=0.0)
    with pytest.raises(UsageError):
        ReplayConfig(rate=-1.0)
    with pytest.raises(UsageError):
        ReplayConfig(longest_gap=math.nan)
    with pytest.raises(UsageError, match="one size"):
        Rewrite(networks=((ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("10.0.0.1")),))
