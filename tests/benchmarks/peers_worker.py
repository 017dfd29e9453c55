"""One end of one peer, in a process of its own: `serve` waits, `ask` answers a prompt twice.

The asking end prints `ready`, and for each line that it reads a line of JSON: the tokens, and when
each came. What crosses the link meanwhile, the benchmark counts.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.benchmarks.shapes import prompt_ids

Step = Callable[[list[int], int], int]  # new ids and their position: the token after them
RPC_PORTS = {"rpc-stateless": 29_511, "rpc-stateful": 29_512}
SERVER_NAME = "server"
_whole: Any = None  # of the RPC's server


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("role", "peer", "model", "host"):
        parser.add_argument(name)
    parser.add_argument("--port", type=int, default=8800)
    parser.add_argument("--device", default="lo")
    options = parser.parse_args()
    os.environ |= {"TP_SOCKET_IFNAME": options.device, "GLOO_SOCKET_IFNAME": options.device}
    {"serve": serve, "ask": ask}[options.role](options)


def serve(options: argparse.Namespace) -> None:
    folder = Path(options.model)
    if options.peer == "pickle-http":
        from tests.benchmarks import peers_http
        from tests.benchmarks.peers_models import Tail

        tail = Tail(folder, 1)
        print("ready", flush=True)
        peers_http.serve(options.host, options.port, tail)
    else:
        _join(options, SERVER_NAME, 0, folder)
        _leave()


def _join(options: argparse.Namespace, name: str, rank: int, folder: Path | None) -> None:
    global _whole
    from torch.distributed import rpc

    if folder is not None:
        from tests.benchmarks.peers_models import Whole

        _whole = Whole(folder)
        print("ready", flush=True)
    os.environ |= {"MASTER_ADDR": options.host, "MASTER_PORT": str(RPC_PORTS[options.peer])}
    begin: Any = rpc.init_rpc  # which says nothing of types
    begin(name, rank=rank, world_size=2, rpc_backend_options=rpc.TensorPipeRpcBackendOptions(
        _transports=["uv"], _channels=["basic"]))


def _leave() -> None:
    import torch.distributed.rpc as rpc

    rpc.shutdown()


def stateless(ids: Any) -> Any:
    """On the server."""
    return _whole.stateless(ids)


def stateful(ids: Any, position: int) -> Any:
    """On the server."""
    return _whole.stateful(ids, position)


def ask(options: argparse.Namespace) -> None:
    step, close = _step(options)
    print("ready", flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        usage = resource.getrusage(resource.RUSAGE_SELF)
        began = time.monotonic()
        ids, times, position = prompt_ids(order["prompt"], order["vocabulary"]), [], 0
        new, tokens = ids, list[int]()
        for _ in range(order["tokens"]):
            token = step(new, position)
            times.append(time.monotonic() - began)
            position += len(new)
            new, tokens = [token], [*tokens, token]
        after = resource.getrusage(resource.RUSAGE_SELF)
        print(json.dumps({"ids": tokens, "times": times, "cpu": after.ru_utime + after.ru_stime
                          - usage.ru_utime - usage.ru_stime}), flush=True)
    close()


def _step(options: argparse.Namespace) -> tuple[Step, Callable[[], None]]:
    if options.peer == "pickle-http":
        return _pickled(options), lambda: None
    import torch
    import torch.distributed.rpc as rpc

    _join(options, "client", 1, None)
    said: list[int] = []

    def whole(new: list[int], position: int) -> int:
        said[position:] = new
        logits = rpc.rpc_sync(SERVER_NAME, stateless, args=(torch.tensor([said]),))
        return int(logits[0, -1].argmax())

    def kept(new: list[int], position: int) -> int:
        logits = rpc.rpc_sync(SERVER_NAME, stateful, args=(torch.tensor([new]), position))
        return int(logits[0, -1].argmax())

    return (whole if options.peer == "rpc-stateless" else kept), _leave


def _pickled(options: argparse.Namespace) -> Step:
    from tests.benchmarks import peers_http
    from tests.benchmarks.peers_models import Head

    head = Head(Path(options.model), 1)

    def step(new: list[int], position: int) -> int:
        if position == 0:
            head.start()
        logits = peers_http.ask(options.host, options.port, head.rows(new), position)
        return int(logits.argmax())

    return step


if __name__ == "__main__":
    import tests.benchmarks.peers_worker as myself  # so that the RPC finds functions by one name

    myself.main()
