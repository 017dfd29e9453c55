"""Rows as they are: the elements in little-endian order. What every other encoding is held to."""

from __future__ import annotations

import torch

from edge_server.encodings.encoding import check_length, plain
from edge_server.engine.tensors import WIRE_TYPES, from_bytes, to_bytes


class Raw:
    """No encoding."""

    code, name, parameter, lossy, chained = 0, "raw", 0, False, False

    def encode(self, rows: torch.Tensor, before: torch.Tensor | None = None) -> bytes:
        return bytes(to_bytes(rows))

    def decode(
        self, payload: memoryview, rows: int, columns: int, dtype: torch.dtype,
        before: torch.Tensor | None = None,
    ) -> torch.Tensor:
        check_length(payload, rows * columns * dtype.itemsize, self.name)
        return from_bytes(payload, WIRE_TYPES[dtype], rows, columns)


def create(parameter: str = "") -> Raw:
    plain(parameter, Raw.name)
    return Raw()
