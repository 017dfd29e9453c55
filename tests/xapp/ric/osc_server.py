"""The made-up RIC's services over real HTTP on this machine, and a bus of its own in memory."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

from tests.xapp.ric.osc_ric import MadeRic
from xapp.errors import TransportError
from xapp.ric.osc_messages import NOTIFIED_AT, RmrMessage


class RicServer:
    """Serves a `MadeRic`, and is the bus as `osc_rmr.open_rmr` gives it; use it with `with`."""

    def __init__(self, ric: MadeRic) -> None:
        self.ric = ric
        self.before = True  # notifications overtake responses
        self.twice = False  # and come again
        self.hold = 0.0  # seconds that an answer takes
        self.routed = True
        self.heard: list[RmrMessage] = []  # everything that the xApp sent
        self.undone = 0  # messages that the xApp has not said to be done with
        self.take: Callable[[RmrMessage], None] | None = None
        self._over = threading.Event()
        self._lock = threading.RLock()  # of the RIC: calls come in threads
        handler = type("Handler", (_Handler,), {"server_of": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> RicServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, method: str, path: str, body: bytes, send: Callable[[int, bytes], None],
               ) -> None:
        if self.hold and self._over.wait(self.hold):
            return
        with self._lock:
            status, text = self.ric.http(method, path, body)
            notes, self.ric.notifications = self.ric.notifications, []
        if not self.before:
            send(status, text)
        for note in notes * (2 if self.twice else 1):
            endpoint = json.loads(body)["ClientEndpoint"]
            url = f"http://{endpoint['Host']}:{endpoint['HTTPPort']}{NOTIFIED_AT}"
            httpx.post(url, content=note, trust_env=False).raise_for_status()
        if self.before:
            send(status, text)

    # The bus.

    def open(self, port: int, take: Callable[[RmrMessage], None]) -> RicServer:
        self.take = take
        return self

    def send(self, message: RmrMessage) -> None:
        if not self.routed:
            raise TransportError("no route")
        self.heard.append(message)
        with self._lock:
            self.ric.rmr(message)
            messages, self.ric.messages = self.ric.messages, []
        for one in messages:
            self.deliver(one)

    def deliver(self, message: RmrMessage) -> None:
        if self.take is not None:  # it is connected
            self.undone += 1
            self.take(message)

    def done(self, message: RmrMessage) -> None:
        self.undone -= 1

    def close(self) -> None:
        self.take = None

    def report(self, now: float) -> None:
        with self._lock:
            self.ric.now = now
            self.ric.report()
            messages, self.ric.messages = self.ric.messages, []
        for one in messages:
            self.deliver(one)


class _Handler(BaseHTTPRequestHandler):
    server_of: RicServer

    def do_GET(self) -> None:
        size = int(self.headers.get("content-length", 0))
        self.server_of.answer(self.command, self.path, self.rfile.read(size), self._say)

    do_POST = do_DELETE = do_GET  # noqa: N815 - the base class wants these names

    def _say(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""
