"""The `fast` backend: layers and output head in compiled kernels, one call for all of them.

Results do not depend on batching: a row's numbers are the same, bit for bit, whatever other rows
came with it, however a prompt was cut into chunks, and on however many threads. In bf16 and int8
rows are rounded to bfloat16 at the end of every layer, so they are also the same wherever the model
is cut. Between processors of different kinds the last bits may differ.
It does not know tokens, sessions or networks.
"""

from __future__ import annotations

import copy
import ctypes
import mmap
import sys
import threading
from array import array
from collections.abc import Sequence

import numpy as np
import torch

from edge_server.engine.architecture import Activation, GatedArchitecture, gated
from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.fast_weights import (
    Arena,
    Plan,
    RopeTable,
    layer_bytes,
    load_layer,
    load_norm,
)
from edge_server.engine.kernels import native
from edge_server.engine.kernels.native import BLOCK, DIMENSION_STEP, PRECISIONS, Precision
from edge_server.engine.stage import check_rows
from edge_server.errors import ConfigurationError, StageError
from edge_server.split import LayerRange

PAGE = 4096  # bytes; a slot's cache starts on one, so that it can be given back
HUGE_CACHE = 16 << 20  # bytes of a full slot from which a huge page half used is no waste
RELEASE = 1 << 20  # bytes a freed slot must have touched to be worth giving back


class FastStage:
    """Layers `[start, end)` on compiled kernels."""

    def __init__(
        self, checkpoint: Checkpoint, layers: LayerRange, precision: str, slots: int,
        capacity: int, threads: int,
    ) -> None:
        kind = check_precision(precision)
        self.layers, self.slots, self.capacity = layers, slots, capacity
        self.dtype = row_type(kind)
        self._hidden = checkpoint.architecture.hidden
        self._first = layers.start  # the layer that the core counts as its first
        self._lengths = [0] * slots
        # A side that runs no layers needs neither a compiler nor threads.
        self._core = (_Core(checkpoint, layers, kind, slots, capacity, threads)
                      if len(layers) else None)

    def forward(
        self, slots: Sequence[int], positions: Sequence[int], rows: torch.Tensor
    ) -> torch.Tensor:
        check_rows(self, slots, positions, rows, self._hidden)
        first, end = self.layers.start - self._first, self.layers.end - self._first
        result = rows
        if self._core is not None and first < end:
            result = self._core.forward(first, end, slots, positions, rows)
        for slot, position in zip(slots, positions, strict=True):
            self._lengths[slot] = position + 1
        return result

    def length(self, slot: int) -> int:
        return self._lengths[slot]

    def truncate(self, slot: int, length: int) -> None:
        self._lengths[slot] = min(self._lengths[slot], length)
        if length == 0 and self._core is not None:
            self._core.free(slot)

    def narrowed(self, layers: LayerRange) -> FastStage:
        """A view: the same slots, weights, scratch and threads."""
        if layers.start < self.layers.start or layers.end > self.layers.end:
            raise ConfigurationError(f"Layers {layers} are not in a stage of {self.layers}.",
                                     "Ask for a range inside it.")
        view = copy.copy(self)
        view.layers = layers
        return view

    def bytes(self) -> int:
        return self._core.bytes() if self._core is not None else 0

    def close(self) -> None:
        """Free weights and caches, of every view; any later call is an error."""
        if self._core is not None:
            self._core.close()


