"""A cell that is only a rate: the same sockets pass, at the rates and shares that were set."""

from __future__ import annotations

import socket
import time

import pytest

from testbed import namespaces
from testbed.errors import LinkFailure
from testbed.ran.cell_model import Share
from testbed.ran.plane.config import PlaneConfig, simple_plane
from testbed.ran.plane.htb import ClassCounts, HtbCell, HtbConfig, class_counts
from tests.testbed.ran.plane.sockets import bound
from xapp.errors import ConfigurationError

SHOWN = """class htb 1:1 root rate 10Mbit ceil 10Mbit burst 1600b cburst 1600b
 Sent 300 bytes 3 pkt (dropped 0, overlimits 0 requeues 0)
 backlog 0b 0p requeues 0
 lended: 1 borrowed: 0 giants: 0
 tokens: 1 ctokens: 1

class htb 1:1a parent 1:1 leaf 8001: prio 0 rate 10Mbit ceil 10Mbit burst 1600b cburst 1600b
 Sent 200 bytes 2 pkt (dropped 7, overlimits 0 requeues 0)
 rate 0bit 0pps backlog 0b 0p requeues 0
 backlog 60b 5p requeues 0
"""


@pytest.fixture
def config(name: str) -> PlaneConfig:
    if not _has_htb(name):
        pytest.skip("the kernel has no HTB")
    return simple_plane(2, name)


def _has_htb(name: str) -> bool:
    space = f"{name}-try"
    namespaces.add(space)
    try:
        namespaces.command("tc", "-n", space, "qdisc", "add", "dev", "lo", "root", "htb")
    except LinkFailure:
        return False
    finally:
        namespaces.remove(space)
    return True


def test_counts_are_read_from_what_tc_prints() -> None:
    assert class_counts(SHOWN) == {1: ClassCounts(300, 3, 0, 0), 0x1A: ClassCounts(200, 2, 7, 5)}


def test_datagrams_of_every_session_and_version(config: PlaneConfig) -> None:
    with HtbCell(config) as cell:
        for ue, own, server in (("ue1", "10.45.0.2", "10.45.0.1"),
                                ("ue1", "10.46.0.2", "10.46.0.1"),
                                ("ue1", "fd46:0:0:1::1", "fd46::1"),
                                ("ue2", "fd45:0:0:2::1", "fd45::1")):
            with bound(cell.n6, server, 4000) as there, bound(cell.namespace(ue), own) as here:
                here.sendto(b"there", (server, 4000))
                data, peer = there.recvfrom(100)
                assert (data, peer[0]) == (b"there", own)
                there.sendto(b"back", peer)
                assert here.recv(100) == b"back"
        # UEs meet in the core, not before it: what one sends another counts both ways.
        with (bound(cell.namespace("ue1"), "10.45.0.2") as one,
              bound(cell.namespace("ue2"), "10.45.0.3", 4000) as other):
            before = cell.statistics()["down"]["internet"].packets
            one.sendto(b"hello", ("10.45.0.3", 4000))
            assert other.recv(100) == b"hello"
            assert cell.statistics()["down"]["internet"].packets > before
    assert config.name not in namespaces.command("ip", "netns", "list")


def flood(sender: socket.socket, address: str, until: float) -> None:
    while time.monotonic() < until:
        sender.sendto(bytes(1000), (address, 9))


def test_slices_share_as_they_are_told(config: PlaneConfig) -> None:
    with (HtbCell(config, HtbConfig(down_mbps=8.0, queue=20)) as cell,
          bound(cell.n6, "10.45.0.1") as internet, bound(cell.n6, "10.46.0.1") as llm):
        cell.set_share("internet", Share(maximum=25))
        cell.set_share("llm", Share(minimum=60))
        before = cell.statistics()["down"]
        began = time.monotonic()
        while time.monotonic() < began + 1.0:
            for sender, address in ((internet, "10.45.0.2"), (llm, "10.46.0.2")):
                flood(sender, address, time.monotonic() + 0.001)
        after = cell.statistics()["down"]
        sent = {name: after[name].bytes - before[name].bytes for name in after}
        assert 0.65 < sent["llm"] / sum(sent.values()) < 0.85
        assert after["internet"].dropped > 0
        with pytest.raises(ConfigurationError, match="no slice"):
            cell.set_share("video", Share())
        with pytest.raises(ConfigurationError, match="no share"):
            cell.set_share("llm", Share(minimum=60, maximum=50))


def test_a_cell_without_a_rate_is_none() -> None:
    with pytest.raises(ConfigurationError):
        HtbConfig(down_mbps=0.0)
