"""The `reference` backend: bit for bit what unsplit transformers computes, cell by cell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.reference import ReferenceOutput, ReferenceStage, sliced_configuration
from edge_server.engine.sampling import Sampler
from edge_server.errors import StageError
from edge_server.split import LayerRange
from tests.conftest import MakeCheckpoint
from tests.exactness import (
    CUTS,
    GREEDY,
    NEW_TOKENS,
    SAMPLED,
    TYPES,
    WAYS,
    Pipeline,
    ask_oracle,
    make_engine,
    make_prompt,
    measure,
)
from tests.models import FAMILIES, LAYERS, WINDOW, load_model

REFERENCE_WAYS = [way for way in WAYS if way[1] == "reference"]


@pytest.fixture(scope="module")
def models(checkpoint_folder: MakeCheckpoint) -> Any:
    """`models(family, dtype)` is the folder, and the unsplit model the library loads from it."""
    loaded: dict[tuple[str, torch.dtype], tuple[Path, Any]] = {}

    def get(family: str, dtype: torch.dtype = torch.float32) -> tuple[Path, Any]:
        if (family, dtype) not in loaded:
            folder = checkpoint_folder(family, dtype)
            loaded[family, dtype] = folder, load_model(folder, dtype)
        return loaded[family, dtype]

    return get


@pytest.mark.parametrize("cuts", CUTS, ids=str)
@pytest.mark.parametrize("way", REFERENCE_WAYS, ids=lambda way: way[0])
@pytest.mark.parametrize("family", FAMILIES)
def test_split_is_whole(
    family: str, way: tuple[str, str, str], cuts: tuple[int, ...], models: Any
) -> None:
    """Greedy, sampled and chunked tokens are `generate`'s, and the logits to the last bit."""
    stored, backend, precision = way
    folder, model = models(family, TYPES[stored])
    cell = measure(folder, model, backend, precision, cuts)
    assert cell.bits
    assert (cell.greedy, cell.sampled, cell.chunked) == (True, True, True)
    assert cell.divergence == 0.0


def test_the_oracle_is_no_constant(models: Any) -> None:
    """An answer that ignores its layers could be equal by accident; these do not."""
    for family in FAMILIES:
        tokens = ask_oracle(models(family)[1], make_prompt(), GREEDY).tokens
        sampled = ask_oracle(models(family)[1], make_prompt(), SAMPLED).tokens
        other = ask_oracle(models(family)[1], make_prompt(seed=4), GREEDY).tokens
        assert len(set(tokens)) > 2
        assert tokens != sampled
        assert tokens != other


@pytest.mark.parametrize("chunk", [1, 2, WINDOW - 1, WINDOW, WINDOW + 1, 2 * WINDOW])
@pytest.mark.parametrize("family", FAMILIES)
def test_prompts_in_chunks(family: str, chunk: int, models: Any) -> None:
    """However long against the window a chunk is."""
    folder, model = models(family)
    oracle = ask_oracle(model, make_prompt(), GREEDY)
    pipeline = Pipeline(make_engine(folder, "reference", "fp32"), (2,))
    assert pipeline.answer(oracle.prompt, GREEDY, chunk)[0] == oracle.tokens


@pytest.mark.parametrize("length", [1, 2, WINDOW - 1, WINDOW, WINDOW + 1, 40])
@pytest.mark.parametrize("family", FAMILIES)
def test_prompts_of_any_length(family: str, length: int, models: Any) -> None:
    folder, model = models(family)
    oracle = ask_oracle(model, make_prompt(length), GREEDY)
    tokens, logits = Pipeline(make_engine(folder, "reference", "fp32"), (1, 3)).answer(
        oracle.prompt, GREEDY, 64)
    assert tokens == oracle.tokens
    assert torch.equal(logits, oracle.logits)


