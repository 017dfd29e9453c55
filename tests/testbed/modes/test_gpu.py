"""What NVML says, and nothing where it says nothing: a GPU that was not seen is not idle."""

from __future__ import annotations

import sys
import threading
import types
from dataclasses import replace
from typing import Any

import pytest
import torch

from testbed.cli import main
from testbed.modes.figures import figures_of
from testbed.modes.gpu import GpuMeter, GpuUse
from tests.testbed.modes.test_figures import MEASURED


class NVMLError(Exception):
    """As pynvml's."""


class Nvml:
    """What stands for pynvml: one GPU, of which some figures may be unknown."""

    def __init__(self, *fails: str) -> None:
        self._fails, self.open, self.looks = fails, 0, 0
        self.module: Any = types.ModuleType("pynvml")
        for name, value in (
                ("NVMLError", NVMLError), ("nvmlInit", self.begin), ("nvmlShutdown", self.end),
                ("nvmlDeviceGetHandleByIndex", self.handle),
                ("nvmlDeviceGetUtilizationRates", self.percent),
                ("nvmlDeviceGetMemoryInfo", self.memory)):
            setattr(self.module, name, value)

    def _may(self, name: str) -> None:
        if name in self._fails:
            raise NVMLError(name)

    def begin(self) -> None:
        self._may("init")
        self.open += 1

    def end(self) -> None:
        self.open -= 1

    def handle(self, index: int) -> int:
        self._may("handle")
        return index

    def percent(self, handle: int) -> types.SimpleNamespace:
        self._may("percent")
        self.looks += 1
        return types.SimpleNamespace(gpu=40 if self.looks % 2 else 20)

    def memory(self, handle: int) -> types.SimpleNamespace:
        self._may("memory")
        return types.SimpleNamespace(used=512 << 20)


def measured(monkeypatch: pytest.MonkeyPatch, *fails: str) -> tuple[GpuUse, Nvml]:
    nvml = Nvml(*fails)
    monkeypatch.setitem(sys.modules, "pynvml", nvml.module)
    return GpuMeter(60.0).end(), nvml


def test_one_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    use, nvml = measured(monkeypatch)
    assert use == GpuUse(40.0, 512.0)
    assert nvml.open == 0


def test_it_is_looked_at_while_something_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    nvml, seen = Nvml(), threading.Event()
    monkeypatch.setitem(sys.modules, "pynvml", nvml.module)

    def looked(handle: int) -> types.SimpleNamespace:
        if nvml.looks >= 4:
            seen.set()
        return nvml.memory(handle)

    monkeypatch.setattr(nvml.module, "nvmlDeviceGetMemoryInfo", looked)
    meter = GpuMeter(0.001)
    assert seen.wait(60)
    use = meter.end()
    assert use.percent is not None
    assert 20 <= use.percent <= 40
    assert use.mib == 512


@pytest.mark.parametrize(("fails", "use"), [
    ("init", GpuUse()), ("handle", GpuUse()), ("percent", GpuUse(None, 512.0)),
    ("memory", GpuUse(40.0, None))])
def test_what_nvml_does_not_know_is_none(monkeypatch: pytest.MonkeyPatch, fails: str, use: GpuUse
                                         ) -> None:
    assert measured(monkeypatch, fails)[0] == use


def test_without_nvml_no_thread_runs_and_columns_are_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    before = threading.active_count()
    meter = GpuMeter()
    assert threading.active_count() == before
    use = meter.end()
    row = figures_of(replace(MEASURED, gpu_percent=use.percent, gpu_mib=use.mib))
    assert row["gpu_percent"] is None
    assert row["gpu_mib"] is None
    idle = figures_of(replace(MEASURED, gpu_percent=0.0, gpu_mib=512.0))
    assert idle["gpu_percent"] == 0.0  # that is a measurement


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    """Before the model is looked for: that folder does not exist either."""
    assert main(["modes", "serve", "--device", "cuda", "--model", "/nowhere"]) == 1
    said = capsys.readouterr().err
    assert "cannot compute on cuda here" in said
    assert "--device cpu" in said
    assert "Traceback" not in said
