"""One end of a peer that people write with torch: RPC in three ways, and pickle over HTTP.

    python -m tests.benchmarks.peers_worker serve rpc-stateful CHECKPOINT 127.0.0.1 29511
    python -m tests.benchmarks.peers_worker ask rpc-stateful CHECKPOINT 127.0.0.1 29511

`rpc-stateless` sends all ids each time and has every position's scores back; `rpc-stateful` sends
the new ones, the server keeping what it computed; `remote-module` has the later layers as a
`RemoteModule` at the server and calls its forward with the new rows; `pickle-http` posts them. What
crosses the link meanwhile, the benchmark counts.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.benchmarks import peers_loop
from tests.benchmarks.peers_loop import Step

SPLIT = 1  # first layers at the asking end, where the model is cut
SERVER_NAME = "server"
RPC_SECONDS = 900.0  # of one call: with a large vocabulary all scores take minutes on a slow link
_whole: Any = None  # of the RPC's server


def main() -> None:
    peers_loop.run(peers_loop.options(__doc__), {"serve": serve, "ask": ask})


def serve(options: argparse.Namespace) -> None:
    from torch.distributed import rpc

    global _whole
    if options.peer == "pickle-http":
        from tests.benchmarks import peers_http
        from tests.benchmarks.peers_models import Tail

        tail = Tail(options.model, SPLIT)
        peers_loop.say_ready()
        peers_http.serve(options.host, options.port, tail)
        return
    if options.peer != "remote-module":  # which the asking end makes here
        from tests.benchmarks.peers_models import Whole

        _whole = Whole(options.model)
    peers_loop.say_ready()  # joining waits for the other end
    _join(options, SERVER_NAME, 0)
    rpc.shutdown()  # it serves until the other end leaves


def _join(options: argparse.Namespace, name: str, rank: int) -> None:
    from torch.distributed import rpc

    os.environ |= {"MASTER_ADDR": options.host, "MASTER_PORT": str(options.port),
                   "TP_SOCKET_IFNAME": options.device, "GLOO_SOCKET_IFNAME": options.device}
    begin: Any = rpc.init_rpc  # which says nothing of types
    begin(name, rank=rank, world_size=2, rpc_backend_options=rpc.TensorPipeRpcBackendOptions(
        _transports=["uv"], _channels=["basic"], rpc_timeout=RPC_SECONDS))


def stateless(ids: Any) -> Any:
    """On the server."""
    return _whole.stateless(ids)


def stateful(ids: Any, position: int) -> Any:
    """On the server."""
    return _whole.stateful(ids, position)


def ask(options: argparse.Namespace) -> None:
    if options.peer == "pickle-http":
        peers_loop.answer_all(_pickled(options))
        return
    _join(options, "client", 1)
    step: Callable[[argparse.Namespace], Step] = {
        "rpc-stateless": _stateless, "rpc-stateful": _stateful,
        "remote-module": _remote_module}[options.peer]
    peers_loop.answer_all(step(options))
    peers_loop.end()  # leaving in order would wait for a server that may be gone


def _stateless(_: argparse.Namespace) -> Step:
    import torch
    from torch.distributed import rpc

    said: list[int] = []

    def step(new: list[int], position: int) -> int:
        said[position:] = new
        return _best(rpc.rpc_sync(SERVER_NAME, stateless, args=(torch.tensor([said]),))[0, -1])

    return step


def _stateful(_: argparse.Namespace) -> Step:
    import torch
    from torch.distributed import rpc

    def step(new: list[int], position: int) -> int:
        return _best(rpc.rpc_sync(SERVER_NAME, stateful,
                                  args=(torch.tensor([new]), position))[0, -1])

    return step


def _remote_module(options: argparse.Namespace) -> Step:
    from torch.distributed.nn.api.remote_module import RemoteModule

    from tests.benchmarks.peers_models import RemoteTail

    make: Any = RemoteModule
    tail = make(f"{SERVER_NAME}/cpu", RemoteTail, args=(str(options.model), SPLIT))
    return _headed(options.model, tail.forward)


def _pickled(options: argparse.Namespace) -> Step:
    from tests.benchmarks import peers_http

    return _headed(options.model, lambda rows, position: peers_http.ask(
        options.host, options.port, rows, position))


def _headed(model: Path, tail: Callable[[Any, int], Any]) -> Step:
    """The first layers here, whatever way their rows take to the others."""
    from tests.benchmarks.peers_models import Head

    head = Head(model, SPLIT)

    def step(new: list[int], position: int) -> int:
        if position == 0:
            head.start()
        return _best(tail(head.rows(new), position))

    return step


def _best(scores: Any) -> int:
    return int(scores.argmax())


if __name__ == "__main__":
    import tests.benchmarks.peers_worker as myself  # so that the RPC finds functions by one name

    myself.main()
