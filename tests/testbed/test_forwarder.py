"""Real packets over an emulated link. As root only: namespaces and TUN devices."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from testbed import namespaces
from testbed.errors import LinkFailure, NotRoot
from testbed.forwarder import Recording, ShapedLink, shaped_link
from testbed.shaped_link import ChannelConfig, LinkConfig
from testbed.tap import Flow

as_root = pytest.mark.skipif(
    not namespaces.available(), reason="needs root, iproute2 and /dev/net/tun")
PORT = 4000


def echo(link: ShapedLink, address: str) -> socket.socket:
    """A UDP socket on the near end; what it sends comes back from the far end."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    server = namespaces.inside(link.ends.far, lambda: socket.socket(family, socket.SOCK_DGRAM))
    server.bind((address, PORT))

    def serve() -> None:
        while True:
            data, peer = server.recvfrom(2000)
            if data == b"end":
                server.close()
                return
            server.sendto(data, peer)

    threading.Thread(target=serve, daemon=True).start()
    client = namespaces.inside(link.ends.near, lambda: socket.socket(family, socket.SOCK_DGRAM))
    client.connect((address, PORT))
    client.settimeout(20.0)
    return client


@as_root
@pytest.mark.parametrize(("near", "far"), [("192.0.2.1", "198.51.100.7"), ("fd00::1", "fd00::2")])
def test_packets_cross_no_sooner_than_the_link_allows(near: str, far: str, tmp_path: Path) -> None:
    config = LinkConfig(ChannelConfig(1.0, 0.02), ChannelConfig(1.0, 0.01))
    with shaped_link(config, 1, near, far) as link:
        names = (link.ends.near, link.ends.far)
        link.record(Recording(tmp_path / "near.pcap", "near"))
        with echo(link, far) as client:
            began = time.monotonic()
            client.send(bytes(1000))
            assert client.recv(2000) == bytes(1000)
            # Both delays, and both ways the packet's length at 1 Mbit/s.
            assert time.monotonic() - began >= 0.03 + 2 * 0.008
            own = client.getsockname()[1]
            client.send(b"end")
        found = link.finish()
    ends = sorted([(socket.inet_pton(socket.AF_INET6 if ":" in near else socket.AF_INET, address),
                    address, port) for address, port in ((near, own), (far, PORT))])
    flow = Flow(17, ends[0][1], ends[0][2], ends[1][1], ends[1][2])
    assert found["flows"] == [flow]
    assert found["packets"] >= 2
    assert found["dropped"] == 0
    assert not set(names) & set(namespaces.command("ip", "netns", "list").split())


@as_root
def test_what_is_lost_does_not_arrive() -> None:
    config = LinkConfig(ChannelConfig(10.0, loss=0.999), ChannelConfig(10.0))
    with shaped_link(config, 1) as link, echo(link, "192.0.2.2") as client:
        client.settimeout(0.2)
        client.send(b"anyone?")
        with pytest.raises(TimeoutError):
            client.recv(100)


@as_root
def test_a_recording_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    config = LinkConfig(ChannelConfig(10.0), ChannelConfig(10.0))
    with shaped_link(config, 1) as link:
        with pytest.raises(LinkFailure, match="cannot be recorded"):
            link.record(Recording(tmp_path / "missing" / "near.pcap", "near"))
        link.record(Recording(tmp_path / "near.pcap", "near"))  # the link is still there
        assert link.finish()["flows"] == []


@as_root
def test_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    program = ("import os\n"
               "from testbed.forwarder import shaped_link\n"
               "from testbed.shaped_link import ChannelConfig, LinkConfig\n"
               "if __name__ == '__main__':\n"
               "    config = LinkConfig(ChannelConfig(1.0), ChannelConfig(1.0))\n"
               "    with shaped_link(config, 1) as link:\n"
               "        print(link.ends.near, flush=True)\n"
               "        os.kill(os.getpid(), 9)\n")
    script = tmp_path / "killed.py"
    script.write_text(program)
    root = Path(__file__).resolve().parent.parent.parent
    killed = subprocess.run([sys.executable, str(script)], capture_output=True, text=True,
                            timeout=60, check=False, env={"PYTHONPATH": str(root),
                                                          "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
    assert killed.returncode == -9
    left = killed.stdout.strip()
    assert left in namespaces.command("ip", "netns", "list").split()
    namespaces.remove_leftovers()
    assert left not in namespaces.command("ip", "netns", "list").split()


def test_without_root_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(namespaces, "lacking", lambda: ["CAP_NET_ADMIN", "CAP_SYS_ADMIN"])
    with pytest.raises(NotRoot, match="root"), shaped_link(
            LinkConfig(ChannelConfig(1.0), ChannelConfig(1.0)), 1):
        pass


def test_a_command_that_fails_is_an_error_with_its_words() -> None:
    with pytest.raises(LinkFailure, match="no-such-file"):
        namespaces.command("ls", "/no-such-file")
