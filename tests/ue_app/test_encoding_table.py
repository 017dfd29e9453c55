"""The table of what encodings cost: kept, found again, and believed only of its own model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge_server.encodings.registry import NAMES
from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.identity import identity_of
from edge_server.errors import ConfigurationError
from tests.conftest import MakeCheckpoint
from ue_app.encoding_table import (
    TABLE_NAME,
    Greedy,
    Parting,
    Quality,
    Table,
    find,
    load,
    save,
    table_file,
)

BUNDLED = Path(__file__).parents[2] / "testbed" / "models" / "story-gemma3"
INT8 = Quality(261.0, 0.007, 1e-4, 32.2, 0.05, 0.02)
TABLE = Table("0a" * 32, "bf16", "stories", 1000,
              {1: {"raw": Quality(512.0, 0.0, 0.0, 32.1, 0.0, 0.0), "int8": INT8},
               4: {"int8": replace(INT8, increase=0.4)}})


def test_what_is_kept_is_loaded(tmp_path: Path) -> None:
    file = tmp_path / "folder" / TABLE_NAME
    save(TABLE, file)
    assert load(file) == TABLE
    assert [each.name for each in file.parent.iterdir()] == [TABLE_NAME]


def test_answers_that_were_compared_are_kept_too(tmp_path: Path) -> None:
    table = replace(TABLE, greedy=Greedy(4, 64, {1: {"int8": Parting(1, 12.0)}}))
    save(table, tmp_path / TABLE_NAME)
    assert load(tmp_path / TABLE_NAME) == table


def test_a_split_that_was_not_measured_has_the_worst_of_all() -> None:
    assert TABLE.at(1)["int8"] == INT8
    assert TABLE.at(2) == {"int8": replace(INT8, increase=0.4)}
    assert TABLE.at(2)["int8"].at_worst == pytest.approx(0.42)


@pytest.mark.parametrize("change", [
    {"format": 2}, {"splits": 3}, {"splits": {"x": {}}}, {"splits": {"1": {"int9": {}}}},
    {"splits": {"1": {"int8": {"row_bytes": 1}}}}, {"identity": None, "tokens": "many"},
    {"splits": {"1": {"int8": vars(INT8) | {"increase": float("nan")}}}},
    {"splits": {"1": {"raw": vars(INT8)}}},
    {"splits": {"1": {"int9": vars(INT8)}}},
    {"greedy": 3}, {"greedy": {"answers": 4, "tokens": 64}},
    {"greedy": {"answers": 4, "tokens": 64, "splits": {"1": {"int8": {"parted": 5, "at": 1}}}}},
    {"greedy": {"answers": 4, "tokens": 64,
                "splits": {"1": {"int8": {"parted": 1, "at": float("nan")}}}}}])
def test_a_file_that_is_no_table(change: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / TABLE_NAME
    save(TABLE, file)
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(ConfigurationError, match="no table of encodings") as caught:
        load(file)
    assert "airsplit encodings measure" in caught.value.remedy


@pytest.mark.parametrize("data", [b"", b"[]", b"\xff\xfe", b"[" * 100_000, b" " * (1 << 21)])
def test_bytes_that_are_no_table(data: bytes, tmp_path: Path) -> None:
    file = tmp_path / TABLE_NAME
    file.write_bytes(data)
    with pytest.raises(ConfigurationError, match="no table of encodings"):
        load(file)


def test_a_table_speaks_of_its_own_model_alone(
    checkpoint_folder: MakeCheckpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ue_app.encoding_table.cache_folder", lambda: tmp_path / "cache")
    checkpoint = Checkpoint.open(checkpoint_folder("gemma3"))
    save(TABLE, tmp_path / TABLE_NAME)  # of another model
    with pytest.raises(ConfigurationError, match="Nobody has measured"):
        find(checkpoint, [tmp_path])
    mine = replace(TABLE, identity=identity_of(checkpoint))
    save(mine, tmp_path / TABLE_NAME)
    assert find(checkpoint, [tmp_path]) == mine
    own = replace(mine, text="my own stories")
    save(own, table_file(checkpoint))
    assert find(checkpoint, [tmp_path]) == own


def test_the_bundled_model_has_been_measured() -> None:
    table = load(BUNDLED / TABLE_NAME)
    assert table.identity == identity_of(Checkpoint.open(BUNDLED))
    assert table.tokens > 5000
    for figures in table.splits.values():
        assert set(figures) == set(NAMES)
        assert figures["lossless"].increase == figures["lossless"].error == 0.0
        assert figures["int8"].at_worst < 1.0
