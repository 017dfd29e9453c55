"""The REST API: what an operator sees of the xApp and can do to it, and A1; served from a thread.

It puts together: routes are in `routes_*`, who may use them is in `access`, what they stand on in
`operations`. The thread is one of the API's own process: see `api_worker`.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import uvicorn
from fastapi import Depends, FastAPI
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.middleware.trustedhost import TrustedHostMiddleware

from xapp import (
    routes_a1,
    routes_control,
    routes_monitoring,
    routes_records,
    routes_state,
)
from xapp.access import Access, is_loopback, listen, url
from xapp.api_errors import explain_errors
from xapp.api_guard import BodyCap, guarded_config
from xapp.errors import TransportError
from xapp.metrics import Metrics
from xapp.operations import Operations

DEFAULT_PORT = 8480
STOP_SECONDS = 5.0
LOCAL_NAMES = ["localhost", "127.0.0.1", "[::1]", "::1"]
DESCRIPTION = """What an operator sees of the xApp and can do to it, and A1-P version 2.

Whatever changes something needs the operator's token, as `Authorization: Bearer TOKEN`; so does
reading, where the API listens beyond its own machine. Times are seconds since 1970, UTC. Every
error is `{"error": ..., "remedy": ...}`."""
_scheme = HTTPBearer(auto_error=False, description="The token in the xApp's --token-file")
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_scheme)]


def create_app(
    operations: Operations, metrics: Metrics, access: Access, hosts: list[str] | None = None
) -> FastAPI:
    """The application; `hosts` are the names that requests may be sent to (default: any)."""

    def read(credentials: Credentials) -> None:
        access.read(credentials.credentials if credentials else "")

    def change(credentials: Credentials) -> None:
        access.change(credentials.credentials if credentials else "")

    # No pages about the document: they load scripts from elsewhere into the operator's browser.
    app = FastAPI(title="airsplit xApp", version=operations.picture().version,
                  description=DESCRIPTION, docs_url=None, redoc_url=None)
    app.include_router(routes_monitoring.create_router(operations))
    for router in (routes_state.create_router(operations), routes_records.create_router(operations),
                   routes_control.create_readers(operations), routes_a1.create_readers(operations),
                   routes_monitoring.create_metrics_router(metrics)):
        app.include_router(router, dependencies=[Depends(read)])
    for router in (routes_control.create_router(operations), routes_a1.create_router(operations)):
        app.include_router(router, dependencies=[Depends(change)])
    explain_errors(app)
    app.add_middleware(_Counted, metrics=metrics)
    app.add_middleware(BodyCap)
    if hosts is not None:
        # A page of another site could otherwise reach this one through a name it made up.
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=hosts)
    return app


class _Counted:
    """Middleware that counts answers by status."""

    def __init__(self, app: Callable[..., Awaitable[None]], metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def counted(message: Any) -> None:
            if message["type"] == "http.response.start":
                self._metrics.request(message["status"])
            await send(message)

        await self._app(scope, receive, counted)


def open_socket(host: str, port: int, token: str | None) -> socket.socket:
    """Where the API listens."""
    return listen(host, port, "The REST API", token is not None,
                  "Keep to 127.0.0.1, or give it a token with --token-file FILE.")


class ApiServer:
    """Serves the API from a thread, from `start` to `stop`."""

    def __init__(
        self, operations: Operations, metrics: Metrics, token: str | None,
        host: str = "127.0.0.1", port: int = DEFAULT_PORT,
        listening: socket.socket | None = None,
    ) -> None:
        """Listens at once, so that a port that is taken is told before anything else starts;
        unless somebody else did, and `listening` is the socket."""
        self._socket = listening or open_socket(host, port, token)
        address, self.port = self._socket.getsockname()[:2]
        local = is_loopback(address)
        self.url = url(host, self.port)
        app = create_app(operations, metrics, Access(token, open_reads=local),
                         [*LOCAL_NAMES, host] if local else None)
        self._server = _Server(guarded_config(app))
        self._thread = threading.Thread(target=self._serve, name="xapp-api", daemon=True)

    def start(self) -> None:
        """Returns once requests are answered."""
        self._thread.start()
        while not self._server.ready.wait(0.1):
            if not self._thread.is_alive():
                raise TransportError("The REST API ended while it started.", "See the log.")

    def stop(self) -> None:
        """Running answers get a moment to end."""
        self._server.should_exit = True
        if self._thread.ident is not None:
            self._thread.join(STOP_SECONDS)
        self._socket.close()

    def _serve(self) -> None:
        self._server.run(sockets=[self._socket])


class _Server(uvicorn.Server):
    """uvicorn that says when it is ready, and leaves signals to the process."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self.ready.set()
