"""The sender by a clock and devices of the test; then real packets through a real user plane."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scapy.layers.inet import IP

from testbed import namespaces
from testbed.ran.plane.config import simple_plane
from testbed.ran.plane.topology import ue_device
from testbed.ran.plane.user_plane import UserPlane
from testbed.ran.traffic.arrivals import SECOND
from testbed.ran.traffic.config import Kind, TrafficConfig
from testbed.ran.traffic.sending import Door, TrafficSender, quiet_kernel, recording_of
from testbed.ran.traffic.sources import make_source


class _Device:
    def __init__(self) -> None:
        self.packets: list[IP] = []
        self.closed = False

    def send(self, data: NDArray[np.uint8], start: NDArray[np.int64],
             captured: NDArray[np.int32]) -> None:
        self.packets += [IP(bytes(data[at:at + size])) for at, size in zip(
            start.tolist(), captured.tolist(), strict=True)]

    def close(self) -> None:
        self.closed = True


class _Clock:
    """Time goes on where it is waited for; `jump` is a pause of the process."""

    def __init__(self, end: int, jump_at: int = 0, jump: int = 0) -> None:
        self.now, self.end, self.jump_at, self.jump = 10**15, 10**15 + end, jump_at, jump
        self.sender: TrafficSender | None = None

    def __call__(self) -> int:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert self.sender is not None
        self.now += round(seconds * SECOND)
        if self.jump and self.now > 10**15 + self.jump_at:
            self.now += self.jump
            self.jump = 0
        if self.now >= self.end:
            self.sender.stop()


def _doors(count: int) -> dict[tuple[int, int], Door]:
    return {(ue, 0): Door(f"10.45.0.{2 + ue}", f"net-{ue}", "ue0", "core", "n6")
            for ue in range(count)}


def _sent(config: TrafficConfig, clock: _Clock,
          users: int = 2) -> tuple[TrafficSender, dict[tuple[str, str], _Device]]:
    devices: dict[tuple[str, str], _Device] = {}

    def opened(namespace: str, device: str) -> _Device:
        return devices.setdefault((namespace, device), _Device())

    doors = _doors(users)
    sender = TrafficSender([make_source(config, list(doors), 1)], doors, opened, clock,
                           clock.sleep)
    clock.sender = sender
    sender.run()
    sender.close()
    return sender, devices


def test_packets_go_in_where_they_belong_and_on_time() -> None:
    config = TrafficConfig(down_kbps=800, up_kbps=160, packet_bytes=1000)
    sender, devices = _sent(config, _Clock(SECOND))
    assert set(devices) == {("core", "n6"), ("net-0", "ue0"), ("net-1", "ue0")}
    assert {packet.src for packet in devices["net-1", "ue0"].packets} == {"10.45.0.3"}
    assert {packet.dst for packet in devices["core", "n6"].packets} == {"10.45.0.2", "10.45.0.3"}
    assert sender.counts.packets == pytest.approx([200, 40], abs=4)
    assert sender.counts.bytes[0] == 1000 * sender.counts.packets[0]
    assert sender.counts.left_out == 0
    late = sender.counts.late_ms(0.99)
    assert late is not None
    assert late <= 1.0
    assert all(device.closed for device in devices.values())


def test_after_a_pause_old_packets_are_left_out_and_counted() -> None:
    config = TrafficConfig(down_kbps=800, up_kbps=0, packet_bytes=1000)
    sender, devices = _sent(config, _Clock(4 * SECOND, SECOND, 2 * SECOND), users=1)
    assert sender.counts.left_out == pytest.approx(180, abs=5)
    assert sender.counts.left_out + sender.counts.packets[0] == pytest.approx(400, abs=3)
    assert len(devices["core", "n6"].packets) == sender.counts.packets[0]


def test_a_replay_enters_at_both_ends_with_its_own_timing(tmp_path: Path) -> None:
    path = tmp_path / "phone.csv"
    path.write_text("Time,Source,Destination,Length\n0,10.0.0.1,1.1.1.1,600\n"
                    "0.1,1.1.1.1,10.0.0.1,1200\n0.3,10.0.0.1,1.1.1.1,52\n")
    sender, devices = _sent(TrafficConfig(Kind.REPLAY, file=path, loop=False, speed=0.5),
                            _Clock(2 * SECOND))
    assert sender.counts.packets == [2, 4]
    for number in (0, 1):
        up = devices[f"net-{number}", "ue0"].packets
        assert [packet.len for packet in up] == [600, 52]
        assert {packet.src for packet in up} == {f"10.45.0.{2 + number}"}
    down = devices["core", "n6"].packets
    assert sorted(packet.dst for packet in down) == ["10.45.0.2", "10.45.0.3"]
    late = sender.counts.late_ms(0.99)
    assert late is not None
    assert late <= 1.0


def test_nothing_measured_is_none() -> None:
    sender, _ = _sent(TrafficConfig(start=100.0), _Clock(SECOND // 10))
    assert sender.counts.late_ms(0.5) is None


def test_a_device_that_does_not_open_closes_the_others() -> None:
    first = _Device()

    def opened(namespace: str, device: str) -> _Device:
        if namespace == "core":
            return first
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        TrafficSender([], _doors(2), opened)
    assert first.closed


def test_a_replay_is_found_behind_what_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "phone.csv"
    path.write_text("Time,Source,Destination,Length\n0,10.0.0.1,1.1.1.1,600\n")
    replayed = make_source(TrafficConfig(Kind.REPLAY, file=path, stop=3.0), [(0, 0)], 1)
    found = recording_of(replayed)
    assert found is not None
    assert found.size.tolist() == [600]
    assert recording_of(make_source(TrafficConfig(), [(0, 0)], 1)) is None


@pytest.fixture(scope="module")
def plane() -> Iterator[UserPlane]:
    if not namespaces.available():
        pytest.skip("needs root, iproute2 and /dev/net/tun")
    with UserPlane(simple_plane(ues=2, name=f"airsplit-sending-{os.getpid()}", llm_ues=0)) as made:
        yield made


def doors_of(plane: UserPlane) -> dict[tuple[int, int], Door]:
    return {(place, 0): Door(plane.addresses(ue)[0], plane.namespace(ue), ue_device(0), plane.n6,
                             "n6-internet") for place, ue in enumerate(("ue1", "ue2"))}


def test_real_packets_come_through_and_nobody_answers(plane: UserPlane) -> None:
    doors = doors_of(plane)
    quiet_kernel(list(doors.values()))
    before = plane.statistics()
    config = TrafficConfig(Kind.POISSON, down_kbps=4000, up_kbps=2000, packet_bytes=500)
    sender = TrafficSender([make_source(config, list(doors), 1)], doors)
    thread = threading.Thread(target=sender.run)
    thread.start()
    deadline = time.monotonic() + 60  # a bound for what hangs, on a busy machine
    while min(sender.counts.packets) < 200 and time.monotonic() < deadline:
        time.sleep(0.02)
    sender.stop()
    thread.join()
    sender.close()
    sent = sender.counts.packets
    assert min(sent) >= 200
    deadline = time.monotonic() + 60
    while True:
        after = plane.statistics()
        down = after.down.delivered - before.down.delivered
        up = after.up.delivered - before.up.delivered
        if (down >= sent[0] and up >= sent[1]) or time.monotonic() > deadline:
            break
        time.sleep(0.02)
    # Every packet, and not one more: neither end's kernel answers strangers.
    assert [down, up] == sent
    # The core's own kernel announces itself to multicast groups now and then; no UE has those.
    ours = [{reason: count for reason, count in one.dropped.items() if reason != "no-bearer"}
            for one in (before.down, before.up, after.down, after.up)]
    assert ours[:2] == ours[2:]
