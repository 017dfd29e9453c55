"""Routes that show what was done: decisions with their effect, events, the audit log to take away.

The audit log is streamed, however long it is. What they answer is made in `api_views` and
`api_decisions`.
"""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from fastapi.responses import StreamingResponse

from xapp.api_decisions import DecisionModel
from xapp.api_errors import BAD, NEEDS_TOKEN, NOT_FOUND
from xapp.api_views import EventModel, Recent
from xapp.errors import NotFound
from xapp.operations import AuditEntry, Operations

MAX_RECORDS = 200  # at a time
AUDIT_LINES = 200  # read and sent at a time
# Beyond SQLite's integers there is no record.
Number = Annotated[int, Path(ge=0, lt=2**63)]
Before = Annotated[int | None, Query(ge=0, lt=2**63)]
Limit = Annotated[int, Query(ge=1, le=MAX_RECORDS)]
COLUMNS = ("number", "time", "who", "what", "why", "effect", "detail")
MEDIA = {"jsonl": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}


def create_router(operations: Operations) -> APIRouter:
    """The routes for `operations`."""
    router = APIRouter(prefix="/api/v1", tags=["records"], responses=BAD | NEEDS_TOKEN)

    @router.get("/decisions", summary="Decisions, newest first, with steps and measured effect")
    async def decisions(before: Before = None, limit: Limit = 50) -> Recent[DecisionModel]:
        found = await asyncio.to_thread(operations.decisions, limit, before)
        clock = operations.picture().clock
        return Recent(items=[DecisionModel.of(one, clock) for one in found],
                      next=found[-1].number if len(found) == limit else None)

    @router.get("/decisions/{number}", summary="One decision", responses=NOT_FOUND)
    async def decision(number: Number) -> DecisionModel:
        found = await asyncio.to_thread(operations.decision, number)
        if found is None:
            raise NotFound(f"There is no decision {number}.", "See /api/v1/decisions.")
        return DecisionModel.of(found, operations.picture().clock)

    @router.get("/events", summary="Events, newest first")
    async def events(before: Before = None, limit: Limit = 50) -> Recent[EventModel]:
        found = await asyncio.to_thread(operations.events, limit, before)
        clock = operations.picture().clock
        return Recent(items=[EventModel.of(one, clock) for one in found],
                      next=found[-1].number if len(found) == limit else None)

    @router.get("/audit", summary="The audit log: who, what, why, effect", response_class=
                StreamingResponse, responses={200: {"content": {
                    kind: {"schema": {"type": "string"}} for kind in MEDIA.values()}}})
    async def audit(
        format: Literal["jsonl", "csv"] = "jsonl",
        since: Annotated[float | None, Query(ge=0, le=1e11, allow_inf_nan=False)] = None,
    ) -> StreamingResponse:
        entries = await asyncio.to_thread(operations.audit, since)
        write = _csv_lines if format == "csv" else _json_lines
        chunks = _chunks(entries, write)
        head = _csv_row(COLUMNS) if format == "csv" else ""
        first = await anext(chunks, "")  # a log that cannot be read is an error, not a short file
        return StreamingResponse(
            _with_head(head + first, chunks), media_type=MEDIA[format],
            headers={"Content-Disposition": f'attachment; filename="airsplit-audit.{format}"'})

    return router


async def _with_head(first: str, rest: AsyncIterator[str]) -> AsyncIterator[str]:
    yield first
    async for chunk in rest:
        yield chunk


async def _chunks(
    entries: Iterator[AuditEntry], write: Callable[[list[AuditEntry]], str]
) -> AsyncIterator[str]:
    """Lines, some hundred at a time, read in a thread that may wait for the disk."""

    def read() -> str:
        return write(list(islice(entries, AUDIT_LINES)))

    try:
        while chunk := await asyncio.to_thread(read):
            yield chunk
    finally:
        close = getattr(entries, "close", None)
        if close is not None:  # a generator that holds a file or a connection open
            await asyncio.to_thread(close)


def _fields(entry: AuditEntry) -> dict[str, object]:
    time = datetime.fromtimestamp(entry.time, UTC).isoformat(timespec="milliseconds")
    return {"number": entry.number, "time": time, "who": entry.who, "what": entry.what,
            "why": entry.why, "effect": entry.effect, "detail": dict(entry.detail)}


def _json_lines(entries: list[AuditEntry]) -> str:
    return "".join(json.dumps(_fields(entry)) + "\n" for entry in entries)


def _csv_lines(entries: list[AuditEntry]) -> str:
    return "".join(_csv_row([_cell(value) for value in _fields(entry).values()])
                   for entry in entries)


def _cell(value: object) -> str:
    """A value that a spreadsheet takes for text: what an operator or a node said may look like a
    formula."""
    text = json.dumps(value) if isinstance(value, dict) else str(value)
    return "'" + text if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _csv_row(values: object) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(values)  # type: ignore[arg-type]  # any iterable will do
    return line.getvalue()
