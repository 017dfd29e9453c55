"""What a link does to packets: when each arrives at the other end, or that it does not.

One `Channel` a direction: a bottleneck with a queue before it, propagation delay, jitter, losses
single or in bursts, a cell's grid of transmission opportunities, the wait for an uplink grant,
retransmissions of the radio's own that hold up what comes after, fading and outages. Packets are
never reordered, as below IP in a mobile network. Pure arithmetic: time and randomness come in;
`forwarder` moves real packets by it.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

FADING_SECONDS = 0.2  # for which the rate stays the same
GRANT_HELD = 0.02  # seconds after its last packet for which a sender still has its grant


@dataclass(frozen=True)
class ChannelConfig:
    """One direction of a link."""

    rate: float  # Mbit/s of IP packets
    delay: float = 0.0  # seconds, one way, when nothing is in the way
    jitter: float = 0.0  # seconds that are added on average, exponentially distributed
    loss: float = 0.0  # share of packets that are lost, 0 to 1
    burst: float = 1.0  # packets that are lost one after another, on average; 1: each by itself
    queue: int = 256 * 1024  # bytes that wait at most; what comes then is lost
    slot: float = 0.0  # seconds between opportunities to transmit; 0: at any time
    grant: float = 0.0  # seconds until a sender that was silent may send again, on average
    retransmit: float = 0.0  # share of packets that the radio has to send again
    retransmit_delay: float = 0.008  # seconds that each such packet takes longer
    fading: float = 0.0  # standard deviation of the rate's logarithm over time
    outages: tuple[tuple[float, float], ...] = ()  # when nothing passes: start and end, seconds


@dataclass(frozen=True)
class LinkConfig:
    """A link between a near end (a phone, say) and a far end."""

    up: ChannelConfig  # near to far
    down: ChannelConfig
    mtu: int = 1500  # bytes of an IP packet


class Channel:
    """One direction at work. Times are seconds since the link was set up, and never go back."""

    def __init__(self, config: ChannelConfig, randomness: random.Random) -> None:
        self._config, self._random = config, randomness
        self._free = 0.0  # when the bottleneck has sent all that waits
        self._arrived = 0.0  # when the last packet arrives; the next does not overtake it
        self._last_offer = -math.inf
        self._losing = False  # in a burst of losses
        self._fading_at, self._factor = -1, 1.0
        self.offered = self.lost = self.refused = 0  # packets; refused: the queue was full

    def offer(self, size: int, now: float) -> float | None:
        """A packet of `size` bytes sets out at `now`: when it arrives, or None."""
        self.offered += 1
        granted = now - self._last_offer <= GRANT_HELD or self._free > now
        self._last_offer = now
        if self._is_lost(now):
            self.lost += 1
            return None
        rate = self._config.rate * 125_000 * self._fading(now)  # bytes a second
        if max(0.0, self._free - now) * rate + size > self._config.queue:
            self.refused += 1
            return None
        begins = max(self._free, now)
        if not granted and self._config.grant:
            begins += self._config.grant * self._random.uniform(0.5, 1.5)
        self._free = begins + size / rate
        self._arrived = max(self._arrived, self._travelled(self._free))
        return self._arrived

    def _travelled(self, sent: float) -> float:
        config = self._config
        if config.slot:
            sent = math.ceil(sent / config.slot) * config.slot
        if config.retransmit and self._random.random() < config.retransmit:
            sent += config.retransmit_delay
        jitter = self._random.expovariate(1 / config.jitter) if config.jitter else 0.0
        return sent + config.delay + jitter

    def _is_lost(self, now: float) -> bool:
        """Two states: a burst goes on with a chance that gives its mean length (Gilbert)."""
        config = self._config
        if any(start <= now < end for start, end in config.outages):
            return True
        if not config.loss:
            return False
        begins = config.loss / (config.burst * (1.0 - config.loss))
        chance = 1.0 - 1.0 / config.burst if self._losing else begins
        self._losing = self._random.random() < chance
        return self._losing

    def _fading(self, now: float) -> float:
        if not self._config.fading:
            return 1.0
        period = int(now / FADING_SECONDS)
        if period != self._fading_at:
            self._fading_at = period
            self._factor = self._random.lognormvariate(0.0, self._config.fading)
        return self._factor
