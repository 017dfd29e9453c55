"""Whether what a node was told had an effect: judged by what it reports, never by what it answers.

A report counts when its figures were made after the node was told. A node that refreshes its
figures once in `stale` seconds repeats old ones in between, so a report counts from `stale` seconds
after. A figure that was not reported is unknown, and unknown by the deadline is `NOT_VISIBLE`,
which is no success. A figure that was as expected before anybody did anything proves nothing, and
neither does one of a cell or a slice that is idle by now, nor one report where several are asked
for, nor a wait that fell with all others': where all are such, it is `UNPROVEN`. It does not know
what is done about it.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from xapp.actuators.targets import PlaceTarget, Settings, SliceTarget, UeTarget
from xapp.decisions import Decision, Expectation, Metric, SetQuotas
from xapp.observations import CellKey, Load, Observations, Quota, Snssai, UeKey

Subject = tuple[CellKey, Snssai] | UeKey | CellKey
TOLERANCE = 5.0  # percent of a cell's PRBs that a limited slice may exceed its maximum by
IDLE = 0.25  # of a limit; who uses less of it is not held by it
TOGETHER = 3.0  # seconds that figures of one moment may be apart
REPORTS_WAITED_FOR = 3  # of a node's refresh periods, where a deadline allows for fewer
DIRECTIONS = {Metric.UP_KBPS: "up_prbs", Metric.UP_PRBS: "up_prbs", Metric.UP_DELAY_MS: "up_prbs",
              Metric.DOWN_KBPS: "down_prbs", Metric.DOWN_PRBS: "down_prbs",
              Metric.DOWN_DELAY_MS: "down_prbs"}


class Verdict(enum.Enum):
    WAITING = "waiting"
    SEEN = "seen"
    UNPROVEN = "unproven"  # as expected, and it would be so without any effect
    NOT_SEEN = "not seen"  # reported, and not as expected
    NOT_VISIBLE = "not visible"  # not reported


@dataclass(frozen=True, slots=True)
class Effect:
    """An expectation, and what was reported of it."""

    expected: Expectation
    before: float | None  # last report before the node was told
    seen: float | None = None  # last report that counts
    met: bool | None = None  # None: not known
    negated: bool = False  # after an undo: it has to be over
    new: bool = False  # reported before, and not as expected: so it can show
    idle: bool = False  # nothing is in the way any more, so that it can show nothing
    at: float = float("-inf")  # of the last report that counts
    row: int = 0  # reports in a row that said so

    @property
    def sure(self) -> bool:
        """Enough reports said so."""
        return bool(self.met) and (self.negated or self.row >= self.expected.reports)

    @property
    def open(self) -> bool:
        """That it is not so, or not yet for certain, tells nothing."""
        return (self.idle or (not self.met and not self.expected.needed)
                or (bool(self.met) and not self.sure))

    def sentence(self) -> str:
        """For the operator."""
        known = "nothing was reported" if self.seen is None else f"{self.seen:g} was reported"
        was = "" if self.before is None else f", {self.before:g} before"
        idle = ", when nobody was held back" if self.idle else ""
        return (f"{self.expected.metric.value} of {text_of(self.expected.subject)}: "
                f"{'no longer ' * self.negated}{_bounds(self.expected)} "
                f"{'expected' if self.expected.needed else 'would prove it'}, "
                f"{known}{was}{idle}")


def _bounds(one: Expectation) -> str:
    limits = (("at least", one.at_least), ("at most", one.at_most))
    bounds = " and ".join(f"{word} {limit:g}" for word, limit in limits if limit is not None)
    others = "".join(f", or {other.metric.value} {_bounds(other)}" for other in one.instead)
    beside = "" if one.beside is None else f" and {one.beside:.2g} of the longest wait beside it"
    row = f" in {one.reports} reports in a row" if one.reports > 1 else ""
    return (bounds or "any figure") + beside + others + row


@dataclass(frozen=True, slots=True)
class Watch:
    """What has to be seen since a node was told."""

    told: float
    stale: float  # seconds for which the node repeats old figures
    effects: tuple[Effect, ...]
    places: Mapping[UeKey, CellKey] = field(default_factory=dict)  # where UEs have to be
    within: float = 0.0  # seconds, for places

    @property
    def deadline(self) -> float:
        """When it is decided, whatever was reported."""
        within = [one.expected.within for one in self.effects]
        within += [self.within] * bool(self.places)
        return self.told + max([REPORTS_WAITED_FOR * self.stale, *within])


def text_of(subject: Subject) -> str:
    return f"{subject[0]}/{subject[1]}" if isinstance(subject, tuple) else str(subject)


def load_of(subject: Subject, observations: Observations) -> Load | None:
    """The last report about it."""
    if isinstance(subject, UeKey):
        ue = observations.ues.get(subject)
        return None if ue is None else ue.load
    cell = observations.cells.get(subject[0] if isinstance(subject, tuple) else subject)
    if cell is None or isinstance(subject, CellKey):
        return None if cell is None else cell.load
    found = cell.slices.get(subject[1])
    return None if found is None else found.load


def value_of(expected: Expectation, load: Load | None) -> float | None:
    """The figure; where no bound is set, any that was reported."""
    wanted = [expected.metric]
    if expected.at_least is None and expected.at_most is None:
        wanted += Metric
    values = (None if load is None else getattr(load, metric.value) for metric in wanted)
    return next((value for value in values if value is not None), None)


def meets(expected: Expectation, value: float) -> bool:
    return ((expected.at_least is None or value >= expected.at_least)
            and (expected.at_most is None or value <= expected.at_most))


def is_met(expected: Expectation, observations: Observations) -> bool | None:
    """Whether it, or what does in its place, is so now; None where nothing is reported of it."""
    known = [meets(one, value) for one in (expected, *expected.instead)
             if (value := value_of(one, load_of(one.subject, observations))) is not None]
    return any(known) if known else None


def is_own(expected: Expectation, observations: Observations) -> bool:
    """Whether what is met is so beside the others too, and did not come with a load that fell."""
    return any(meets(one, value) and _less_than_beside(one, value, observations)
               for one in (expected, *expected.instead)
               if (value := value_of(one, load_of(one.subject, observations))) is not None)


def longest_beside(subject: Subject, metric: Metric, observations: Observations) -> float | None:
    """The longest wait of the others in its cell, slices or UEs as it is one, reported with it."""
    load, cell = load_of(subject, observations), _cell_of(subject, observations)
    if load is None or isinstance(subject, CellKey) or not isinstance(cell, CellKey):
        return None
    loads: Iterator[Load]
    if isinstance(subject, UeKey):
        own = observations.ues[subject].slice
        loads = (ue.load for ue in observations.ues.values() if ue.cell == cell
                 and ue.key != subject and (own is None or ue.slice != own))
    else:
        known = observations.cells[cell].slices
        loads = (one.load for snssai, one in known.items() if snssai != subject[1])
    waits = [wait for one in loads if abs(one.at - load.at) <= TOGETHER
             and (wait := getattr(one, metric.value)) is not None]
    return max(waits, default=None)


def _less_than_beside(expected: Expectation, value: float, observations: Observations) -> bool:
    if expected.beside is None:
        return True
    others = longest_beside(expected.subject, expected.metric, observations)
    return others is None or value <= expected.beside * others


def is_idle(expected: Expectation, observations: Observations) -> bool:
    """Whether a report tells nothing: the cell has room, or the slice sends little or nothing."""
    if expected.under is not None:
        load = load_of(_cell_of(expected.subject, observations), observations)
        use: float | None = getattr(load, DIRECTIONS[expected.metric], None)
        if use is not None and use < expected.under:
            return True
    load = load_of(expected.subject, observations)
    sent: float | None = getattr(load, DIRECTIONS[expected.metric].replace("prbs", "kbps"), None)
    if (isinstance(expected.subject, tuple) and expected.at_most != expected.at_least and sent == 0
            and not expected.silence):
        return True  # a pause, or nobody is left
    value = value_of(expected, load)
    return (expected.metric in (Metric.UP_PRBS, Metric.DOWN_PRBS) and expected.at_most is not None
            and value is not None and value < expected.at_most * IDLE)


def _cell_of(subject: Subject, observations: Observations) -> Subject:
    if isinstance(subject, UeKey):
        ue = observations.ues.get(subject)
        return subject if ue is None or ue.cell is None else ue.cell
    return subject[0] if isinstance(subject, tuple) else subject


def expectations(decision: Decision | None, settings: Settings, cell: CellKey, within: float,
                 observations: Observations | None = None) -> tuple[Expectation, ...]:
    """What a policy expects of what an actuator really sets; else what follows from the settings.

    A limited slice does not exceed its maximum, in any direction that is reported. Where even that
    says nothing, the cell has to be reported at all: a base station that hangs is not one that
    obeyed.
    """
    wished = tuple(one for one in (() if decision is None else decision.expected)
                   if _claimed(one, settings))
    if wished:
        return wished
    limited = [] if not isinstance(decision, SetQuotas) else [
        one for snssai, quota in decision.quotas.items() if quota.maximum < 100
        and any(isinstance(value, Quota) and value.maximum <= quota.maximum
                for value in settings.values())
        for one in _limited(cell, snssai, quota, within, observations)]
    if limited or any(isinstance(target, PlaceTarget) for target in settings):
        return tuple(limited)
    return (alive(cell, within),)


def _claimed(one: Expectation, settings: Settings) -> bool:
    """Whether an actuator sets anything that could bring it about; OAI's RC caps nobody."""
    if one.at_most is None or one.metric not in (Metric.UP_PRBS, Metric.DOWN_PRBS):
        return True
    for target, value in settings.items():
        if not isinstance(value, Quota) or value.maximum >= 100:
            continue
        if isinstance(target, UeTarget) or (isinstance(target, SliceTarget)
                                            and one.subject == (target.cell, target.snssai)):
            return True
    return False


