"""8 bits a channel with one scale a row, its 16 largest channels beside it as they are.

A row is its scale, the large channels' indices in ascending order (16 bits each), their elements,
then one signed byte for every channel; the bytes of the large ones are 0. What makes one scale a
row useless, a few channels far above the others, is taken out of it first.
"""

from __future__ import annotations

import numpy as np
import torch

from edge_server.encodings.arrays import (
    SCALE_BYTES,
    bits,
    floats,
    from_bits,
    read_scales,
    scales_for,
    tensor,
    whole_type,
)
from edge_server.encodings.encoding import check_length, damaged, plain

OUTLIERS = 16  # channels of a row that are written as they are
LEVELS = 127
_INDEX = np.dtype("<u2")  # a frame has at most 65,535 columns


class Int8Outliers:
    """8-bit codes beside the largest channels."""

    code, name, parameter, lossy, chained = 2, "int8-outliers", 0, True, False

    def encode(self, rows: torch.Tensor, before: torch.Tensor | None = None) -> bytes:
        values = floats(rows)
        large = largest(values, min(OUTLIERS, values.shape[1]))
        elements = np.take_along_axis(bits(rows), large, axis=1)
        rest = values.copy()
        np.put_along_axis(rest, large, np.float32(0.0), axis=1)
        halves, scales = scales_for(rest, LEVELS)
        codes = np.rint(rest / scales[:, None]).astype(np.int8)
        parts = (halves[:, None], large.astype(_INDEX), elements, codes)
        return np.concatenate(
            [np.ascontiguousarray(part).view(np.uint8) for part in parts], axis=1).tobytes()

    def decode(
        self, payload: memoryview, rows: int, columns: int, dtype: torch.dtype,
        before: torch.Tensor | None = None,
    ) -> torch.Tensor:
        count = min(OUTLIERS, columns)
        indexed = SCALE_BYTES + count * _INDEX.itemsize
        head = indexed + count * dtype.itemsize
        check_length(payload, rows * (head + columns), self.name)
        data = np.frombuffer(payload, np.uint8).reshape(rows, head + columns)
        scales = read_scales(data[:, :SCALE_BYTES], self.name)
        large = np.ascontiguousarray(data[:, SCALE_BYTES:indexed]).view(_INDEX).astype(np.int64)
        if (large[:, 1:] <= large[:, :-1]).any() or (large[:, -1] >= columns).any():
            damaged(self.name, "channels out of order")
        elements = np.ascontiguousarray(data[:, indexed:head]).view(whole_type(dtype))
        whole = bits(tensor(data[:, head:].view(np.int8) * scales, dtype))
        np.put_along_axis(whole, large, elements, axis=1)
        return from_bits(whole, dtype)


def largest(values: np.ndarray[tuple[int, ...], np.dtype[np.float32]], count: int
            ) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """Indices of each row's `count` largest magnitudes, ascending."""
    first = values.shape[1] - count
    if not first:
        return np.broadcast_to(np.arange(count), values.shape).copy()
    return np.sort(np.argpartition(np.abs(values), first, axis=1)[:, first:], axis=1)


def create(parameter: str = "") -> Int8Outliers:
    plain(parameter, Int8Outliers.name)
    return Int8Outliers()
