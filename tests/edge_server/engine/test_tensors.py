"""Tensors to bytes and back: little-endian, without a copy where none is needed."""

from __future__ import annotations

import struct

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.tensors import (
    STORED_TYPES,
    TORCH_TYPES,
    WIRE_TYPES,
    from_bytes,
    read_tensor,
    to_bytes,
)
from edge_server.frame import Dtype
from tests.conftest import MakeCheckpoint

TYPES = [torch.bfloat16, torch.float16, torch.float32]


@pytest.mark.parametrize("dtype", TYPES)
@given(st.integers(1, 9), st.integers(1, 33), st.integers(0, 10_000))
def test_round_trip(dtype: torch.dtype, rows: int, columns: int, seed: int) -> None:
    tensor = torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed)).to(dtype)
    payload = to_bytes(tensor)
    assert payload.nbytes == len(payload) == rows * columns * dtype.itemsize
    back = from_bytes(payload, WIRE_TYPES[dtype], rows, columns)
    assert back.dtype is dtype
    assert torch.equal(back, tensor)


@pytest.mark.parametrize("dtype", TYPES)
def test_what_is_not_contiguous(dtype: torch.dtype) -> None:
    tensor = torch.arange(24).view(4, 6).to(dtype)
    for view in (tensor.t(), tensor[:, ::2], tensor[1:2], tensor[-1:, 2:4]):
        back = from_bytes(to_bytes(view), WIRE_TYPES[dtype], *view.shape)
        assert torch.equal(back, view)


def test_elements_are_little_endian() -> None:
    assert bytes(to_bytes(torch.tensor([[1.0, -2.0]]))) == struct.pack("<ff", 1.0, -2.0)
    assert bytes(to_bytes(torch.tensor([[1.0]], dtype=torch.float16))) == struct.pack("<e", 1.0)
    assert bytes(to_bytes(torch.tensor([[1.0]], dtype=torch.bfloat16))) == b"\x80\x3f"


def test_bytes_out_are_no_copy_and_bytes_in_are_one() -> None:
    tensor = torch.zeros(1, 4)
    payload = to_bytes(tensor)
    back = from_bytes(payload, Dtype.F32, 1, 4)
    tensor[0, 0] = 1.0
    assert struct.unpack("<4f", payload) == (1.0, 0.0, 0.0, 0.0)
    assert back.tolist() == [[0.0, 0.0, 0.0, 0.0]]


def test_every_type_of_the_wire_has_its_tensor() -> None:
    assert set(TORCH_TYPES) == {Dtype.BF16, Dtype.F16, Dtype.F32}
    assert all(kind.itemsize == wire.element_bytes for wire, kind in TORCH_TYPES.items())
    assert set(STORED_TYPES.values()) == set(TYPES)


@pytest.mark.parametrize("stored", TYPES)
@pytest.mark.parametrize("wanted", TYPES)
def test_reading_converts(
    stored: torch.dtype, wanted: torch.dtype, checkpoint_folder: MakeCheckpoint
) -> None:
    folder = checkpoint_folder("gemma", stored)
    name = "layers.1.mlp.down_proj.weight"
    theirs = load_file(folder / "model.safetensors")[f"model.{name}"]
    ours = read_tensor(Checkpoint.open(folder), name, wanted)
    assert ours.dtype is wanted
    assert torch.equal(ours, theirs.to(wanted))