def _limited(cell: CellKey, snssai: Snssai, quota: Quota, within: float,
             observations: Observations | None) -> Iterator[Expectation]:
    subject = (cell, snssai)
    load = None if observations is None else load_of(subject, observations)
    metrics = [metric for metric in (Metric.DOWN_PRBS, Metric.UP_PRBS)
               if getattr(load, metric.value, None) is not None]
    most = quota.maximum + TOLERANCE + (0.0 if load is None else load.prbs_over)
    for metric in metrics or [Metric.DOWN_PRBS]:
        yield Expectation(subject, metric, within, at_most=most)


def alive(cell: CellKey, within: float) -> Expectation:
    """That the cell is reported."""
    return Expectation(cell, Metric.DOWN_PRBS, within)


def watch(expected: tuple[Expectation, ...], settings: Settings, observations: Observations,
          told: float, stale: float, within: float) -> Watch:
    """Begin to look."""
    return Watch(told, stale, tuple(
        Effect(one, value_of(one, load_of(one.subject, observations)),
               new=_is_new(one, observations)) for one in expected),
        _places(settings), within)


def _is_new(expected: Expectation, observations: Observations) -> bool:
    """Whether it is not so yet; of a slice that nobody is reported in, nothing is."""
    met = is_met(expected, observations)
    return met is False or (met is None and expected.silence)


