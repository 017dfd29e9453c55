"""Ways of running one model over a link, side by side: ours, and what people write or install.

Same random Gemma-shaped weights, same prompt, same steps, over loopback and over a link of 20 ms
and 20 Mbit/s between two namespaces (root). Ours: `split` and `semantic`, with the product's
kernels. Others compute with transformers in bf16: torch RPC (over TCP: shared memory would go round
the link) without and with a cache at the server, and activations pickled over HTTP. Peers take
turns, in rounds; figures are medians. Bytes are of IP packets, as a capture at the client's end saw
them, acknowledgements included; a token's are those of a long answer less those of a short one.

`split` is to send at most 1.05 x the physical minimum: one row, its frame (32 B), the WebSocket's
head (8 B), and one TCP/IP header with time stamps (52 B). Its tokens are to come within 5 % of what
the model takes here unsplit and one round trip of the same link, by the clocks' exchange.

    python -m tests.benchmarks.bench_peers --quick
    python -m tests.benchmarks.bench_peers --shape gemma3-270m --cache /tmp/shapes
"""

from __future__ import annotations

import argparse
import ipaddress
import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edge_server.engine.architecture import read_architecture
from edge_server.engine.family import Architecture
from edge_server.errors import EdgeError
from testbed import namespaces
from testbed.modes import capture
from testbed.modes.opening import open_mode
from testbed.modes.places import Place, Places
from testbed.modes.policies import Mode
from testbed.modes.settings import LinkKind, ModesSettings
from testbed.modes.trial import WARM_ID, cpu_of, mode_config
from tests.benchmarks import report, shapes

OURS = (str(Mode.LOCAL), str(Mode.SPLIT), str(Mode.SEMANTIC))
OTHERS = ("rpc-stateless", "rpc-stateful", "pickle-http")
ABSENT = {  # named by whoever compares, and why they are not here
    "accelerate": "its dispatch moves weights between devices of one machine; over a network "
                  "people write the RPC that is above",
    "llama.cpp RPC": "runs by ctypes where llama-cpp-python was built with GGML_RPC; not wired up",
    "Petals": "installs beside an old hivemind and imports with a shim; no swarm was tried"}
FRAME, WEBSOCKET, TCP_IP = 32, 8, 52  # bytes
MOST_BYTES, MOST_TIME = 1.05, 1.05
SHORT = 2  # tokens of the answer whose bytes are taken off
READY_SECONDS = 120.0
LATE_SECONDS = 0.3  # a delayed acknowledgement is of an answer, too


def bytes_of(place: Place, port: int | None, run: Callable[[], dict[str, Any]]
             ) -> tuple[dict[str, Any], int | None, int | None]:
    """What `run` answers, and the IP bytes up and down meanwhile; None where nobody can tell.

    On loopback both ends have one address: there a peer's server is known by its port alone.
    """
    ends = place.ends
    loopback = ends.near is None
    watch = None if loopback and port is None else place.inside(
        lambda: capture.begin(ends.device, port if loopback else None))
    answer = run()
    time.sleep(LATE_SECONDS)
    packets = None if watch is None else watch.packets()
    if packets is None:
        return answer, None, None
    if loopback:
        away = packets["destination_port"] == port
    else:
        far = np.zeros(16, np.uint8)
        far[:4] = list(ipaddress.IPv4Address(ends.address).packed)
        away = (packets["destination"] == far).all(axis=1)
    return answer, int(packets["length"][away].sum()), int(packets["length"][~away].sum())


class Ours:
    """One of the product's modes."""

    def __init__(self, mode: Mode, settings: ModesSettings, place: Place, stack: ExitStack) -> None:
        self._opened = place.inside(lambda: stack.enter_context(
            open_mode(mode_config(replace(settings, mode=mode), place))))
        server = {Mode.SPLIT: place.edge, Mode.SEMANTIC: place.server}.get(mode)
        self.port = None if server is None else server.port
        self.process = None if server is None else server.process

    def forget(self) -> None:
        """What is held of the last prompt would be used again."""
        self._opened.ask([WARM_ID], 1)

    def ask(self, prompt: list[int], tokens: int) -> dict[str, Any]:
        before = time.thread_time()  # one thread computes: this one
        answer = self._opened.ask(prompt, tokens)
        return {"times": [one - answer.started for one in answer.times],
                "cpu": time.thread_time() - before}


