"""Whether what a node was told had an effect: judged by what it reports, never by what it answers.

A report counts when its figures were made after the node was told. A node that refreshes its
figures once in `stale` seconds repeats old ones in between, so a report counts from `stale` seconds
after. A figure that was not reported is unknown, and unknown by the deadline is `NOT_VISIBLE`,
which is no success. It does not know what is done about it.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from xapp.actuators.targets import PlaceTarget, Settings
from xapp.decisions import Decision, Expectation, Metric, SetQuotas
from xapp.observations import CellKey, Load, Observations, Quota, Snssai, UeKey

Subject = tuple[CellKey, Snssai] | UeKey | CellKey
TOLERANCE = 5.0  # percent of a cell's PRBs that a limited slice may exceed its maximum by
REPORTS_WAITED_FOR = 3  # of a node's refresh periods, where a deadline allows for fewer


class Verdict(enum.Enum):
    WAITING = "waiting"
    SEEN = "seen"
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

    def sentence(self) -> str:
        """For the operator."""
        one = self.expected
        limits = (("at least", one.at_least), ("at most", one.at_most))
        bounds = " and ".join(f"{word} {limit:g}" for word, limit in limits if limit is not None)
        known = "nothing was reported" if self.seen is None else f"{self.seen:g} was reported"
        return (f"{one.metric.value} of {text_of(one.subject)}: {'no longer ' * self.negated}"
                f"{bounds or 'any figure'} expected, {known}")


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


def expectations(decision: Decision | None, settings: Settings, cell: CellKey,
                 within: float) -> tuple[Expectation, ...]:
    """What a policy expects; where it expects nothing, what follows from the settings.

    A limited slice does not exceed its maximum. Where even that says nothing, the cell has to be
    reported at all: a base station that hangs is not one that obeyed.
    """
    if decision is not None and decision.expected:
        return decision.expected
    limited = [] if not isinstance(decision, SetQuotas) else [
        Expectation((cell, snssai), Metric.DOWN_PRBS, within, at_most=quota.maximum + TOLERANCE)
        for snssai, quota in decision.quotas.items() if quota.maximum < 100
        and any(isinstance(value, Quota) and value.maximum <= quota.maximum
                for value in settings.values())]
    if limited or any(isinstance(target, PlaceTarget) for target in settings):
        return tuple(limited)
    return (alive(cell, within),)


def alive(cell: CellKey, within: float) -> Expectation:
    """That the cell is reported."""
    return Expectation(cell, Metric.DOWN_PRBS, within)


def watch(expected: tuple[Expectation, ...], settings: Settings, observations: Observations,
          told: float, stale: float, within: float) -> Watch:
    """Begin to look."""
    return Watch(told, stale, tuple(
        Effect(one, value_of(one, load_of(one.subject, observations))) for one in expected),
        _places(settings), within)


def undone(before: Watch, settings: Settings, told: float, within: float) -> Watch:
    """What has to be seen after an undo: reports, in which the effect is over where there was one.

    An expectation that was met before anything was done says nothing about an undo: only that its
    figure has to be reported.
    """
    effects = []
    for one in before.effects:
        was_new = one.before is not None and not meets(one.expected, one.before)
        expected = replace(one.expected, within=within)
        if not was_new:
            expected = replace(expected, at_least=None, at_most=None)
        effects.append(Effect(expected, one.seen, negated=was_new))
    return Watch(told, before.stale, tuple(effects), _places(settings), within)


def look(watched: Watch, observations: Observations) -> Watch:
    """The watch with what these observations add."""
    effects = []
    for one in watched.effects:
        load = load_of(one.expected.subject, observations)
        value = value_of(one.expected, load)
        if load is None or value is None or not _counts(watched, load):
            effects.append(one)
        else:
            met = meets(one.expected, value) != one.negated
            effects.append(replace(one, seen=value, met=met))
    return replace(watched, effects=tuple(effects))


def judge(watched: Watch, observations: Observations, now: float) -> Verdict:
    """The verdict on a watch that has looked."""
    known = [one.met for one in watched.effects] + [
        _placed(key, cell, watched, observations) for key, cell in watched.places.items()]
    if all(known):
        return Verdict.SEEN
    if now < watched.deadline:
        return Verdict.WAITING
    return Verdict.NOT_SEEN if False in known else Verdict.NOT_VISIBLE


def outcome(watched: Watch) -> str:
    """What was expected and reported: a sentence for the operator."""
    parts = [one.sentence() for one in watched.effects] + [
        f"{key} in {cell} expected" for key, cell in watched.places.items()]
    return "; ".join(parts) + "."


def was_met(watched: Watch) -> bool:
    """Whether all that was expected was so before, and a success proves little."""
    return not watched.places and all(
        one.before is not None and meets(one.expected, one.before) for one in watched.effects)


def _counts(watched: Watch, load: Load) -> bool:
    return load.at > watched.told and load.at >= watched.told + watched.stale


def _places(settings: Settings) -> dict[UeKey, CellKey]:
    return {target.ue: value for target, value in settings.items()
            if isinstance(target, PlaceTarget) and isinstance(value, CellKey)}


def _placed(key: UeKey, cell: CellKey, watched: Watch, observations: Observations) -> bool | None:
    ue = observations.ues.get(key)
    return None if ue is None or not _counts(watched, ue.load) else ue.cell == cell
