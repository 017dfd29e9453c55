"""Opens what a side needs of a model: embedding, stages, output head, on the chosen backend.

The one place that knows both backends. Heavy libraries are imported when a backend is opened, so
that a command's help, or a side that runs no layers, does not wait for them.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, replace

import torch

from edge_server.engine.architecture import GatedArchitecture, gated
from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.device import CPU, check_device
from edge_server.engine.family import Architecture
from edge_server.engine.options import BACKENDS, PRECISIONS
from edge_server.engine.stage import Embedding, Output, Stage
from edge_server.engine.tensors import STORED_TYPES
from edge_server.errors import ConfigurationError
from edge_server.split import LayerRange

logger = logging.getLogger("edge_server.engine")
_TORCH_TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class EngineOptions:
    """How a model's layers are to be run."""

    backend: str = "auto"  # fast where its kernel can be built, else reference
    precision: str = "auto"  # as stored; the fast backend runs fp16 checkpoints in fp32
    slots: int = 1  # sessions at a time
    capacity: int = 2048  # tokens a session; fewer where the model's positions end before
    threads: int = 0  # 0: as many as there are processors
    device: str = CPU  # as torch names it; another than the processor by the reference backend


@dataclass(frozen=True)
class Engine:
    """A backend and precision that are settled, for one model."""

    checkpoint: Checkpoint
    backend: str
    precision: str
    options: EngineOptions

    @property
    def row_type(self) -> torch.dtype:
        """The type of activation rows between stages."""
        return _TORCH_TYPES["bf16" if self.precision == "int8" else self.precision]

    def embedding(self) -> Embedding:
        from edge_server.engine.embedding import MappedEmbedding

        return MappedEmbedding(self.checkpoint, self.row_type)

    def stage(self, layers: LayerRange) -> Stage:
        if layers.end > self.checkpoint.architecture.layers:
            raise ConfigurationError(
                f"Layers {layers} are not in this model.",
                f"It has {self.checkpoint.architecture.layers}; give a split within them.")
        if self.backend == "reference":
            from edge_server.engine.reference import ReferenceStage

            return ReferenceStage(self.checkpoint, layers, self.row_type, self.options.slots,
                                  self.options.capacity, self.options.device)
        from edge_server.engine.fast import FastStage

        return FastStage(self.checkpoint, layers, self.precision, self.options.slots,
                         self.options.capacity, self._threads())

    def output(self) -> Output:
        if self.backend == "reference":
            from edge_server.engine.reference import ReferenceOutput

            return ReferenceOutput(self.checkpoint, self.row_type, self.options.device)
        from edge_server.engine.fast import FastOutput

        return FastOutput(self.checkpoint, self.precision, self._threads())

    def _threads(self) -> int:
        return self.options.threads or usable_processors()


def usable_processors() -> int:
    """Processors this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def open_engine(checkpoint: Checkpoint, options: EngineOptions) -> Engine:
    """Settle backend, precision and the longest conversation for `checkpoint`."""
    if options.backend not in BACKENDS:
        raise ConfigurationError(f"There is no backend {options.backend!r}.",
                                 f"Choose one of {', '.join(BACKENDS)}.")
    if options.precision not in PRECISIONS:
        raise ConfigurationError(f"There is no precision {options.precision!r}.",
                                 f"Choose one of {', '.join(PRECISIONS)}.")
    check_device(options.device)
    if options.device != CPU and options.backend == "fast":
        raise ConfigurationError(f"The fast backend does not compute on {options.device}.",
                                 "Use --backend reference there, or --device cpu.")
    longest = checkpoint.architecture.longest
    if longest is not None and longest < options.capacity:
        options = replace(options, capacity=longest)
    backend = options.backend
    if backend == "auto" and options.device != CPU:
        backend = "reference"
    elif backend == "auto":
        backend = _best_backend(options.precision, checkpoint.architecture)
    if backend == "fast":
        gated(checkpoint.architecture)  # refuses what has no kernels, before anything is loaded
        torch.set_num_threads(1)  # kernels have threads of their own; torch only picks a token here
    elif options.threads:
        torch.set_num_threads(options.threads)
    return Engine(checkpoint, backend, _precision(checkpoint, backend, options.precision), options)


def _precision(checkpoint: Checkpoint, backend: str, wanted: str) -> str:
    precision = wanted
    if precision == "auto":
        stored = STORED_TYPES[checkpoint.dtype]
        precision = {kind: name for name, kind in _TORCH_TYPES.items()}[stored]
        if precision == "fp16" and backend == "fast":
            precision = "fp32"  # bf16 would lose three bits of what fp16 stores
    if backend == "fast" and precision == "fp16":
        raise ConfigurationError("The fast backend does not compute in fp16.",
                                 "Use --dtype fp32 or bf16, or --backend reference.")
    if backend == "reference" and precision == "int8":
        family = checkpoint.architecture.family
        other = isinstance(checkpoint.architecture, GatedArchitecture)
        raise ConfigurationError(
            "The reference backend does not compute in int8.",
            "Use --backend fast, or --dtype bf16." if other else
            f"Use --dtype bf16: no other backend runs {family}.")
    return precision


def _best_backend(precision: str, architecture: Architecture) -> str:
    from edge_server.engine.kernels.build import NoKernels, build

    if precision == "fp16" or not isinstance(architecture, GatedArchitecture):
        return "reference"  # the one that computes in it, or runs that family
    try:
        build()
    except NoKernels as error:
        logger.warning("%s Until then the slower reference backend runs.", error)
        return "reference"
    return "fast"