class Other:
    """Two processes of `peers_worker`."""

    def __init__(self, peer: str, model: Path, vocabulary: int, place: Place, stack: ExitStack
                 ) -> None:
        ends = place.ends
        self._vocabulary = vocabulary
        self.port = 8800 if peer == "pickle-http" else None  # RPC listens where it likes
        words = [peer, str(model), ends.address, "--device", ends.device]
        self._server = stack.enter_context(_process(ends.far, ["serve", *words]))
        _until_ready(self._server)
        self.process = self._server.pid
        self._client = stack.enter_context(_process(ends.near, ["ask", *words]))
        _until_ready(self._client)

    def forget(self) -> None:
        """Each of its answers begins anew."""

    def ask(self, prompt: list[int], tokens: int) -> dict[str, Any]:
        assert self._client.stdin is not None
        assert self._client.stdout is not None
        order = {"prompt": len(prompt), "vocabulary": self._vocabulary, "tokens": tokens}
        self._client.stdin.write(json.dumps(order) + "\n")
        self._client.stdin.flush()
        line = self._client.stdout.readline()
        if not line.startswith("{"):
            raise EdgeError("The peer ended.", "Run peers_worker by itself.")
        found: dict[str, Any] = json.loads(line)
        return found


@contextmanager
def _process(namespace: str | None, words: list[str]) -> Iterator[subprocess.Popen[str]]:
    inside = ["ip", "netns", "exec", namespace] if namespace else []
    process = subprocess.Popen(
        [*inside, sys.executable, "-m", "tests.benchmarks.peers_worker", *words],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for one in (process.stdin, process.stdout):
            if one is not None:
                one.close()


def _until_ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    patience = threading.Timer(READY_SECONDS, process.kill)
    patience.start()
    try:
        for line in process.stdout:
            if line.strip() == "ready":
                return
    finally:
        patience.cancel()
    raise EdgeError("The peer did not start.", "Run peers_worker by itself.")


def main() -> None:
    options = arguments()
    rows: list[dict[str, Any]] = []
    targets: list[dict[str, Any]] = []
    links = [LinkKind.LOOPBACK]
    if namespaces.available():
        links = [LinkKind.SHAPED] if options.quick else [*links, LinkKind.SHAPED]
    architecture = read_architecture(shapes.configuration(options.shape), options.shape)
    places = Places()
    with shapes.checkpoint(options.shape, options.cache) as model:
        try:
            for link in links:
                mine, judged = over(link, model, architecture, places, options)
                rows, targets = rows + mine, [*targets, judged]
        finally:
            places.close()
    rows += [{"link": None, "peer": name, "reason": why} for name, why in ABSENT.items()]
    columns = ("tokens_per_second", "first_token_ms", "token_ms", "up_per_token", "down_per_token",
               "cpu_client_ms", "cpu_server_ms")
    report.print_table(
        f"{options.shape}: {options.prompt} tokens of prompt, {options.tokens} of answer",
        ["link", "peer", "1/s", "first ms", "token ms", "up B", "down B", "CPU ms", "its CPU"],
        [[row["link"], row["peer"], *(row.get(one) for one in columns)] for row in rows])
    for row in rows:
        if row.get("reason"):
            print(f"  {row['peer']}: {row['reason']}")
    for one in targets:
        print(f"  {one['link']}: split sends {_text(one['bytes_ratio'])} x the minimum "
              f"({'met' if one['bytes_met'] else 'MISSED'}, at most {MOST_BYTES}); its tokens take "
              f"{_text(one['time_ratio'])} x unsplit and a round trip "
              f"({'met' if one['time_met'] else 'MISSED'}, at most {MOST_TIME})")
    report.finish("peers", vars(options) | {"cache": str(options.cache)},
                  {"rows": rows, "targets": targets})


def _text(value: float | None) -> str:
    return "?" if value is None else f"{value:.3f}"


def over(link: LinkKind, model: Path, architecture: Architecture, places: Places,
         options: argparse.Namespace) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """All peers over one link, in turn, and the two targets."""
    settings = ModesSettings(model=model, link=link, rate_mbps=20.0, round_trip_ms=20.0,
                             context=1024)
    prompt = shapes.prompt_ids(options.prompt, architecture.vocabulary)
    rows: list[dict[str, Any]] = []
    found: dict[str, dict[str, Any]] = {}
    with ExitStack() as stack:
        place = places.place(replace(settings, mode=Mode.SPLIT))
        place = replace(place, server=places.place(
            replace(settings, mode=Mode.SEMANTIC)).server)
        peers: dict[str, Any] = {}
        for name in (*OURS, *(one for one in OTHERS if one in options.others)):
            try:
                peers[name] = (Other(name, model, architecture.vocabulary, place, stack)
                               if name in OTHERS else Ours(Mode(name), settings, place, stack))
            except (EdgeError, OSError) as error:
                rows.append({"link": str(link), "peer": name, "reason": str(error)})
        rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in peers}
        trips = []
        for _ in range(options.rounds):
            trips.append(_round_trip(place))
            for name, peer in peers.items():
                rounds[name].append(measured(peer, prompt, place, options))
        for name, ones in rounds.items():
            found[name] = {key: report.middle([one[key] for one in ones]) for key in ones[0]}
            rows.append({"link": str(link), "peer": name} | found[name])
    return rows, judge(link, found, architecture.hidden, report.middle(trips))


