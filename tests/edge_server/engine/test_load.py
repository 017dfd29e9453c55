"""Settling backend and precision, and what a side needs of a model."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest
import torch

from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.load import EngineOptions, open_engine, usable_processors
from edge_server.engine.parts import plan_parts, write_parts
from edge_server.errors import ConfigurationError, MissingTensor, StageError
from edge_server.split import LayerRange
from tests.conftest import MakeCheckpoint
from tests.models import FAMILIES, GPT_FAMILIES, LAYERS, POSITIONS

FLOATS = {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}


@pytest.mark.parametrize(("stored", "backend", "precision", "settled", "rows"), [
    (torch.float32, "fast", "auto", ("fast", "fp32"), torch.float32),
    (torch.bfloat16, "fast", "auto", ("fast", "bf16"), torch.bfloat16),
    (torch.float16, "fast", "auto", ("fast", "fp32"), torch.float32),
    (torch.bfloat16, "fast", "int8", ("fast", "int8"), torch.bfloat16),
    (torch.float32, "fast", "bf16", ("fast", "bf16"), torch.bfloat16),
    (torch.float32, "reference", "auto", ("reference", "fp32"), torch.float32),
    (torch.bfloat16, "reference", "auto", ("reference", "bf16"), torch.bfloat16),
    (torch.float16, "reference", "auto", ("reference", "fp16"), torch.float16),
    (torch.bfloat16, "reference", "fp32", ("reference", "fp32"), torch.float32),
    (torch.float32, "auto", "auto", ("fast", "fp32"), torch.float32),
    (torch.float32, "auto", "int8", ("fast", "int8"), torch.bfloat16),
    (torch.float32, "auto", "fp16", ("reference", "fp16"), torch.float16),
])
def test_backend_and_precision(
    stored: torch.dtype, backend: str, precision: str, settled: tuple[str, str],
    rows: torch.dtype, checkpoint_folder: MakeCheckpoint,
) -> None:
    engine = open_engine(Checkpoint.open(checkpoint_folder("gemma", stored)),
                         EngineOptions(backend, precision, threads=1))
    assert (engine.backend, engine.precision) == settled
    assert engine.row_type is rows
    assert engine.embedding().rows([7, 8]).dtype is rows
    stage = engine.stage(LayerRange(1, 2))
    assert stage.dtype is rows
    assert stage.layers == LayerRange(1, 2)


@pytest.mark.parametrize(("options", "said"), [
    (EngineOptions("cuda"), "no backend 'cuda'.*auto, fast, reference"),
    (EngineOptions(precision="fp8"), "no precision 'fp8'.*auto, fp32, bf16, fp16, int8"),
    (EngineOptions("fast", "fp16"), "fast backend does not compute in fp16.*--backend reference"),
    (EngineOptions("reference", "int8"), "reference backend does not compute in int8.*fast"),
])
def test_combinations_that_cannot_work(
    options: EngineOptions, said: str, checkpoint_folder: MakeCheckpoint
) -> None:
    with pytest.raises(ConfigurationError, match=said):
        open_engine(Checkpoint.open(checkpoint_folder("gemma")), options)


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without a C compiler."""
    monkeypatch.setattr("edge_server.engine.kernels.build.shutil.which", lambda _: None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@pytest.mark.usefixtures("no_compiler")
def test_without_a_compiler_auto_is_reference_and_says_so(
    checkpoint_folder: MakeCheckpoint, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoint = Checkpoint.open(checkpoint_folder("gemma"))
    with caplog.at_level(logging.WARNING):
        assert open_engine(checkpoint, EngineOptions()).backend == "reference"
    assert "C compiler" in caplog.text
    assert "reference" in caplog.text


@pytest.mark.usefixtures("no_compiler")
def test_without_a_compiler_int8_is_refused_with_the_reason(
    checkpoint_folder: MakeCheckpoint
) -> None:
    with pytest.raises(ConfigurationError):
        open_engine(Checkpoint.open(checkpoint_folder("gemma")), EngineOptions("auto", "int8"))


@pytest.mark.parametrize("backend", ["reference", "fast"])
def test_layers_that_are_not_there(backend: str, checkpoint_folder: MakeCheckpoint) -> None:
    engine = open_engine(Checkpoint.open(checkpoint_folder("gemma")),
                         EngineOptions(backend, threads=1))
    with pytest.raises(ConfigurationError, match=r"\[2, 5\) are not in this model.*It has 4"):
        engine.stage(LayerRange(2, LAYERS + 1))


@pytest.mark.parametrize(("family", "backend"), [
    *((family, backend) for family in FAMILIES for backend in ("reference", "fast")),
    *((family, "reference") for family in GPT_FAMILIES)])
def test_a_side_needs_its_own_part_only(
    family: str, backend: str, checkpoint_folder: MakeCheckpoint, tmp_path: Path
) -> None:
    """Head, middle and tail run from their own folders; what is not there is a clear error."""
    whole = Checkpoint.open(checkpoint_folder(family))
    head, middle, tail = (Checkpoint.open(folder) for folder in write_parts(
        whole, plan_parts([1, 3], LAYERS, False), tmp_path))
    options = EngineOptions(backend, slots=1, capacity=16, threads=1)
    rows = open_engine(head, options).embedding().rows([5, 6, 7])
    expected = open_engine(whole, options).stage(LayerRange(0, LAYERS)).forward(
        [0] * 3, range(3), rows)
    for part, layers in ((head, (0, 1)), (middle, (1, 3)), (tail, (3, 4))):
        rows = open_engine(part, options).stage(LayerRange(*layers)).forward(
            [0] * 3, range(3), rows)
    assert torch.equal(rows, expected)
    logits = open_engine(tail, options).output().logits(rows[-1:])
    assert torch.equal(logits, open_engine(whole, options).output().logits(rows[-1:]))
    for part, needs in ((head, "output"), (middle, "embedding"), (middle, "output")):
        with pytest.raises(MissingTensor, match="It is a part that holds"):
            getattr(open_engine(part, options), needs)()
    with pytest.raises(MissingTensor, match=r"(layers|h)\.1\."):
        open_engine(head, options).stage(LayerRange(0, 2))


@pytest.mark.parametrize("family", GPT_FAMILIES)
def test_a_family_without_kernels(family: str, checkpoint_folder: MakeCheckpoint) -> None:
    """`auto` runs it as transformers does; asking for kernels or int8 says what to do instead."""
    checkpoint = Checkpoint.open(checkpoint_folder(family))
    assert open_engine(checkpoint, EngineOptions()).backend == "reference"
    with pytest.raises(ConfigurationError, match=f"no kernels for {family}.*--backend reference"):
        open_engine(checkpoint, EngineOptions("fast"))
    with pytest.raises(ConfigurationError, match=f"--dtype bf16: no other backend runs {family}"):
        open_engine(checkpoint, EngineOptions("auto", "int8"))


@pytest.mark.parametrize(("family", "fits"), [
    *((family, POSITIONS) for family in GPT_FAMILIES), ("gemma", 2 * POSITIONS)])
def test_a_conversation_ends_where_positions_do(
    family: str, fits: int, checkpoint_folder: MakeCheckpoint
) -> None:
    """The table's last row is used; beyond it is one clear error, not an index out of range."""
    engine = open_engine(Checkpoint.open(checkpoint_folder(family)),
                         EngineOptions("reference", capacity=2 * POSITIONS))
    assert engine.options.capacity == fits
    stage = engine.stage(LayerRange(0, 1))
    rows = torch.zeros(fits, 64)
    stage.forward([0] * fits, range(fits), rows)
    with pytest.raises(StageError, match=f"outside a slot's {fits} tokens"):
        stage.forward([0], [fits], rows[:1])


def test_an_id_that_no_vocabulary_has(checkpoint_folder: MakeCheckpoint) -> None:
    engine = open_engine(Checkpoint.open(checkpoint_folder("gemma")), EngineOptions(threads=1))
    for token in (-1, 160):
        with pytest.raises(StageError, match=f"{token} is not among the 160"):
            engine.embedding().rows([5, token])


def test_processors_are_those_this_process_may_use() -> None:
    assert 1 <= usable_processors() <= (os.cpu_count() or 1)
