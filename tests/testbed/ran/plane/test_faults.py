"""Everything that can go wrong at once, for a while; then every packet is accounted for."""

from __future__ import annotations

import random
import socket
import threading

import pytest

from testbed import namespaces
from testbed.ran.mac.channel import ChannelConfig, make_channel
from testbed.ran.mac.config import Bearer, Layout, MacConfig, QueueConfig
from testbed.ran.mac.state import Mac, Reason
from testbed.ran.mac.state import make as make_mac
from testbed.ran.mac.tables import MCS_TABLES, transport_block_bits
from testbed.ran.plane.config import TunnelConfig, simple_plane
from testbed.ran.plane.memory import PLACES
from testbed.ran.plane.statistics import PlaneStatistics
from testbed.ran.plane.user_plane import UserPlane
from tests.testbed.ran.plane.scene import packet
from tests.testbed.ran.plane.sockets import bound, echo, settled, until

ROUNDS = 12  # of faults; each takes some tens of milliseconds


def raw(namespace: str) -> socket.socket:
    return namespaces.inside(namespace, lambda: socket.socket(
        socket.AF_PACKET, socket.SOCK_DGRAM))


class Noise(threading.Thread):
    """Sends what it is given, over and over, until it is told to stop."""

    def __init__(self, end: socket.socket, where: tuple[str, int], sent: list[bytes]) -> None:
        super().__init__(daemon=True)
        self._end, self._where, self._sent = end, where, sent
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.wait(0.0005):
            for data in self._sent:
                try:
                    self._end.sendto(data, self._where)
                except OSError:  # the device is down, or full: what this is about
                    continue


@pytest.mark.parametrize("tunnel", [None, TunnelConfig()], ids=["plain", "tunnel"])
def test_faults_of_all_kinds_at_once(name: str, tunnel: TunnelConfig | None) -> None:
    randomness = random.Random(1)
    garbage = [randomness.randbytes(size) for size in (1, 19, 40, 333, 1399)]
    with UserPlane(simple_plane(2, name, tunnel, queue=200)) as plane:
        core, ue1, ue2 = (raw(space) for space in (
            plane.n6, plane.namespace("ue1"), plane.namespace("ue2")))
        noises = [
            Noise(core, ("n6-internet", 0x0800), [packet("10.45.0.1", "10.45.0.2", 1400)] * 40),
            Noise(core, ("n6-internet", 0x0800), [packet("10.45.0.1", "10.45.0.3"), *garbage]),
            Noise(ue1, ("ue0", 0x0800), [packet("10.45.0.2", "10.45.0.1", 900)] * 20),
            Noise(ue2, ("ue0", 0x0800), [packet("10.45.0.3", "10.45.0.1"), *garbage])]
        if tunnel is not None:
            stranger = bound(plane.n6, tunnel.upf)
            noises.append(Noise(stranger, (tunnel.gnb, 2152), [*garbage, b"\x30\xff\0\0" * 3]))
        for noise in noises:
            noise.start()
        for number in range(ROUNDS):
            plane.set_backhaul(randomness.choice((0.0, 0.1, 1.0)), randomness.choice((0.0, 20.0)))
            if number % 2:
                plane.detach("ue2")
            else:
                plane.attach("ue2", {0: (f"10.45.0.{3 + number}", None)})
        for noise in noises:
            noise.over.set()
            noise.join()
        plane.set_backhaul()
        figures = settled(plane)
        for side in (figures.down, figures.up):
            assert side.inside == side.in_tunnel >= 0
            assert side.dropped["malformed"] > 0
        if tunnel is None:
            assert figures.down.in_tunnel == figures.up.in_tunnel == 0
        else:
            assert figures.tunnel["garbage"] > 0
            stranger.close()
        assert figures.orders_refused == figures.devices_lost == 0
        for end in (core, ue1, ue2):
            end.close()
        plane.attach("ue2", {0: ("10.45.0.3", None)})
        for ue, own in (("ue1", "10.45.0.2"), ("ue2", "10.45.0.3")):
            echo(plane, ue, own, "10.45.0.1")


PRBS = 6  # some 6 Mbit/s down: what ten times as much is, any machine can send
TIMES = 10  # the capacity


def small_cell() -> Mac:
    """Two UEs, the first with two sessions."""
    channel = make_channel(ChannelConfig(snr_db=24.0), 1)
    layout = Layout((PRBS,), (0, 0), (Bearer(0, 0), Bearer(0, 1), Bearer(1, 0)),
                    ((0, 100, 0),) * 2, (channel, channel))
    return make_mac(MacConfig(queue=QueueConfig(packets=64)), layout, 1000, 1, PLACES)


def most_carried(figures: PlaneStatistics) -> float:
    """Bytes that such a cell can carry down in the time that went by, by TS 38.214's arithmetic:
    its best modulation in all slots, those that were skipped too."""
    table = MacConfig().mcs_table
    bits = transport_block_bits(PRBS, 14, 12, 0, table, len(MCS_TABLES[table]) - 1)
    return (figures.slots + figures.skipped) * bits / 8


@pytest.mark.parametrize("tunnel", [None, TunnelConfig()], ids=["plain", "tunnel"])
def test_a_flood_of_ten_times_a_cells_capacity(name: str, tunnel: TunnelConfig | None) -> None:
    reasons = {int(one): one.name.lower() for one in Reason}
    with (UserPlane(simple_plane(2, name, tunnel), small_cell(), reasons) as plane,
          raw(plane.n6) as core):
        noise = Noise(core, ("n6-internet", 0x0800), [packet("10.45.0.1", "10.45.0.2", 1400)] * 40)
        noise.start()

        def is_flooded() -> bool:
            figures = plane.statistics()
            return (figures.down.dropped.get("queue_full", 0) > 1000
                    and figures.down.read_bytes > TIMES * most_carried(figures))

        until(is_flooded)
        echo(plane, "ue2", "10.45.0.3", "10.45.0.1")  # who floods does not starve others
        during = plane.statistics()
        noise.over.set()
        noise.join()
        # What was offered is what the cell really got, without what the devices' queues dropped.
        assert during.down.read_bytes > TIMES * during.down.delivered_bytes > 0
        figures = settled(plane)
        assert figures.down.delivered_bytes <= most_carried(figures)
        assert figures.down.inside == figures.down.in_tunnel
        assert figures.up.inside == figures.up.in_tunnel == 0


def test_a_device_that_is_taken_away_costs_only_its_ue(name: str) -> None:
    with UserPlane(simple_plane(2, name)) as plane:
        namespaces.command("ip", "-n", plane.namespace("ue2"), "link", "delete", "ue0")
        echo(plane, "ue1", "10.45.0.2", "10.45.0.1")
        with bound(plane.n6, "10.45.0.1") as server:
            server.sendto(b"to nobody", ("10.45.0.3", 9))
        until(lambda: plane.statistics().down.dropped.get("device", 0) == 1)
        assert plane.statistics().devices_lost == 1
