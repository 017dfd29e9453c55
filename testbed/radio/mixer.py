"""Who has sent what, and what arrives at whom: streams of samples on one time line.

Time is counted in samples. It goes on when every joined station has sent them, and no joined
station is too far behind in fetching them, so that the slowest sets the pace. A station joins once
it both sends and asks (or does the one thing that it does at all): its first sample then belongs to
that moment, in both directions. One that is lost is silent from there on, and joins anew.

It has no sockets and reads no clock; randomness comes in by a seed.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from testbed.radio.channel import Path
from testbed.radio.errors import RadioError
from testbed.radio.kernel import Bits, Floats, active_power, add_noise, take_in
from testbed.radio.settings import MOST_DELAY, PathSettings, RadioSettings, Station

BYTES = 8  # of a sample: two float32
MOST_MESSAGE = 3_072_000  # samples in one message: what srsRAN's largest buffer holds
NOISE_SAMPLES = 1 << 20  # of a table that is entered at random places and turned by random angles
REMEMBERED = 0.05  # seconds of sending over which a transmitter's power is averaged
ROOM = 4  # times what is kept, in a transmitter's buffer
SPREAD = 1e-5  # seconds of delay that fading profiles add at most


@dataclass
class Tally:
    """What happened to one station's samples."""

    sent: int = 0
    fetched: int = 0
    odd_bytes: int = 0  # of messages that were no whole number of samples
    joined: int = 0  # how often
    lost: int = 0
    began: int | None = None  # the moment of the last joining, in samples
    awaited: float = 0.0  # seconds for which everybody waited for what it should send or fetch


@dataclass
class _Member:
    """A station with its streams."""

    station: Station
    history: int  # samples kept before those that wait
    joined: bool = False
    asks: bool = False
    power: float = 0.0  # mean of what it sends, where it sends something
    waiting: deque[Floats] = field(default_factory=deque)  # mixed, not yet fetched
    waits: int = 0  # samples in them
    tally: Tally = field(default_factory=Tally)

    def __post_init__(self) -> None:
        # What is kept has to be moved each time that the end is reached: not too often.
        self.buffer = np.zeros(2 * ROOM * (self.history + (1 << 16)), np.float32)
        self.begin = self.end = self.history

    @property
    def pending(self) -> int:
        return self.end - self.begin

    @property
    def is_silent(self) -> bool:
        return self.station.transmits is not None and not self.pending

    @property
    def is_starving(self) -> bool:
        return self.asks and not self.waiting

    def offer(self, samples: Bits) -> None:
        count = len(samples) // 2
        if 2 * (self.end + count) > len(self.buffer):
            self._make_room(count)
        take_in(self.buffer[2 * self.end:2 * (self.end + count)].view(np.uint32), samples)
        self.end += count

    def _make_room(self, count: int) -> None:
        kept = self.buffer[2 * (self.begin - self.history):2 * self.end]
        needed = len(kept) + 2 * count
        target = (self.buffer if 2 * needed <= len(self.buffer)
                  else np.zeros(4 * needed, np.float32))
        target[:len(kept)] = kept.copy() if target is self.buffer else kept
        self.buffer = target
        self.begin, self.end = self.history, len(kept) // 2

    def forget(self) -> None:
        """As if nothing had ever come."""
        self.joined = self.asks = False
        self.buffer[:] = 0
        self.begin = self.end = self.history
        self.waiting.clear()
        self.waits = 0


