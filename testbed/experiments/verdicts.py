"""Verdicts in words: whether a target is met, and whether controls are told from the true arm.

A verdict needs figures: what was not measured is `not measured`, and what the interval leaves open
is said to be so. A trial without the figure that others of the same levels have counts against the
target: what never came is worse than what came late. Levels at which no trial has it are of
something else, and said to be left out. Pure.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass

from testbed.experiments.kind import Column, Scale
from testbed.experiments.picking import numbers, of_levels, pairs_of
from testbed.experiments.results import Row
from testbed.experiments.scenario import Controls, Levels, Target
from testbed.experiments.statistics import Contrast, Estimate, mean_of, paired

SURE = 0.05  # of chance


class Outcome(enum.Enum):
    """What became of it."""

    MEETS = "meets"
    MISSES = "misses"
    OPEN = "not measured"
    ONE_PAIR = "open: one pair"  # of trials, which has no interval
    SAID = "answer"  # to a question that is not one of yes and no
    GAINS = "gains"
    NO_GAIN = "shows no gain"
    UNSURE = "cannot be told"
    APART = "told apart"
    NOT_APART = "not told apart"


@dataclass(frozen=True)
class Verdict:
    """What was asked, and the answer."""

    says: str
    outcome: Outcome
    why: str  # the figures


def judge_target(target: Target, rows: Sequence[Row], column: Column) -> Verdict:
    """Whether a target is met."""
    mine = of_levels(rows, target.at)
    if target.never or target.always:
        return _flags(target, mine)
    estimate, unit = (_ratio(target, rows), " x") if target.over else (
        mean_of(numbers(mine, target.column)), f" {column.unit}".rstrip())
    if estimate is None:
        return Verdict(target.says, Outcome.OPEN, "no trial measured it")
    bound = target.most if target.most is not None else target.least
    assert bound is not None  # as `Target` has it
    above = target.least is not None
    lacking, left_out = _without(target, rows)
    met = _meets(estimate.value, bound, above) and not lacking
    why = f"{said(estimate)}{unit}, of {estimate.count}; the target is " + (
        f"{'at least' if above else 'at most'} {bound:g}{unit}")
    if not target.over:
        values = numbers(mine, target.column)
        beyond = sum(not _meets(one, bound, above) for one in values)
        why += f"; {beyond} of {len(values)} trials alone miss it" if beyond else ""
    if estimate.low is None or estimate.high is None:
        why += "; one trial proves little"
    elif _meets(estimate.low, bound, above) is not _meets(estimate.high, bound, above):
        why += "; its interval leaves that open"
    if lacking:
        why += (f"; trials without it, where others of their levels have it: {lacking}, which "
                "count against it")
    if left_out:
        why += f"; combinations of levels in which no trial has it: {left_out}, left out"
    return Verdict(target.says, Outcome.MEETS if met else Outcome.MISSES, why)


def _meets(value: float, bound: float, above: bool) -> bool:
    return value >= bound if above else value <= bound


def _without(target: Target, rows: Sequence[Row]) -> tuple[int, int]:
    """Trials that are done and lack the figure that others of their levels have; and combinations
    of levels in which none has it."""
    groups: dict[tuple[tuple[str, str], ...], list[bool]] = {}
    for row in rows:
        if row.done and (_is_at(row, target.at) or (target.over and _is_at(row, target.over))):
            found = row.figures.get(target.column)
            groups.setdefault(tuple(sorted(row.levels.items())), []).append(found is not None)
    return (sum(one.count(False) for one in groups.values() if any(one)),
            sum(not any(one) for one in groups.values()))


def _is_at(row: Row, levels: Levels) -> bool:
    return bool(of_levels([row], levels))


def _flags(target: Target, rows: Sequence[Row]) -> Verdict:
    flags = [value for row in rows if isinstance(value := row.figures.get(target.column), bool)]
    if not flags:
        return Verdict(target.says, Outcome.OPEN, "no trial measured it")
    met = all(flags) if target.always else not any(flags)
    return Verdict(target.says, Outcome.MEETS if met else Outcome.MISSES,
                   f"in {sum(flags)} of {len(flags)} trials in which it could be")


def _ratio(target: Target, rows: Sequence[Row]) -> Estimate | None:
    """By pairs of a seed, and of levels that neither side names."""
    free = [name for name in (rows[0].levels if rows else ())
            if name not in target.at and name not in target.over]
    contrast = paired(*pairs_of(rows, target.over, target.at, target.column, free))
    return contrast.change if contrast is not None and contrast.ratio else None


def judge_controls(controls: Controls, rows: Sequence[Row]) -> tuple[Verdict, ...]:
    """The true arm, each control, and at last whether the report tells them apart."""
    found, apart, open_ = [], True, False
    for arm in (controls.true, *controls.arms):
        contrast = _gain(controls, rows, controls.base, arm)
        outcome, why = _judge_gain(contrast, controls.gain)
        found.append(Verdict(f"{controls.factor} {arm} against {controls.base}", outcome, why))
        wanted = Outcome.GAINS if arm == controls.true else Outcome.NO_GAIN
        apart, open_ = apart and outcome is wanted, open_ or outcome is Outcome.OPEN
    for arm in controls.arms:
        contrast = _gain(controls, rows, arm, controls.true)
        better, why = _judge_gain(contrast, controls.gain)
        found.append(Verdict(f"{controls.factor} {controls.true} against the control {arm}", better,
                             why))
        apart, open_ = apart and better is Outcome.GAINS, open_ or better is Outcome.OPEN
    outcome = Outcome.OPEN if open_ else Outcome.APART if apart else Outcome.NOT_APART
    return (*found, Verdict(
        "the true arm gains, no control does, and it is better than each", outcome,
        f"by {controls.column}; a gain is {controls.gain:g} x or more"))


def _gain(controls: Controls, rows: Sequence[Row], base: str, arm: str) -> Contrast | None:
    free = [name for name in (rows[0].levels if rows else ()) if name != controls.factor]
    return paired(*pairs_of(rows, {controls.factor: base}, {controls.factor: arm},
                            controls.column, free))


def _judge_gain(contrast: Contrast | None, gain: float) -> tuple[Outcome, str]:
    """Of a column of which less is better."""
    if contrast is None or not contrast.ratio or contrast.change.low is None or (
            contrast.change.high is None):
        return Outcome.OPEN, "fewer than two pairs of trials"
    change, chance = contrast.change, contrast.p
    why = f"{said_ratio(change)} x, of {change.count} pairs, p {p_text(chance)}"
    if contrast.change.high < 1 and change.value <= 1 / gain:
        return Outcome.GAINS, why
    if contrast.change.low > 1 / gain:
        return Outcome.NO_GAIN, why
    return Outcome.UNSURE, why + f"; {1 / gain:.2f} x is within the interval"


def said(estimate: Estimate, digits: int | None = None) -> str:
    """`1.28 (1.19 to 1.37)`."""
    places = places_of(estimate.value, digits)
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.{places}f}"
    return f"{estimate.value:.{places}f} ({estimate.low:.{places}f} to {estimate.high:.{places}f})"


def places_of(value: float, digits: int | None) -> int:
    """Digits after the point: as a column has them, but nobody needs hundredths of hundreds."""
    most = 0 if abs(value) >= 1000 else 1 if abs(value) >= 100 else 9
    return min(most, digits) if digits is not None else 0 if abs(value) >= 100 else 2


def said_ratio(estimate: Estimate) -> str:
    """With two digits, or more where those would be 0: a five hundredth is not nothing."""
    return said(estimate, places_of_ratio(estimate.value))


def places_of_ratio(value: float) -> int:
    return 2 if not 0 < value < 0.05 else min(9, 1 - math.floor(math.log10(value)))


def p_text(p: float | None) -> str:
    if p is None or math.isnan(p):
        return "-"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def change_text(contrast: Contrast, column: Column) -> str:
    """A contrast as people read it."""
    if contrast.ratio:
        return f"{said_ratio(contrast.change)} x"
    unit = f" {column.unit}" if column.unit and column.scale is Scale.DIFFERENCE else ""
    plus = "+" if contrast.change.value > 0 else ""
    return f"{plus}{said(contrast.change, max(1, column.digits))}{unit}"
