"""Weights of the `fast` backend: packed from a checkpoint into one arena of huge pages.

Each tensor is read a panel of rows at a time into one staging buffer and packed from there, so
loading needs the arena and a few megabytes. Matrices lie in the order they are used, so that
fetching ahead runs on from one into the next. It knows no rows, slots or threads.
"""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from edge_server.engine.architecture import GatedArchitecture, Rope, gated, layer_tensors
from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.kernels import native
from edge_server.engine.kernels.native import (
    GROUP,
    PANEL,
    PRECISIONS,
    STORED,
    Layer,
    Matrix,
    Precision,
)
from edge_server.engine.tensors import read_tensor

HUGE_PAGE = 2 << 20
ALIGNMENT = 64  # one cache line
NO_RESERVE = 0x4000  # MAP_NORESERVE, which `mmap` names from Python 3.13 on: caches fill lazily
HALF_PANEL = PANEL // 2  # a gated panel holds the same outputs of two matrices


class Arena:
    """Zeroed memory outside Python's heap, handed out in order and freed at once."""

    def __init__(self, size: int, huge: bool) -> None:
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | NO_RESERVE
        self._map = mmap.mmap(-1, max(size, 1) + HUGE_PAGE, flags=flags)
        # A small arena would only waste most of a huge page.
        advice = mmap.MADV_HUGEPAGE if huge and size >= HUGE_PAGE else mmap.MADV_NOHUGEPAGE
        self._map.madvise(advice)
        start = ctypes.addressof(ctypes.c_char.from_buffer(self._map))
        self.address = -(-start // HUGE_PAGE) * HUGE_PAGE
        self._start = start
        self.size = size
        self._used = 0

    def take(self, size: int) -> int:
        """The address of the next `size` bytes."""
        address = self.address + self._used
        self._used += _aligned(size)
        if self._used > self.size:
            raise MemoryError(f"an arena of {self.size} B was planned too small")
        return address

    def release(self, offset: int, size: int) -> None:
        """Give pages back; they read as zeros afterwards."""
        self._map.madvise(mmap.MADV_DONTNEED, self.address - self._start + offset, size)

    def close(self) -> None:
        self._map.close()


@dataclass(frozen=True)
class Source:
    """A stored matrix, and where its rows go: `row // width * stride + first` and on."""

    name: str
    rows: int
    columns: int
    first: int = 0  # packed row of the first stored one
    width: int = 0  # rows that stay together; 0: all
    stride: int = 0  # packed rows between the starts of two such runs

    def runs(self) -> list[tuple[int, int, int]]:
        """(first stored row, first packed row, rows) of pieces that each stay inside a panel."""
        pieces, row = [], 0
        while row < self.rows:
            packed = (self.first + row if not self.width else
                      row // self.width * self.stride + row % self.width + self.first)
            count = min(self.rows - row, PANEL - packed % PANEL)
            if self.width:
                count = min(count, self.width - row % self.width)
            pieces.append((row, packed, count))
            row += count
        return pieces


@dataclass(frozen=True)
class Plan:
    """One packed matrix: its stored parts and its padded shape."""

    sources: tuple[Source, ...]
    inputs: int
    outputs: int

    @classmethod
    def stacked(cls, parts: Sequence[tuple[str, tuple[int, ...]]]) -> Plan:
        """Matrices with the same input, one below the other."""
        sources, first = [], 0
        for name, (rows, columns) in parts:
            sources.append(Source(name, rows, columns, first))
            first += rows
        return cls(tuple(sources), _up(columns, GROUP), _up(first, PANEL))

    @classmethod
    def gated(cls, gate: str, other: str, rows: int, columns: int) -> Plan:
        """Two matrices in alternating runs of half a panel."""
        sources = tuple(Source(name, rows, columns, first, HALF_PANEL, PANEL)
                        for name, first in ((gate, 0), (other, HALF_PANEL)))
        return cls(sources, _up(columns, GROUP), 2 * _up(rows, PANEL))

    def panels_bytes(self, precision: Precision) -> int:
        return self.outputs // PANEL * self._panel_bytes(precision)

    def bytes(self, precision: Precision) -> int:
        """Arena bytes, with room for a bias."""
        return _aligned(self.panels_bytes(precision)) + _aligned(4 * self.outputs)

    def _panel_bytes(self, precision: Precision) -> int:
        size: int = native.kernels().airsplit_panel_bytes(PRECISIONS[precision], self.inputs)
        return size

    def pack(self, checkpoint: Checkpoint, precision: Precision, arena: Arena) -> Matrix:
        """Read and pack every part; a bias is packed where the checkpoint's layers have one."""
        panels = arena.take(self.panels_bytes(precision))
        for source in self.sources:
            self._pack_source(checkpoint, precision, panels, source)
        return Matrix(panels, self._pack_bias(checkpoint, arena), self.inputs, self.outputs)

    def _pack_source(
        self, checkpoint: Checkpoint, precision: Precision, panels: int, source: Source
    ) -> None:
        entry = checkpoint.entry(source.name)
        row_bytes = entry.size // source.rows
        staging = ctypes.create_string_buffer(min(PANEL, source.rows) * row_bytes)
        view = memoryview(staging).cast("B")
        for row, packed, count in source.runs():
            checkpoint.read_into(source.name, view[: count * row_bytes], row, count)
            panel = panels + packed // PANEL * self._panel_bytes(precision)
            native.kernels().airsplit_pack(
                panel, PRECISIONS[precision], packed % PANEL, STORED[entry.dtype], staging, count,
                source.columns)

    def _pack_bias(self, checkpoint: Checkpoint, arena: Arena) -> int | None:
        names = {source: source.name.removesuffix("weight") + "bias" for source in self.sources}
        if not any(name in checkpoint.expected for name in names.values()):
            return None
        bias = torch.zeros(self.outputs)
        for source, name in names.items():
            if name in checkpoint.expected:
                values = read_tensor(checkpoint, name, torch.float32)
                for row, packed, count in source.runs():
                    bias[packed:packed + count] = values[row:row + count]
        return copy_vector(bias, arena)


def layer_plans(architecture: GatedArchitecture, layer: int) -> dict[str, Plan]:
    """The packed matrices of one layer, in the order they are used."""
    shapes = {f"layers.{layer}.{name}": shape
              for name, shape in layer_tensors(architecture).items()}

    def part(name: str) -> tuple[str, tuple[int, ...]]:
        full = f"layers.{layer}.{name}.weight"
        return full, shapes[full]

    gate, up = part("mlp.gate_proj"), part("mlp.up_proj")
    return {
        "query_key_value": Plan.stacked([part(f"self_attn.{name}_proj") for name in "qkv"]),
        "attention_output": Plan.stacked([part("self_attn.o_proj")]),
        "gate_up": Plan.gated(gate[0], up[0], *gate[1]),
        "down": Plan.stacked([part("mlp.down_proj")]),
    }


# Field of the C structure, name of the tensor.
NORMS = {
    "input_norm": "input_layernorm",
    "post_attention_norm": "post_attention_layernorm",
    "pre_feed_forward_norm": "pre_feedforward_layernorm",
    "post_feed_forward_norm": "post_feedforward_layernorm",
    "query_norm": "self_attn.q_norm",
    "key_norm": "self_attn.k_norm",
}


def layer_bytes(architecture: GatedArchitecture, layer: int, precision: Precision) -> int:
    """Arena bytes of one layer."""
    norms = len(NORMS) * _aligned(4 * _up(max(architecture.hidden,
                                              architecture.head_dimension), GROUP))
    return norms + sum(plan.bytes(precision) for plan in layer_plans(architecture, layer).values())


def load_layer(
    checkpoint: Checkpoint, index: int, precision: Precision, arena: Arena, rope: int
) -> Layer:
    """Pack layer `index`; `rope` is the address of its rotary table."""
    architecture = gated(checkpoint.architecture)
    layer = Layer(rope=rope, window=architecture.windows[index] or 0)
    for field, plan in layer_plans(architecture, index).items():
        setattr(layer, field, plan.pack(checkpoint, precision, arena))
    for field, name in NORMS.items():
        full = f"layers.{index}.{name}.weight"
        if full in checkpoint.expected:
            setattr(layer, field, load_norm(checkpoint, full, arena))
    return layer


def load_norm(checkpoint: Checkpoint, name: str, arena: Arena) -> int:
    """A norm's weight as float, with Gemma's 1 added, padded with zeros."""
    weight = read_tensor(checkpoint, name, torch.float32)
    if gated(checkpoint.architecture).norm_adds_one:
        weight = 1.0 + weight
    return copy_vector(torch.nn.functional.pad(weight, (0, -len(weight) % GROUP)), arena)


def copy_vector(values: torch.Tensor, arena: Arena) -> int:
    """A float vector's address in the arena."""
    values = values.contiguous()
    address = arena.take(values.nbytes)
    ctypes.memmove(address, values.data_ptr(), values.nbytes)
    return address


def inverse_frequencies(rope: Rope, head_dimension: int) -> torch.Tensor:
    """As transformers computes them, operation by operation, in float32."""
    exponents = torch.arange(0, head_dimension, 2, dtype=torch.int64).float() / head_dimension
    frequencies = 1.0 / (rope.theta**exponents)
    if rope.kind == "linear":
        return frequencies / rope.factor
    if rope.kind == "default":
        return frequencies
    low = rope.original_positions / rope.low_frequency_factor
    high = rope.original_positions / rope.high_frequency_factor
    wavelengths = 2 * torch.pi / frequencies
    scaled = torch.where(wavelengths > low, frequencies / rope.factor, frequencies)
    smooth = (rope.original_positions / wavelengths - rope.low_frequency_factor) / (
        rope.high_frequency_factor - rope.low_frequency_factor)
    between = (1 - smooth) * scaled / rope.factor + smooth * scaled
    medium = ~(wavelengths < high) & ~(wavelengths > low)
    return torch.where(medium, between, scaled)


class RopeTable:
    """Cosines and sines by position, computed when first needed: [capacity, 2, half]."""

    STEP = 256  # positions computed at a time

    def __init__(self, rope: Rope, head_dimension: int, capacity: int) -> None:
        self._frequencies = inverse_frequencies(rope, head_dimension)
        # Memory that `empty` takes for a long context stays untouched until it is filled.
        self._table = torch.empty(capacity, 2, head_dimension // 2)
        self._filled = 0

    @property
    def address(self) -> int:
        return self._table.data_ptr()

    def reach(self, positions: int) -> None:
        """Have the rows of all positions below `positions`."""
        while self._filled < positions:
            end = min(self._filled + self.STEP, len(self._table))
            angles = torch.arange(self._filled, end)[:, None].float() * self._frequencies
            self._table[self._filled:end, 0] = angles.cos()
            self._table[self._filled:end, 1] = angles.sin()
            self._filled = end

    def bytes(self) -> int:
        return self._filled * self._table[0].nbytes


def _up(value: int, step: int) -> int:
    return -(-value // step) * step


def _aligned(size: int) -> int:
    return _up(size, ALIGNMENT)
