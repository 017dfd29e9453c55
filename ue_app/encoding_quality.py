"""What an encoding costs a model in quality: its rows through the later layers, against raw ones.

The whole model runs in this process, cut where a phone would cut it. Every row of a text, of the
prompt as of the answer, goes through the encoding as it would on a link. It knows no network, and
neither files nor what the figures are used for.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch

from edge_server.encodings.wire import Chain, unpack
from edge_server.engine.load import Engine
from edge_server.engine.sampling import Sampler
from edge_server.messages import Sampling
from edge_server.split import LayerRange
from ue_app.encoding import RowEncoder
from ue_app.encoding_table import Parting, Quality

Carry = Callable[[torch.Tensor], torch.Tensor]  # a text's next rows to those that arrive
MakeCarry = Callable[[], Carry]  # for a text of its own
NORMAL_95 = 1.96  # standard errors to either side that hold the mean in 95 of 100 cases


class CutModel:
    """One whole model in this process, in two halves."""

    def __init__(self, engine: Engine, split: int) -> None:
        layers = engine.checkpoint.architecture.layers
        self._embedding = engine.embedding()
        self._first = engine.stage(LayerRange(0, split))
        self._rest = engine.stage(LayerRange(split, layers))
        self._output = engine.output()

    def rows(self, ids: Sequence[int], position: int = 0) -> torch.Tensor:
        """Activations after the first half; `ids` stand at `position`."""
        places = range(position, position + len(ids))
        return self._first.forward([0] * len(ids), places, self._embedding.rows(ids)).clone()

    def logits(self, rows: torch.Tensor, position: int = 0) -> torch.Tensor:
        """float32 scores after each of `rows`."""
        places = range(position, position + rows.shape[0])
        return self._output.logits(self._rest.forward([0] * rows.shape[0], places, rows.clone()))


def carried(name: str) -> Carry:
    """Rows of one text as an edge gets them from a phone that writes them so."""
    encoder, chain = RowEncoder(name), Chain()
    position = 0

    def carry(rows: torch.Tensor) -> torch.Tensor:
        nonlocal position
        packed = encoder.encode(position, rows)
        arrived = unpack(memoryview(packed.payload), packed.dtype, rows.dtype, rows.shape[0],
                         rows.shape[1], chain.before(position))
        position += rows.shape[0]
        chain.keep(position, arrived)
        return arrived

    return carry


@dataclass
class _Sums:
    """What one encoding has cost so far."""

    lost: float = 0.0  # squares, of the rows' error
    whole: float = 0.0  # and of the rows
    divergence: list[float] = field(default_factory=list)  # mean of each text, nats a token
    nats: list[float] = field(default_factory=list)  # mean of each text
    more: list[float] = field(default_factory=list)  # than with raw rows


def qualities(
    model: CutModel, texts: Sequence[Sequence[int]], carries: dict[str, MakeCarry],
    row_bytes: dict[str, float], progress: Callable[[], None] = lambda: None,
) -> dict[str, Quality]:
    """Each encoding's figures over `texts`, token ids of one length; `progress` after each step."""
    sums = {name: _Sums() for name in carries}
    for ids in texts:
        wanted = torch.tensor(ids[1:])
        rows = model.rows(ids[:-1])
        expected = torch.log_softmax(model.logits(rows), dim=1)
        raw_nats = -expected.gather(1, wanted[:, None]).double().mean().item()
        for name, make in carries.items():
            arrived = make()(rows)
            scores = torch.log_softmax(model.logits(arrived), dim=1)
            _add(sums[name], rows, arrived, expected, scores, wanted, raw_nats)
            progress()
    return {name: _quality(total, row_bytes[name]) for name, total in sums.items()}


def _add(
    total: _Sums, rows: torch.Tensor, arrived: torch.Tensor, expected: torch.Tensor,
    scores: torch.Tensor, wanted: torch.Tensor, raw_nats: float,
) -> None:
    exact = rows.double()
    total.lost += float((arrived.double() - exact).square().sum())
    total.whole += float(exact.square().sum())
    apart = (expected.exp() * (expected - scores)).sum(dim=1)
    total.divergence.append(apart.double().mean().item())
    nats = -scores.gather(1, wanted[:, None]).double().mean().item()
    total.nats.append(nats)
    total.more.append(nats - raw_nats)


def _quality(total: _Sums, row_bytes: float) -> Quality:
    more = statistics.fmean(total.more)
    # A text is one observation: what happens to its tokens is not independent.
    spread = statistics.stdev(total.more) / math.sqrt(len(total.more))
    factor = math.exp(more)
    return Quality(
        row_bytes=row_bytes, error=math.sqrt(total.lost / total.whole),
        divergence=max(0.0, statistics.fmean(total.divergence)),
        perplexity=math.exp(statistics.fmean(total.nats)), increase=100.0 * (factor - 1.0),
        margin=100.0 * factor * NORMAL_95 * spread)


def first_difference(
    model: CutModel, prompt: Sequence[int], make: MakeCarry, expected: Sequence[int]
) -> int | None:
    """Which of the `expected` greedy tokens comes out as another; None where none does."""
    carry = make()
    ids, position = list(prompt), 0
    for index, token in enumerate(expected):
        arrived = carry(model.rows(ids, position))
        if int(model.logits(arrived, position)[-1].argmax()) != token:
            return index
        ids, position = [token], position + len(ids)
    return None


def parting(
    model: CutModel, prompts: Sequence[Sequence[int]], make: MakeCarry,
    expected: Sequence[Sequence[int]],
) -> Parting:
    """Where greedy answers leave the `expected` ones, which are of one length."""
    parts = [first_difference(model, prompt, make, answer)
             for prompt, answer in zip(prompts, expected, strict=True)]
    length = len(expected[0])
    return Parting(sum(part is not None for part in parts),
                   statistics.median_low(length if part is None else part for part in parts))


def neighbours_apart(rows: torch.Tensor) -> float:
    """By how many times its own size a row differs from the one before it, of all together.

    1.4 is what rows have that know nothing of each other; below 1 a difference is the smaller.
    """
    exact = rows.double()
    return float((exact[1:] - exact[:-1]).norm() / exact[1:].norm())


def continuation(
    model: CutModel, prompt: Sequence[int], count: int, sampling: Sampling | None = None
) -> list[int]:
    """The `count` tokens that the unsplit model goes on with: greedy where nothing else is said."""
    sampler = Sampler(sampling or Sampling(), len(prompt))
    written: list[int] = []
    ids, position = list(prompt), 0
    for _ in range(count):
        scores = model.logits(model.rows(ids, position), position)[-1]
        position += len(ids)
        ids = [sampler.choose(scores, position)]
        written += ids
    return written


def windows(ids: Sequence[int], count: int, length: int) -> list[list[int]]:
    """`count` pieces of a long text, evenly over it; each begins with the text's first id.

    That is the sign of a beginning, for models that were trained with one.
    """
    room = len(ids) - length
    if room < count:
        raise ValueError(f"{len(ids)} tokens are too few for {count} pieces of {length}")
    starts = [1 + index * room // count for index in range(count)]
    return [[ids[0], *ids[start : start + length - 1]] for start in starts]
