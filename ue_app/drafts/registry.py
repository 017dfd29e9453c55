"""Which drafters there are. A new one is a module beside this, and a line in the table below.

Heavy libraries load when a drafter is opened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge_server.errors import ConfigurationError

if TYPE_CHECKING:
    from edge_server.engine.checkpoint import Checkpoint
    from edge_server.engine.load import EngineOptions
    from ue_app.drafts.drafter import Drafter

AUTO, OFF = "auto", "off"
CHOICES = (OFF, AUTO, "exit", "lookup")  # for who names no folder: these need the model alone
LONGEST_DRAFT = 8  # tokens: what a good drafter uses on a slow link


@dataclass(frozen=True)
class DraftConfig:
    """What the phone drafts with."""

    drafter: str = AUTO  # a name of the table
    longest: int = LONGEST_DRAFT  # tokens a draft
    folder: Path | None = None  # of the draft model, or of the exit head
    steady: bool = False  # always draft the longest, whether it pays or not: for who measures


@dataclass(frozen=True)
class Surroundings:
    """What a drafter is opened with."""

    config: DraftConfig
    models: tuple[Path, ...]  # folders of the model that is drafted for
    checkpoint: Checkpoint  # the same, opened
    engine: EngineOptions


def open_drafter(surroundings: Surroundings) -> Drafter:
    """The drafter that the configuration names."""
    name = surroundings.config.drafter
    if name not in DRAFTERS:
        raise ConfigurationError(f"There is no drafter {name!r}.",
                                 f"Give --speculate one of {', '.join(DRAFTERS)}.")
    return DRAFTERS[name](surroundings)


def _lookup(surroundings: Surroundings) -> Drafter:
    from ue_app.drafts.lookup import LookupDrafter

    return LookupDrafter()


def _model(surroundings: Surroundings) -> Drafter:
    from ue_app.drafts.model import open_model_drafter

    if surroundings.config.folder is None:
        raise ConfigurationError("--speculate model needs the draft model's folder.",
                                 "Name it with --draft-model.")
    return open_model_drafter(surroundings.config.folder, surroundings.models[0],
                              surroundings.checkpoint, surroundings.engine)


def _exit(surroundings: Surroundings) -> Drafter:
    from ue_app.drafts.exit import open_exit_drafter

    folder = surroundings.config.folder or _own_exit(surroundings.models)
    return open_exit_drafter(folder, surroundings.checkpoint, surroundings.engine)


def check_exit(models: tuple[Path, ...], checkpoint: Checkpoint) -> None:
    """Raise what keeps the exit head that came with a model from guessing; loads no weights."""
    from ue_app.drafts.exit import open_exit

    small = open_exit(_own_exit(models), checkpoint)
    for name in small.expected:
        small.entry(name)


def _own_exit(models: tuple[Path, ...]) -> Path:
    folder = _exit_of(models)
    if folder is None:
        raise ConfigurationError(f"{models[0]} has no exit head.",
                                 "Train one with `python -m testbed.train_draft`, name another "
                                 "folder with --draft-model, or use --speculate lookup.")
    return folder


def _auto(surroundings: Surroundings) -> Drafter:
    from edge_server.engine.exit_note import EXIT_NAME
    from ue_app.drafts.auto import AutoDrafter

    folder = surroundings.config.folder
    if folder is not None and not (folder / EXIT_NAME).is_file():
        return AutoDrafter(_model(surroundings))
    if folder is not None or _exit_of(surroundings.models) is not None:
        return AutoDrafter(_exit(surroundings))
    return _lookup(surroundings)


def _exit_of(models: tuple[Path, ...]) -> Path | None:
    """The exit head that came with the model, if one did."""
    from edge_server.engine.exit_note import exit_of

    return next((folder for folder in map(exit_of, models) if folder is not None), None)


DRAFTERS: Mapping[str, Callable[[Surroundings], Drafter]] = {
    AUTO: _auto,
    "exit": _exit,
    "model": _model,
    "lookup": _lookup,
}
