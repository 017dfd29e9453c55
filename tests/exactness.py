"""The exactness matrix: family x split x backend and precision, against unsplit transformers.

`python -m tests.exactness` prints it; the tests assert it cell by cell. For each cell the model is
cut, the prompt (longer than the sliding window) goes through the stages in chunks, and the answer
is compared with the library's `generate` on the unsplit model: token for token where the precision
is the oracle's own, by divergence of the next-token distribution where it is not.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.load import Engine, EngineOptions, open_engine
from edge_server.engine.sampling import Sampler
from edge_server.engine.stage import Output, Stage
from edge_server.messages import Sampling
from edge_server.split import LayerRange
from tests.models import FAMILIES, LAYERS, VOCABULARY, WINDOW, load_model, save_model

CAPACITY = 64
PROMPT = 3 * WINDOW + 1
NEW_TOKENS = 12
CUTS: tuple[tuple[int, ...], ...] = (*((cut,) for cut in range(LAYERS + 1)), (1, 3))
GREEDY = Sampling()
SAMPLED = Sampling(temperature=0.9, top_k=40, top_p=0.95, min_p=0.01, repetition_penalty=1.1,
                   seed=11)
# Stored type, backend, precision. The oracle computes in the stored type.
WAYS: tuple[tuple[str, str, str], ...] = (
    ("fp32", "reference", "fp32"), ("bf16", "reference", "bf16"), ("fp16", "reference", "fp16"),
    ("fp32", "fast", "fp32"), ("bf16", "fast", "bf16"), ("bf16", "fast", "int8"),
)
TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Oracle:
    """What unsplit transformers answers."""

    prompt: list[int]
    tokens: list[int]
    logits: torch.Tensor  # float32 [tokens, vocabulary]


class Pipeline:
    """A model cut at `cuts`, its stages in one process."""

    def __init__(self, engine: Engine, cuts: Sequence[int]) -> None:
        bounds = [0, *cuts, engine.checkpoint.architecture.layers]
        self.embedding = engine.embedding()
        self.stages: list[Stage] = [engine.stage(LayerRange(start, end))
                                    for start, end in pairwise(bounds)]
        self.output: Output = engine.output()

    def forward(self, slots: Sequence[int], positions: Sequence[int], ids: Sequence[int]
                ) -> torch.Tensor:
        rows = self.embedding.rows(ids)
        for stage in self.stages:
            rows = stage.forward(slots, positions, rows)
        return rows

    def prefill(self, ids: Sequence[int], chunk: int, slot: int = 0) -> torch.Tensor:
        """Logits after `ids`, sent `chunk` at a time."""
        for at in range(0, len(ids), chunk):
            part = ids[at : at + chunk]
            rows = self.forward([slot] * len(part), range(at, at + len(part)), part)
        return self.output.logits(rows[-1:])

    def answer(self, prompt: Sequence[int], sampling: Sampling, chunk: int
               ) -> tuple[list[int], torch.Tensor]:
        """Tokens and their logits."""
        sampler, tokens, rows = Sampler(sampling), list[int](), list[torch.Tensor]()
        logits = self.prefill(prompt, chunk)
        for step in range(NEW_TOKENS):
            rows.append(logits)
            position = len(prompt) + step
            tokens.append(sampler.choose(logits[0], position))
            logits = self.output.logits(self.forward([0], [position], tokens[-1:]))
        return tokens, torch.cat(rows)

    def forced(self, oracle: Oracle) -> torch.Tensor:
        """Logits at the oracle's own tokens."""
        rows = [self.prefill(oracle.prompt, CAPACITY)]
        for step, token in enumerate(oracle.tokens[:-1]):
            position = len(oracle.prompt) + step
            rows.append(self.output.logits(self.forward([0], [position], [token])))
        return torch.cat(rows)


def make_engine(folder: Path, backend: str, precision: str, slots: int = 4) -> Engine:
    """An engine on one thread, for the small models."""
    options = EngineOptions(backend, precision, slots, CAPACITY, threads=1)
    return open_engine(Checkpoint.open(folder), options)


