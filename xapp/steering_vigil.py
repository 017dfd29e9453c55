"""What was kept although nothing could prove it: watched until load tells, and never for ever.

A guarantee that is given to a calm cell shows no effect. When load comes, reports either show that
the slice has what it is due, and it is proven; or that it has not, or they tell nothing for too
long, and it is taken back. Only time under load counts. It reads no reports itself: it is told what
they say (`xapp.effects.Evidence`), and it sends nothing.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from xapp.actuators.targets import SliceTarget, Target, Value
from xapp.decisions import SetQuotas
from xapp.effects import Evidence
from xapp.observations import CellKey, Quota, Snssai
from xapp.steering_types import Action, SteeringConfig
from xapp.undo import Book

LONGEST_STEP = 2.0  # seconds that one look may stand for; a longer gap was no watching


class Finding(enum.Enum):
    """What became of it."""

    OPEN = "open"
    PROVEN = "proven"
    REFUTED = "refuted"  # reports speak against it
    NEVER_SHOWN = "never shown"  # load for long enough, and nothing speaks for it


@dataclass
class Vigil:
    """One cell's."""

    cell: CellKey
    action: Action | None  # the last of it; None: of an earlier run
    back: dict[Target, Value]  # what was last shown to be in force
    since: float | None = None  # the first of it was sent
    at: float | None = None  # last look
    has: float = 0.0  # seconds in a row
    held: float = 0.0  # likewise
    loaded: float = 0.0  # seconds under load that showed nothing for it

    def weigh(self, evidence: Evidence, now: float, config: SteeringConfig) -> Finding:
        """One more look."""
        step = 0.0 if self.at is None else min(now - self.at, LONGEST_STEP)
        self.at = now
        self.has = self.has + step if evidence is Evidence.HAS else 0.0
        self.held = self.held + step if evidence is Evidence.HELD else 0.0
        if evidence in (Evidence.HELD, Evidence.HIDDEN):
            self.loaded += step
        if self.has >= config.proof_seconds:
            return Finding.PROVEN
        if self.held >= config.effect_seconds:
            return Finding.REFUTED
        return (Finding.NEVER_SHOWN if self.loaded >= config.unproven_seconds else Finding.OPEN)

    def quotas(self, book: Book) -> Mapping[Snssai, Quota]:
        """What its slices should have."""
        case = None if self.action is None else self.action.case
        if case is not None and isinstance(case.decision, SetQuotas):
            return case.decision.quotas
        return {held.target.snssai: held.confirmed for held in book.of_cell(self.cell)
                if isinstance(held.target, SliceTarget) and isinstance(held.confirmed, Quota)}


@dataclass
class Vigils:
    """All cells'."""

    book: Book
    _open: dict[CellKey, Vigil] = field(default_factory=dict)

    def begin(self, action: Action) -> None:
        """It was kept, and nothing proved it; time under load of an older one is not forgotten."""
        before = self._open.get(action.cell)
        sent = None if action.before_it is None else action.before_it.now
        vigil = (Vigil(action.cell, action, {}, sent) if before is None
                 else Vigil(action.cell, action, before.back, before.since))
        if before is not None:
            vigil.loaded = before.loaded
        for target, held in action.before.items():
            vigil.back.setdefault(target, held.confirmed if held.proven else held.found)
        self._open[action.cell] = vigil

    def end(self, cell: CellKey) -> None:
        self._open.pop(cell, None)

    def of(self, cell: CellKey) -> Vigil:
        return self._open.setdefault(cell, Vigil(cell, None, {}))

    def cells(self) -> frozenset[CellKey]:
        """Where anything is in force that nothing has proven."""
        return frozenset(held.target.cell for held in self.book if held.doubted)
