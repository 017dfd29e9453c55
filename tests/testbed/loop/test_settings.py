"""What the loop writes for others' programs is what they take."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from testbed.errors import TestbedFailure
from testbed.loop.settings import PHASES, LoopSettings, cell_document, xapp_document
from testbed.ran.ran_config import load
from xapp.config import load as load_xapp


def test_the_cell_takes_its_file(tmp_path: Path) -> None:
    settings = LoopSettings(crowd=5)
    file = tmp_path / "cell.yaml"
    file.write_text(yaml.safe_dump(cell_document(settings, 20.0)))
    config = load(file)
    assert len(config.phones) == 6
    assert config.traffic[0].start == 20 + settings.calm_seconds
    assert config.e2 is not None


def test_the_xapp_takes_its_file(tmp_path: Path) -> None:
    file = tmp_path / "xapp.yaml"
    file.write_text(yaml.safe_dump(xapp_document(
        LoopSettings(), f"ipc://{tmp_path}/labels", tmp_path / "xapp.db")))
    assert load_xapp(file).policies[0].name == "llm"


def test_phases_follow_each_other() -> None:
    settings = LoopSettings()
    assert len(settings.ends) == len(PHASES)
    assert settings.ends[-1] == settings.seconds
    with pytest.raises(TestbedFailure):
        LoopSettings(crowd=0)
    with pytest.raises(TestbedFailure):
        LoopSettings(calm_seconds=0.5)
