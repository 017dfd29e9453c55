"""Ranges of layers, and the names of the places where a model can be cut.

A light module that both sides import: it knows numbers only, no files and no tensors.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge_server.errors import ConfigurationError


@dataclass(frozen=True, order=True)
class LayerRange:
    """Layers `[start, end)` of a model; empty where `start == end`."""

    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.end:
            raise ConfigurationError(f"[{self.start}, {self.end}) is not a range of layers.",
                                     "Give 0 <= start <= end.")

    def __len__(self) -> int:
        return self.end - self.start

    def __contains__(self, layer: int) -> bool:
        return self.start <= layer < self.end

    def __str__(self) -> str:
        return f"[{self.start}, {self.end})"
