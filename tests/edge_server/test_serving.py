"""One edge put together from whole checkpoints and parts: what it serves, and what it refuses."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from edge_server.config import EdgeConfig
from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.identity import identity_of
from edge_server.engine.load import EngineOptions
from edge_server.engine.parts import open_folders, plan_parts, write_parts
from edge_server.errors import ConfigurationError, MissingTensor
from edge_server.frame import HEADER_BYTES
from edge_server.serving import open_edge, peak_memory
from edge_server.split import LayerRange
from tests.conftest import MakeCheckpoint
from tests.models import LAYERS

CONFIG = EdgeConfig(EngineOptions("reference", "auto", 3, 99, 1))


@pytest.fixture
def whole(checkpoint_folder: MakeCheckpoint) -> Checkpoint:
    return Checkpoint.open(checkpoint_folder("gemma3"))


def parts(whole: Checkpoint, out: Path, cuts: list[int], private: bool = False) -> list[Path]:
    return write_parts(whole, plan_parts(cuts, LAYERS, private), out)


def test_a_whole_checkpoint(whole: Checkpoint) -> None:
    serving = open_edge(CONFIG, whole, None).serving
    assert serving.held == LayerRange(0, LAYERS)
    assert (serving.has_output, serving.total_layers, serving.hidden) == (True, LAYERS, 64)
    assert serving.row_type is torch.float32
    assert serving.identity == identity_of(whole)


def test_it_says_what_loading_took_and_what_the_process_holds(
        whole: Checkpoint, tmp_path: Path) -> None:
    times = iter((3.0, 5.5))
    edge = open_edge(CONFIG, whole, None, clock=lambda: next(times, 6.0))
    assert (edge.load_seconds, edge.gauges().load, edge.gauges().uptime) == (2.5, 2.5, 0.5)
    (tmp_path / "status").write_text("VmPeak:\t 900 kB\nVmHWM:\t 512 kB\n")
    assert peak_memory(tmp_path / "status") == 512 * 1024
    for unknown in ("", "VmHWM:\n"):
        (tmp_path / "status").write_text(unknown)
        assert math.isnan(peak_memory(tmp_path / "status"))
    assert math.isnan(peak_memory(tmp_path / "nothing"))


@pytest.mark.parametrize(("start", "end", "output"), [
    (1, 4, True), (4, 4, True), (1, 3, False), (0, 0, False)])
def test_some_layers_of_a_whole_checkpoint(
    start: int, end: int, output: bool, whole: Checkpoint
) -> None:
    edge = open_edge(CONFIG, whole, LayerRange(start, end))
    assert edge.serving.held == LayerRange(start, end)
    assert edge.serving.has_output == output
    everything = open_edge(CONFIG, whole, None).worker.memory()
    assert edge.worker.memory() < everything or (start, end) == (0, LAYERS)


@pytest.mark.parametrize(("index", "start", "end", "output"), [
    (0, 0, 1, False), (1, 1, 3, False), (2, 3, 4, True)])
def test_a_part(
    index: int, start: int, end: int, output: bool, whole: Checkpoint, tmp_path: Path
) -> None:
    folder = parts(whole, tmp_path, [1, 3])[index]
    serving = open_edge(CONFIG, open_folders([folder]), None).serving
    assert serving.held == LayerRange(start, end)
    assert serving.has_output == output
    assert serving.identity == identity_of(whole)


def test_parts_that_meet(whole: Checkpoint, tmp_path: Path) -> None:
    folders = parts(whole, tmp_path, [1, 3])
    assert open_edge(CONFIG, open_folders(folders[1:]), None).serving.held == LayerRange(1, 4)


def test_a_phones_part_is_no_edges(whole: Checkpoint, tmp_path: Path) -> None:
    phone = parts(whole, tmp_path, [1, 3], private=True)[0]
    with pytest.raises(ConfigurationError, match=r"both ends.*serve the edge folder") as caught:
        open_edge(CONFIG, open_folders([phone]), None)
    assert str(phone) in caught.value.problem


def test_layers_that_are_not_there(whole: Checkpoint, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"\[2, 9\) are not in this model"):
        open_edge(CONFIG, whole, LayerRange(2, 9))
    tail = parts(whole, tmp_path, [2])[1]
    with pytest.raises(MissingTensor, match=r"layers\.1\..*a part that holds"):
        open_edge(CONFIG, open_folders([tail]), LayerRange(1, 4))


def test_the_description(whole: Checkpoint) -> None:
    edge = open_edge(CONFIG, whole, LayerRange(1, 4))
    # Three layers, keys and values of two heads of sixteen float32, three sessions of 99 tokens.
    caches = 3 * 2 * 2 * 16 * 4 * 3 * 99
    assert edge.describe().model_dump() == {
        "identity": identity_of(whole), "family": "gemma3_text", "layers": (1, 4),
        "total_layers": 4, "hidden": 64, "output": True, "backend": "reference", "dtype": "fp32",
        "memory_bytes": edge.worker.memory(),
        "limits": {"sessions": 3, "tokens": 99, "rows_per_frame": 256,
                   "frame_bytes": CONFIG.max_message, "cache_bytes": caches,
                   "idle_seconds": CONFIG.idle_timeout, "grace_seconds": CONFIG.grace},
        "sessions": 0}


def test_how_it_stands(whole: Checkpoint) -> None:
    edge = open_edge(replace(CONFIG, cache_bytes=1 << 20), whole, None, clock=lambda: 7.0)
    gauges = edge.gauges()
    assert (gauges.uptime, gauges.sessions) == (0.0, {"attached": 0, "parked": 0})
    assert (gauges.cache_used, gauges.cache_limit) == (0, 1 << 20)
    assert gauges.memory == edge.worker.memory()
    assert (gauges.ready, edge.objection()) == (False, "the worker has ended")  # or has not begun
    edge.worker.start()
    assert edge.objection() is None
    edge.worker.stop()


def test_the_longest_message_is_one_frame() -> None:
    assert CONFIG.max_message == CONFIG.max_payload + HEADER_BYTES
    assert CONFIG.max_payload >= CONFIG.max_rows * 8192 * 4  # the widest rows there are, in float32
