"""The fast backend against transformers, and against itself however its work is cut."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import PreTrainedConfig
from transformers.models.auto import AutoModelForCausalLM

from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.embedding import MappedEmbedding
from edge_server.engine.fast import FastOutput, FastStage
from edge_server.errors import ConfigurationError, StageError
from edge_server.split import LayerRange
from tests.conftest import MakeCheckpoint
from tests.models import FAMILIES, LAYERS, VOCABULARY, WINDOW, configuration, load_model

PRECISIONS = ("fp32", "bf16", "int8")
CAPACITY = 192  # three blocks of the cache, the last one not full
PROMPT = 70  # longer than the sliding window and than one block of the cache
FP32_TOLERANCE = 1e-4  # of logits whose deviation is about 2; the orders of summation differ
# Mean and largest Kullback-Leibler divergence of the next token's distribution from fp32, in nats.
# Seen on these random models: bf16 0.0019 and 0.015, int8 0.012 and 0.10.
DIVERGENCE = {"bf16": (0.005, 0.05), "int8": (0.03, 0.3)}


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def tokens(count: int, seed: int = 0) -> list[int]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(3, VOCABULARY, (count,), generator=generator).tolist()


class Model:
    """A checkpoint on the fast backend, cut at `cuts`."""

    def __init__(
        self, folder: Path, precision: str, cuts: Sequence[int] = (), slots: int = 3,
        threads: int = 1, capacity: int = CAPACITY,
    ) -> None:
        checkpoint = Checkpoint.open(folder)
        bounds = [0, *cuts, checkpoint.architecture.layers]
        self.stages = [
            FastStage(checkpoint, LayerRange(start, end), precision, slots, capacity, threads)
            for start, end in pairwise(bounds)
        ]
        self.output = FastOutput(checkpoint, precision, threads)
        self.embedding = MappedEmbedding(checkpoint, self.stages[0].dtype)

    def logits(self, slots: Sequence[int], positions: Sequence[int], ids: Sequence[int]) -> Any:
        rows = self.embedding.rows(ids)
        for stage in self.stages:
            rows = stage.forward(slots, positions, rows)
        return self.output.logits(rows)

    def extend(self, slot: int, start: int, ids: Sequence[int]) -> Any:
        """Logits of consecutive tokens of one slot."""
        return self.logits([slot] * len(ids), range(start, start + len(ids)), ids)


def whole_logits(model: Any, ids: Sequence[int]) -> Any:
    with torch.inference_mode():
        return model(torch.tensor([list(ids)])).logits[0].float()


def divergence(logits: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """KL(reference || logits) of each row, in nats."""
    return torch.nn.functional.kl_div(
        logits.log_softmax(-1), reference.log_softmax(-1), log_target=True,
        reduction="none").sum(-1)


def save_odd(folder: Path, family: str) -> Any:
    """A model whose every extent misses what the kernels pad to."""
    torch.manual_seed(1)
    config = configuration(family)
    config.update({
        "hidden_size": 72, "intermediate_size": 100, "head_dim": 20, "num_attention_heads": 6,
        "num_key_value_heads": 3 if family == "llama" else 1, "vocab_size": VOCABULARY - 13})
    random_model(config).save_pretrained(folder)
    return load_model(folder, torch.float32)


def random_model(config: PreTrainedConfig) -> Any:
    return AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]  # the library's


@pytest.mark.parametrize("family", FAMILIES)
def test_fp32_computes_what_transformers_does(
    family: str, checkpoint_folder: MakeCheckpoint
) -> None:
    folder = checkpoint_folder(family)
    ids = tokens(PROMPT + 70)
    expected = whole_logits(load_model(folder, torch.float32), ids)
    model = Model(folder, "fp32")
    prompt = model.extend(0, 0, ids[:PROMPT])
    steps = [model.extend(0, at, [ids[at]]) for at in range(PROMPT, len(ids))]
    logits = torch.cat([prompt, *steps])
    assert (logits - expected).abs().max() < FP32_TOLERANCE
    assert logits.argmax(-1).equal(expected.argmax(-1))


@pytest.mark.parametrize("family", FAMILIES)
def test_odd_sizes_are_padded(family: str, tmp_path: Path) -> None:
    ids = [token % (VOCABULARY - 13) for token in tokens(PROMPT)]
    expected = whole_logits(save_odd(tmp_path, family), ids)
    logits = Model(tmp_path, "fp32").extend(0, 0, ids)
    assert (logits - expected).abs().max() < FP32_TOLERANCE
    for precision, (mean, largest) in DIVERGENCE.items():
        seen = divergence(Model(tmp_path, precision).extend(0, 0, ids), expected)
        assert seen.mean() < mean
        assert seen.max() < largest


@pytest.mark.parametrize("stored", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_stored_type_loads(
    precision: str, stored: torch.dtype, checkpoint_folder: MakeCheckpoint
) -> None:
    folder = checkpoint_folder("gemma3", stored)
    ids = tokens(PROMPT)
    expected = whole_logits(load_model(folder, torch.float32), ids)
    seen = divergence(Model(folder, precision).extend(0, 0, ids), expected)
    assert seen.mean() < DIVERGENCE.get(precision, (1e-6, 0))[0]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_narrow_precisions_stay_close_to_fp32(
    precision: str, family: str, checkpoint_folder: MakeCheckpoint
) -> None:
    folder = checkpoint_folder(family)
    ids = tokens(PROMPT, seed=5)
    expected = whole_logits(load_model(folder, torch.float32), ids)
    seen = divergence(Model(folder, precision).extend(0, 0, ids), expected)
    mean, largest = DIVERGENCE[precision]
    assert seen.mean() < mean
    assert seen.max() < largest


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_cut_gives_the_same_bits(
    precision: str, family: str, checkpoint_folder: MakeCheckpoint
) -> None:
    folder = checkpoint_folder(family)
    ids = tokens(PROMPT + 4)
    whole = _prompt_and_steps(Model(folder, precision), ids)
    cuts: list[tuple[int, ...]] = [(cut,) for cut in range(LAYERS + 1)]
    for cut in [*cuts, (1, 3), (0, 2)]:
        assert _prompt_and_steps(Model(folder, precision, cut), ids).equal(whole), cut


def _prompt_and_steps(model: Model, ids: Sequence[int]) -> torch.Tensor:
    prompt = model.extend(0, 0, ids[:PROMPT])
    steps = [model.extend(0, at, [ids[at]]) for at in range(PROMPT, len(ids))]
    return torch.cat([prompt, *steps])


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_chunks_of_a_prompt_give_the_same_bits(
    precision: str, family: str, checkpoint_folder: MakeCheckpoint
) -> None:
    model = Model(checkpoint_folder(family), precision)
    ids = tokens(CAPACITY)
    whole = model.extend(0, 0, ids)
    for size in (1, 2, 3, 5, 6, 7, 13, 19, 40, 64, 65):
        model.stages[0].truncate(1, 0)
        parts = [model.extend(1, at, ids[at:at + size]) for at in range(0, len(ids), size)]
        assert torch.cat(parts).equal(whole), size


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_ragged_batch_gives_the_bits_of_each_alone(
    precision: str, family: str, checkpoint_folder: MakeCheckpoint
) -> None:
    lengths = (3, WINDOW, 66, 1, 130)
    together = Model(checkpoint_folder(family), precision, slots=len(lengths))
    alone = Model(checkpoint_folder(family), precision, slots=1)
    prompts = [tokens(length, seed) for seed, length in enumerate(lengths)]
    batch = [(slot, at) for slot, prompt in enumerate(prompts) for at in range(len(prompt))]
    batch.sort(key=lambda row: (row[1], -row[0]))  # slots interleaved, each in order
    logits = together.logits([slot for slot, _ in batch], [at for _, at in batch],
                             [prompts[slot][at] for slot, at in batch])
    step = together.logits(range(len(lengths)), lengths, [7] * len(lengths))
    for slot, prompt in enumerate(prompts):
        expected = alone.extend(0, 0, prompt)
        assert logits[[index for index, row in enumerate(batch) if row[0] == slot]].equal(expected)
        assert step[slot].equal(alone.extend(0, len(prompt), [7])[0])


@pytest.mark.parametrize("precision", PRECISIONS)
def test_threads_give_the_same_bits(precision: str, checkpoint_folder: MakeCheckpoint) -> None:
    ids = tokens(PROMPT + 4)
    expected = _prompt_and_steps(Model(checkpoint_folder("gemma3"), precision), ids)
    for threads in (2, 3):
        model = Model(checkpoint_folder("gemma3"), precision, threads=threads)
        assert _prompt_and_steps(model, ids).equal(expected)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_slot_rolled_back_equals_a_fresh_one(
    precision: str, checkpoint_folder: MakeCheckpoint
) -> None:
    model = Model(checkpoint_folder("gemma2"), precision)
    ids = tokens(PROMPT)
    expected = model.extend(0, 0, ids)
    model.extend(1, 0, ids[:40] + tokens(60, seed=9))
    model.stages[0].truncate(1, 40)
    assert model.stages[0].length(1) == 40
    assert model.extend(1, 40, ids[40:]).equal(expected[40:])
    assert model.extend(1, 30, ids[30:]).equal(expected[30:])  # rows before the length
    assert model.stages[0].length(1) == PROMPT
    model.stages[0].truncate(1, 0)
    assert model.extend(1, 0, ids).equal(expected)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_narrowed_shares_slots_and_computes_its_layers(
    precision: str, checkpoint_folder: MakeCheckpoint
) -> None:
    checkpoint = Checkpoint.open(checkpoint_folder("gemma3"))
    wide = FastStage(checkpoint, LayerRange(1, 4), precision, 2, CAPACITY, 1)
    view = wide.narrowed(LayerRange(2, 4))
    alone = FastStage(checkpoint, LayerRange(2, 4), precision, 2, CAPACITY, 1)
    rows = torch.randn(PROMPT, checkpoint.architecture.hidden).to(wide.dtype)
    assert view.layers == LayerRange(2, 4)
    assert view.forward([1] * PROMPT, range(PROMPT), rows).equal(
        alone.forward([1] * PROMPT, range(PROMPT), rows))
    assert wide.length(1) == PROMPT
    assert view.bytes() == wide.bytes()
    with pytest.raises(ConfigurationError, match=r"\[0, 2\)"):
        wide.narrowed(LayerRange(0, 2))


def test_an_empty_range_returns_its_input(
    checkpoint_folder: MakeCheckpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_server.engine.kernels.native.kernels", None)  # none are needed
    checkpoint = Checkpoint.open(checkpoint_folder("gemma"))
    stage = FastStage(checkpoint, LayerRange(2, 2), "bf16", 1, CAPACITY, 1)
    rows = torch.randn(3, checkpoint.architecture.hidden).bfloat16()
    assert stage.forward([0] * 3, range(3), rows).equal(rows)
    assert stage.length(0) == 3
    stage.truncate(0, 0)
    assert (stage.length(0), stage.bytes()) == (0, 0)
    stage.close()


def test_a_massive_channel_hurts_int8_only_in_its_group(tmp_path: Path) -> None:
    """Trained models carry a channel hundreds of times the others: here one is planted.

    The weights of its group are zero, so that what is seen is what it does to the others: one scale
    for the whole row would round them all away.
    """
    config = configuration("llama")
    config.update({"hidden_size": 512, "num_hidden_layers": 1})
    model = random_model(config)
    with torch.no_grad():
        model.lm_head.weight[:, 64:128] = 0
    model.save_pretrained(tmp_path)
    rows = torch.randn(PROMPT, 512).bfloat16()
    rows[:, 100] = 300.0
    expected = FastOutput(Checkpoint.open(tmp_path), "fp32", 1).logits(rows.float())
    seen = FastOutput(Checkpoint.open(tmp_path), "int8", 1).logits(rows)
    assert (seen - expected).std() < 0.02 * expected.std()


def test_rows_that_cannot_run_change_nothing(checkpoint_folder: MakeCheckpoint) -> None:
    model = Model(checkpoint_folder("llama"), "fp32")
    stage = model.stages[0]
    ids = tokens(20)
    expected = model.extend(0, 0, ids)
    model.extend(1, 0, ids[:10])
    rows = model.embedding.rows(ids[10:12])
    bad: list[tuple[list[int], list[int], torch.Tensor]] = [
        ([1, 1], [10, 12], rows),  # a jump
        ([1, 1], [11, 12], rows),  # a gap
        ([1, 3], [10, 0], rows),  # no such slot
        ([1, -1], [10, 0], rows),
        ([1, 1], [10], rows),  # too few positions
        ([1, 1], [10, 11], rows.bfloat16()),
        ([1, 1], [10, 11], rows[:, 1:]),
        ([1], [CAPACITY], rows[:1]),
    ]
    for slots, positions, what in bad:
        with pytest.raises(StageError):
            stage.forward(slots, positions, what)
    assert (stage.length(0), stage.length(1)) == (20, 10)
    assert model.extend(1, 10, ids[10:]).equal(expected[10:])
    with pytest.raises(StageError, match="takes"):
        model.output.logits(rows.bfloat16())


def test_a_wrong_precision_or_thread_count_is_one_clear_error(
    checkpoint_folder: MakeCheckpoint
) -> None:
    checkpoint = Checkpoint.open(checkpoint_folder("llama"))
    with pytest.raises(ConfigurationError, match="fp16"):
        FastStage(checkpoint, LayerRange(0, 1), "fp16", 1, CAPACITY, 1)
    with pytest.raises(ConfigurationError, match="threads"):
        FastStage(checkpoint, LayerRange(0, 1), "bf16", 1, CAPACITY, 100_000)


def test_a_closed_stage_refuses(checkpoint_folder: MakeCheckpoint) -> None:
    model = Model(checkpoint_folder("gemma"), "bf16")
    view = model.stages[0].narrowed(LayerRange(1, 2))
    rows = model.embedding.rows([5])
    model.stages[0].close()
    model.output.close()
    for stage in (model.stages[0], view):
        with pytest.raises(StageError, match="closed"):
            stage.forward([0], [0], rows)
        assert stage.length(0) == 0
    with pytest.raises(StageError, match="closed"):
        model.output.logits(rows)
    model.stages[0].close()


def test_no_rows_are_no_work(checkpoint_folder: MakeCheckpoint) -> None:
    model = Model(checkpoint_folder("gemma"), "bf16")
    assert model.logits([], [], []).shape == (0, VOCABULARY)


def test_stages_run_at_the_same_time(checkpoint_folder: MakeCheckpoint) -> None:
    """Scratch belongs to a stage; two sessions on one stage take turns."""
    models = [Model(checkpoint_folder("gemma3"), "bf16", threads=2) for _ in range(2)]
    ids = tokens(CAPACITY)
    expected = models[0].extend(0, 0, ids)
    results: dict[tuple[int, int], torch.Tensor] = {}

    def run(index: int, slot: int) -> None:
        parts = [models[index].extend(slot, at, ids[at:at + 3]).clone()
                 for at in range(0, CAPACITY, 3)]
        results[index, slot] = torch.cat(parts)

    threads = [threading.Thread(target=run, args=(index, slot))
               for index in range(2) for slot in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert all(result.equal(expected) for result in results.values())


def test_logits_keep_their_values_while_somebody_holds_them(
    checkpoint_folder: MakeCheckpoint
) -> None:
    model = Model(checkpoint_folder("gemma"), "fp32")
    held = model.extend(0, 0, [5])[0]  # a view of the result
    copy = held.clone()
    address = model.extend(1, 0, [6]).data_ptr()
    assert held.equal(copy)
    assert model.extend(2, 0, [7]).data_ptr() == address  # nobody held the last one


def test_memory_follows_use_and_comes_back(checkpoint_folder: MakeCheckpoint) -> None:
    model = Model(checkpoint_folder("llama"), "fp32", capacity=4096)
    stage = model.stages[0]
    empty = stage.bytes()
    rows = torch.randn(3000, 64)
    first = stage.forward([1] * 3000, range(3000), rows)
    cache = 2 * LAYERS * 2 * 16 * 4 * 3000  # keys and values, layers, heads, dimension, bytes
    assert cache <= stage.bytes() - empty < 1.5 * cache
    stage.truncate(1, 0)
    assert stage.bytes() - empty < 0.2 * cache  # rotary tables stay
    assert stage.forward([1] * 3000, range(3000), rows).equal(first)
