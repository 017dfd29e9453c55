"""Tokens a round trip, and tokens a second, with guesses on the phone beside none.

The bundled model is split at its first layer; an edge of its own process answers through a proxy in
this process that holds each byte back for half of the round trip (delay alone: no rate, no radio).
Openings of stories are asked in turn by every drafter, in rounds, so that all meet the same
neighbours on the machine. `wrong` guesses what is never true: what it costs where guesses fail.
Answers are compared token for token with those of the plain loop in the same encoding; bytes are
counted on the phone's socket, rows of guesses included.

    python -m tests.benchmarks.bench_speculate --quick
    python -m tests.benchmarks.bench_speculate --quick --encoding raw --encoding int8
    python -m tests.benchmarks.bench_speculate --temperature 0.8
    python -m tests.benchmarks.bench_speculate --stories FOLDER    openings of held-out stories
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import socket
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_server.encodings.registry import NAMES, RAW
from edge_server.engine.load import EngineOptions
from edge_server.errors import EdgeError
from edge_server.messages import Sampling
from testbed.cli import BUNDLED_MODEL
from testbed.pair import edge_process
from tests.benchmarks import report
from ue_app.drafts.registry import DraftConfig
from ue_app.errors import PhoneError
from ue_app.generate import Answer
from ue_app.measure import cost_of
from ue_app.phone import Phone, PhoneConfig, open_phone
from ue_app.wire import LinkConfig

LINKS = (10, 20, 40, 100)  # ms, there and back
PLAIN, WRONG = "plain", "wrong"
DRAFTERS = ("lookup", "exit", "auto")
LEAST_PER_TRIP, MOST_SLOWDOWN = 1.8, 1.05
OPENINGS = (
    "Once upon a time there was an old king who", "The fisherman went down to the sea, and",
    "In a small house by the forest lived a widow with", "\"Who are you?\" said the wolf.",
    "The ship had been at sea for many days when", "Tell me a story about a princess.",
    "There was once a poor miller who had", "It was a cold night, and the children")
WORDS_OF_OPENING = 24


class Wrong:
    """Guesses a token that no answer holds; the pace has to find that out."""

    name = WRONG

    def start(self, sampling: Sampling, first: int) -> None:
        """It needs nothing."""

    def read(self, ids: Sequence[int]) -> None:
        """It learns nothing."""

    def draft(self, ids: Sequence[int], count: int) -> list[int]:
        return [0] * count  # the padding token

    def bytes(self) -> int:
        return 0


@dataclass
class Peer:
    """A phone with one drafter, and what its answers came to."""

    phone: Phone
    answers: list[Answer]


class Delay:
    """A TCP proxy that delivers what it takes so many seconds later, both ways."""

    def __init__(self, port: int, seconds: float) -> None:
        self._target, self._seconds = port, seconds
        self._loop = asyncio.new_event_loop()
        self.port = 0
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self._thread.start()
        ready.wait(10.0)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10.0)

    def _run(self, ready: threading.Event) -> None:
        server = self._loop.run_until_complete(
            asyncio.start_server(self._take, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        self._loop.run_forever()
        server.close()
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        if left:
            self._loop.run_until_complete(asyncio.wait(left))
        self._loop.close()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        for one in (writer, back):
            one.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(asyncio.CancelledError):  # it is over
            await asyncio.gather(self._carry(reader, back), self._carry(there, writer))

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            self._loop.call_later(self._seconds, _write, writer, data)
        self._loop.call_later(self._seconds, writer.close)


def _write(writer: asyncio.StreamWriter, data: bytes) -> None:
    if not writer.is_closing():
        writer.write(data)


def main() -> None:
    options = arguments()
    rows: list[dict[str, Any]] = []
    openings = openings_of(options)
    with edge_process(["--model", str(BUNDLED_MODEL), "--threads", "1",
                       "--sessions", "64"]) as url:
        for milliseconds in options.links:
            for encoding in options.encoding:
                rows += run_link(int(url.rsplit(":", 1)[1]), milliseconds, encoding, openings,
                                 options)
    report.print_table(
        f"{len(openings)} openings, {options.tokens} tokens, temperature {options.temperature}",
        ["round trip ms", "rows in", "drafter", "tokens a round trip", "tokens/s", "times plain",
         "B up a token", "same"],
        [[row["round_trip_ms"], row["encoding"], row["drafter"], row["per_trip"],
          row["tokens_per_second"], row["times_plain"], row["bytes_up"], row["same"]]
         for row in rows])
    figures = verdicts(rows)
    report.finish("speculate", vars(options) | {"stories": str(options.stories)},
                  {"rows": rows, **figures})


def verdicts(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Targets, each with its figure."""
    best = max((row["per_trip"] for row in rows if row["drafter"] in ("exit", "auto")
                and row["per_trip"] is not None), default=None)
    worst = max((1 / row["times_plain"] for row in rows if row["drafter"] == WRONG
                 and row["times_plain"]), default=None)
    same = all(row["same"] is True for row in rows)
    for text, value, met in (
            (f"tokens a round trip, at least {LEAST_PER_TRIP}", best,
             best is not None and best >= LEAST_PER_TRIP),
            (f"slower where every guess fails, at most {MOST_SLOWDOWN} x", worst,
             worst is not None and worst <= MOST_SLOWDOWN),
            ("answers are the plain loop's, token for token", None, same)):
        print(f"  {text}: {'' if value is None else f'{value:.3f}, '}{'met' if met else 'MISSED'}")
    return {"best_per_trip": best, "worst_slowdown": worst, "same": same}


