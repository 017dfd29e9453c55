"""Round trip of a token's row over our link, beside a bare TCP socket, on this machine's loopback.

A row of 4 KiB goes up and a token comes back: through `EdgeLink` and a real edge, whose model has
no layers left to run and an output of a few tokens, so that what is timed is the way there and
back. The bare socket carries as many bytes each way. Both are asked in turn by the same process,
and nothing is subtracted but one median from the other. A third peer, a WebSocket through the same
server that only answers, shows how much of it is the server's. No radio is in these figures.

    python -m tests.benchmarks.bench_link --quick
    python -m tests.benchmarks.bench_link --check --rounds 5
"""

from __future__ import annotations

import argparse
import itertools
import json
import socket
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from edge_server.split import LayerRange
from tests.benchmarks import edge, report, shapes
from tests.benchmarks.report import Figures

SHAPE = "row-4k"
UP_BYTES, DOWN_BYTES = 4096 + 32, 36 + 2  # a row's frame, and a token's in its WebSocket frame
LIMIT_MS = 0.3  # of the difference of the medians
CAPACITY = 4096  # tokens; positions start over before it
WARM_UP = 200  # exchanges
READY = "ready on port"
TCP, SERVER, OURS = "bare TCP socket", "WebSocket that only answers", "ours: row up, token back"


def main() -> None:
    options = arguments()
    if options.worker:
        {"serve-tcp": serve_tcp, "serve-websocket": serve_websocket, "ask": ask}[options.worker](
            options)
        return
    with shapes.checkpoint(SHAPE, options.cache) as folder:
        one = report.round_robin({"all": lambda: run(folder, options)}, options)["all"]
    rows: list[Figures] = [
        {"peer": name, "p50_us": one.middle(f"{name} p50"), "p99_us": one.middle(f"{name} p99"),
             "p999_us": one.middle(f"{name} p999")} for name in (TCP, SERVER, OURS)]
    base = one.middle(f"{TCP} p50")
    report.print_table(
        f"one row of 4 KiB up, one token back: {options.rounds} round(s) of {options.exchanges}, "
        f"others used {one.middle('others_busy') or 0:.2f} processors",
        ["", "p50 µs", "p99 µs", "p99.9 µs", "above TCP, p50 µs"],
        [[row["peer"], row["p50_us"], row["p99_us"], row["p999_us"],
          above(row["p50_us"], base)] for row in rows])
    difference = above(one.middle(f"{OURS} p50"), base)
    cost = None if difference is None else difference / 1e3
    met = None if cost is None else cost <= LIMIT_MS
    print("  ours above the socket, p50: "
          + (f"not measured: {one.reason}" if cost is None else
             f"{cost:.3f} ms (at most {LIMIT_MS}), {'met' if met else 'MISSED'}"))
    report.finish("link", vars(options), {"rows": rows, "above_ms": cost, "limit_ms": LIMIT_MS,
                                          "met": met, "rounds": one.rounds, "reason": one.reason})
    if options.check and not met:
        sys.exit(1)


def above(value: float | None, base: float | None) -> float | None:
    return None if value is None or base is None else value - base


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one round")
    parser.add_argument("--check", action="store_true", help="exit 1 where the target is missed")
    parser.add_argument("--exchanges", type=int, default=2000, help="of each peer in a round")
    parser.add_argument("--rounds", type=int, help="default 3")
    parser.add_argument("--cache", type=Path, help="folder that keeps checkpoints between runs")
    parser.add_argument("--timeout", type=float, default=120.0, help="seconds a round may take")
    parser.add_argument("--worker", choices=["serve-tcp", "serve-websocket", "ask"],
                        help=argparse.SUPPRESS)
    for name in ("--tcp", "--websocket"):
        parser.add_argument(name, type=int, help=argparse.SUPPRESS)
    for name in ("--edge", "--model"):
        parser.add_argument(name, help=argparse.SUPPRESS)
    report.add_quiet_options(parser)
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 3)
    return options


def run(folder: Path, options: argparse.Namespace) -> Figures:
    """Start the three peers, and the process that asks them in turn."""
    own = "tests.benchmarks.bench_link"
    with ExitStack() as stack:
        ports = [stack.enter_context(_started(report.python(own, "--worker", worker), options))
                 for worker in ("serve-tcp", "serve-websocket")]
        url = stack.enter_context(edge.serving(
            folder, "bf16", LayerRange(1, 1), 1, options.timeout, context=CAPACITY))
        return report.run_worker(
            report.python(own, "--worker", "ask", "--tcp", ports[0], "--websocket", ports[1],
                          "--edge", url, "--model", folder, "--exchanges", options.exchanges),
            1, options.timeout)


