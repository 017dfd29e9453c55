"""What a run of the loop came to, as one document. It measures nothing."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from testbed.loop.chronicle import Event
from testbed.loop.labels import LabelFigures
from testbed.loop.settings import LLM, LoopSettings
from testbed.loop.slices import SliceFigures, SliceSample
from testbed.loop.story import PhaseFigures, Token, verdict

Quotas = list[tuple[float, dict[str, Any]]]  # seconds since the first phase began; by slice


@dataclass
class LoopResult:
    """What happened. Times are seconds since the first phase began; None was not measured."""

    settings: LoopSettings
    phases: list[PhaseFigures]
    tokens: list[Token]
    decisions: list[dict[str, Any]]
    flow: dict[str, Any] | None  # the split model's at the xApp, as it was last
    labels: LabelFigures | None = None
    slices: list[SliceFigures] = field(default_factory=list)
    samples: list[SliceSample] = field(default_factory=list)
    quotas: Quotas = field(default_factory=list)  # as the xApp has them
    cell_quotas: Quotas = field(default_factory=list)  # as they are in force in the cell
    congestion_at: float | None = None  # the crowd's first packet
    congestion_end: float | None = None
    allowed_at: float | None = None  # the xApp might act
    put_away_at: float | None = None  # the phone's flow ended
    crowd: dict[str, Any] | None = None  # what it sent
    cell: dict[str, Any] | None = None  # `airsplit ran`'s summary
    origin: float | None = None  # of the first phase, seconds since 1970
    events: list[Event] = field(default_factory=list)
    missed_looks: int = 0  # at the xApp's API or the cell's, that did not answer in time
    clock_origin: float | None = None  # of the first phase, by the clock of tokens.jsonl

    @property
    def quota_at(self) -> float | None:
        """When the cell first guaranteed the model's slice more than by its configuration."""
        return next((at for at, found in self.cell_quotas if minimum(found) > self.base), None)

    @property
    def released_at(self) -> float | None:
        """When, the crowd being gone, that was last taken back; None: it still stands."""
        if self.quota_at is None or self.congestion_end is None:
            return None
        at, last = self.cell_quotas[-1]
        return at if minimum(last) <= self.base and at > self.congestion_end else None

    @property
    def base(self) -> int:
        return base_percent(self.settings)

    @property
    def congestion_to_quota(self) -> float | None:
        """Seconds; 0 where the quota was there when the crowd came, and stayed."""
        return seconds_to_quota(self.cell_quotas, self.base, self.congestion_at,
                                self.congestion_end)

    @property
    def allowed_to_quota(self) -> float | None:
        """Seconds; 0 where the quota was there when the xApp might act, and stayed."""
        ends = [one for one in (self.congestion_end, self.put_away_at) if one is not None]
        return seconds_to_quota(self.cell_quotas, self.base, self.allowed_at,
                                min(ends, default=None))

    def document(self) -> dict[str, Any]:
        """For summary.json."""
        return {
            "settings": asdict(self.settings), "phases": [asdict(one) for one in self.phases],
            "verdict": self.verdict(), "labels": None if self.labels is None else asdict(
                self.labels), "slices": [asdict(one) for one in self.slices],
            "decisions": self.decisions, "flow": self.flow, "quotas": self.quotas,
            "cell_quotas": self.cell_quotas, "crowd": self.crowd, "cell": self.cell,
            "reports": [asdict(one) for one in self.samples],
            "story": [asdict(one) for one in self.events], "missed_looks": self.missed_looks,
            "clock_origin": self.clock_origin}

    def verdict(self) -> dict[str, Any]:
        """The story in figures."""
        labels = self.labels
        return verdict(self.phases, self.decisions) | {
            "label_seconds": None if labels is None else labels.first_right_seconds,
            "label_right": None if labels is None or not labels.flows else
            labels.right == len(labels.flows),
            "congestion_at": self.congestion_at, "congestion_end": self.congestion_end,
            "allowed_at": self.allowed_at, "put_away_at": self.put_away_at,
            "quota_at": self.quota_at, "released_at": self.released_at,
            "congestion_to_quota_seconds": self.congestion_to_quota,
            "allowed_to_quota_seconds": self.allowed_to_quota,
            "floor_violated": self._floor_violated()}

    def _floor_violated(self) -> bool | None:
        known = [one.floor_violated for one in self.slices if one.floor_violated is not None]
        return any(known) if known else None


def base_percent(settings: LoopSettings) -> int:
    """Percent that the model's slice has by the cell's own configuration."""
    return settings.base_percent


def minimum(shares: dict[str, Any]) -> int:
    """Percent that the model's slice is guaranteed."""
    return int((shares.get(LLM) or {}).get("minimum", 0))


def seconds_to_quota(quotas: Quotas, base: int, since: float | None,
                     until: float | None) -> float | None:
    """From `since` to a guarantee above the base; None: there never was one.

    It is 0 only where one was in force then and stayed until `until`. One of the calm that was
    taken back serves nobody later: what counts is the first one after that.
    """
    if since is None:
        return None
    before = [shares for at, shares in quotas if at <= since]
    later = [(at, minimum(shares) > base) for at, shares in quotas if at > since]
    begin = since
    if before and minimum(before[-1]) > base:
        gone = next((at for at, there in later if not there and (until is None or at < until)),
                    None)
        if gone is None:
            return 0.0
        begin = gone
    return next((at - since for at, there in later if there and at > begin), None)
