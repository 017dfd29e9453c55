"""An encoding that is chosen as the link asks for: by a mode, by a trial, and where it cannot."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.identity import identity_of
from edge_server.engine.load import EngineOptions
from edge_server.errors import ConfigurationError
from testbed.modes.metering import TimedEdgeLink
from testbed.modes.opening import ModeConfig, open_mode
from testbed.modes.policies import Mode
from testbed.modes.settings import Batching, ModesSettings
from testbed.modes.trial import mode_config
from tests.conftest import MakeCheckpoint, RunEdge
from ue_app.encoding_table import TABLE_NAME, Quality, Table, save
from xapp.errors import ConfigurationError as BadSettings

OPTIONS = EngineOptions("reference", "fp32", 1, 60, 1)
PROMPT = list(range(10, 50))  # rows and bytes that say something of a link's rate


@pytest.fixture
def folder(checkpoint_folder: MakeCheckpoint, tmp_path: Path) -> Path:
    """One of its own: a table is written into it."""
    return Path(shutil.copytree(checkpoint_folder("gemma3"), tmp_path / "model"))


def test_a_mode_takes_what_its_table_allows(folder: Path, running_edge: RunEdge) -> None:
    edge = running_edge(folder, "--backend", "reference", "--dtype", "fp32", "--context", 60)
    config = ModeConfig(Mode.SPLIT_COMPRESSED, folder, OPTIONS, edge=edge.url, encoding="auto",
                        max_ppl_increase=1.0)
    with pytest.raises(ConfigurationError, match="Nobody has measured"), open_mode(config):
        pass
    good, bad = Quality(66.0, 0.01, 1e-4, 10.0, 0.1, 0.05), Quality(40.0, 0.1, 0.1, 11.0, 9.0, 1.0)
    save(Table(identity_of(Checkpoint.open(folder)), "fp32", "text", 100, {
        1: {"int8": good, "int4": bad}}), folder / TABLE_NAME)
    with open_mode(config) as opened:
        assert len(opened.ask(PROMPT, 4).ids) == 4
        assert isinstance(opened.link, TimedEdgeLink)
        choice = opened.link._timed._choice
        assert choice is not None
        assert [one.name for one in choice.candidates] == ["raw", "lossless", "int8"]
        assert choice.link.rate is not None  # it has seen the link
        assert opened.link.packing > 0
    with pytest.raises(ConfigurationError, match="need each other"), open_mode(
            replace(config, max_ppl_increase=None)):
        pass


def test_a_trial_hands_it_on() -> None:
    said = ModesSettings(Mode.SPLIT_COMPRESSED, encoding="auto", max_ppl_increase=2.0)
    config = mode_config(said, None)
    assert (config.encoding, config.max_ppl_increase) == ("auto", 2.0)


@pytest.mark.parametrize(("more", "what"), [
    ({"encoding": "auto"}, "need each other"), ({"max_ppl_increase": 1.0}, "need each other"),
    ({"encoding": "auto", "max_ppl_increase": -1.0}, "max_ppl_increase"),
    ({"encoding": "auto", "max_ppl_increase": float("nan")}, "max_ppl_increase"),
    ({"encoding": "auto", "max_ppl_increase": 1.0, "batching": Batching.TOGETHER}, "in step")])
def test_what_cannot_be(more: dict[str, object], what: str) -> None:
    with pytest.raises(BadSettings, match=what):
        ModesSettings(Mode.SPLIT_COMPRESSED, **more)  # type: ignore[arg-type]  # that is tested
