"""A split model over HTTP with pickle, as people write it: for the benchmark alone.

Unpickling runs whatever code the sender names. Both ends here are the benchmark's own, in
namespaces that it made; nothing of this is in the product.
"""

from __future__ import annotations

import http.client
import pickle
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from tests.benchmarks.peers_models import Tail


def serve(host: str, port: int, tail: Tail) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            asked: dict[str, Any] = pickle.loads(self.rfile.read(length))  # noqa: S301 - our own
            answer = pickle.dumps({"logits": tail.step(asked["hidden"], asked["position"])})
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:
            """Silence: the benchmark prints."""

    HTTPServer((host, port), Handler).serve_forever()


def ask(host: str, port: int, hidden: Any, position: int) -> Any:
    """The next token's scores."""
    connection = http.client.HTTPConnection(host, port, timeout=120)
    connection.request("POST", "/step", pickle.dumps({"hidden": hidden, "position": position}))
    answer: dict[str, Any] = pickle.loads(connection.getresponse().read())  # noqa: S301 - our own
    connection.close()
    return answer["logits"]