class FastOutput:
    """Final norm and output projection on compiled kernels."""

    def __init__(self, checkpoint: Checkpoint, precision: str, threads: int) -> None:
        kind = check_precision(precision)
        architecture = gated(checkpoint.architecture)
        self.dtype = row_type(kind)
        self._shape = (architecture.vocabulary, architecture.hidden)
        plan = Plan.stacked([(checkpoint.projection, self._shape)])
        norm_bytes = 4 * (architecture.hidden + native.GROUP)
        self._arena = Arena(norm_bytes + plan.bytes(kind), huge=True)
        head = native.Output(
            norm=load_norm(checkpoint, "norm.weight", self._arena),
            projection=plan.pack(checkpoint, kind, self._arena),
            precision=PRECISIONS[kind], hidden=architecture.hidden,
            vocabulary=architecture.vocabulary, threads=threads,
            norm_epsilon=architecture.norm_epsilon,
            logit_softcap=architecture.logit_softcap or 0.0)
        library = native.kernels()
        self._handle = _Handle(library, library.airsplit_open_output(ctypes.byref(head)), threads)
        self._results = _Results()

    def logits(self, rows: torch.Tensor) -> torch.Tensor:
        rows = self._checked(rows)
        result = self._results.tensor(len(rows), self._shape[0])
        with self._handle as stage:
            self._handle.library.airsplit_logits(
                stage, rows.data_ptr(), result.data_ptr(), len(rows))
        return result

    def likeliest(
        self, rows: torch.Tensor, wanted: Sequence[int]
    ) -> tuple[list[int | None], torch.Tensor]:
        rows = self._checked(rows)
        places, tokens = array("i", [-1] * len(rows)), array("i", bytes(4 * len(rows)))
        for place, row in enumerate(wanted):
            places[row] = place
        result = self._results.tensor(len(wanted), self._shape[0])
        with self._handle as stage:
            self._handle.library.airsplit_likeliest(
                stage, rows.data_ptr(), result.data_ptr(), places.buffer_info()[0],
                tokens.buffer_info()[0], len(rows))
        return [token if token >= 0 else None for token in tokens], result

    def _checked(self, rows: torch.Tensor) -> torch.Tensor:
        hidden = self._shape[1]
        if rows.ndim != 2 or rows.shape[1] != hidden or rows.dtype != self.dtype:
            raise StageError(f"An output head takes [rows, {hidden}] of {self.dtype}, not "
                             f"{list(rows.shape)} of {rows.dtype}.")
        return rows.contiguous()

    def bytes(self) -> int:
        return self._arena.size + self._handle.scratch_bytes

    def close(self) -> None:
        """Free the weights; any later call is an error."""
        self._handle.close()
        self._arena.close()


class _Results:
    """One float matrix after another in the same memory, once nobody holds the last.

    Logits are large: fresh memory for each step would cost more page faults than arithmetic.
    """

    def __init__(self) -> None:
        self._allocate(0)

    def _allocate(self, size: int) -> None:
        pages = mmap.mmap(-1, max(4 * size, 1), mmap.MAP_PRIVATE)
        pages.madvise(mmap.MADV_HUGEPAGE)
        self._memory = np.frombuffer(pages, np.float32, size)
        self._unheld = self._references()

    def _references(self) -> int:
        # A tensor keeps a reference to the array it was made of, and so do all views of it.
        return sys.getrefcount(self._memory)

    def tensor(self, rows: int, columns: int) -> torch.Tensor:
        """[rows, columns], not initialised."""
        if len(self._memory) < rows * columns or self._references() != self._unheld:
            self._allocate(rows * columns)
        return torch.from_numpy(self._memory[:rows * columns]).view(rows, columns)


class _Handle:
    """An opened native object: entered for each call, by one thread at a time."""

    def __init__(self, library: ctypes.CDLL, opened: int | None, threads: int) -> None:
        if not opened:
            raise ConfigurationError(f"There is no memory or no room for {threads} threads.",
                                     "Use fewer --threads or slots, or a shorter --context.")
        self.library = library
        self.scratch_bytes: int = library.airsplit_scratch_bytes(opened)
        self._opened: int | None = opened
        self._lock = threading.Lock()

    def __enter__(self) -> int:
        self._lock.acquire()
        if self._opened is None:
            self._lock.release()
            raise StageError("This stage is closed.", "Open it again.")
        return self._opened

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def close(self) -> None:
        with self._lock:
            if self._opened is not None:
                self.library.airsplit_close(self._opened)
                self._opened = None

    def __del__(self) -> None:
        if hasattr(self, "_lock"):
            self.close()


