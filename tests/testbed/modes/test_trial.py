"""Whole trials as an experiment runs them, by an edge of their own; and what a client held."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from edge_server.frame import HEADER_BYTES
from testbed.experiments.kind import Figures
from testbed.experiments.modes_kind import STEPS as STEPS_FILE
from testbed.experiments.modes_kind import Modes
from testbed.modes import capture, trial
from testbed.modes.opening import Offset, between
from testbed.modes.server import resident_bytes
from tests.conftest import MakeCheckpoint

STEPS = 4
HEADS = HEADER_BYTES + 6  # of a row's frame, and of WebSocket's


@pytest.fixture(scope="module")
def kind() -> Iterator[Modes]:
    """Its edge serves all of them."""
    made = Modes()
    yield made
    made.close()


def ran(kind: Modes, folder: Path, model: Path, **more: object) -> Figures:
    settings = {"model": str(model), "backend": "reference", "steps": STEPS, "prompt_tokens": 6,
                "context": 64} | more
    kind.check(settings)
    return kind.run(settings, 1, folder, print)


@pytest.mark.parametrize(("more", "batch"), [
    ({"mode": "split"}, 1), ({"mode": "split"}, 2), ({"mode": "private", "tail": 1}, 1),
    ({"mode": "split_compressed", "encoding": "lossless"}, 1)])
def test_by_an_edge(kind: Modes, tmp_path: Path, checkpoint_folder: MakeCheckpoint,
                    more: dict[str, object], batch: int) -> None:
    found = ran(kind, tmp_path, checkpoint_folder("llama"), batch=batch, **more)
    assert found["same_tokens"] is True
    assert found["tokens"] == STEPS * batch
    assert found["server_up"] == found["bytes_up"]  # each counted on its own sockets
    assert found["counted_by"] != "client"
    may_capture = capture.begin("lo", 1)
    if may_capture is not None:
        may_capture.end()
        assert found["bytes_agree"] is True
        assert found["captured_up"] == found["bytes_up"]
    values = {name: value for name, value in found.items() if isinstance(value, int | float)}
    assert 0 < values["compute_ms"] < values["server_ms"] < values["token_ms"]
    assert 0 < values["serialise_ms"] < values["token_ms"]
    assert 0 < values["client_ms"] < values["token_ms"]
    assert values["up_per_token"] > HEADS
    if "wire_ms" in values:  # else the edge's mean was more than the middle token
        parts = [values[name] for name in ("client_ms", "serialise_ms", "wire_ms", "server_ms")]
        assert sum(parts) == pytest.approx(values["token_ms"])
    assert values["clock_error_ms"] > 0
    assert min(values["up_ms"], values["down_ms"]) > -values["clock_error_ms"]
    rows = pq.read_table(tmp_path / STEPS_FILE).to_pylist()
    assert len(rows) == STEPS * batch
    assert all(row["server_ms"] > 0 for row in rows)  # each step's own, and no mean
    assert all((row["compute_ms"] is None) is (row["step"] == 0) for row in rows)
    assert values["cpu_client_s"] > 0
    held = resident_bytes()  # by all of this process
    assert held is None or values.get("peak_client_mib", 0.0) < held / (1 << 20) / 2


def test_the_clocks_are_asked_again_at_the_end(
        kind: Modes, tmp_path: Path, checkpoint_folder: MakeCheckpoint,
        monkeypatch: pytest.MonkeyPatch) -> None:
    """They drift by 0.4 s in this trial: the middle is taken, and 0.2 s may be wrong."""
    def later(*_: object) -> Offset:
        return Offset(0.4, 0.0)

    monkeypatch.setattr(trial, "estimate_offset", later)
    found = ran(kind, tmp_path, checkpoint_folder("llama"), mode="semantic")
    assert found["clock_error_ms"] == pytest.approx(200, abs=50)


def test_the_time_between_two_estimates() -> None:
    assert between(Offset(1.0, 0.125), Offset(1.5, 0.25)) == Offset(1.25, 0.5)


@pytest.mark.parametrize(("peak", "held", "more"), [
    (5, 3, 2), (3, 3, 0), (2, 3, None), (None, 3, None), (3, None, None)])
def test_a_client_is_what_came_over_what_was_there(
        peak: int | None, held: int | None, more: int | None) -> None:
    assert trial.over(peak, held) == more