def measured(peer: Any, prompt: list[int], place: Place, options: argparse.Namespace
             ) -> dict[str, Any]:
    """A warm answer, then a short and a long one, each counted."""
    peer.ask(prompt, SHORT)
    counts = []
    for tokens in (SHORT, options.tokens):
        peer.forget()
        before = cpu_of(peer.process)
        answer, up, down = bytes_of(place, peer.port, lambda: peer.ask(prompt, tokens))  # noqa: B023 - called here
        after = cpu_of(peer.process)
        counts.append((up, down))
    gaps = np.diff(answer["times"])
    (up_short, down_short), (up_long, down_long) = counts
    more = options.tokens - SHORT
    return {
        "tokens_per_second": 1 / float(np.mean(gaps)), "token_ms": float(np.median(gaps)) * 1e3,
        "first_token_ms": answer["times"][0] * 1e3,
        "up_per_token": _gained(up_long, up_short, more),
        "down_per_token": _gained(down_long, down_short, more),
        "cpu_client_ms": answer["cpu"] / options.tokens * 1e3,
        "cpu_server_ms": None if after is None or before is None else
        (after - before) / options.tokens * 1e3}


def _gained(long: int | None, short: int | None, tokens: int) -> float | None:
    return None if long is None or short is None else (long - short) / tokens


def _round_trip(place: Place) -> float | None:
    """Seconds of an exchange of some 60 bytes, median."""
    from testbed.modes.channel import Channel
    from testbed.modes.wire import Kind, Message

    server = place.server
    if server is None:
        return None

    def exchange() -> float:
        import socket

        channel = Channel(socket.create_connection((server.host, server.port), timeout=20))
        taken = []
        for _ in range(20):
            began = time.monotonic()
            channel.send(Message(Kind.CLOCK))
            channel.expect(Kind.CLOCK)
            taken.append(time.monotonic() - began)
        channel.close()
        return statistics.median(taken)

    return place.inside(exchange)


def judge(link: LinkKind, found: dict[str, dict[str, Any]], hidden: int,
          round_trip: float | None) -> dict[str, Any]:
    split, local = found.get(str(Mode.SPLIT), {}), found.get(str(Mode.LOCAL), {})
    up, token, alone = split.get("up_per_token"), split.get("token_ms"), local.get("token_ms")
    minimum = hidden * 2 + FRAME + WEBSOCKET + TCP_IP
    by_bytes = None if up is None else up / minimum
    by_time = None
    if token is not None and alone is not None and round_trip is not None:
        by_time = token / (alone + round_trip * 1e3)
    return {"link": str(link), "minimum": minimum, "bytes_ratio": by_bytes,
            "bytes_met": by_bytes is not None and by_bytes <= MOST_BYTES,
            "round_trip_ms": None if round_trip is None else round_trip * 1e3,
            "time_ratio": by_time, "time_met": by_time is not None and by_time <= MOST_TIME}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true",
                        help="a tiny shape, short answers, one link")
    parser.add_argument("--shape", help="of the model (default gemma3-270m; tiny)",
                        choices=sorted(shapes.SHAPES))
    parser.add_argument("--cache", type=Path, metavar="FOLDER",
                        help="keep the shape's folder there")
    parser.add_argument("--prompt", type=int, default=32, help="tokens (default: %(default)s)")
    parser.add_argument("--others", nargs="*", choices=OTHERS, default=list(OTHERS), metavar="PEER",
                        help="beside ours (default: all). With a large vocabulary rpc-stateless "
                             "takes minutes: it sends every position's scores for each token")
    parser.add_argument("--rounds", type=int, help="default 5; 1")
    parser.add_argument("--tokens", type=int, help="of an answer (default 64; 20)")
    options = parser.parse_args()
    options.shape = options.shape or ("tiny" if options.quick else "gemma3-270m")
    options.rounds = options.rounds or (1 if options.quick else 5)
    options.tokens = options.tokens or (20 if options.quick else 64)
    return options


if __name__ == "__main__":
    main()
