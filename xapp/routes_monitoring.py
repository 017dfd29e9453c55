"""Routes for machines that watch the xApp: alive, ready, metrics; by both names that are in use.

Kubernetes and Prometheus ask at `/healthz`, `/readyz` and `/metrics`; an xApp descriptor's probes
at `/ric/v1/health/...`. They know nothing of the network.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4
from pydantic import BaseModel

from xapp.api_errors import NEEDS_TOKEN
from xapp.metrics import Metrics
from xapp.operations import Operations


class Alive(BaseModel):
    status: str
    real_time_priority: int  # of the loop; 0: it is scheduled as any other


class Readiness(BaseModel):
    ready: bool
    reasons: list[str]


NOT_READY: dict[int | str, dict[str, Any]] = {
    503: {"model": Readiness, "description": "It is not; `reasons` say why"}}
NOT_ALIVE: dict[int | str, dict[str, Any]] = {
    503: {"model": Alive, "description": "Its event loop has stopped"}}


def create_router(operations: Operations) -> APIRouter:
    """Probes, which anybody may send."""
    router = APIRouter(tags=["monitoring"])

    @router.get("/ric/v1/health/alive", summary="Is it alive?", responses=NOT_ALIVE)
    @router.get("/healthz", summary="Is it alive?", responses=NOT_ALIVE)
    async def alive(response: Response) -> Alive:
        picture = operations.picture()
        well = picture.health.alive
        response.status_code = 200 if well else 503
        return Alive(status="ok" if well else "stopped", real_time_priority=picture.priority)

    @router.get("/ric/v1/health/ready", summary="Can it do its work?", responses=NOT_READY)
    @router.get("/readyz", summary="Can it do its work?", responses=NOT_READY)
    async def ready(response: Response) -> Readiness:
        health = operations.picture().health
        response.status_code = 200 if health.ready else 503
        return Readiness(ready=health.ready, reasons=list(health.reasons))

    return router


def create_metrics_router(metrics: Metrics) -> APIRouter:
    """What Prometheus scrapes."""
    router = APIRouter(tags=["monitoring"])

    @router.get("/metrics", summary="Figures in Prometheus' text format", response_class=Response,
                responses=NEEDS_TOKEN | {200: {"content": {"text/plain": {
                    "schema": {"type": "string"}}}}})
    async def scrape() -> Response:
        return Response(metrics.render(), media_type=CONTENT_TYPE_PLAIN_0_0_4)

    return router
