"""How busy a GPU is while something runs, by NVML; None where there is none or nobody can say.

    meter = GpuMeter()
    ...
    use = meter.end()

`nvidia-ml-py` is not among the dependencies: where it is installed it is used. A device that was
asked for and is not there is said so before anything is loaded.
"""

from __future__ import annotations

import importlib
import statistics
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from testbed.modes.errors import ModesError

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


def check_device(name: str) -> None:
    """ModesError unless torch can compute on the device of that name here."""
    import torch

    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ModesError(f"There is no kind of device {name!r}.",
                         "Give cpu, cuda, or one of several as cuda:1.") from error
    try:
        torch.ones(1).to(device).item()
    except (AssertionError, RuntimeError) as error:  # torch has both for what is not there
        raise ModesError(
            f"torch cannot compute on {name} here: {_reason(error)}.",
            "Give --device cpu, or install the driver, and a torch that was made for it."
            ) from error


def _reason(error: Exception) -> str:
    """The first line of what torch says, which goes on for many."""
    return next(iter(str(error).splitlines()), "it does not say why")[:200].rstrip(".")