class Mixer:
    """Streams in, streams out."""

    def __init__(self, settings: RadioSettings) -> None:
        self.settings = settings
        self.position = 0  # samples since the first
        self.block = max(64, int(settings.rate / 1000))  # mixed at once: a millisecond
        self._random = np.random.default_rng(settings.seed)
        history = int(settings.rate * (MOST_DELAY * 1e-6 + SPREAD)) + 64
        self._members = {one.name: _Member(one, history) for one in settings.stations}
        self._noise = self._random.normal(0, math.sqrt(0.5), 2 * NOISE_SAMPLES).astype(np.float32)
        self._paths: dict[tuple[str, str], Path] = {}
        for link, ends in settings.links.items():
            for here, there in (ends, ends[::-1]):
                self._paths[here.name, there.name] = Path(
                    settings.path(link), settings.rate, self._random)
        self._heard = {one.name: settings.ues if one in settings.cells else settings.cells
                       for one in settings.stations}

    @property
    def tallies(self) -> Mapping[str, Tally]:
        return {name: replace(one.tally) for name, one in self._members.items()}

    @property
    def joined(self) -> tuple[str, ...]:
        return tuple(name for name, one in self._members.items() if one.joined)

    def times_joined(self, name: str) -> int:
        return self._members[name].tally.joined

    def awaited(self, name: str, seconds: float) -> None:
        """Time stood still for this station for so long."""
        self._members[name].tally.awaited += seconds

    def power(self, name: str) -> float | None:
        """Mean power of what a station sends while it sends; None before it has."""
        return self._members[name].power or None

    def offer(self, name: str, data: memoryview | bytes) -> None:
        """A station has sent these bytes."""
        member = self._members[name]
        whole = len(data) // BYTES
        member.tally.odd_bytes += len(data) - whole * BYTES
        if whole > MOST_MESSAGE:
            raise RadioError(f"{name} sent {whole} samples at once; {MOST_MESSAGE} are taken.")
        samples = np.frombuffer(data, np.uint32, 2 * whole)
        member.tally.sent += whole
        # A short message lies where it came to lie in a longer read: not always on whole words.
        member.offer(samples if samples.flags.aligned else samples.copy())
        self._join(member)

    def wants(self, name: str) -> bool:
        """Whether a station should be asked for more."""
        return self._members[name].pending < 2 * self.block

    def asked(self, name: str) -> None:
        """A station waits for samples."""
        member = self._members[name]
        member.asks = True
        self._join(member)

    def is_asking(self, name: str) -> bool:
        """Whether a station waits for an answer."""
        return self._members[name].asks

    def take(self, name: str) -> Floats | None:
        """What a station that waits is answered, if anything is there for it."""
        member = self._members[name]
        if not member.asks or not member.waiting:
            return None
        member.asks = False
        samples = member.waiting.popleft()
        member.waits -= len(samples) // 2
        member.tally.fetched += len(samples) // 2
        return samples

    def holding_up(self) -> tuple[str, ...]:
        """For whom time stands still: they should send or fetch.

        Who cannot send because it waits for samples itself is not among them, unless nobody else
        is: one that hangs after it has asked looks the same.
        """
        behind = {name: one for name, one in self._members.items() if one.joined
                  and (one.is_silent or self._is_idle(one))}
        at_fault = tuple(name for name, one in behind.items() if not one.is_starving)
        return at_fault or tuple(behind)

    def _is_idle(self, member: _Member) -> bool:
        return member.station.receives is not None and member.waits >= 2 * self.block

    def lose(self, name: str) -> None:
        """A station is gone."""
        member = self._members[name]
        if member.joined:
            member.tally.lost += 1
        member.forget()

    def set_path(self, link: str, settings: PathSettings) -> None:
        """Change both directions of a path from the next block on."""
        if link not in self.settings.links:
            raise RadioError(f"There is no path {link!r}: there are "
                             f"{', '.join(self.settings.links)}.")
        here, there = self.settings.links[link]
        self._paths[here.name, there.name].set(settings)
        self._paths[there.name, here.name].set(settings)

    def path(self, link: str) -> PathSettings:
        """A path as it is now."""
        if link not in self.settings.links:
            raise RadioError(f"There is no path {link!r}: there are "
                             f"{', '.join(self.settings.links)}.")
        here, there = self.settings.links[link]
        return self._paths[here.name, there.name].settings

    def set_snr(self, name: str, snr: float | None) -> None:
        """Change the noise at a station."""
        if name not in self._members:
            raise RadioError(f"There is no station {name!r}: there are "
                             f"{', '.join(self._members)}.")
        member = self._members[name]
        member.station = replace(member.station, snr=snr)

    def snr(self, name: str) -> float | None:
        return self._members[name].station.snr

    def step(self, most: int | None = None) -> int:
        """Go on by as many samples as can be; 0 where somebody has to be waited for."""
        joined = [one for one in self._members.values() if one.joined]
        senders = [one for one in joined if one.station.transmits is not None]
        alone = self.settings.together and not self.position and len(joined) < len(self._members)
        if not senders or alone:
            return 0
        count = min(self.block, *(one.pending for one in senders))
        for one in joined:
            if one.station.receives is not None:
                count = min(count, 2 * self.block - one.waits)
        count = count if most is None else min(count, most)
        if count <= 0:
            return 0
        for one in senders:
            self._listen(one, count)
        for one in joined:
            if one.station.receives is not None:
                one.waiting.append(self._arriving(one, count))
                one.waits += count
        for one in senders:
            one.begin += count
        self.position += count
        return count

    def _join(self, member: _Member) -> None:
        station = member.station
        sends = station.transmits is None or member.pending > 0
        asks = station.receives is None or member.asks
        if not member.joined and sends and asks:
            member.joined = True
            member.tally.joined += 1
            member.tally.began = self.position

    def _listen(self, sender: _Member, count: int) -> None:
        power, active = active_power(sender.buffer, sender.begin, count)
        if active:
            part = 1 - math.exp(-active / (REMEMBERED * self.settings.rate))
            sender.power += (power / active - sender.power) * (part if sender.power else 1.0)

    def _arriving(self, receiver: _Member, count: int) -> Floats:
        out = np.zeros(2 * count, np.float32)
        loudest = 0.0
        for station in self._heard[receiver.station.name]:
            sender = self._members[station.name]
            if sender.joined and station.transmits is not None:
                self._paths[station.name, receiver.station.name].add(
                    out, sender.buffer, sender.begin, count)
                loudest = max(loudest, sender.power)
        if receiver.station.snr is not None and loudest:
            scale = math.sqrt(loudest) * 10 ** (-receiver.station.snr / 20)
            angle = self._random.uniform(0, 2 * math.pi)
            add_noise(out, count, self._noise, int(self._random.integers(NOISE_SAMPLES)),
                      scale * math.cos(angle), scale * math.sin(angle))
        return out
