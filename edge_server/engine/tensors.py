"""Tensors out of a checkpoint, in the type a computation wants, and element types by name.

It converts in place of a second copy: what is stored in the wanted type is read straight into it.
"""

from __future__ import annotations

import torch

from edge_server.engine.checkpoint import Checkpoint
from edge_server.frame import Dtype

STORED_TYPES = {"BF16": torch.bfloat16, "F16": torch.float16, "F32": torch.float32}
WIRE_TYPES = {torch.bfloat16: Dtype.BF16, torch.float16: Dtype.F16, torch.float32: Dtype.F32}
TORCH_TYPES = {wire: torch_type for torch_type, wire in WIRE_TYPES.items()}


def read_tensor(checkpoint: Checkpoint, name: str, dtype: torch.dtype) -> torch.Tensor:
    """The tensor `name` as `dtype`."""
    entry = checkpoint.entry(name)
    tensor = torch.empty(entry.shape, dtype=STORED_TYPES[entry.dtype])
    checkpoint.read_into(name, to_bytes(tensor))
    return tensor.to(dtype)


def to_bytes(rows: torch.Tensor) -> memoryview:
    """The elements of `rows`, little-endian, without a copy where they are contiguous."""
    return rows.contiguous().view(torch.uint8).numpy().data.cast("B")


def from_bytes(payload: memoryview, dtype: Dtype, rows: int, columns: int) -> torch.Tensor:
    """The rows that `payload` holds; a copy, so that the network's buffer can go."""
    flat = torch.frombuffer(bytearray(payload), dtype=TORCH_TYPES[dtype])
    return flat.view(rows, columns)
