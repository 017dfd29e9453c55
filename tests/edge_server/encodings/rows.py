"""Seeded rows, and what becomes of them: shared by the encodings' tests."""

from __future__ import annotations

import torch

from edge_server.encodings.registry import by_name

TYPES = [torch.bfloat16, torch.float16, torch.float32]
FEW = torch.tensor([[1.0, -0.5, 0.25, 2.0, 0.0]], dtype=torch.bfloat16)  # for written-out bytes


def noise(seed: int, rows: int, columns: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, columns, generator=generator).to(dtype)


def decoded(name: str, payload: bytes, like: torch.Tensor) -> torch.Tensor:
    rows, columns = like.shape
    return by_name(name).decode(memoryview(payload), rows, columns, like.dtype)


def carried(name: str, rows: torch.Tensor) -> torch.Tensor:
    """`rows` through the encoding and back."""
    return decoded(name, by_name(name).encode(rows), rows)


def error(result: torch.Tensor, rows: torch.Tensor) -> float:
    """Relative."""
    return float((result.float() - rows.float()).norm() / rows.float().norm())


def same_bits(left: torch.Tensor, right: torch.Tensor) -> bool:
    return left.dtype == right.dtype and torch.equal(
        left.contiguous().view(torch.uint8), right.contiguous().view(torch.uint8))
