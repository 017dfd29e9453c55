"""A device that is not there is one sentence; one that is there computes as the processor does."""

from __future__ import annotations

import pytest
import torch

from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.device import check_device
from edge_server.engine.load import EngineOptions, open_engine
from edge_server.errors import ConfigurationError
from edge_server.split import LayerRange
from tests.conftest import MakeCheckpoint
from tests.models import ALL_FAMILIES


def test_devices() -> None:
    check_device("cpu")
    for wrong, said in (("quantum", "no kind of device"), ("meta", "cannot compute on meta")):
        with pytest.raises(ConfigurationError, match=said):
            check_device(wrong)


def test_the_kernels_are_the_processors(
        checkpoint_folder: MakeCheckpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = Checkpoint.open(checkpoint_folder("gemma3"))
    monkeypatch.setattr("edge_server.engine.load.check_device", lambda name: None)
    with pytest.raises(ConfigurationError, match="does not compute on cuda"):
        open_engine(checkpoint, EngineOptions("fast", device="cuda"))
    assert open_engine(checkpoint, EngineOptions(device="cuda")).backend == "reference"


class Moved:
    """Counts what is moved to a device."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.devices: list[str] = []
        real = torch.Tensor.to

        def to(tensor: torch.Tensor, *arguments: object, **named: object) -> torch.Tensor:
            self.devices += [str(one) for one in arguments if isinstance(one, torch.device)]
            return real(tensor, *arguments, **named)  # type: ignore[call-overload,no-any-return]  # passed on

        monkeypatch.setattr(torch.Tensor, "to", to)


def test_weights_and_rows_go_to_the_device(
        checkpoint_folder: MakeCheckpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no other device than the processor, it is seen by what is asked of torch."""
    moved = Moved(monkeypatch)
    engine = open_engine(Checkpoint.open(checkpoint_folder("gemma3")),
                         EngineOptions("reference", "fp32", 1, 16, 1, "cpu"))
    stage = engine.stage(LayerRange(1, 3))
    weights = len(moved.devices)
    assert weights > 10
    stage.forward([0], [0], torch.ones(1, engine.checkpoint.architecture.hidden))
    assert len(moved.devices) >= weights + 2  # there, and back
    assert set(moved.devices) == {"cpu"}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("family", ALL_FAMILIES)
def test_a_gpu_computes_what_the_processor_does(
        family: str, checkpoint_folder: MakeCheckpoint) -> None:
    checkpoint = Checkpoint.open(checkpoint_folder(family))
    rows = torch.randn(5, checkpoint.architecture.hidden,
                       generator=torch.Generator().manual_seed(1))
    found = {}
    for device in ("cpu", "cuda"):
        engine = open_engine(checkpoint, EngineOptions("reference", "fp32", 1, 16, 1, device))
        stage = engine.stage(LayerRange(0, checkpoint.architecture.layers))
        first = stage.forward([0] * 4, [0, 1, 2, 3], rows[:4])
        stage.truncate(0, 3)
        stage.forward([0], [3], rows[3:4])
        after = stage.forward([0], [4], rows[4:])
        found[device] = torch.cat([first, after]), engine.output().logits(after)
        assert after.device.type == "cpu"
    for one, other in zip(*found.values(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)