class _Core:
    """What the views of a stage share: weights, caches, scratch and threads."""

    def __init__(
        self, checkpoint: Checkpoint, layers: LayerRange, precision: Precision, slots: int,
        capacity: int, threads: int,
    ) -> None:
        architecture = gated(checkpoint.architecture)
        self._block_bytes = cache_block_bytes(architecture, len(layers), precision)
        self._slot_bytes = -(-capacity // BLOCK) * self._block_bytes
        self._slot_bytes = -(-self._slot_bytes // PAGE) * PAGE
        self._blocks = [0] * slots  # of each slot's cache, touched since it was last given back
        self._ropes = {
            rope: RopeTable(rope, architecture.head_dimension, capacity)
            for rope in architecture.ropes[layers.start:layers.end]
        }
        size = sum(layer_bytes(architecture, index, precision)
                   for index in range(layers.start, layers.end))
        self._arena = Arena(size, huge=True)
        self._cache = Arena(slots * self._slot_bytes, huge=self._slot_bytes >= HUGE_CACHE)
        loaded = [
            load_layer(checkpoint, index, precision, self._arena,
                       self._ropes[architecture.ropes[index]].address)
            for index in range(layers.start, layers.end)
        ]
        self._layers = (native.Layer * len(loaded))(*loaded)  # the kernels keep its address
        decoder = self._describe(architecture, precision, capacity, threads)
        library = native.kernels()
        self._handle = _Handle(library, library.airsplit_open(ctypes.byref(decoder)), threads)

    def _describe(
        self, architecture: GatedArchitecture, precision: Precision, capacity: int, threads: int
    ) -> native.Decoder:
        return native.Decoder(
            layer=self._layers, cache=self._cache.address, slot_bytes=self._slot_bytes,
            block_bytes=self._block_bytes, precision=PRECISIONS[precision],
            layers=len(self._layers), hidden=architecture.hidden,
            intermediate=architecture.intermediate, heads=architecture.heads,
            key_value_heads=architecture.key_value_heads,
            head_dimension=architecture.head_dimension,
            activation=int(architecture.activation is Activation.SILU), capacity=capacity,
            threads=threads, norm_epsilon=architecture.norm_epsilon,
            attention_scale=architecture.attention_scale,
            attention_softcap=architecture.attention_softcap or 0.0)

    def forward(
        self, first: int, end: int, slots: Sequence[int], positions: Sequence[int],
        rows: torch.Tensor,
    ) -> torch.Tensor:
        rows = rows.contiguous()
        result = torch.empty_like(rows)
        slot_array, position_array = array("i", slots), array("i", positions)
        with self._handle as stage:
            for slot, position in zip(slots, positions, strict=True):
                self._blocks[slot] = max(self._blocks[slot], position // BLOCK + 1)
            for rope in self._ropes.values():
                rope.reach(max(positions, default=-1) + 1)
            self._handle.library.airsplit_forward(
                stage, first, end, rows.data_ptr(), result.data_ptr(),
                slot_array.buffer_info()[0], position_array.buffer_info()[0], len(rows))
        return result

    def free(self, slot: int) -> None:
        """Give the slot's memory back where that is worth a system call."""
        touched = self._blocks[slot] * self._block_bytes
        if touched >= RELEASE:
            with self._handle:
                self._cache.release(slot * self._slot_bytes, -(-touched // PAGE) * PAGE)
                self._blocks[slot] = 0

    def bytes(self) -> int:
        cached = sum(self._blocks) * self._block_bytes
        ropes = sum(rope.bytes() for rope in self._ropes.values())
        return self._arena.size + cached + ropes + self._handle.scratch_bytes

    def close(self) -> None:
        self._handle.close()
        self._arena.close()
        self._cache.close()


def check_precision(precision: str) -> Precision:
    """`precision` as one the kernels compute in."""
    for known in PRECISIONS:
        if precision == known:
            return known
    raise ConfigurationError(f"The fast backend does not compute in {precision}.",
                             f"Use one of {', '.join(PRECISIONS)}, or --backend reference.")


def row_type(precision: Precision) -> torch.dtype:
    """The type of rows between stages."""
    return torch.float32 if precision == "fp32" else torch.bfloat16


def cache_block_bytes(architecture: GatedArchitecture, layers: int, precision: Precision) -> int:
    """Bytes a slot's cache grows by, for each 64 positions."""
    dimension = -(-architecture.head_dimension // DIMENSION_STEP) * DIMENSION_STEP
    element = 4 if precision == "fp32" else 2
    return layers * architecture.key_value_heads * 2 * BLOCK * dimension * element
