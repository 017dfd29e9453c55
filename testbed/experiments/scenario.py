"""An experiment as one YAML file: a kind, its settings, factors with their levels, repetitions.

    scenario = load(Path("steering-pays.yaml"))
    scenario = load(find("steering-pays"))        # one that comes with the package

The dataclasses are the schema. What a setting means, the scenario's kind knows; here is only
checked that each level says something, and that comparisons, targets and controls name what is
there. It runs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import product
from pathlib import Path
from typing import Any

from testbed.experiments.errors import BadScenario
from xapp.config_reading import build, yaml_document
from xapp.errors import ConfigurationError

BUNDLED = Path(__file__).parent / "scenarios"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")  # it becomes part of a folder's name
MOST_TRIALS = 100_000
MOST_REPETITIONS = 1000
# Columns that every row has; no factor may be called so.
RESERVED = ("trial", "repetition", "seed", "status", "error", "began", "seconds", "commit",
            "changed", "load_before", "load_after", "settings")
Levels = Mapping[str, str]  # factor: the name of one of its levels
Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Comparison:
    """Levels of one factor, each against a base, everything else being equal."""

    factor: str
    base: str  # level
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Target:
    """What the figures ought to be, judged in words."""

    says: str
    column: str
    at: Mapping[str, str] = field(default_factory=dict)  # factor: level; others: all of them
    over: Mapping[str, str] = field(default_factory=dict)  # `at` in proportion to this, by seed
    most: float | None = None
    least: float | None = None
    never: bool = False  # the column, which is a yes or no, is never a yes
    always: bool = False  # it is a yes in every trial in which it is anything

    def __post_init__(self) -> None:
        if (self.most is not None) + (self.least is not None) + self.never + self.always != 1:
            raise ConfigurationError(
                f"The target {self.says!r} is no target.",
                "Give one of `most`, `least`, `never: true` and `always: true`.")
        if (self.never or self.always) and self.over:
            raise ConfigurationError(f"The target {self.says!r} compares yes and no.",
                                     "Leave out `over`.")


@dataclass(frozen=True)
class Controls:
    """Arms that must not show the gain that the true one shows."""

    factor: str
    base: str  # level: without what is tested
    true: str  # level that ought to gain
    arms: tuple[str, ...]  # levels that must not
    column: str
    gain: float = 1.2  # times; a control whose gain may be more than this is not cleared

    def __post_init__(self) -> None:
        if not 1 < self.gain <= 100:
            raise ConfigurationError(f"controls.gain is {self.gain:g}.", "Give 1 to 100.")


@dataclass(frozen=True)
class Scenario:
    """All of it."""

    name: str
    kind: str
    title: str = ""
    about: str = ""
    settings: Mapping[str, object] = field(default_factory=dict)  # of every trial
    factors: Mapping[str, Mapping[str, Settings]] = field(default_factory=dict)
    repetitions: int = 5
    seed: int = 1  # the first repetition's; the n-th has n - 1 more
    compare: tuple[Comparison, ...] = ()
    targets: tuple[Target, ...] = ()
    controls: Controls | None = None

    def cells(self) -> list[Levels]:
        """Every combination of levels, in the file's order."""
        return [dict(zip(self.factors, one, strict=True))
                for one in product(*(levels for levels in self.factors.values()))]

    def settings_of(self, levels: Levels) -> Settings:
        """What a trial is run with; a factor goes before what is said for all."""
        found = dict(self.settings)
        for factor, level in levels.items():
            found |= self.factors[factor][level]
        return found

    @property
    def trials(self) -> int:
        return len(self.cells()) * self.repetitions


def find(name: str) -> Path:
    """A file of that name, or the scenario that comes with the package, with or without .yaml."""
    path = Path(name)
    if path.exists() or path.parent != Path():
        return path
    bundled = BUNDLED / f"{name.removesuffix('.yml').removesuffix('.yaml')}.yaml"
    if not bundled.exists():
        raise BadScenario(f"There is no scenario {name!r}.",
                          f"Name a YAML file, or one of {', '.join(bundled_names())}.")
    return bundled


def bundled_names() -> list[str]:
    return sorted(one.stem for one in BUNDLED.glob("*.yaml"))


def load(path: Path) -> Scenario:
    """What a file says."""
    try:
        return scenario_of(yaml_document(path))
    except ConfigurationError as error:
        raise BadScenario(f"{path}: {error.problem}", error.remedy) from error
    except BadScenario as error:
        raise BadScenario(f"{path}: {error.problem}", error.remedy) from error


