"""What steering takes, gives and keeps: its configuration, its commands, an action, a decision.

It does not know what moves them (`xapp.steering`).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from xapp.actuators.base import Actuator, Step, Steps
from xapp.actuators.targets import Target
from xapp.decisions import Decision, Expectation
from xapp.effect_watch import Watch
from xapp.errors import ConfigurationError
from xapp.events import Event
from xapp.observations import CellKey, Observations, Quota, Snssai
from xapp.steering_table import FINAL, Stage
from xapp.store_records import Held, Record


class AtStart(enum.Enum):
    """What becomes of what the last run left in force."""

    RESTORE = "restore"  # what it had found is put back
    ADOPT = "adopt"  # what it last confirmed is put in force again, and kept


class AtExit(enum.Enum):
    """What becomes of what is in force when the xApp ends."""

    RESTORE = "restore"
    LEAVE = "leave"


@dataclass(frozen=True)
class SteeringConfig:
    """How steering goes about it."""

    commit_seconds: float = 5.0  # for an intent to be on disk; then the action is withdrawn
    ack_seconds: float = 3.0  # for the answer of a node; longer than E2's own time-out
    effect_seconds: float = 4.0  # for an effect, where the policy expects nothing of its own
    proof_seconds: float = 2.0  # under load, in a row, that prove what could not be seen at first
    unproven_seconds: float = 12.0  # under load, after which what nothing proves is taken back
    undo_seconds: float = 4.0  # for an undo to be reported
    undo_attempts: int = 3
    actions_per_minute: float = 12.0  # of a cell, on average
    actions_in_a_row: int = 4  # of a cell
    failures_before_aside: int = 3  # of an actuator on a node, in a row
    aside_seconds: float = 300.0  # that it is not used then
    left_seconds: float = 3.0  # of a node's reports without a UE, after which it has left
    put_back_seconds: float = 2.0  # before what could not be put back is tried again; doubles
    put_back_most_seconds: float = 120.0
    forget_seconds: float = 60.0  # for which a UE is away before what was set on it is
    dry_run: bool = False  # decide and record, send nothing
    at_start: AtStart = AtStart.ADOPT
    at_exit: AtExit = AtExit.RESTORE
    floors: Mapping[Snssai, int] = field(default_factory=dict)  # percent that a slice always gets
    found: Mapping[Snssai, Quota] = field(default_factory=dict)  # in the base stations' own files
    usual_drb: int = 1  # of QoS flows that nobody moved
    assumed: Quota = field(default_factory=Quota)  # of a slice or UE of which nobody knows

    def __post_init__(self) -> None:
        if sum(self.floors.values()) > 100:
            raise ConfigurationError(
                f"The slices' floors add up to {sum(self.floors.values())} %.", "Lower them.")
        times = (self.commit_seconds, self.ack_seconds, self.effect_seconds, self.undo_seconds,
                 self.put_back_seconds, self.actions_per_minute, self.proof_seconds,
                 self.unproven_seconds)
        if min(times) <= 0 or self.undo_attempts < 1 or self.actions_in_a_row < 1:
            raise ConfigurationError("Times, rates and attempts must be above 0.",
                                     "Leave them out for the defaults.")


@dataclass(frozen=True, slots=True)
class SendStep:
    """Send this; answer with `acknowledged`, `failed` or `unanswered` of that call."""

    call: int
    action: str
    step: Step
    undo: bool


@dataclass(frozen=True, slots=True)
class Tell:
    """Say this to the operator."""

    event: Event


@dataclass(frozen=True, slots=True)
class Remember:
    """Keep this; where there is a ticket, answer with `committed` or `not_committed` of it."""

    record: Record
    ticket: str | None = None


Command = SendStep | Tell | Remember


class End(enum.StrEnum):
    """How a decision ends; the console's words."""

    CONFIRMED = "confirmed"
    UNPROVEN = "unproven"  # kept, and no report could tell whether it is in force
    ROLLED_BACK = "rolled_back"
    FAILED = "failed"
    RECORDED = "recorded"
    SUPERSEDED = "superseded"


@dataclass
class Case:
    """A decision, and which actuators are still to be tried for it."""

    id: str
    decision: Decision
    cell: CellKey
    actuators: list[Actuator] | None = None  # None: not begun
    tried: list[tuple[str, str]] = field(default_factory=list)  # names, and why not
    rolled_back: bool = False
    told_waiting: bool = False


@dataclass
class Action:
    """One use of one actuator."""

    id: str
    cell: CellKey
    actuator: Actuator
    steps: Steps
    expected: tuple[Expectation, ...]
    before: Mapping[Target, Held]  # what the book said of its targets
    case: Case | None = None  # None: it puts something back
    stage: Stage = Stage.PLANNED
    undo: Steps = field(default_factory=lambda: Steps(()))
    index: int = 0  # of the step that is out
    undo_tries: int = 0
    call: int | None = None
    due: float = 0.0  # when the current stage's patience ends
    before_it: Observations | None = None  # as it was when the first step was sent
    watch: Watch | None = None
    checked: Watch | None = None  # what has to be seen of its undo
    cancelled: str = ""  # why it is undone as soon as the node has answered
    abandoned: bool = False
    outdated: bool = False  # a newer decision waits for it
    why: str = ""  # it ended

    @property
    def node(self) -> str:
        return self.cell.node

    @property
    def over(self) -> bool:
        return self.stage in FINAL

    @property
    def puts_back(self) -> bool:
        return self.case is None


@dataclass
class Lane:
    """What goes on in one cell: one action at a time, and the newest decision that waits."""

    cell: CellKey
    action: Action | None = None
    case: Case | None = None  # whose action it is, or whose next actuator is to be tried
    next: Case | None = None
    put_back_at: float = 0.0
    put_back_wait: float = 0.0  # seconds; grows with every failure
    remote_awaited: bool = False  # the node's remote control was given time to connect

    @property
    def idle(self) -> bool:
        """Nothing is under way."""
        return self.action is None and self.case is None and self.next is None
