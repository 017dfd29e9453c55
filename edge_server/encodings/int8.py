"""8 bits a channel in groups of 128, each with a scale of its own: the lossy one to start with.

A row is its groups' scales, then one signed byte a channel. A channel hundreds of times larger than
the others, which real models have, spoils the 127 others of its group and not the whole row.
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

GROUP = 128  # channels that share a scale
LEVELS = 127  # codes on either side of 0


class Int8:
    """Grouped 8-bit codes."""

    code, name, parameter, lossy, chained = 1, "int8", 0, True, False

    def encode(self, rows: torch.Tensor, before: torch.Tensor | None = None) -> bytes:
        values = floats(rows)
        count, columns = values.shape
        groups = grouped(values, GROUP)
        halves, scales = scales_for(groups, LEVELS)
        codes = np.rint(groups / scales[..., None]).astype(np.int8).reshape(count, -1)
        head = halves.shape[1] * SCALE_BYTES
        out = np.empty((count, head + columns), np.uint8)
        out[:, :head] = halves.view(np.uint8)
        out[:, head:] = codes[:, :columns].view(np.uint8)
        return out.tobytes()

    def decode(
        self, payload: memoryview, rows: int, columns: int, dtype: torch.dtype,
        before: torch.Tensor | None = None,
    ) -> torch.Tensor:
        head = -(-columns // GROUP) * SCALE_BYTES
        check_length(payload, rows * (head + columns), self.name)
        data = np.frombuffer(payload, np.uint8).reshape(rows, head + columns)
        scales = read_scales(data[:, :head], self.name)
        groups = grouped(data[:, head:].view(np.int8).astype(np.float32), GROUP)
        values = (groups * scales[..., None]).reshape(rows, -1)
        return tensor(values[:, :columns], dtype).contiguous()


def create(parameter: str = "") -> Int8:
    plain(parameter, Int8.name)
    return Int8()
