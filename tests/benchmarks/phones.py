"""Many phones in one light process, over real WebSockets: `bench_sessions` times an edge with it.

A phone's rows were recorded beforehand and are sent as its tokens come, whatever the token: no
phone computes anything while the clock runs. What the phones' side of the link costs all the same
is told beside the figures, as processor time a token.

    python -m tests.benchmarks.phones --edge http://127.0.0.1:8470 --model DIR --count 16
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from websockets.asyncio.client import ClientConnection, connect

from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.identity import identity_of
from edge_server.engine.load import Engine, EngineOptions, open_engine
from edge_server.engine.tensors import WIRE_TYPES, to_bytes
from edge_server.frame import Flags, Frame, FrameType, decode, encode, token_of
from edge_server.messages import SPLIT_PATH, ErrorNotice, Hello, Mode, Sampling, Start, Welcome
from edge_server.split import LayerRange
from tests.benchmarks.shapes import prompt_ids

CHUNK = 32  # prompt rows a frame, as a phone sends them
EPOCH = 1  # of the one answer of each session


def record(engine: Engine, split: int, count: int) -> torch.Tensor:
    """Rows after the phone's layers, for ids without meaning."""
    ids = prompt_ids(count, engine.checkpoint.architecture.vocabulary)
    stage = engine.stage(LayerRange(0, split))
    parts = [stage.forward([0] * len(part), range(at, at + len(part)),
                           engine.embedding().rows(part))
             for at, part in ((at, ids[at : at + CHUNK]) for at in range(0, count, CHUNK))]
    return torch.cat(parts)


@dataclass
class Phone:
    """One session; its rows are those recorded, from `offset` on."""

    socket: ClientConnection
    recorded: torch.Tensor
    offset: int
    session: int = 0
    times: list[float] = field(default_factory=list)  # when each token came, seconds
    ids: list[int] = field(default_factory=list)

    async def open(self, hello: Hello, sampling: Sampling) -> None:
        await self._send(Frame(FrameType.HELLO, payload=hello.pack()))
        self.session = Welcome.unpack((await self._receive(FrameType.WELCOME)).payload).session
        start = Start(sampling, 0)  # where its tokens begin does not matter to their choice
        await self._send(Frame(FrameType.START, self.session, EPOCH, payload=start.pack()))

    async def ask(self, start: int, end: int) -> None:
        """Send the rows `[start, end)` and take the token that follows them."""
        for at in range(start, end, CHUNK):
            to = min(at + CHUNK, end)
            rows = self.recorded[self.offset + at : self.offset + to]
            await self._send(Frame(
                FrameType.ROWS, self.session, EPOCH, at, WIRE_TYPES[rows.dtype], len(rows),
                rows.shape[1], Flags.RESULT_WANTED if to == end else Flags.NONE, to_bytes(rows)))
        frame = await self._receive(FrameType.TOKEN)
        self.times.append(time.perf_counter())
        self.ids.append(token_of(frame))

    async def answer(self, start: int, tokens: int) -> None:
        for position in range(start, start + tokens):
            await self.ask(position, position + 1)

    async def _send(self, frame: Frame) -> None:
        await self.socket.send(encode(frame))

    async def _receive(self, expected: FrameType) -> Frame:
        message = await self.socket.recv(decode=False)
        frame = decode(message)
        if frame.type is FrameType.ERROR:
            raise ErrorNotice.unpack(frame.payload).to_error()
        if frame.type is not expected:
            raise RuntimeError(f"a {frame.type.name} frame came for a {expected.name}")
        return frame


async def run(options: argparse.Namespace) -> dict[str, Any]:
    checkpoint = Checkpoint.open(options.model)
    engine = open_engine(checkpoint, EngineOptions("fast", options.precision, 1, 4096, 1))
    longest = options.prompt + options.tokens + 1
    recorded = record(engine, options.split, longest + 7 * options.count)
    hello = Hello(identity_of(checkpoint),
                  LayerRange(options.split, checkpoint.architecture.layers),
                  WIRE_TYPES[engine.row_type], Mode.TOKENS)
    url = options.edge.replace("http://", "ws://") + SPLIT_PATH
    phones = [Phone(await connect(url, compression=None, max_size=None, ping_interval=None),
                    recorded, 7 * number) for number in range(options.count)]
    sampling = Sampling(options.temperature, options.top_k, seed=7)
    await asyncio.gather(*(phone.open(hello, sampling) for phone in phones))
    await asyncio.gather(*(phone.ask(0, options.prompt) for phone in phones))
    for phone in phones:
        phone.times.clear()
    busy = time.process_time()
    await asyncio.gather(*(phone.answer(options.prompt, options.tokens + 1) for phone in phones))
    busy = time.process_time() - busy
    await asyncio.gather(*(phone.socket.close() for phone in phones))
    figures = together([phone.times for phone in phones])
    return figures | {
        "client_ms_per_token": busy * 1e3 / (options.count * (options.tokens + 1)),
        "ids": [phone.ids[1:] for phone in phones]}


def together(times: Sequence[Sequence[float]]) -> dict[str, float]:
    """Figures of the time in which every session was being answered; `times` are its tokens'."""
    begin, end = max(one[0] for one in times), min(one[-1] for one in times)
    produced = sum(begin < at <= end for one in times for at in one)
    between = [(after - before) * 1e3 for one in times for before, after in itertools.pairwise(one)
               if after > begin and before < end]
    return {"tokens_per_s": produced / (end - begin), "p50_ms": statistics.median(between),
            "p95_ms": quantile(between, 0.95)}


def quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edge", required=True, help="URL of the edge")
    parser.add_argument("--model", type=Path, required=True, help="checkpoint folder")
    parser.add_argument("--precision", default="bf16")
    parser.add_argument("--split", type=int, default=1, help="layers on the phones")
    parser.add_argument("--count", type=int, default=16, help="phones")
    parser.add_argument("--tokens", type=int, default=24, help="timed tokens of each")
    parser.add_argument("--prompt", type=int, default=64, help="tokens of each prompt")
    parser.add_argument("--temperature", type=float, default=0.0)
    parser.add_argument("--top-k", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(json.dumps(asyncio.run(run(options))))


if __name__ == "__main__":
    main()
