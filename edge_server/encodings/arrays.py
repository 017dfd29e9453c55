"""Rows as numpy arrays and back, and the scales that quantised rows are written with.

numpy has no bfloat16: values are computed in float32, bits are moved as whole numbers. A scale is
the upper half of a float32, rounded up, so that no value leaves the range of its codes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from edge_server.encodings.encoding import damaged
from edge_server.errors import FrameError

Array = npt.NDArray[Any]
SCALE_BYTES = 2
# Beyond it a scale times its largest code would leave float32; below, its halves lose their bits.
LARGEST, SMALLEST = np.float32(2.0**120), np.float32(2.0**-126)
_LARGEST_HALF = 0x7B80  # LARGEST's upper half
_BITS = {torch.bfloat16: torch.int16, torch.float16: torch.int16, torch.float32: torch.int32}
_WHOLE: dict[torch.dtype, np.dtype[Any]] = {  # an element's bits as a whole number
    torch.bfloat16: np.dtype("<u2"), torch.float16: np.dtype("<u2"),
    torch.float32: np.dtype("<u4")}


def floats(rows: torch.Tensor) -> Array:
    """The values of `rows` as float32 [rows, columns]."""
    values: Array = rows.contiguous().to(torch.float32).numpy()
    return values


def tensor(values: Array, dtype: torch.dtype) -> torch.Tensor:
    """float32 `values` as rows of `dtype`."""
    return torch.from_numpy(values).to(dtype)


def bits(rows: torch.Tensor) -> Array:
    """The elements of `rows` as whole numbers of their size, in the same memory if contiguous."""
    signed: Array = rows.contiguous().view(_BITS[rows.dtype]).numpy()
    return signed.view(whole_type(rows.dtype))


def from_bits(whole: Array, dtype: torch.dtype) -> torch.Tensor:
    """Rows of `dtype` out of their elements' bits, in the same memory."""
    signed = whole.view(np.int16 if dtype.itemsize == 2 else np.int32)
    return torch.from_numpy(signed).view(dtype)


def whole_type(dtype: torch.dtype) -> np.dtype[Any]:
    """The type that an element's bits have as a whole number."""
    return _WHOLE[dtype]


def grouped(values: Array, size: int) -> Array:
    """[rows, groups, size]; the last group is filled up with zeros."""
    rows, columns = values.shape
    missing = -columns % size
    if missing:
        values = np.concatenate((values, np.zeros((rows, missing), values.dtype)), axis=1)
    return values.reshape(rows, -1, size)


def scales_for(values: Array, levels: int) -> tuple[Array, Array]:
    """For each last axis of `values`: its scale on the wire, and as float32 (1 where all is 0)."""
    peaks = np.abs(values).max(axis=-1)
    exact = peaks / np.float32(levels)
    if not (exact <= LARGEST).all():  # nor is any that is no number
        raise FrameError("A row holds values that cannot be scaled.", "Send it as it is.")
    halves = ((exact.view(np.uint32) + np.uint32(0xFFFF)) >> np.uint32(16)).astype("<u2")
    halves[exact < SMALLEST] = 0
    scales = _widened(halves)
    return halves, np.where(halves == 0, np.float32(1.0), scales)


def read_scales(data: Array, name: str) -> Array:
    """Scales [rows, groups] out of their bytes [rows, groups * 2]; each finite and not negative."""
    halves = np.ascontiguousarray(data).view("<u2")
    if (halves > _LARGEST_HALF).any():
        damaged(name, "a scale that is none")
    return _widened(halves)


def _widened(halves: Array) -> Array:
    wide: Array = (halves.astype(np.uint32) << np.uint32(16)).view(np.float32)
    return wide
