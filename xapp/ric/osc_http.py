"""The HTTP port of an xApp on an OSC RIC: notifications of the subscription manager, and probes.

It is open to the cluster and has no key, as the RIC has none for it; nothing but what an operator
reads at these probes comes out of it, and what comes in is capped and checked. A notification is
answered once it is handed on.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response

from xapp.api_guard import BodyCap, guarded_config
from xapp.errors import TransportError
from xapp.operations import Health
from xapp.ric.osc_messages import NOTIFIED_AT

STOP_SECONDS = 3.0


def create_app(notified: Callable[[bytes], None], health: Callable[[], Health]) -> FastAPI:
    """The application; `notified` is called in the server's thread."""
    app = FastAPI(title="airsplit xApp on a RIC", docs_url=None, redoc_url=None, openapi_url=None)

    @app.post(NOTIFIED_AT)
    async def notification(request: Request) -> Response:
        notified(await request.body())
        return Response(status_code=200)

    @app.get("/ric/v1/health/alive")
    async def alive() -> Response:
        return Response(status_code=200 if health().alive else 503)

    @app.get("/ric/v1/health/ready")
    async def ready() -> Response:
        return Response(status_code=200 if health().ready else 503)

    app.add_middleware(BodyCap)
    return app


class RicPort:
    """Serves it from a thread, from `start` to `stop`."""

    def __init__(self, app: FastAPI, host: str, port: int) -> None:
        """Listens at once, so that a port that is taken is told before anything else starts."""
        try:
            self._socket = socket.create_server((host, port))
        except OSError as error:
            raise TransportError(f"The RIC's HTTP port cannot be opened at {host}:{port}: "
                                 f"{error.strerror or error}.",
                                 "Give another as `osc.http_port`, here and in the descriptor."
                                 ) from error
        self.port = int(self._socket.getsockname()[1])
        self._server = _Server(guarded_config(app))
        self._thread = threading.Thread(target=self._serve, name="xapp-osc-http", daemon=True)

    def start(self) -> None:
        """Returns once requests are answered."""
        self._thread.start()
        while not self._server.ready.wait(0.1):
            if not self._thread.is_alive():
                raise TransportError("The RIC's HTTP port ended while it started.", "See the log.")

    def stop(self) -> None:
        self._server.should_exit = True
        if self._thread.ident is not None:
            self._thread.join(STOP_SECONDS)
        self._socket.close()

    def _serve(self) -> None:
        self._server.run(sockets=[self._socket])


class _Server(uvicorn.Server):
    """uvicorn that says when it is ready."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self.ready.set()
