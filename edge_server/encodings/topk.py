"""Each row's K channels of largest magnitude as they are; the others are 0 where they arrive.

The payload is K (16 bits, little-endian), then for each row which channels these are and their
elements. Which: a bit for each channel, or indices of 16 bits where those are shorter. A K of 0, or
beyond a row's channels, stands for a quarter of them, or all of them.
"""

from __future__ import annotations

import struct

import numpy as np
import torch

from edge_server.encodings.arrays import bits, floats, from_bits, whole_type
from edge_server.encodings.encoding import check_length, damaged
from edge_server.encodings.int8_outliers import largest
from edge_server.errors import ConfigurationError

SHARE = 4  # of a row's channels one in so many is kept, where nothing else is said
MOST = 65_535
_COUNT = struct.Struct("<H")
_INDEX = np.dtype("<u2")


class TopK:
    """The largest channels alone."""

    code, lossy, chained = 4, True, False

    def __init__(self, count: int = 0) -> None:
        self.parameter = count
        self.name = f"topk:{count}" if count else "topk"

    def encode(self, rows: torch.Tensor, before: torch.Tensor | None = None) -> bytes:
        values = floats(rows)
        columns = values.shape[1]
        count = min(self.parameter or max(1, columns // SHARE), columns)
        large = largest(values, count)
        elements = np.ascontiguousarray(np.take_along_axis(bits(rows), large, axis=1))
        if _indexed(count, columns):
            places = large.astype(_INDEX).view(np.uint8)
        else:
            marks = np.zeros(values.shape, np.bool_)
            np.put_along_axis(marks, large, True, axis=1)
            places = np.packbits(marks, axis=1)
        body = np.concatenate((places, elements.view(np.uint8)), axis=1)
        return _COUNT.pack(count) + body.tobytes()

    def decode(
        self, payload: memoryview, rows: int, columns: int, dtype: torch.dtype,
        before: torch.Tensor | None = None,
    ) -> torch.Tensor:
        count = _COUNT.unpack_from(payload)[0] if len(payload) >= _COUNT.size else 0
        if not 0 < count <= columns:
            damaged(self.name, f"{count} of {columns} channels")
        head = count * _INDEX.itemsize if _indexed(count, columns) else -(-columns // 8)
        size = head + count * dtype.itemsize
        check_length(payload, _COUNT.size + rows * size, self.name)
        data = np.frombuffer(payload, np.uint8, offset=_COUNT.size).reshape(rows, size)
        elements = np.ascontiguousarray(data[:, head:]).view(whole_type(dtype))
        whole = np.zeros((rows, columns), whole_type(dtype))
        if _indexed(count, columns):
            large = np.ascontiguousarray(data[:, :head]).view(_INDEX).astype(np.int64)
            if (large[:, 1:] <= large[:, :-1]).any() or (large[:, -1] >= columns).any():
                damaged(self.name, "channels out of order")
            np.put_along_axis(whole, large, elements, axis=1)
        else:
            marks = np.unpackbits(data[:, :head], axis=1)
            if (marks.sum(axis=1, dtype=np.int64) != count).any() or marks[:, columns:].any():
                damaged(self.name, "another number of channels than it says")
            whole[marks[:, :columns].astype(np.bool_)] = elements.ravel()
        return from_bits(whole, dtype)


def _indexed(count: int, columns: int) -> bool:
    """Whether indices are shorter than a bit for each channel."""
    return count * _INDEX.itemsize < -(-columns // 8)


def create(parameter: str = "") -> TopK:
    if not parameter:
        return TopK()
    digits = parameter.isascii() and parameter.isdigit() and len(parameter) <= len(str(MOST))
    if not digits or not 0 < int(parameter) <= MOST:
        raise ConfigurationError(f"topk keeps a number of channels, not {parameter!r}.",
                                 f"Give 1 to {MOST}, as topk:64.")
    return TopK(int(parameter))
