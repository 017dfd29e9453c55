"""Routes that show how things stand: nodes, cells, slices, UEs, flows, histories, limits.

They answer out of one frozen picture. What they answer is made in `api_views`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Query

from xapp.api_errors import BAD, NEEDS_TOKEN
from xapp.api_views import (
    CellModel,
    FlowModel,
    HistoryModel,
    NodeModel,
    Page,
    PolicyModel,
    SeriesModel,
    SliceModel,
    StatusModel,
    UeModel,
    page,
)
from xapp.errors import NotFound
from xapp.operations import METRICS, Kind, Operations, Series

MAX_PAGE = 500  # items: some 200 KiB of JSON, 10 ms of making it
MAX_SERIES = 200  # of a history
MAX_POINTS = 600  # of a series: more than a screen has columns for
MAX_SECONDS = 24 * 3600.0
Offset = Annotated[int, Query(ge=0, le=1_000_000)]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE)]


def create_router(operations: Operations) -> APIRouter:
    """The routes for `operations`."""
    router = APIRouter(prefix="/api/v1", tags=["state"], responses=BAD | NEEDS_TOKEN)

    @router.get("/status", summary="The xApp in short")
    async def status() -> StatusModel:
        return StatusModel.of(operations.picture())

    @router.get("/nodes", summary="E2 nodes, their associations and functions")
    async def nodes(offset: Offset = 0, limit: Limit = 100) -> Page[NodeModel]:
        now = operations.picture()
        return page(now.nodes, offset, limit,
                     lambda one: NodeModel.of(one, now.clock))

    @router.get("/cells", summary="Cells with their slices, quotas and loads")
    async def cells(offset: Offset = 0, limit: Limit = 100) -> Page[CellModel]:
        now = operations.picture()
        return page(list(now.observations.cells.values()), offset, limit,
                     lambda one: CellModel.of(one, now.clock))

    @router.get("/slices", summary="Slices of all cells")
    async def slices(offset: Offset = 0, limit: Limit = 100) -> Page[SliceModel]:
        now = operations.picture()
        pairs = [(cell, one) for cell in now.observations.cells.values()
                 for one in cell.slices.values()]
        return page(pairs, offset, limit,
                     lambda pair: SliceModel.of(pair[0], pair[1], now.clock))

    @router.get("/ues", summary="UEs with their cell, slice and load")
    async def ues(offset: Offset = 0, limit: Limit = 100) -> Page[UeModel]:
        now = operations.picture()
        return page(list(now.observations.ues.values()), offset, limit,
                     lambda one: UeModel.of(one, now.clock))

    @router.get("/flows", summary="Flows with label and confidence")
    async def flows(
        offset: Offset = 0, limit: Limit = 100,
        label: Annotated[str | None, Query(max_length=64)] = None,
    ) -> Page[FlowModel]:
        now = operations.picture()
        found = [one for one in now.observations.flows.values() if label in (None, one.label)]
        return page(found, offset, limit, lambda one: FlowModel.of(one, now.clock))

    @router.get("/history", summary="A figure over time, of every cell, slice, UE or flow")
    async def history(
        kind: Kind, metric: Annotated[str, Query(max_length=64)],
        seconds: Annotated[float, Query(gt=0, le=MAX_SECONDS, allow_inf_nan=False)] = 300.0,
        points: Annotated[int, Query(ge=2, le=MAX_POINTS)] = 300,
        subject: Annotated[str | None, Query(max_length=256)] = None,
    ) -> HistoryModel:
        if metric not in METRICS[kind]:
            raise NotFound(f"There is no history of {metric[:64]!r} of a {kind.value}.",
                           f"Ask for one of {', '.join(METRICS[kind])}.")
        now = operations.picture()
        since = now.clock.monotonic - seconds
        found = await asyncio.to_thread(operations.history, kind, metric, since, subject)
        # A quota holds until the next; of a load, the average of a while is what it was.
        shown = [thinned(one, since, seconds, points, metric.startswith("quota_"),
                         now.clock.wall_time) for one in found[:MAX_SERIES]]
        return HistoryModel(kind=kind.value, metric=metric, now=now.clock.wall, series=shown,
                            left_out=max(0, len(found) - MAX_SERIES))

    @router.get("/policy-types", summary="A1 policy types with their schemas")
    async def policy_types() -> list[dict[str, Any]]:
        return [dict(found) for _, found in sorted(operations.policy_types().items())]

    @router.get("/policies", summary="Policies of the configuration and of A1, and whether they "
                "are in effect")
    async def policies(offset: Offset = 0, limit: Limit = 100) -> Page[PolicyModel]:
        found = [one for number in (None, *sorted(operations.policy_types()))
                 for one in operations.policies(number)]
        return page(found, offset, limit, PolicyModel.of)

    @router.get("/limits", summary="Limits and configuration in force, without secrets")
    async def limits() -> dict[str, Any]:
        return dict(operations.limits())

    return router


def thinned(
    series: Series, since: float, seconds: float, points: int, last: bool,
    wall: Callable[[float], float],
) -> SeriesModel:
    """At most `points` points, each for as long: the last value there, or the average."""
    buckets: dict[int, tuple[float, list[float]]] = {}
    for at, value in series.points:
        if at < since:
            continue
        place = min(int((at - since) * points / seconds), points - 1)
        values = buckets[place][1] if place in buckets else []
        buckets[place] = (at, values)
        if value is not None:
            values.append(value)
    times, shown = [], []
    for at, values in buckets.values():
        times.append(wall(at))
        shown.append(None if not values else values[-1] if last else sum(values) / len(values))
    return SeriesModel(subject=series.subject, times=times, values=shown)
