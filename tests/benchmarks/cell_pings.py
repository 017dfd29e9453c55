"""Pings through the scheduler alone: no packets, no clock, so the same on every machine.

    pings = pinged(PROFILES["lte-lab"])   # round trips, ms

What `bench_cell` sends through namespaces has besides what machine and kernel add.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from testbed.ran.mac.channel import ChannelConfig, make_channel
from testbed.ran.mac.config import Bearer, Layout, MacConfig
from testbed.ran.mac.kernel import enqueue, run_slot
from testbed.ran.mac.state import make

LAB_SNR, LAB_UP = 24.0, -7.0  # dB, and the uplink's less: chosen to come near srsRAN 4G's rates
LAB_PRBS = 50
BYTES = 84  # of ping's packets
REST = (20, 60)  # slots from an answer to the next request, at random
DOWN, UP, REQUEST, ANSWER = 0, 1, 0, 1


def pinged(config: MacConfig, slot_us: int = 1000, prbs: int = LAB_PRBS, count: int = 500,
           seed: int = 1) -> NDArray[np.float64]:
    """From the core to a UE and back, which answers at once."""
    channel = make_channel(ChannelConfig(snr_db=LAB_SNR, up_offset_db=LAB_UP), 1)
    layout = Layout((prbs,), (0,), (Bearer(0, 0),), ((0, 100, 0),), (channel,))
    mac = make(config, layout, slot_us, seed, 1 << 10)
    random, slot_ns = np.random.default_rng(seed), slot_us * 1000
    trips: list[float] = []
    slot = due = sent = 0
    while len(trips) < count:
        now = slot * slot_ns
        if slot == due:
            sent = now - int(random.integers(0, slot_ns))  # it came during the last slot
            enqueue(mac, 0, DOWN, REQUEST, BYTES, sent)
        run_slot(mac, slot, now)
        for packet in mac.delivered[:mac.ends[0]].tolist():
            if packet == REQUEST:
                enqueue(mac, 0, UP, ANSWER, BYTES, now)
            else:
                trips.append((now - sent) / 1e6)
                due = slot + int(random.integers(*REST))
        mac.ends[:] = 0
        slot += 1
    return np.array(trips)


def summed_up(trips: NDArray[np.float64]) -> list[float]:
    """As ping does: least, mean, most, and deviation."""
    return [float(one) for one in (trips.min(), trips.mean(), trips.max(), trips.std())]