def undone(before: Watch, settings: Settings, told: float, within: float) -> Watch:
    """What has to be seen after an undo: reports, in which the effect is over where there was one.

    An expectation that was met before anything was done says nothing about an undo: only that its
    figure has to be reported.
    """
    effects = []
    for one in before.effects:
        expected = replace(one.expected, within=within)
        if not one.new:
            expected = replace(expected, at_least=None, at_most=None, under=None, instead=(),
                               beside=None, reports=1)
        effects.append(Effect(expected, one.seen, negated=one.new, new=one.new))
    return Watch(told, before.stale, tuple(effects), _places(settings), within)


def look(watched: Watch, observations: Observations) -> Watch:
    """The watch with what these observations add."""
    effects = []
    for one in watched.effects:
        load = load_of(one.expected.subject, observations)
        met = is_met(one.expected, observations)
        idle = is_idle(one.expected, observations)
        known = met is not None or idle
        # What was seen while it could tell goes before a pause.
        if load is None or not known or not _counts(watched, load) or (
                idle and one.met is not None and not one.idle):
            effects.append(one)
        else:
            met = None if met is None else met != one.negated
            row = one.row if load.at == one.at else one.row + 1  # a look is no report
            if not met or idle or not (one.negated or is_own(one.expected, observations)):
                row = 0
            effects.append(replace(one, seen=value_of(one.expected, load), met=met, idle=idle,
                                   at=load.at, row=row))
    return replace(watched, effects=tuple(effects))


def judge(watched: Watch, observations: Observations, now: float) -> Verdict:
    """The verdict on a watch that has looked."""
    placed = [_placed(key, cell, watched, observations) for key, cell in watched.places.items()]
    known = [True if one.open else one.met for one in watched.effects] + placed
    still = any(one.open for one in watched.effects)
    if all(known) and (not still or now >= watched.deadline):  # it may yet show
        return Verdict.SEEN if placed or shows(watched) else Verdict.UNPROVEN
    if now < watched.deadline:
        return Verdict.WAITING
    return Verdict.NOT_SEEN if False in known else Verdict.NOT_VISIBLE


def shows(watched: Watch) -> bool:
    """Whether anything is as expected now that was not so before."""
    return any(one.new and one.sure and not one.idle for one in watched.effects)


def outcome(watched: Watch) -> str:
    """What was expected and reported: a sentence for the operator."""
    parts = [one.sentence() for one in watched.effects] + [
        f"{key} in {cell} expected" for key, cell in watched.places.items()]
    return "; ".join(parts) + "."


def _counts(watched: Watch, load: Load) -> bool:
    return load.at > watched.told and load.at >= watched.told + watched.stale


def _places(settings: Settings) -> dict[UeKey, CellKey]:
    return {target.ue: value for target, value in settings.items()
            if isinstance(target, PlaceTarget) and isinstance(value, CellKey)}


def _placed(key: UeKey, cell: CellKey, watched: Watch, observations: Observations) -> bool | None:
    ue = observations.ues.get(key)
    return None if ue is None or not _counts(watched, ue.load) else ue.cell == cell
