"""Fixtures: edges whose worker waits for the test and whose clock it sets, and workers that run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from edge_server.config import EdgeConfig
from edge_server.desk import Desk
from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.load import Engine, EngineOptions, open_engine
from edge_server.serving import Edge, open_edge
from tests.conftest import MakeCheckpoint
from tests.edge_server import worker_scene
from tests.edge_server.connection_scene import Clock, HeldWorker, MakeEdge
from tests.edge_server.worker_scene import CAPACITY, SLOTS


@pytest.fixture
def worker() -> HeldWorker:
    return HeldWorker()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make_edge(worker: HeldWorker, clock: Clock, checkpoint_folder: MakeCheckpoint) -> MakeEdge:
    def make(slots: int = 2, **changes: Any) -> Edge:
        config = EdgeConfig(EngineOptions("reference", "fp32", slots, 64, 1), **changes)
        edge = open_edge(config, Checkpoint.open(checkpoint_folder("gemma3")), None)
        desk = Desk(config, edge.sessions, worker, edge.metrics, None, clock)
        return replace(edge, worker=worker, desk=desk)

    return make


@pytest.fixture(params=["reference", "fast"])
def engine(request: pytest.FixtureRequest, checkpoint_folder: MakeCheckpoint) -> Engine:
    return open_engine(Checkpoint.open(checkpoint_folder("gemma3")),
                       EngineOptions(request.param, "fp32", SLOTS, CAPACITY, threads=1))


@pytest.fixture
def desk(engine: Engine) -> Iterator[worker_scene.Desk]:
    made = worker_scene.Desk(engine)
    made.worker.start()
    yield made
    made.worker.stop()
