"""What no policy may go beyond, and how calmly quotas are moved: numbers only.

    Limits(most_guaranteed=80, hold=10.0)

It does not know what a policy wants, nor what is in force.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from xapp.errors import ConfigurationError
from xapp.observations import CellKey, Quota, Snssai

FREE = Quota()  # no guarantee, no cap
MOST_GRANT_MS = 1000.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of every decision."""

    most_guaranteed: int = 90  # percent of a cell's PRBs that all minimums may add up to
    floor: int = 5  # percent that a slice keeps which no policy names
    smallest_step: int = 3  # percent of the cell; less is not worth telling a node
    largest_step: int = 50  # percent of the cell that a minimum moves at a time
    hold: float = 5.0  # seconds that quotas stay in force before they are changed again
    most_changes: int = 10  # of one cell's quotas in a minute
    release: float = 10.0  # seconds that a cell has had room before guarantees are given up
    linger: float = 15.0  # seconds that a flow counts after it was last heard of
    stale: float = 3.0  # seconds; what a node reported before that is not acted upon
    silent: float = 5.0  # seconds without a word of any tap: what it said is neither true nor false
    abandon: float = 300.0  # seconds of such silence after which quotas go back
    confidence: float = 0.7  # of a label for which quotas are raised
    doubt: float = 0.4  # of a label for which they stay as they are
    headroom: float = 1.3  # guaranteed over what is needed
    growth: float = 1.5  # more of it where packets wait too long all the same
    cap_above: float = 1.5  # times the time on the air that is due: others are capped beyond it
    lower_above: float = 1.7  # a guarantee that is more than this over what is due is lowered
    lower_after: float = 20.0  # seconds that it was in force before; it is raised sooner
    peak: float = 3.0  # of traffic over its mean, where only the mean is known
    first_guess: int = 15  # percent guaranteed where nothing tells what is needed
    dedicated: float = 0.0  # share of such a guarantee that is never lent, 0 to 1
    air_share: float = 0.5  # of a target's time that the air may take; the rest is computing
    grant_ms: float = 0.0  # of the air's time that no share shortens: request, grant, decoding
    kbps_per_prb: float = 150.0  # down or up, where nothing was measured: a poor channel
    settle: float = 3.0  # seconds by which a decision's effect has to show
    rsrp: float = -105.0  # dBm that a cell must at least be heard with to hand a UE over to it
    handover_pause: float = 30.0  # seconds that a UE stays after it moved
    # What slices have without any policy, as found at start; the steering fills it in. What is
    # not in here is never put back.
    base: Mapping[tuple[CellKey, Snssai], Quota] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not (0 < self.most_guaranteed <= 100 and 0 <= self.floor <= self.most_guaranteed
                and 0 <= self.first_guess <= self.most_guaranteed):
            raise _wrong("most_guaranteed, floor and first_guess are percent of a cell, and no "
                         "floor or guess is above what may be guaranteed")
        if not 1 <= self.smallest_step <= self.largest_step <= 100:
            raise _wrong("smallest_step and largest_step rise, from 1 to 100 percent")
        if not (0 <= self.doubt <= self.confidence <= 1 and 0 <= self.dedicated <= 1
                and 0 < self.air_share <= 1):
            raise _wrong("doubt, confidence, dedicated and air_share are shares from 0 to 1, and "
                         "doubt is not above confidence")
        if not (self.headroom >= 1 and 1 <= self.growth < self.lower_above and self.peak >= 1
                and self.cap_above >= 1):
            raise _wrong("headroom, growth, peak and cap_above are at least 1, and lower_above is "
                         "over growth: otherwise quotas would swing")
        if not (self.most_changes >= 1 and self.kbps_per_prb > 0 and self.abandon >= self.silent
                and min(self.hold, self.release, self.linger, self.stale, self.silent,
                        self.settle) > 0 and 0 <= self.grant_ms <= MOST_GRANT_MS
                and self.lower_after >= 0):
            raise _wrong("times, most_changes and kbps_per_prb are above 0 (lower_after may be "
                         "0), abandon is not below silent, and grant_ms is 0 to 1000")

    @property
    def pause(self) -> float:
        """Seconds between two changes of one cell's quotas."""
        return max(self.hold, 60.0 / self.most_changes)

    def of(self, cell: CellKey, snssai: Snssai) -> Quota | None:
        """What the slice has without any policy, where it is known."""
        return self.base.get((cell, snssai))


def _wrong(what: str) -> ConfigurationError:
    return ConfigurationError(f"The limits contradict themselves: {what}.",
                              "Correct them in the section `limits` of the configuration.")