@contextmanager
def _started(command: list[str], options: argparse.Namespace) -> Iterator[int]:
    process = report.start(command, 1)
    try:
        yield int(report.wait_for_line(process, READY, options.timeout).split()[-1])
    finally:
        report.stop(process)


def serve_tcp(options: argparse.Namespace) -> None:
    """Answer as many bytes as a token's for each as many as a row's."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(READY, listener.getsockname()[1], flush=True)
        connection, _ = listener.accept()
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while _receive(connection, UP_BYTES):
                connection.sendall(bytes(DOWN_BYTES))


def _receive(connection: socket.socket, count: int) -> bool:
    left = count
    while left:
        data = connection.recv(left)
        if not data:
            return False
        left -= len(data)
    return True


def serve_websocket(options: argparse.Namespace) -> None:
    """A token's bytes for each message, from the server and framework that the edge runs on."""
    import uvicorn
    from fastapi import FastAPI, WebSocket, WebSocketDisconnect
    from starlette.routing import WebSocketRoute

    async def answer(websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            while True:
                await websocket.receive_bytes()
                await websocket.send_bytes(bytes(DOWN_BYTES - 2))
        except WebSocketDisconnect:
            pass

    app = FastAPI(routes=[WebSocketRoute("/", answer)])
    listener = socket.create_server(("127.0.0.1", 0))
    print(READY, listener.getsockname()[1], flush=True)
    uvicorn.Server(uvicorn.Config(
        app, log_level="warning", access_log=False, ws="websockets-sansio",
        ws_per_message_deflate=False, ws_ping_interval=None)).run(sockets=[listener])


def ask(options: argparse.Namespace) -> None:
    """All peers in turn, exchange by exchange, so that a slow moment hits them alike."""
    with ExitStack() as stack:
        peers = {TCP: _tcp_peer(options, stack), SERVER: _websocket_peer(options, stack),
                 OURS: _our_peer(options, stack)}
        times: dict[str, list[float]] = {name: [] for name in peers}
        for number in range(WARM_UP + options.exchanges):
            for name, exchange in peers.items():
                began = time.perf_counter()
                exchange()
                if number >= WARM_UP:
                    times[name].append((time.perf_counter() - began) * 1e6)
    print(json.dumps({f"{name} {label}": quantile for name, values in times.items()
                      for label, quantile in _quantiles(values).items()}))


def _quantiles(values: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(values, n=1000, method="inclusive")
    return {"p50": cuts[499], "p99": cuts[989], "p999": cuts[998]}


def _tcp_peer(options: argparse.Namespace, stack: ExitStack) -> Callable[[], None]:
    connection = stack.enter_context(socket.create_connection(("127.0.0.1", options.tcp)))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    message = bytes(UP_BYTES)

    def exchange() -> None:
        connection.sendall(message)
        if not _receive(connection, DOWN_BYTES):
            raise ConnectionError("the bare socket's peer is gone")

    return exchange


def _websocket_peer(options: argparse.Namespace, stack: ExitStack) -> Callable[[], None]:
    from websockets.sync.client import connect

    connection = stack.enter_context(connect(
        f"ws://127.0.0.1:{options.websocket}/", compression=None, ping_interval=None))
    message = bytes(UP_BYTES)

    def exchange() -> None:
        connection.send(message)
        connection.recv()

    return exchange


def _our_peer(options: argparse.Namespace, stack: ExitStack) -> Callable[[], None]:
    import torch

    from edge_server.engine.checkpoint import Checkpoint
    from edge_server.engine.identity import identity_of
    from edge_server.frame import Dtype, Flags
    from edge_server.messages import Hello, Mode, Sampling
    from ue_app.client import EdgeLink
    from ue_app.wire import LinkConfig

    checkpoint = Checkpoint.open(Path(options.model))
    rows = torch.randn(1, checkpoint.architecture.hidden).bfloat16()
    link: Any = EdgeLink(LinkConfig(options.edge), Hello(
        identity_of(checkpoint), LayerRange(1, 1), Dtype.BF16, Mode.TOKENS))
    stack.callback(link.close)
    link.start(Sampling(), 0, 1)
    positions = itertools.cycle(range(CAPACITY))  # rows that come again are no error

    def exchange() -> None:
        link.send(next(positions), rows, Flags.RESULT_WANTED)
        link.receive()

    return exchange


if __name__ == "__main__":
    main()