def run_link(port: int, milliseconds: float, encoding: str, openings: Sequence[str],
             options: argparse.Namespace) -> list[dict[str, Any]]:
    """All drafters over one link, opening by opening in turn."""
    delay = Delay(port, milliseconds / 2e3)
    peers: dict[str, Peer] = {}
    reasons: dict[str, str] = {}
    try:
        for name in (PLAIN, *DRAFTERS, WRONG):
            try:
                peers[name] = Peer(open_peer(delay.port, name, encoding), [])
            except (EdgeError, PhoneError) as error:
                reasons[name] = str(error)
        for opening in openings:
            for peer in peers.values():
                peer.answers.append(ask(peer.phone, opening, options))
        return [row_of(name, milliseconds, peers, reasons) | {"encoding": encoding}
                for name in (PLAIN, *DRAFTERS, WRONG)]
    finally:
        for peer in peers.values():
            with suppress(EdgeError, PhoneError):
                peer.phone.link.close()
        delay.close()


def open_peer(port: int, name: str, encoding: str) -> Phone:
    drafts = None if name == PLAIN else DraftConfig(name)
    with wrong_drafter():
        return open_phone(PhoneConfig(
            (BUNDLED_MODEL,), LinkConfig(f"http://127.0.0.1:{port}"), EngineOptions(threads=1),
            split=1, drafts=drafts, encoding=encoding))


@contextmanager
def wrong_drafter() -> Iterator[None]:
    from ue_app.drafts.registry import DRAFTERS as TABLE

    table: Any = TABLE
    table[WRONG] = lambda surroundings: Wrong()
    try:
        yield
    finally:
        del table[WRONG]


def ask(phone: Phone, opening: str, options: argparse.Namespace) -> Answer:
    ids = phone.prompter.encode_raw(opening)
    sampling = Sampling(temperature=options.temperature, seed=7)
    for _ in phone.conversation.ask(ids, sampling, phone.prompter.stream(), options.tokens):
        pass  # nothing is shown
    answer = phone.conversation.answer
    assert answer is not None  # it was asked
    return answer


def row_of(name: str, milliseconds: float, peers: dict[str, Peer], reasons: dict[str, str]
           ) -> dict[str, Any]:
    row: dict[str, Any] = {"round_trip_ms": milliseconds, "drafter": name, "per_trip": None,
                           "tokens_per_second": None, "times_plain": None, "same": None,
                           "bytes_up": None, "reason": reasons.get(name)}
    peer = peers.get(name)
    if peer is None:
        return row
    plain = peers[PLAIN].answers
    trips = sum(one.trips for one in peer.answers)
    rates = [rate(one) for one in peer.answers]
    ratios = [mine / theirs for mine, one in zip(rates, plain, strict=True)
              if mine is not None and (theirs := rate(one)) is not None]
    return row | {
        "per_trip": sum(len(one.ids) - 1 for one in peer.answers) / trips if trips else None,
        "tokens_per_second": report.middle(rates),
        "times_plain": statistics.median(ratios) if ratios else None,
        "bytes_up": report.middle([cost_of(one).bytes_up_per_token for one in peer.answers]),
        "same": all(one.ids == other.ids for one, other in zip(peer.answers, plain, strict=True))}


def rate(answer: Answer) -> float | None:
    """Tokens a second after the first."""
    if len(answer.times) < 3 or answer.times[-1] <= answer.times[0]:
        return None
    return (len(answer.times) - 1) / (answer.times[-1] - answer.times[0])


def openings_of(options: argparse.Namespace) -> list[str]:
    if options.stories is None:
        return list(OPENINGS[: options.openings])
    with gzip.open(options.stories / "valid.txt.gz", "rt", encoding="utf-8") as file:
        stories = file.read().split("\n\n")
    return [" ".join(one.split()[:WORDS_OF_OPENING]) for one in stories
            if len(one.split()) > 2 * WORDS_OF_OPENING][: options.openings]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two links, few openings")
    parser.add_argument("--tokens", type=int, help="of an answer (default 80; 40)")
    parser.add_argument("--openings", type=int, help="asked of each drafter (default 8; 3)")
    parser.add_argument("--temperature", type=float, default=0.0, help="default 0: greedy")
    parser.add_argument("--encoding", action="append", metavar="NAME", choices=NAMES,
                        help=f"of the rows, one of {', '.join(NAMES)}; repeat it to see several "
                             "(default: raw)")
    parser.add_argument("--stories", type=Path, metavar="FOLDER",
                        help="with valid.txt.gz, in place of the built-in openings")
    options = parser.parse_args()
    options.encoding = options.encoding or [RAW]
    options.links = (20, 40) if options.quick else LINKS
    options.tokens = options.tokens or (40 if options.quick else 80)
    options.openings = options.openings or (3 if options.quick else 8)
    options.started = time.strftime("%Y-%m-%dT%H:%M:%S")
    return options


if __name__ == "__main__":
    main()
