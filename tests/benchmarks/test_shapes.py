"""The checkpoints that benchmarks measure on are ordinary, repeatable checkpoint folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_server.engine.checkpoint import Checkpoint
from tests.benchmarks import shapes


def test_one_file_and_shards_hold_the_same_tensors(tmp_path: Path) -> None:
    shapes.write("tiny", tmp_path / "one")
    shapes.write("tiny", tmp_path / "many", shard_bytes=4 << 20)
    one, many = Checkpoint.open(tmp_path / "one"), Checkpoint.open(tmp_path / "many")
    assert len(list((tmp_path / "many").glob("*.safetensors"))) > 1
    for name in one.expected:
        assert one.entry(name).dtype == "BF16"
        assert one.hash_tensor(name) == many.hash_tensor(name)


def test_another_seed_is_another_model(tmp_path: Path) -> None:
    with shapes.checkpoint("tiny", tmp_path, seed=0) as zero:
        pass
    with shapes.checkpoint("tiny", tmp_path, seed=1) as one:
        pass
    assert zero != one
    name = "layers.0.mlp.up_proj.weight"
    assert Checkpoint.open(zero).hash_tensor(name) != Checkpoint.open(one).hash_tensor(name)


def test_without_a_cache_nothing_stays() -> None:
    with shapes.checkpoint("tiny") as folder:
        assert (folder / "config.json").exists()
    assert not folder.exists()


@pytest.mark.parametrize(("shape", "millions"), [("gemma3-270m", 268), ("gemma-2b", 2506)])
def test_named_shapes_have_the_published_sizes(shape: str, millions: int) -> None:
    assert shapes.weights_per_token(shape) // 1_000_000 == millions
