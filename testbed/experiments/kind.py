"""What runs a trial: a kind of experiment, its settings, and the columns that it measures.

    kind = kind_of("loop")
    kind.check(settings)                              # BadScenario where they cannot be
    figures = kind.run(settings, seed, folder, say)   # column: value, None where not measured

A new kind is one module with an object of this protocol, and one line of `KINDS`; one whose report
answers questions of its own has a line of `FINDINGS` too, and one whose trials keep what their rows
are computed from a line of `AGAIN`. It runs nothing itself, and loads a kind's module only when
that kind is asked for.
"""

from __future__ import annotations

import enum
import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from testbed.experiments.errors import BadScenario

Value = float | int | bool | str | None
Figures = Mapping[str, Value]  # of a trial, by column
Say = Callable[[str], None]

# Where each kind is: a module, and the name of the object in it.
KINDS: Mapping[str, tuple[str, str]] = {
    "loop": ("testbed.experiments.loop_kind", "LOOP"),
    "modes": ("testbed.experiments.modes_kind", "MODES"),
    "simulated": ("testbed.experiments.simulated.simulated_kind", "SIMULATED"),
}


# What a kind's report says and draws beyond tables: a module with `findings(report, folder)`.
FINDINGS: Mapping[str, str] = {
    "modes": "testbed.modes.findings",
}

# What computes a row again from what a trial kept: a module with `figures_again(folder)`.
AGAIN: Mapping[str, str] = {
    "loop": "testbed.experiments.loop_again",
}


class Better(enum.Enum):
    """Which direction of a column is the good one."""

    LOWER = "lower"
    HIGHER = "higher"
    NEITHER = "neither"


class Scale(enum.Enum):
    """How two values of a column are compared."""

    RATIO = "ratio"  # times as much: what is above 0 and skewed, as waits are
    DIFFERENCE = "difference"


@dataclass(frozen=True)
class Column:
    """Something that is measured in every trial."""

    name: str
    text: str  # for people
    unit: str = ""
    better: Better = Better.NEITHER
    scale: Scale = Scale.RATIO
    digits: int = 1  # after the point, where it is shown
    main: bool = False  # shown in the summary table, not only in the files


class Kind(Protocol):
    """One kind of experiment."""

    @property
    def name(self) -> str: ...

    @property
    def columns(self) -> Sequence[Column]: ...

    def check(self, settings: Mapping[str, Any]) -> None:
        """BadScenario where a trial with these settings cannot be."""

    def prepare(self) -> None:
        """Before the first trial: an error where this machine cannot run any."""

    def run(self, settings: Mapping[str, Any], seed: int, folder: Path, say: Say) -> Figures:
        """One trial; what it leaves behind is in `folder`."""


def kind_of(name: str) -> Kind:
    """The kind of that name."""
    if name not in KINDS:
        raise BadScenario(f"kind: there is no {name!r}.", f"There are {', '.join(KINDS)}.")
    module, attribute = KINDS[name]
    return cast(Kind, getattr(importlib.import_module(module), attribute))
