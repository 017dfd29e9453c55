"""Random draws from a distribution over a vocabulary: the indices `torch.multinomial` would draw.

torch turns the seed into a random number for every entry of the vocabulary, 4 ms at 262,144 of
them, as much as a token costs the model. The compiled kernel goes through the same numbers and
computes those that can matter. Where it cannot be compiled, or a release of torch draws otherwise,
torch itself draws. It knows no tokens and no answers.
"""

from __future__ import annotations

import copy
import ctypes
import functools
from typing import Protocol

import torch

from edge_server.engine.kernels import native
from edge_server.engine.kernels.build import NoKernels

BLOCK = 64  # the kernel's: room for one number more is needed for each
PASSED_OVER = 1 << 16  # numbers at a time: bounds memory
CHECKED = 1000  # probabilities of the draws by which the kernel is compared with torch


class Draws(Protocol):
    """A sequence of draws that its seed determines."""

    def draw(self, probabilities: torch.Tensor) -> int:
        """An index with the float32 `probabilities` [vocabulary], none negative."""

    def skip(self, count: int) -> None:
        """Go on as if `count` random numbers had been drawn: a vocabulary's worth for each draw."""

    def copy(self) -> Draws:
        """A sequence of its own that goes on where this one stands."""


def open_draws(seed: int) -> Draws:
    """The draws of `torch.Generator().manual_seed(seed)`."""
    return NativeDraws(seed) if _agrees() else TorchDraws(seed)


class TorchDraws:
    """torch's own."""

    def __init__(self, seed: int) -> None:
        self._generator = torch.Generator().manual_seed(seed)

    def draw(self, probabilities: torch.Tensor) -> int:
        return int(torch.multinomial(probabilities[None], 1, generator=self._generator))

    def skip(self, count: int) -> None:
        # What `multinomial` takes from the generator, whatever its odds.
        unused = torch.empty(PASSED_OVER)
        for start in range(0, count, PASSED_OVER):
            unused[: count - start].exponential_(1, generator=self._generator)

    def copy(self) -> TorchDraws:
        other = TorchDraws(0)
        other._generator.set_state(self._generator.get_state())
        return other


class NativeDraws:
    """The same, in the compiled kernel."""

    def __init__(self, seed: int) -> None:
        self._library = native.kernels()
        self._state = native.Twister()
        self._library.airsplit_seed(ctypes.byref(self._state), seed & 0xffffffff)  # as torch does

    def draw(self, probabilities: torch.Tensor) -> int:
        probabilities = probabilities.contiguous()
        index: int = self._library.airsplit_draw(
            ctypes.byref(self._state), probabilities.data_ptr(), len(probabilities))
        return index

    def skip(self, count: int) -> None:
        self._library.airsplit_skip(ctypes.byref(self._state), count)

    def copy(self) -> NativeDraws:
        other = copy.copy(self)
        other._state = native.Twister.from_buffer_copy(self._state)
        return other


def kth_largest(values: torch.Tensor, k: int) -> float:
    """The k-th largest of float32 `values` [count], none of them NaN."""
    if not _has_kernels():
        return float(torch.topk(values, k).values[-1])
    values = values.contiguous()
    count = len(values)
    scratch = torch.empty(count + -(-count // BLOCK))
    result: float = native.kernels().airsplit_kth_largest(
        values.data_ptr(), count, k, scratch.data_ptr())
    return result


@functools.cache
def _has_kernels() -> bool:
    try:
        native.kernels()
    except NoKernels:
        return False
    return True


@functools.cache
def _agrees() -> bool:
    """Whether the kernel is there and draws what this release of torch draws."""
    if not _has_kernels():
        return False
    ours, theirs = NativeDraws(1), TorchDraws(1)
    even = torch.full((CHECKED,), 1 / CHECKED)
    return all(ours.draw(even) == theirs.draw(even) for _ in range(4))
