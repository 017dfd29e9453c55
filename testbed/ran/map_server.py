"""The UE map of an emulated cell over HTTP: `GET /ues`, JSON in the xApp's format.

Beside it `GET /state` says what is in force in the cells, whatever a RIC believes. It serves these
two documents and nothing else, to whoever can reach the port; it listens on this machine unless
told otherwise.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response

from xapp.errors import ConfigurationError

MAP, STATE = "/ues", "/state"


@asynccontextmanager
async def serve_map(document: Callable[[], dict[str, Any]], host: str, port: int,
                    state: Callable[[], dict[str, Any]] = dict) -> AsyncIterator[Server]:
    """Answer with what `document` and `state` say at that moment."""
    documents = {"/": document, MAP: document, STATE: state}

    def answer(connection: ServerConnection, request: Request) -> Response:
        said = documents.get(request.path)
        if said is None:
            return connection.respond(HTTPStatus.NOT_FOUND, "there are /ues and /state\n")
        response = connection.respond(HTTPStatus.OK, json.dumps(said()))
        del response.headers["Content-Type"]
        response.headers["Content-Type"] = "application/json"
        return response

    async def never(connection: ServerConnection) -> None:
        await connection.close()

    try:
        # Of websockets only its HTTP is used, which has limits and time-outs of its own.
        server = await serve(never, host, port, process_request=answer, open_timeout=5)
    except OSError as error:
        raise ConfigurationError(f"{host}:{port} cannot be listened on: {error.strerror}.",
                                 "Choose another --map-port.") from error
    async with server:
        yield server
