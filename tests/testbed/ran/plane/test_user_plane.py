"""Real sockets through a real user plane: namespaces, TUN devices, the tunnel between them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from dataclasses import replace

import pytest

from pcap_tools.live import LiveConfig, RingSource
from pcap_tools.parse import parse
from testbed import namespaces
from testbed.errors import LinkFailure
from testbed.ran.plane.config import PlaneConfig, TunnelConfig, simple_plane
from testbed.ran.plane.leftovers import record_of
from testbed.ran.plane.loop import MOST_BEHIND
from testbed.ran.plane.user_plane import UserPlane
from tests.testbed.ran.plane.scene import packet
from tests.testbed.ran.plane.sockets import PATIENCE, bound, child, echo, settled, until
from xapp.errors import ConfigurationError

TUNNELS = pytest.mark.parametrize("tunnel", [None, TunnelConfig()], ids=["plain", "tunnel"])
ADDRESSES = (("10.45.0.2", "10.45.0.1"), ("fd45:0:0:1::1", "fd45::1"),
             ("10.46.0.2", "10.46.0.1"), ("fd46:0:0:1::1", "fd46::1"))


@TUNNELS
def test_datagrams_of_every_session_and_version(name: str, tunnel: TunnelConfig | None) -> None:
    with UserPlane(simple_plane(2, name, tunnel)) as plane:
        for own, server in ADDRESSES:
            echo(plane, "ue1", own, server)
        echo(plane, "ue2", "10.45.0.3", "10.45.0.1")
        figures = settled(plane)
        assert figures.down.delivered == figures.up.delivered == 5
        assert figures.down.inside == figures.up.inside == 0
        assert figures.down.in_tunnel == figures.up.in_tunnel == 0


@TUNNELS
def test_a_stream_of_a_megabyte_both_ways(name: str, tunnel: TunnelConfig | None) -> None:
    data = os.urandom(1 << 20)
    with (UserPlane(simple_plane(1, name, tunnel)) as plane,
          bound(plane.n6, "10.46.0.1", 80, socket.SOCK_STREAM) as server,
          bound(plane.namespace("ue1"), "10.46.0.2", 0, socket.SOCK_STREAM) as client):
        server.listen()
        client.connect(("10.46.0.1", 80))
        there, peer = server.accept()
        assert peer[0] == "10.46.0.2"
        with there:
            there.settimeout(PATIENCE)
            for sender, taker in ((client, there), (there, client)):
                thread = threading.Thread(target=sender.sendall, args=(data,))
                thread.start()
                assert _take(taker, len(data)) == data
                thread.join()


def _take(taker: socket.socket, size: int) -> bytes:
    got = bytearray()
    while len(got) < size:
        got += taker.recv(1 << 16)
    return bytes(got)


def test_one_ue_reaches_another_through_the_core(name: str) -> None:
    with (UserPlane(simple_plane(2, name)) as plane,
          bound(plane.namespace("ue1"), "10.45.0.2") as one,
          bound(plane.namespace("ue2"), "10.45.0.3", 4000) as other):
        one.sendto(b"hello", ("10.45.0.3", 4000))
        assert other.recv(100) == b"hello"


def test_a_ue_goes_and_comes_back_with_another_address(name: str) -> None:
    with UserPlane(simple_plane(2, name)) as plane:
        echo(plane, "ue2", "10.45.0.3", "10.45.0.1")
        plane.detach("ue2")
        plane.detach("ue2")
        with bound(plane.n6, "10.45.0.1") as server:
            server.sendto(b"into the void", ("10.45.0.3", 4000))
            until(lambda: settled(plane).down.dropped.get("no-bearer", 0) >= 1)
        plane.attach("ue2", {0: ("10.45.0.77", "fd45:0:0:77::1")})
        assert plane.addresses("ue2") == ("10.45.0.77", "fd45:0:0:77::1")
        echo(plane, "ue2", "10.45.0.77", "10.45.0.1")
        echo(plane, "ue2", "fd45:0:0:77::1", "fd45::1")
        echo(plane, "ue1", "10.45.0.2", "10.45.0.1")
        with pytest.raises(ConfigurationError, match="another session's"):
            plane.attach("ue2", {0: ("10.45.0.2", None)})
        with pytest.raises(ConfigurationError, match="not of"):
            plane.attach("ue2", {0: ("10.99.0.2", None)})
        echo(plane, "ue2", "10.45.0.77", "10.45.0.1")
        assert plane.statistics().orders_refused == 0


def test_a_lossy_way_to_the_core(name: str) -> None:
    with UserPlane(simple_plane(1, name)) as plane:
        plane.set_backhaul(loss=1.0)
        with bound(plane.namespace("ue1"), "10.45.0.2") as client:
            client.sendto(b"lost", ("10.45.0.1", 4000))
            until(lambda: settled(plane).up.dropped == {"backhaul": 1})
        plane.set_backhaul(delay_ms=30.0)
        began = time.monotonic()
        echo(plane, "ue1", "10.45.0.2", "10.45.0.1")
        assert time.monotonic() - began >= 0.06
        with pytest.raises(ConfigurationError, match="cannot be"):
            plane.set_backhaul(loss=1.5)


def test_a_flood_is_dropped_by_reason_and_others_still_pass(name: str) -> None:
    config = replace(simple_plane(2, name, queue=50), most_taken=64, places=64)
    with UserPlane(config) as plane, bound(plane.n6, "10.45.0.1") as server:
        plane.set_backhaul(delay_ms=50.0, directions=(0,))  # a pool that is full at once
        for _ in range(5000):
            server.sendto(bytes(1000), ("10.45.0.2", 9))
        plane.set_backhaul()
        figures = settled(plane)
        # The socket may have been full too: every packet that came as far is accounted for.
        dropped = sum(figures.down.dropped.values())
        assert figures.down.dropped["pool-full"] > 0
        assert figures.down.read == figures.down.delivered + dropped
        assert sum(figures.kernel_dropped.values()) > 0
        echo(plane, "ue2", "10.45.0.3", "10.45.0.1")


def test_raw_bytes_into_devices_do_no_harm(name: str) -> None:
    with UserPlane(simple_plane(1, name)) as plane:
        raw = namespaces.inside(plane.namespace("ue1"), lambda: socket.socket(
            socket.AF_PACKET, socket.SOCK_DGRAM))
        with raw:
            sent = [b"\x45" + bytes(30), b"\x60" + bytes(39), os.urandom(200), b"\x45",
                    packet("10.45.0.2", "10.45.0.1", 90)[:60], packet("192.0.2.9", "10.45.0.1")]
            for data in sent:
                raw.sendto(data, ("ue0", 0x0800))
        until(lambda: settled(plane).up.read >= len(sent))
        figures = settled(plane)
        assert figures.up.delivered == 0
        assert figures.up.dropped["malformed"] + figures.up.dropped["foreign-source"] == (
            figures.up.read)
        echo(plane, "ue1", "10.45.0.2", "10.45.0.1")


@pytest.mark.parametrize("where", ["n6", "n3"])
def test_the_tap_sees_the_same_flows_on_both_sides_of_the_core(name: str, where: str) -> None:
    with UserPlane(simple_plane(1, name, TunnelConfig())) as plane:
        device = "n6-llm" if where == "n6" else "n3"
        source = namespaces.inside(plane.n6, lambda: RingSource(
            device, config=LiveConfig(duration=1.0)))
        with source:
            echo(plane, "ue1", "10.46.0.2", "10.46.0.1")
            seen = [row for records in source for row in parse(records)]
        inner = {(bytes(row["source"][:4]), bytes(row["destination"][:4]))
                 for row in seen if 4000 in (row["source_port"], row["destination_port"])}
        assert inner == {(bytes((10, 46, 0, 2)), bytes((10, 46, 0, 1))),
                         (bytes((10, 46, 0, 1)), bytes((10, 46, 0, 2)))}
        if where == "n3":
            bearer = plane.config.ue("ue1").sessions[1].bearer
            assert {(int(row["teid"]), int(row["qfi"])) for row in seen if row["teid"]} == {
                (0x1000 + bearer, 2), (0x11000 + bearer, 2)}


def test_what_goes_wrong_half_way_leaves_nothing(name: str) -> None:
    config = simple_plane(1, name, TunnelConfig())
    object.__setattr__(config.tunnel, "upf", "127.0.0.300")  # past its check: `ip` refuses it
    with pytest.raises(LinkFailure):
        UserPlane(config).start()
    assert name not in namespaces.command("ip", "netns", "list")
    assert not record_of(name).exists()


def test_a_name_is_one_run_at_a_time(name: str) -> None:
    with child(name), pytest.raises(LinkFailure, match="runs already"):
        UserPlane(simple_plane(1, name)).start()
    assert name not in namespaces.command("ip", "netns", "list")


def test_a_killed_run_is_cleaned_up_by_the_next(name: str) -> None:
    with child(name, ues=2) as process:
        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE)
    assert f"{name}-ue2" in namespaces.command("ip", "netns", "list")
    with UserPlane(simple_plane(1, name)) as plane:
        echo(plane, "ue1", "10.45.0.2", "10.45.0.1")
        assert f"{name}-ue2" not in namespaces.command("ip", "netns", "list")
    assert name not in namespaces.command("ip", "netns", "list")


def test_a_process_that_was_stopped_says_so_and_skips(name: str) -> None:
    """What was missed is not run all at once: afterwards there are no more slots than time."""
    slack = 2 * (MOST_BEHIND + 2) / 1000  # seconds: what a busy machine lets be made up for
    with child(name) as process:
        asked = time.monotonic()
        slots_before, skipped_before, pauses_before = figures(process)
        process.send_signal(signal.SIGSTOP)
        os.waitpid(process.pid, os.WUNTRACED)  # until it is stopped
        ran = time.monotonic() - asked
        time.sleep(2.0)  # the length of the fault itself
        resumed = time.monotonic()
        process.send_signal(signal.SIGCONT)
        while True:
            slots, skipped, pauses = figures(process)
            since = time.monotonic() - resumed
            assert slots - slots_before <= (ran + since + slack) * 1000
            if since > 1.0 and slots > slots_before + 100:
                break
        assert pauses > pauses_before
        assert skipped - skipped_before >= 1900  # and not made up for


def figures(process: subprocess.Popen[str]) -> tuple[int, int, int]:
    """Slots, slots skipped, and pauses."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("figures\n")
    process.stdin.flush()
    slots, skipped, pauses = map(int, process.stdout.readline().split())
    return slots, skipped, pauses


def test_without_priority_it_works_and_tells(name: str) -> None:
    config: PlaneConfig = replace(simple_plane(1, name), real_time=False)
    with UserPlane(config) as plane:
        echo(plane, "ue1", "10.45.0.2", "10.45.0.1")
        figures = plane.statistics()
        assert figures.scheduling == "ordinary: as configured"
        assert figures.lateness_us["p99"] is not None
