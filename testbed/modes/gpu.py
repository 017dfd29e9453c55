"""How busy a GPU is while something runs, by NVML; None where there is none or nobody can say.

    meter = GpuMeter()
    ...
    use = meter.end()

`nvidia-ml-py` is no core dependency: where it is installed (the extra `gpu`), it is used.
"""

from __future__ import annotations

import importlib
import statistics
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

SAMPLE_SECONDS = 0.1  # between two looks: a GPU's own figure is of a sixth of a second or more


@dataclass(frozen=True)
class GpuUse:
    """Of this machine's first GPU; None: not measured."""

    percent: float | None = None  # of the time, on average
    mib: float | None = None  # of its memory, at most


class GpuMeter:
    """From now on, where NVML has a GPU; no thread runs where it has none."""

    def __init__(self, seconds: float = SAMPLE_SECONDS) -> None:
        self._seconds, self._ended = seconds, threading.Event()
        self._percent: list[float] = []
        self._mib: list[float] = []
        self._thread: threading.Thread | None = None
        self._nvml, self._handle = _first_gpu()
        if self._handle is not None:
            self._thread = threading.Thread(target=self._look_often, daemon=True)
            self._thread.start()

    def end(self) -> GpuUse:
        self._ended.set()
        if self._thread is None:
            return GpuUse()
        self._thread.join()
        self._look()  # one at least
        with suppress(self._nvml.NVMLError):
            self._nvml.nvmlShutdown()
        return GpuUse(statistics.fmean(self._percent) if self._percent else None,
                      max(self._mib, default=None))

    def _look_often(self) -> None:
        while not self._ended.wait(self._seconds):
            self._look()

    def _look(self) -> None:
        """Each figure by itself: some GPUs know but one of them."""
        nvml, handle = self._nvml, self._handle
        with suppress(nvml.NVMLError):
            self._percent.append(float(nvml.nvmlDeviceGetUtilizationRates(handle).gpu))
        with suppress(nvml.NVMLError):
            self._mib.append(nvml.nvmlDeviceGetMemoryInfo(handle).used / (1 << 20))


def _first_gpu() -> tuple[Any, Any]:
    """NVML, and its first device; None where there is none."""
    try:
        nvml: Any = importlib.import_module("pynvml")
    except ImportError:
        return None, None
    try:
        nvml.nvmlInit()
        return nvml, nvml.nvmlDeviceGetHandleByIndex(0)
    except nvml.NVMLError:  # no driver, or no GPU
        return nvml, None
