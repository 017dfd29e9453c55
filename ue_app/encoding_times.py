"""What it takes this machine, now, to write a row in each encoding and to read it again.

Rounds go through all encodings in turn, so that they share what else the machine does. It reads
the clock it is given, and says nothing of the other side's machine.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from edge_server.encodings.encoding import Encoding
from edge_server.encodings.registry import by_name

ROUNDS = 100  # 30 ms for all encodings of a small model's row


@dataclass(frozen=True)
class RowTime:
    """Medians of one encoding."""

    write: float  # seconds
    read: float  # seconds


def sample_row(columns: int, row_type: torch.dtype) -> torch.Tensor:
    """Two rows [2, columns] for who has no model at hand: noise takes as long as a model's do."""
    generator = torch.Generator().manual_seed(columns)
    return torch.randn(2, columns, generator=generator).to(row_type)


def row_times(
    rows: torch.Tensor, names: Sequence[str], clock: Callable[[], float], rounds: int = ROUNDS
) -> dict[str, RowTime]:
    """Of the last of `rows`, sent alone; what builds on the row before has the one before it."""
    encodings = {name: by_name(name) for name in names}
    row, before = rows[-1:].contiguous(), rows[-2:-1].contiguous()
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for _ in range(rounds):
        for name, encoding in encodings.items():
            taken[name].append(_once(encoding, row, before if encoding.chained else None, clock))
    return {name: RowTime(*(statistics.median(each) for each in zip(*found, strict=True)))
            for name, found in taken.items()}


def _once(
    encoding: Encoding, row: torch.Tensor, before: torch.Tensor | None, clock: Callable[[], float]
) -> tuple[float, float]:
    began = clock()
    payload = encoding.encode(row, before)
    written = clock()
    encoding.decode(memoryview(payload), 1, row.shape[1], row.dtype, before)
    return written - began, clock() - written
