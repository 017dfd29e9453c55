"""Links as they are found, by name; each scenario draws its own from a profile's ranges.

All kinds of traffic run over all profiles, so that nothing about a link gives the traffic away. The
ranges are round figures of our own choosing for such accesses; nobody's network was measured.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from testbed.sessions.kind import log_uniform
from testbed.shaped_link import ChannelConfig, LinkConfig

Range = tuple[float, float]
LOWEST, HIGHEST = 0.5, 200.0  # Mbit/s


@dataclass(frozen=True)
class Profile:
    """From and to of what a link's two directions are drawn from."""

    up: Range  # Mbit/s
    down: Range
    delay: Range  # seconds one way
    jitter: Range = (0.0, 0.0)  # seconds
    loss: Range = (0.0, 0.0)
    burst: Range = (1.0, 1.0)  # packets
    queue: Range = (0.05, 0.4)  # seconds that the rate needs for a full queue
    slot_up: float = 0.0  # seconds
    slot_down: float = 0.0
    grant: Range = (0.0, 0.0)  # seconds
    retransmit: Range = (0.0, 0.0)
    fading: Range = (0.0, 0.0)
    mtus: tuple[int, ...] = (1500,)


PROFILES = {
    "fibre": Profile((50, 200), (80, 200), (0.002, 0.012), jitter=(0.0, 0.0005),
                     mtus=(1500, 1492)),
    "cable": Profile((5, 40), (30, 200), (0.005, 0.025), (0.0003, 0.003), (0.0, 0.001)),
    "wifi": Profile((10, 120), (10, 150), (0.003, 0.03), (0.001, 0.006), (0.0, 0.01), (1, 3),
                    retransmit=(0.02, 0.15), fading=(0.1, 0.5)),
    "crowded-wifi": Profile((1, 15), (2, 25), (0.005, 0.05), (0.005, 0.025), (0.005, 0.03), (1, 4),
                            retransmit=(0.1, 0.3), fading=(0.3, 0.8)),
    "lte": Profile((4, 30), (8, 80), (0.015, 0.045), (0.0, 0.003), (0.0, 0.002), (1, 2),
                   (0.1, 1.0), 0.001, 0.001, (0.006, 0.016), (0.05, 0.12), (0.1, 0.4),
                   (1500, 1428, 1400, 1358)),
    "lte-edge": Profile((0.5, 3), (1, 8), (0.03, 0.08), (0.002, 0.012), (0.0, 0.01), (1, 5),
                        (0.3, 2.0), 0.001, 0.001, (0.01, 0.03), (0.1, 0.3), (0.3, 0.7),
                        (1500, 1428, 1280)),
    "nr": Profile((10, 60), (50, 200), (0.005, 0.02), (0.0, 0.001), (0.0, 0.0005), (1, 2),
                  (0.05, 0.4), 0.0025, 0.0005, (0.003, 0.008), (0.03, 0.1), (0.05, 0.3),
                  (1500, 1428, 1400)),
    "satellite": Profile((3, 15), (20, 150), (0.015, 0.05), (0.002, 0.01), (0.001, 0.015), (1, 6),
                         slot_up=0.0013, slot_down=0.0013, fading=(0.1, 0.4)),
    "far": Profile((10, 100), (20, 200), (0.06, 0.15), (0.0, 0.003), (0.0, 0.005), (1, 3)),
    "slow-line": Profile((0.5, 2), (1, 16), (0.01, 0.04), (0.0, 0.002), (0.0, 0.002),
                         queue=(0.1, 1.0), mtus=(1492, 1500)),
}


def draw_link(profile: Profile, randomness: random.Random) -> LinkConfig:
    """A link of that profile."""
    delay = randomness.uniform(*profile.delay)
    jitter = randomness.uniform(*profile.jitter)
    loss = randomness.uniform(*profile.loss) * randomness.random()  # most are better than worst
    burst = randomness.uniform(*profile.burst)
    retransmit = randomness.uniform(*profile.retransmit)
    fading = randomness.uniform(*profile.fading)
    queue = log_uniform(randomness, *profile.queue)

    def channel(rates: Range, slot: float, grant: Range) -> ChannelConfig:
        rate = min(HIGHEST, max(LOWEST, log_uniform(randomness, *rates)))
        return ChannelConfig(
            rate, delay * randomness.uniform(0.9, 1.1), jitter, loss, burst,
            max(16_384, round(rate * 125_000 * queue)), slot, randomness.uniform(*grant),
            retransmit, 0.008, fading)

    return LinkConfig(channel(profile.up, profile.slot_up, profile.grant),
                      channel(profile.down, profile.slot_down, (0.0, 0.0)),
                      randomness.choice(profile.mtus))