def make_prompt(length: int = PROMPT, seed: int = 3) -> list[int]:
    """Seeded ids."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(6, VOCABULARY, (length,), generator=generator).tolist()


def ask_oracle(model: Any, prompt: list[int], sampling: Sampling) -> Oracle:
    """The library's own `generate`, with the same choices and the same seed."""
    options: dict[str, Any] = {"do_sample": False}
    if sampling.temperature:
        torch.manual_seed(sampling.seed)
        options = {"do_sample": True, "temperature": sampling.temperature,
                   "top_k": sampling.top_k, "top_p": sampling.top_p, "min_p": sampling.min_p}
    processors = []
    if sampling.repetition_penalty != 1.0:
        from transformers import RepetitionPenaltyLogitsProcessor

        processors = [RepetitionPenaltyLogitsProcessor(sampling.repetition_penalty,
                                                       prompt_ignore_length=len(prompt))]
    result = model.generate(
        torch.tensor([prompt]), max_new_tokens=NEW_TOKENS, min_new_tokens=0, eos_token_id=None,
        logits_processor=processors, return_dict_in_generate=True, output_logits=True, **options)
    return Oracle(prompt, result.sequences[0, len(prompt):].tolist(),
                  torch.cat(result.logits).float())


def divergence(oracle: torch.Tensor, other: torch.Tensor) -> float:
    """Largest KL divergence of the next-token distribution over the positions, in nats."""
    expected = torch.log_softmax(oracle.double(), dim=-1)
    given = torch.log_softmax(other.double(), dim=-1)
    return float((expected.exp() * (expected - given)).sum(dim=-1).max())


@dataclass(frozen=True)
class Cell:
    """One cell of the matrix."""

    greedy: bool  # every token equal
    sampled: bool
    chunked: bool  # the same tokens when the prompt comes in chunks
    bits: bool  # logits equal to the last bit
    divergence: float  # from the oracle, nats

    def __str__(self) -> str:
        if self.greedy and self.sampled and self.chunked:
            return "bit-equal" if self.bits else f"equal {self.divergence:.0e}"
        return f"differs {self.divergence:.0e}"


def measure(folder: Path, model: Any, backend: str, precision: str, cuts: Sequence[int]) -> Cell:
    """Compare one way of splitting with the oracle."""
    prompt = make_prompt()
    greedy, sampled = ask_oracle(model, prompt, GREEDY), ask_oracle(model, prompt, SAMPLED)
    pipeline = Pipeline(make_engine(folder, backend, precision), cuts)
    tokens, logits = pipeline.answer(prompt, GREEDY, CAPACITY)
    return Cell(
        greedy=tokens == greedy.tokens,
        sampled=pipeline.answer(prompt, SAMPLED, CAPACITY)[0] == sampled.tokens,
        chunked=pipeline.answer(prompt, GREEDY, 7)[0] == greedy.tokens,
        bits=torch.equal(logits, greedy.logits),
        divergence=divergence(greedy.logits, pipeline.forced(greedy)),
    )


def main() -> int:
    """Print the matrix."""
    from rich.console import Console
    from rich.table import Table

    torch.set_num_threads(1)
    table = Table(title=f"against unsplit transformers: {PROMPT} prompt tokens, window {WINDOW}; "
                        "equal: every token is; numbers: largest KL divergence, nats")
    for heading in ("family", "stored", "backend", "precision",
                    *("cut at " + ",".join(map(str, cuts)) for cuts in CUTS)):
        table.add_column(heading)
    with tempfile.TemporaryDirectory() as scratch:
        for family in FAMILIES:
            for stored, backend, precision in WAYS:
                folder = Path(scratch) / f"{family}-{stored}"
                model = load_model(folder, TYPES[stored]) if folder.exists() else save_model(
                    folder, family, TYPES[stored])
                cells = [str(measure(folder, model, backend, precision, cuts)) for cuts in CUTS]
                table.add_row(family, stored, backend, precision, *cells)
    Console(width=170).print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
