"""The kernel's table of devices, and what a device's queue had no room for."""

from __future__ import annotations

import os
import socket

from testbed import namespaces
from testbed.ran.plane.kernel_counts import KernelCounts, sent_dropped
from testbed.ran.plane.topology import batch

TABLE = """Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo
    lo:       0       0    0    0    0     0          0         0        0       0    0    0    0
n6-llm:1234567       2    0    5    0     0          0         0      900       3    0    7    0
"""


def test_the_column_is_that_of_packets_sent() -> None:
    assert sent_dropped(TABLE) == {"lo": 0, "n6-llm": 7}


def test_a_full_queue_is_counted(name: str) -> None:
    space = f"{name}-one"
    namespaces.add(space)
    try:
        device = namespaces.inside(space, lambda: namespaces.open_tun("tun0"))
        batch(space, ("link set tun0 txqueuelen 5 up", "address add 10.0.0.1/24 dev tun0"))
        counts = KernelCounts([space])
        assert counts.dropped(["tun0"]) == {}
        with namespaces.inside(space, lambda: socket.socket(
                socket.AF_INET, socket.SOCK_DGRAM)) as sender:
            for _ in range(100):
                sender.sendto(b"x", ("10.0.0.2", 9))
        dropped = counts.dropped(["tun0"])[f"{space} tun0"]
        read = 0
        while True:
            try:
                read += bool(os.read(device, 2000))
            except BlockingIOError:
                break
        assert dropped > 0
        assert read + dropped >= 100
        counts.close()
        os.close(device)
    finally:
        namespaces.remove(space)
