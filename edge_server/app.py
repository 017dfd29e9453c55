"""The edge's routes: one WebSocket for activation frames, HTTP for everything else.

Routes only; a WebSocket's traffic is in `connection`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from fastapi import FastAPI, WebSocket

from edge_server.connection import Connection
from edge_server.messages import SPLIT_PATH
from edge_server.serving import Edge


def create_app(edge: Edge) -> FastAPI:
    """The application that serves `edge`."""

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        edge.worker.start()
        house = asyncio.create_task(edge.desk.keep_house())
        yield
        house.cancel()
        await asyncio.to_thread(edge.worker.stop)

    app = FastAPI(title="airsplit edge", lifespan=lifespan)

    @app.get("/healthz", summary="Is the process alive?")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/v1/models", summary="What this edge serves, and its limits")
    async def models() -> dict[str, object]:
        return edge.describe()

    @app.websocket(SPLIT_PATH)
    async def split(websocket: WebSocket) -> None:
        await websocket.accept()
        await Connection(edge.desk, websocket).run()

    return app
