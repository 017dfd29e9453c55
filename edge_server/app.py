"""The edge's application: one WebSocket for activation frames, HTTP for everything else.

It puts together: a WebSocket's traffic is in `connection`, the HTTP routes are in `routes`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from fastapi import FastAPI, WebSocket

from edge_server.access import Access
from edge_server.connection import Connection
from edge_server.messages import SPLIT_PATH
from edge_server.metrics import release
from edge_server.routes import create_router, explain_errors
from edge_server.serving import Edge

DESCRIPTION = f"""Runs a model's later layers for phones that run the first.

Phones speak binary frames over one WebSocket at `{SPLIT_PATH}`, which this document cannot
describe: see `docs/protocol.md`. What is here is for operators and monitoring.

Once the edge has tokens, `/v1/models` needs any of them, `/metrics`, `/v1/sessions` and
`/v1/steps` an operator's (`airsplit edge token add NAME --operator`), as
`Authorization: Bearer TOKEN`."""


def create_app(edge: Edge, access: Access) -> FastAPI:
    """The application that serves `edge` to those whom `access` lets in."""

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        edge.worker.start()
        house = asyncio.create_task(edge.desk.keep_house())
        yield
        house.cancel()
        await asyncio.to_thread(edge.worker.stop)

    # No pages about the document: they load scripts from elsewhere into the operator's browser.
    app = FastAPI(title="airsplit edge", version=release(), description=DESCRIPTION,
                  lifespan=lifespan, docs_url=None, redoc_url=None)
    app.include_router(create_router(edge, access))
    explain_errors(app)

    @app.websocket(SPLIT_PATH)
    async def split(websocket: WebSocket) -> None:
        await websocket.accept()
        await Connection(edge.desk, websocket).run()

    return app
