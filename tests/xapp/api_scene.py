"""The API in a test: over a fake network whose clock the test holds, without a socket."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field

from fastapi import FastAPI
from starlette.testclient import TestClient

from tests.xapp.fake_operations import FakeOperations
from xapp.access import Access
from xapp.api import create_app
from xapp.metrics import Metrics

TOKEN = "airsplit_xapp_for_tests_alone"
AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}
WALL = 1_800_000_000.0  # seconds since 1970, when the test's monotonic clock shows 1000


@dataclass
class Clocks:
    """Both clocks; the test moves them."""

    monotonic: float = 1000.0

    def __call__(self) -> tuple[float, float]:
        return self.monotonic, WALL - 1000.0 + self.monotonic


@dataclass
class Scene:
    """An API and what it stands on."""

    operations: FakeOperations
    app: FastAPI
    clocks: Clocks
    metrics: Metrics
    reader: TestClient = field(init=False)
    operator: TestClient = field(init=False)

    def __post_init__(self) -> None:
        with warnings.catch_warnings():
            self.reader = TestClient(self.app, raise_server_exceptions=False)
            self.operator = TestClient(self.app, raise_server_exceptions=False, headers=AUTHORIZED)


def make_scene(
    empty: bool = False, token: str | None = TOKEN, open_reads: bool = True, history: float = 200.0
) -> Scene:
    clocks = Clocks()
    operations = FakeOperations(clocks, history=history, empty=empty)
    metrics = Metrics(operations.picture)
    app = create_app(operations, metrics, Access(token, open_reads))
    return Scene(operations, app, clocks, metrics)
