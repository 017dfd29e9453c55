"""All that an operator can see of the xApp, and do to it: the seam that the REST API stands on.

What is seen is immutable: a reader in another thread takes it and keeps it for as long as it likes.
What is done is done in the xApp's own event loop, and comes back as a future: see `api_commands`.
`at` is on the xApp's monotonic clock; `Clock` says what the wall showed then. It knows no HTTP, and
not how any of it is done.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Protocol

from xapp.decisions import Decision, Expectation
from xapp.events import Event, Level
from xapp.observations import CellKey, Observations, Quota, Snssai
from xapp.timings import NO_EFFECTS, NO_LOOPS, Times

Document = Mapping[str, Any]  # a JSON object


@dataclass(frozen=True, slots=True)
class Clock:
    """Both clocks, read at one moment."""

    monotonic: float  # seconds; what every `at` is on
    wall: float  # seconds since 1970

    def wall_time(self, at: float) -> float:
        """What the wall showed at `at`, had it not been set since."""
        return self.wall - self.monotonic + at


class NodeState(enum.Enum):
    """How the xApp stands with an E2 node."""

    CONNECTING = "connecting"  # associated, its setup not done
    CONNECTED = "connected"
    LOST = "lost"  # was there, and has no association now


@dataclass(frozen=True, slots=True)
class AssociationView:
    """One SCTP association of a node."""

    unit: str  # DU, CU-CP, CU-UP, or empty where it never said
    peer: str  # address and port
    since: float


@dataclass(frozen=True, slots=True)
class FunctionView:
    """A RAN function that a node announced."""

    name: str  # KPM, RC, CCC, or the OID where it is another
    oid: str
    id: int
    subscribed: bool = False


@dataclass(frozen=True, slots=True)
class NodeView:
    """An E2 node."""

    name: str
    profile: str  # spec, srsran, oai, flexric, ...
    state: NodeState
    since: float  # of that state
    associations: tuple[AssociationView, ...] = ()
    functions: tuple[FunctionView, ...] = ()
    actuators: tuple[str, ...] = ()  # that can act on it, in the order they are tried


class DecisionState(enum.Enum):
    """How far a decision has come; the last six are its end."""

    PLANNED = "planned"
    SENT = "sent"  # to the node, no answer yet
    ACKNOWLEDGED = "acknowledged"  # which proves nothing
    CONFIRMED = "confirmed"  # the expected effect was reported
    UNPROVEN = "unproven"  # acknowledged and kept; no report could tell whether it is in force
    ROLLED_BACK = "rolled_back"  # it was not, by the deadline; what was before is in force again
    FAILED = "failed"  # no actuator could carry it out
    RECORDED = "recorded"  # in a dry run: decided, and not sent
    SUPERSEDED = "superseded"  # a later one took its place before it was confirmed


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happened to a decision."""

    at: float
    what: str  # one word or two: sent, acknowledged, effect seen, rolled back, ...
    actuator: str = ""
    detail: str = ""  # one sentence


@dataclass(frozen=True, slots=True)
class Effect:
    """What was expected of a decision, and what was seen."""

    expected: Expectation
    before: float | None = None  # last report before the decision
    seen: float | None = None  # last report since; None: none came
    met: bool | None = None  # None: not decided yet


@dataclass(frozen=True, slots=True)
class DecisionView:
    """A decision, and all that became of it."""

    number: int  # rises by one
    at: float
    decision: Decision
    state: DecisionState
    before: Mapping[Snssai, Quota] = field(default_factory=dict)  # in force when it was made
    steps: tuple[Step, ...] = ()
    effects: tuple[Effect, ...] = ()
    actuator: str = ""  # that carried it out, or tried last


