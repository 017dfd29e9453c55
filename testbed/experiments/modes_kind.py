"""Trials of execution modes: one model, its work put across a link in one of eight ways.

Its settings are those of `ModesSettings`; the columns are in `testbed.modes.columns`. Links and
servers stay, warm, until the run ends.
"""

from __future__ import annotations

import atexit
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from testbed.errors import TestbedFailure
from testbed.experiments.errors import BadScenario
from testbed.experiments.kind import Column, Figures, Say
from testbed.experiments.results import write_parquet
from testbed.modes.columns import COLUMNS
from testbed.modes.policies import BY_EDGE, Mode
from testbed.modes.settings import LinkKind, ModesSettings
from xapp.config_reading import build
from xapp.errors import ConfigurationError

if TYPE_CHECKING:
    from testbed.modes.places import Places

STEPS = "steps.parquet"


class Modes:
    """The kind."""

    name = "modes"
    columns: Sequence[Column] = COLUMNS

    def __init__(self) -> None:
        self._places: Places | None = None
        self._unsplit: dict[object, Sequence[Sequence[int]]] = {}
        self._links: set[LinkKind] = set()  # of all trials that were checked

    def check(self, settings: Mapping[str, Any]) -> None:
        said = _settings_of(settings)
        if not said.model.is_dir():
            raise BadScenario(f"settings.model: there is no folder {said.model}.",
                              "Leave it out for the bundled one.")
        _check_cut(said)
        self._links.add(said.link)

    def prepare(self) -> None:
        """Only a look: each link and server is made when a trial first needs it."""
        for link in sorted(self._links & {LinkKind.SHAPED, LinkKind.CELL}):
            _require_namespaces(link)

    def run(self, settings: Mapping[str, Any], seed: int, folder: Path, say: Say) -> Figures:
        from testbed.modes.figures import figures_of, step_rows
        from testbed.modes.trial import run_trial

        said = _settings_of(settings)
        say(f"{said.mode} over {said.link}")
        measured = run_trial(said, seed, self._warm())
        measured.wanted = self._answers(said, seed)
        write_parquet(folder / STEPS, step_rows(measured))
        return figures_of(measured)

    def close(self) -> None:
        """End what waits."""
        if self._places is not None:
            self._places.close()
        self._places = None

    def _warm(self) -> Places:
        from testbed.modes.places import Places

        if self._places is None:
            self._places = Places()
            atexit.register(self.close)
        return self._places

    def _answers(self, said: ModesSettings, seed: int) -> Sequence[Sequence[int]]:
        from testbed.modes.trial import unsplit

        key = (seed, said.model, said.backend, said.precision, said.prompt(), said.wanted(),
               said.batch, said.turns, said.context)
        if key not in self._unsplit:
            self._unsplit[key] = unsplit(said, seed)
        return self._unsplit[key]


def _settings_of(settings: Mapping[str, Any]) -> ModesSettings:
    try:
        return build(ModesSettings, dict(settings), "settings")
    except (ConfigurationError, TestbedFailure) as error:
        problem = error.problem.removeprefix("settings: ")
        raise BadScenario(f"settings: {problem}", error.remedy) from error


def _check_cut(said: ModesSettings) -> None:
    """Whether the model has the layers that the client is to have."""
    if said.mode not in BY_EDGE:
        return
    from edge_server.engine.checkpoint import Checkpoint

    layers = Checkpoint.open(said.model).architecture.layers
    here = said.split + (said.tail if said.mode is Mode.PRIVATE else 0)
    if here > layers:
        raise BadScenario(f"settings.split: {here} layers are to be on the client, and "
                          f"{said.model.name} has {layers}.", f"Give {layers} or fewer in all.")


def _require_namespaces(link: LinkKind) -> None:
    from testbed import namespaces

    if not namespaces.available():
        raise BadScenario(f"settings.link: {link} is made of network namespaces.",
                          "Run as root, or use loopback or host.")


MODES = Modes()
