"""A slower machine, stood in for by pauses: stages that take as long as a phone or a busy edge.

Traffic shows how long rows take to be computed, and this machine computes the small models here in
no time. Pauses come after the real computation and are drawn from a generator that is passed in.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from edge_server.engine.load import Engine
from edge_server.engine.stage import Stage
from edge_server.split import LayerRange
from testbed.sessions.kind import uneven


@dataclass(frozen=True)
class Pace:
    """How slow a machine is."""

    seconds: float  # of a step with one row, on average; 0: as fast as this machine
    spread: float  # of their logarithm
    row_share: float  # of `seconds`, for each further row


class PacedStage:
    """A stage that takes its time."""

    def __init__(self, stage: Stage, pace: Pace, randomness: random.Random) -> None:
        self._stage, self._pace, self._random = stage, pace, randomness
        self.layers, self.dtype = stage.layers, stage.dtype
        self.slots, self.capacity = stage.slots, stage.capacity

    def forward(self, slots: Sequence[int], positions: Sequence[int],
                rows: torch.Tensor) -> torch.Tensor:
        out = self._stage.forward(slots, positions, rows)
        mean = self._pace.seconds * (1 + self._pace.row_share * (len(slots) - 1))
        time.sleep(uneven(self._random, mean, self._pace.spread))
        return out

    def length(self, slot: int) -> int:
        return self._stage.length(slot)

    def truncate(self, slot: int, length: int) -> None:
        self._stage.truncate(slot, length)

    def narrowed(self, layers: LayerRange) -> Stage:
        return PacedStage(self._stage.narrowed(layers), self._pace, self._random)

    def bytes(self) -> int:
        return self._stage.bytes()


@dataclass(frozen=True)
class _PacedEngine(Engine):
    """An engine whose stages take their time."""

    pace: Pace = Pace(0.0, 0.0, 0.0)
    seed: int = 0

    def stage(self, layers: LayerRange) -> Stage:
        return PacedStage(super().stage(layers), self.pace, random.Random(self.seed))


def paced(engine: Engine, pace: Pace, seed: int) -> Engine:
    """`engine` on a slower machine."""
    if not pace.seconds:
        return engine
    return _PacedEngine(engine.checkpoint, engine.backend, engine.precision,
                        replace(engine.options), pace, seed)