@dataclass(frozen=True, slots=True)
class EventView:
    """Something an operator may want to know."""

    number: int  # rises by one
    at: float
    event: Event


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One line of the audit log, as it was written."""

    number: int
    time: float  # seconds since 1970
    who: str  # policy and actuator, or the operator
    what: str
    why: str
    effect: str = ""
    detail: Document = field(default_factory=dict)


class Kind(enum.Enum):
    """What a history is of; and how its subject is written."""

    CELL = "cell"  # NODE/CELL
    SLICE = "slice"  # NODE/CELL/SST-SD
    UE = "ue"  # NODE/UE
    FLOW = "flow"  # the flow's key


LOAD_METRICS = ("down_kbps", "up_kbps", "down_prbs", "up_prbs", "down_delay_ms", "up_delay_ms",
                "down_drops")
QUOTA_METRICS = ("quota_minimum", "quota_maximum", "quota_dedicated")
METRICS: Mapping[Kind, tuple[str, ...]] = {
    Kind.CELL: LOAD_METRICS,
    Kind.SLICE: LOAD_METRICS + QUOTA_METRICS,
    Kind.UE: LOAD_METRICS,
    Kind.FLOW: ("up_bytes_per_second", "down_bytes_per_second", "steps_per_second", "confidence"),
}


@dataclass(frozen=True, slots=True)
class Series:
    """A figure over time; a report without it is a None, which is a gap."""

    subject: str
    points: tuple[tuple[float, float | None], ...]  # `at` and value, oldest first


def slice_subject(cell: CellKey, snssai: Snssai) -> str:
    return f"{cell}/{snssai}"


@dataclass(frozen=True, slots=True)
class PolicyView:
    """A policy: an instance that came over A1, or one of the configuration."""

    type_id: int | None  # None: it is of the configuration
    instance: str
    body: Document
    created: float  # seconds since 1970
    in_effect: bool
    reason: str = ""  # why not, in a sentence, where it is not


@dataclass(frozen=True, slots=True)
class Health:
    """Whether the xApp is alive, and whether it does its work."""

    alive: bool
    reasons: tuple[str, ...] = ()  # why it is not ready, a sentence each: no node, tap silent, ...

    @property
    def ready(self) -> bool:
        return self.alive and not self.reasons


@dataclass(frozen=True, slots=True)
class Modes:
    """What an operator has switched."""

    dry_run: bool = False
    killed: bool = False  # the kill switch is pulled: what was found at start is in force again
    killed_at: float | None = None
    killed_by: str = ""


@dataclass(frozen=True, slots=True)
class Counts:
    """What has happened since the start, for counters that never fall."""

    indications: int = 0
    indications_lost: int = 0  # gaps in sequence numbers
    labels: int = 0
    labels_lost: int = 0
    labels_bad: int = 0
    decisions: Mapping[DecisionState, int] = field(default_factory=dict)  # that came to that end
    events: Mapping[Level, int] = field(default_factory=dict)
    controls: Mapping[tuple[str, str], int] = field(default_factory=dict)  # (actuator, answer)
    flows_evicted: int = 0  # given up because there was no room for them


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything that changes, at one moment: one reference to one frozen object."""

    clock: Clock
    started: float  # `at` of the start
    health: Health
    modes: Modes = Modes()
    nodes: tuple[NodeView, ...] = ()
    observations: Observations = field(default_factory=lambda: Observations(0.0))
    counts: Counts = Counts()
    version: str = "unknown"  # of this software
    loop: Times = NO_LOOPS  # from an indication's bytes in to a control's bytes out
    acknowledgement: Times = NO_LOOPS  # from a control out to its answer in
    effect: Times = NO_EFFECTS  # from an intent to the report that showed its effect
    priority: int = 0  # of the loop, in real time; 0: it is an ordinary one


class Operations(Protocol):
    """What the REST API asks of the xApp.

    Reads return at once, from any thread, what will not change; the three marked so may read the
    disk, and are called in a thread that may wait. Commands are done in the xApp's own loop; their
    futures fail with an `OperatorError`, or a `PolicyError` that says what is wrong with a policy.
    """

    def picture(self) -> Picture: ...

    def limits(self) -> Document:
        """The limits and the configuration in force, as shown; no secrets."""

    def history(
        self, kind: Kind, metric: str, since: float, subject: str | None = None
    ) -> Sequence[Series]:
        """Of all subjects, or of one; may read the disk."""

    def decisions(self, count: int, before: int | None = None) -> Sequence[DecisionView]:
        """The last `count` with a number below `before`, newest first; may read the disk."""

    def decision(self, number: int) -> DecisionView | None: ...

    def events(self, count: int, before: int | None = None) -> Sequence[EventView]:
        """As with `decisions`."""

    def audit(self, since: float | None = None) -> Iterator[AuditEntry]:
        """The audit log, oldest first, from `since` (seconds since 1970); reads the disk."""

    def policy_types(self) -> Mapping[int, Document]:
        """By id: name, description, policy_type_id and create_schema."""

    def policies(self, type_id: int | None) -> Sequence[PolicyView]:
        """Those of an A1 type; None: those of the configuration."""

    def create_policy_type(self, type_id: int, document: Document) -> Future[None]:
        """Fails with `Conflict` where there is one of that id."""

    def delete_policy_type(self, type_id: int) -> Future[None]:
        """Fails with `NotFound`, or `Conflict` where instances of it are left."""

    def put_policy(self, type_id: int, instance: str, body: Document, who: str) -> Future[None]:
        """Create or replace; `NotFound` where there is no such type, `PolicyError` where the body
        breaks its schema, `Conflict` where it contradicts the limits or another policy."""

    def delete_policy(self, type_id: int, instance: str, who: str) -> Future[None]: ...

    def set_dry_run(self, on: bool, who: str) -> Future[None]: ...

    def pull_kill_switch(self, reason: str, who: str) -> Future[None]:
        """Stop steering, and put in force what was found at start."""

    def release_kill_switch(self, who: str) -> Future[None]: ...
