"""Probes and the scrape."""

from __future__ import annotations

import pytest

from tests.xapp.api_scene import make_scene
from xapp.operations import Health


@pytest.mark.parametrize("path", ["/readyz", "/ric/v1/health/ready"])
def test_readiness_says_why_not(path: str) -> None:
    assert make_scene().reader.get(path).json() == {"ready": True, "reasons": []}
    answer = make_scene(empty=True, open_reads=False).reader.get(path)
    assert answer.status_code == 503
    assert answer.json() == {"ready": False, "reasons": ["No E2 node is connected."]}


@pytest.mark.parametrize("path", ["/healthz", "/ric/v1/health/alive"])
def test_alive_although_not_ready(path: str) -> None:
    scene = make_scene(empty=True, open_reads=False)
    assert scene.reader.get(path).status_code == 200
    scene.operations.health = Health(False)
    assert scene.reader.get(path).status_code == 503
    assert scene.operator.get("/A1-P/v2/healthcheck").status_code == 500


def test_the_scrape_counts_answers() -> None:
    scene = make_scene()
    scene.reader.get("/nothing")
    answer = scene.reader.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert 'airsplit_xapp_api_requests_total{status="4xx"} 1.0' in answer.text