def scenario_of(document: Mapping[str, Any]) -> Scenario:
    """A scenario of a mapping, checked but for what its kind knows."""
    document = dict(document)
    settings, factors = document.pop("settings", {}), document.pop("factors", {})
    for name, one in (("settings", settings), ("factors", factors)):
        if not isinstance(one, Mapping):
            raise BadScenario(f"{name} is a mapping.", "Write lines of NAME: VALUE.")
    read = {factor: _levels(factor, levels) for factor, levels in factors.items()}
    try:
        plain = build(Scenario, document)
    except ConfigurationError as error:
        raise BadScenario(error.problem, error.remedy) from error
    values = {one.name: getattr(plain, one.name) for one in fields(Scenario)}
    scenario = Scenario(**{**values, "settings": dict(settings), "factors": read})
    _check(scenario)
    return scenario


def _levels(factor: str, levels: object) -> dict[str, Settings]:
    """Named levels with their settings; a list is of values of the setting of that name."""
    if isinstance(levels, Sequence) and not isinstance(levels, str):
        found: dict[str, Settings] = {str(one): {factor: one} for one in levels}
        if len(found) < len(levels):
            raise BadScenario(f"factors.{factor}: two levels are the same.", "Give each once.")
    elif isinstance(levels, Mapping):
        found = {}
        for name, one in levels.items():
            if not isinstance(one, Mapping):
                raise BadScenario(f"factors.{factor}.{name} is no mapping of settings.",
                                  f"Write {name}: {{SETTING: VALUE}}.")
            found[str(name)] = dict(one)
    else:
        raise BadScenario(f"factors.{factor} has no levels.",
                          "Give a list of values, or a mapping of names to settings.")
    if not found:
        raise BadScenario(f"factors.{factor} has no levels.", "Give one at least.")
    return found


def _check(scenario: Scenario) -> None:
    names = (scenario.name, *scenario.factors, *(
        level for levels in scenario.factors.values() for level in levels))
    for name in names:
        if not NAME.fullmatch(name):
            raise BadScenario(f"{name!r} is no name.",
                              "Use up to 40 letters, digits, '_', '-' and '.'.")
    for factor in scenario.factors:
        if factor in RESERVED:
            raise BadScenario(f"No factor can be called {factor!r}.",
                              "Rows of results have a column of that name.")
    if not 1 <= scenario.repetitions <= MOST_REPETITIONS:
        raise BadScenario(f"repetitions is {scenario.repetitions}.",
                          f"Give 1 to {MOST_REPETITIONS}.")
    if scenario.trials > MOST_TRIALS:
        raise BadScenario(f"That are {scenario.trials} trials.", "Give fewer levels.")
    for place, one in enumerate(scenario.compare):
        _check_levels(scenario, f"compare[{place}]", {one.factor: one.base})
    for place, target in enumerate(scenario.targets):
        _check_levels(scenario, f"targets[{place}].at", target.at)
        _check_levels(scenario, f"targets[{place}].over", target.over)
        if target.over and target.over.keys() != target.at.keys():
            raise BadScenario(f"targets[{place}]: `at` and `over` name different factors.",
                              "Name the same ones, so that it is clear what is compared.")
    if (controls := scenario.controls) is not None:
        for level in (controls.base, controls.true, *controls.arms):
            _check_levels(scenario, "controls", {controls.factor: level})


def _check_levels(scenario: Scenario, where: str, levels: Levels) -> None:
    for factor, level in levels.items():
        if factor not in scenario.factors:
            raise BadScenario(f"{where}: there is no factor {factor!r}.",
                              f"There are {', '.join(scenario.factors) or 'none'}.")
        if level not in scenario.factors[factor]:
            raise BadScenario(f"{where}: {factor} has no level {level!r}.",
                              f"It has {', '.join(scenario.factors[factor])}.")


def check_with_kind(scenario: Scenario) -> None:
    """Ask the kind about every combination, and whether it measures what is compared."""
    from testbed.experiments.kind import kind_of

    kind = kind_of(scenario.kind)
    for levels in scenario.cells():
        kind.check(scenario.settings_of(levels))
    known = {one.name for one in kind.columns}
    asked = [(f"compare[{place}]", name) for place, one in enumerate(scenario.compare)
             for name in one.columns]
    asked += [(f"targets[{place}]", one.column) for place, one in enumerate(scenario.targets)]
    asked += [("controls", scenario.controls.column)] if scenario.controls else []
    for where, name in asked:
        if name not in known:
            raise BadScenario(f"{where}: kind {scenario.kind} measures no {name!r}.",
                              f"It measures {', '.join(sorted(known))}.")
