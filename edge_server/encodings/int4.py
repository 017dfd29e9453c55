"""4 bits a channel in groups of 32, each with a scale of its own.

A row is its groups' scales, then two channels a byte, the earlier one in the lower half; the last
group is filled up with zeros. A code is 1 to 15, 8 stands for 0.
"""

from __future__ import annotations

import numpy as np
import torch

from edge_server.encodings.arrays import (
    SCALE_BYTES,
    floats,
    grouped,
    read_scales,
    scales_for,
    tensor,
)
from edge_server.encodings.encoding import check_length, plain

GROUP = 32  # channels that share a scale
LEVELS = 7  # codes on either side of 0
_ZERO = 8  # the code of 0


class Int4:
    """Grouped 4-bit codes."""

    code, name, parameter, lossy, chained = 3, "int4", 0, True, False

    def encode(self, rows: torch.Tensor, before: torch.Tensor | None = None) -> bytes:
        values = floats(rows)
        count = values.shape[0]
        groups = grouped(values, GROUP)
        halves, scales = scales_for(groups, LEVELS)
        codes = (np.rint(groups / scales[..., None]) + _ZERO).astype(np.uint8).reshape(count, -1)
        packed = codes[:, ::2] | codes[:, 1::2] << 4
        return np.concatenate((halves.view(np.uint8), packed), axis=1).tobytes()

    def decode(
        self, payload: memoryview, rows: int, columns: int, dtype: torch.dtype,
        before: torch.Tensor | None = None,
    ) -> torch.Tensor:
        groups = -(-columns // GROUP)
        head = groups * SCALE_BYTES
        size = head + groups * GROUP // 2
        check_length(payload, rows * size, self.name)
        data = np.frombuffer(payload, np.uint8).reshape(rows, size)
        scales = read_scales(data[:, :head], self.name)
        codes = np.empty((rows, groups * GROUP), np.float32)
        codes[:, ::2] = data[:, head:] & 15
        codes[:, 1::2] = data[:, head:] >> 4
        codes -= _ZERO
        values = (codes.reshape(rows, groups, GROUP) * scales[..., None]).reshape(rows, -1)
        return tensor(values[:, :columns], dtype).contiguous()


def create(parameter: str = "") -> Int4:
    plain(parameter, Int4.name)
    return Int4()
