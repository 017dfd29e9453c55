"""How busy a GPU is, by NVML; None where there is none or nobody can say.

`nvidia-ml-py` is not among the dependencies: where it is installed it is used.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class GpuUse:
    """Of the first GPU."""

    percent: float | None = None
    mib: float | None = None


def gpu_use() -> GpuUse:
    """Now."""
    try:
        nvml: Any = importlib.import_module("pynvml")
    except ImportError:
        return GpuUse()
    try:
        nvml.nvmlInit()
        handle = nvml.nvmlDeviceGetHandleByIndex(0)
        return GpuUse(float(nvml.nvmlDeviceGetUtilizationRates(handle).gpu),
                      nvml.nvmlDeviceGetMemoryInfo(handle).used / (1 << 20))
    except nvml.NVMLError:
        return GpuUse()