@pytest.mark.parametrize("family", FAMILIES)
def test_ragged_batches(family: str, models: Any) -> None:
    """Prompts of different lengths in one step after another, each as if it were alone."""
    folder, model = models(family)
    oracles = [ask_oracle(model, make_prompt(length, seed), SAMPLED)
               for seed, length in enumerate((3, 25, WINDOW))]
    pipeline = Pipeline(make_engine(folder, "reference", "fp32"), (1, 3))
    samplers = [Sampler(SAMPLED) for _ in oracles]
    logits = [pipeline.prefill(oracle.prompt, 64, slot) for slot, oracle in enumerate(oracles)]
    answers: list[list[int]] = [[] for _ in oracles]
    for step in range(NEW_TOKENS):
        for slot, sampler in enumerate(samplers):
            assert torch.equal(logits[slot][0], oracles[slot].logits[step])
            answers[slot].append(sampler.choose(logits[slot][0], step))
        rows = pipeline.forward(range(3), [len(oracle.prompt) + step for oracle in oracles],
                                [answer[-1] for answer in answers])
        logits = list(pipeline.output.logits(rows)[:, None])
    assert answers == [oracle.tokens for oracle in oracles]


@pytest.mark.parametrize("family", FAMILIES)
def test_rolled_back_and_asked_again(family: str, models: Any) -> None:
    """As after a cancelled answer: rows beyond the prompt are forgotten, and the answer is new."""
    folder, model = models(family)
    oracle = ask_oracle(model, make_prompt(), GREEDY)
    pipeline = Pipeline(make_engine(folder, "reference", "fp32"), (2,))
    pipeline.answer(make_prompt(seed=9), GREEDY, 64)
    for stage in pipeline.stages:
        stage.truncate(0, 0)
    assert pipeline.answer(oracle.prompt, GREEDY, 64)[0] == oracle.tokens
    kept = len(oracle.prompt) - 5
    rows = pipeline.forward([0] * 5, range(kept, kept + 5), oracle.prompt[kept:])
    assert int(pipeline.output.logits(rows[-1:]).argmax()) == oracle.tokens[0]


def test_gaps_are_refused(models: Any) -> None:
    pipeline = Pipeline(make_engine(models("gemma3")[0], "reference", "fp32"), (2,))
    pipeline.prefill([5, 6, 7], 3)
    with pytest.raises(StageError, match="leaves a gap: it holds 3"):
        pipeline.forward([0], [4], [8])


@pytest.mark.parametrize("family", FAMILIES)
def test_a_stage_holds_its_layers_alone(
    family: str, models: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only its own tensors are read, and nothing is held twice."""
    checkpoint = Checkpoint.open(models(family)[0])
    per_layer = sum(checkpoint.entry(name).size for name in checkpoint.expected
                    if name.startswith("layers.0."))
    read: list[str] = []
    original = checkpoint.read_into

    def read_into(name: str, *rest: Any) -> None:
        read.append(name)
        original(name, *rest)

    monkeypatch.setattr(checkpoint, "read_into", read_into)
    stage = ReferenceStage(checkpoint, LayerRange(1, 3), torch.float32, 1, 16)
    assert stage.bytes() == 2 * per_layer
    assert sorted(read) == sorted(name for name in checkpoint.expected
                                  if name.startswith(("layers.1.", "layers.2.")))
    read.clear()
    output = ReferenceOutput(checkpoint, torch.float32)
    assert sorted(read) == sorted(
        ["norm.weight", "embed_tokens.weight" if checkpoint.architecture.tied
         else "lm_head.weight"])
    assert output.bytes() == sum(checkpoint.entry(name).size for name in read)


def test_memory_grows_with_what_a_slot_holds(models: Any) -> None:
    stage = ReferenceStage(Checkpoint.open(models("gemma")[0]), LayerRange(0, 2), torch.float32, 2,
                           32)
    empty = stage.bytes()
    stage.forward([0] * 10, range(10), torch.zeros(10, 64))
    assert stage.bytes() == empty + 10 * 2 * 2 * 2 * 16 * 4  # keys and values, 2 layers, 2 heads
    stage.truncate(0, 0)
    assert stage.bytes() == empty


@pytest.mark.parametrize("family", FAMILIES)
def test_a_sliced_configuration_keeps_each_layers_kind(family: str, models: Any) -> None:
    checkpoint = Checkpoint.open(models(family)[0])
    whole: Any = sliced_configuration(checkpoint, LayerRange(0, LAYERS))
    part: Any = sliced_configuration(checkpoint, LayerRange(1, 4))
    assert part.num_hidden_layers == 3
    if whole.layer_types if hasattr(whole, "layer_types") else None:
        assert part.layer_types == whole.layer_types[1:4]
    assert part.rope_parameters == whole.rope_parameters
