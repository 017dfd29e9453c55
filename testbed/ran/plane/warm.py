"""Compiles the loop ahead of time: `python -m testbed.ran.plane.warm`.

Set-up runs it, so that no user waits half a minute for a first packet. It moves none.
"""

from __future__ import annotations

import numpy as np

from testbed.ran.mac.channel import ChannelConfig, make_channel
from testbed.ran.mac.config import Bearer, Layout, MacConfig
from testbed.ran.mac.simulated import run_many
from testbed.ran.mac.state import Mac
from testbed.ran.mac.state import make as make_mac
from testbed.ran.plane.air import make_air
from testbed.ran.plane.loop import run
from testbed.ran.plane.memory import PLACES, Mark, make
from testbed.ran.plane.table import put


def warm() -> None:
    """Call every compiled function that Python calls, with the types that it is called with."""
    plane = make(1400, 1_000_000, 1, 1)
    put(plane.keys, plane.values, 1, 1)
    plane.marks[Mark.STOP] = 1
    run(plane, make_air(PLACES))
    run(plane, smallest())
    _simulate(smallest())


def _simulate(mac: Mac) -> None:
    """What simulated time and a sender of packets call."""
    none = np.zeros(0, np.int64)
    run_many(mac, 0, 1, 1_000_000, none, none, none, none)


def smallest() -> Mac:
    """A scheduler with one UE."""
    channel = make_channel(ChannelConfig(), 1)
    layout = Layout((6,), (0,), (Bearer(0, 0),), ((0, 100, 0),), (channel,))
    return make_mac(MacConfig(), layout, 1000, 1, 16)


if __name__ == "__main__":
    warm()
