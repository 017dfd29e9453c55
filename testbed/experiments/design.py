"""Which trials an experiment has, and in which order they are run; pure.

Repetitions are blocks: within each, all combinations of levels come once, shuffled by the seed, so
that a slow hour of the machine meets all levels alike, and what is there after a stop is balanced.
All trials of a repetition have one seed, by which they are compared in pairs.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from testbed.experiments.errors import BadScenario
from testbed.experiments.scenario import Levels, Scenario


@dataclass(frozen=True)
class Trial:
    """One run."""

    name: str  # also of its folder
    repetition: int
    seed: int
    levels: Levels


def trials_of(scenario: Scenario) -> list[Trial]:
    """All of them, in the order in which they are run."""
    found = []
    for repetition in range(scenario.repetitions):
        block = scenario.cells()
        random.Random(f"{scenario.seed}/{repetition}").shuffle(block)
        found += [Trial(name_of(repetition, levels), repetition, scenario.seed + repetition, levels)
                  for levels in block]
    return found


def name_of(repetition: int, levels: Levels) -> str:
    return "+".join((f"r{repetition:03d}", *levels.values()))  # no level has a plus in its name


def chosen(scenario: Scenario, trials: Sequence[Trial], only: Sequence[str]) -> list[Trial]:
    """Those of certain levels, such as `steering=xapp`; several of a factor mean any of them."""
    wanted = _wanted(scenario, only)
    return [one for one in trials
            if all(one.levels[factor] in levels for factor, levels in wanted.items())]


def _wanted(scenario: Scenario, only: Sequence[str]) -> Mapping[str, set[str]]:
    wanted: dict[str, set[str]] = {}
    for text in only:
        factor, equals, level = text.partition("=")
        if not equals or level not in scenario.factors.get(factor, {}):
            known = ", ".join(f"{name}={one}" for name, levels in scenario.factors.items()
                              for one in levels)
            raise BadScenario(f"--only {text}: there is no such level.", f"There are {known}.")
        wanted.setdefault(factor, set()).add(level)
    return wanted
