"""Ways of running one model over a link, side by side: ours, and what people write or install.

Same random Gemma-shaped weights, same prompt, same steps, over loopback and over a link of 20 ms
and 20 Mbit/s between two namespaces (root). Ours: `split` and `semantic`, with the product's
kernels. Others: torch RPC (over TCP: shared memory would go round the link) without and with a
cache at the server and by RemoteModule, and activations pickled over HTTP, all with transformers in
bf16; llama.cpp's RPC; Petals, on Llama's shape. The last two need an environment of their own, and
are left out with the reason where there is none. Peers take turns, in rounds; figures are medians.
Bytes are of IP packets, as a capture at the client's end saw them, acknowledgements included; a
token's are those of a long answer less those of a short one. "same" is how many tokens of the
answer are the unsplit model's, up to the first that differs: arithmetic differs by peer.

`split` is to send at most 1.05 x the physical minimum: one row, its frame (32 B), the WebSocket's
head (8 B), and one TCP/IP header with time stamps (52 B). Its tokens are to come within 5 % of what
the model takes here unsplit and one round trip of the same link, by the clocks' exchange.

    python -m tests.benchmarks.bench_peers --quick
    python -m tests.benchmarks.bench_peers --shape gemma3-270m --cache /tmp/shapes
    python -m tests.benchmarks.bench_peers --shape tiny --llama-python LLAMA/bin/python \\
        --petals-python PETALS/bin/python

The environment for llama.cpp is built from source, some ten minutes on two cores:

    python3.11 -m venv LLAMA
    CMAKE_ARGS="-DGGML_NATIVE=ON -DGGML_RPC=ON" LLAMA/bin/pip install gguf llama-cpp-python \\
        --no-binary llama-cpp-python

The one for Petals, whose last release pins a hivemind that no longer builds:

    python3.11 -m venv PETALS
    PETALS/bin/pip install -r tests/benchmarks/peers_petals.txt
    PETALS/bin/pip install --no-deps petals==2.2.0.post1
"""

from __future__ import annotations

import argparse
import fcntl
import ipaddress
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from edge_server.engine.architecture import read_architecture
from edge_server.engine.family import Architecture
from edge_server.errors import EdgeError
from testbed import namespaces
from testbed.modes import capture
from testbed.modes.places import Place, Places
from testbed.modes.policies import Mode
from testbed.modes.settings import LinkKind, ModesSettings
from tests.benchmarks import report, shapes
from tests.benchmarks.peers import OTHERS, Other, Ours, interpreters, model_for
from tests.benchmarks.peers_loop import family_seconds
from ue_app.errors import PhoneError

OURS = (str(Mode.LOCAL), str(Mode.SPLIT), str(Mode.SEMANTIC))
ABSENT = {  # named by whoever compares, and why they are not here
    "accelerate": "what it has over a network, prepare_pippy, cannot cut a model with rotary "
                  "positions: 1.15 with torch 2.13 and 2.14 ends with \"Expected positional "
                  "argument for parameter unsqueeze_default, but one was not passed in!\" "
                  "(pytorch/pytorch#184361, open). Its dispatch is for devices of one machine"}
FAILURES = (EdgeError, PhoneError, OSError)  # of one peer, for which the others do not stop
FRAME, WEBSOCKET, TCP_IP = 32, 8, 52  # bytes
MOST_BYTES, MOST_TIME = 1.05, 1.05
CONTEXT = 1024  # tokens that each end has room for
SHORT = 2  # tokens of the answer whose bytes are taken off
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


def main() -> None:
    options = arguments()
    rows: list[dict[str, Any]] = []
    targets: list[dict[str, Any]] = []
    architecture = read_architecture(shapes.configuration(options.shape), options.shape)
    places = Places()
    with (shapes.checkpoint(options.shape, options.cache) as model,
          tempfile.TemporaryDirectory(prefix="airsplit-peers-") as folder):
        try:
            others, missing = prepared(model, options.cache or Path(folder), options)
            for link in options.links:
                mine, judged = over(link, model, others, architecture, places, options)
                rows, targets = rows + mine, [*targets, judged]
        finally:
            places.close()
    rows += missing + [{"link": None, "peer": name, "reason": why} for name, why in ABSENT.items()]
    show(rows, targets, options)


COLUMNS = {"tokens_per_second": "1/s", "first_token_ms": "first ms", "token_ms": "token ms",
           "up_per_token": "up B", "down_per_token": "down B", "cpu_client_ms": "CPU ms",
           "cpu_server_ms": "its CPU", "same": "same"}


def show(rows: list[dict[str, Any]], targets: list[dict[str, Any]], options: argparse.Namespace
         ) -> None:
    """Those that were measured, why the others were not, in what they differ, and the targets."""
    report.print_table(
        f"{options.shape}: {options.prompt} tokens of prompt, {options.tokens} of answer",
        ["link", "peer", *COLUMNS.values()],
        [[row["link"], row["peer"], *(row.get(one) for one in COLUMNS)]
         for row in rows if not row.get("reason")])
    for row in rows:
        if row.get("reason"):
            where = f" over {row['link']}" if row["link"] else ""
            print(f"  not measured{where}: {row['peer']}. {row['reason']}")
    measured_ones = {row["peer"] for row in rows if not row.get("reason")}
    for name, peer in OTHERS.items():
        if name in measured_ones:
            print(f"  {name}: {peer.note}")
    for one in targets:
        print(f"  {one['link']}: split sends {_text(one['bytes_ratio'])} x the minimum "
              f"({_verdict(one['bytes_met'])}, at most {MOST_BYTES}); its tokens take "
              f"{_text(one['time_ratio'])} x unsplit and a round trip "
              f"({_verdict(one['time_met'])}, at most {MOST_TIME})")
    report.finish("peers", vars(options) | {"cache": str(options.cache)},
                  {"rows": rows, "targets": targets})


def _verdict(met: bool | None) -> str:
    return "not measured" if met is None else "met" if met else "MISSED"


def _text(value: float | None) -> str:
    return "?" if value is None else f"{value:.3f}"


def prepared(model: Path, folder: Path, options: argparse.Namespace
             ) -> tuple[dict[str, tuple[str, Path]], list[dict[str, Any]]]:
    """By name the others' interpreter and model, and the rows of those that cannot be had."""
    found: dict[str, tuple[str, Path]] = {}
    missing: list[dict[str, Any]] = []
    by_module = interpreters(options.llama_python, options.petals_python)
    for name in options.others:
        python = by_module[OTHERS[name].module]
        try:
            found[name] = python, model_for(name, python, model, folder)
        except EdgeError as error:
            missing.append({"link": None, "peer": name, "reason": str(error)})
    return found, missing


def over(link: LinkKind, model: Path, others: dict[str, tuple[str, Path]],
         architecture: Architecture, places: Places, options: argparse.Namespace
         ) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """All peers over one link, in turn, and the two targets."""
    settings = ModesSettings(model=model, link=link, rate_mbps=20.0, round_trip_ms=20.0,
                             context=CONTEXT)
    prompt = shapes.prompt_ids(options.prompt, architecture.vocabulary)
    reasons: dict[str, str] = {}
    peers: dict[str, Ours | Other] = {}
    with ExitStack() as stack:
        place = places.place(replace(settings, mode=Mode.SPLIT))
        place = replace(place, server=places.place(
            replace(settings, mode=Mode.SEMANTIC)).server)
        for name in others:
            _start(name, peers, reasons, partial(
                Other, name, *others[name], architecture.layers // 2 + 1, place, stack))
        with undisturbed(options.lock):  # ours start after it: a waiting session would be closed
            for mode in OURS:
                _start(mode, peers, reasons, partial(Ours, Mode(mode), settings, place, stack))
            rounds, trips = in_turn({name: peers[name] for name in (*OURS, *others)
                                     if name in peers}, reasons, prompt, place, options)
    found = {name: middles(ones) for name, ones in rounds.items() if name not in reasons}
    alone = found.get(str(Mode.LOCAL), {}).get("ids")
    rows = [{"link": str(link), "peer": name} | figures
            | {"same": same(figures["ids"], alone) if comparable(name) else None}
            for name, figures in found.items()]
    rows += [{"link": str(link), "peer": name, "reason": why} for name, why in reasons.items()]
    return rows, judge(link, found, architecture.hidden, report.middle(trips))


def _start(name: str, peers: dict[str, Ours | Other], reasons: dict[str, str],
           make: Callable[[], Ours | Other]) -> None:
    report.progress(f"{name} starts")
    try:
        peers[name] = make()
    except FAILURES as error:
        reasons[name] = str(error)


@contextmanager
def undisturbed(lock: Path | None) -> Iterator[None]:
    """Hold the lock of a file, which others that measure on this machine also take."""
    if lock is None:
        yield
        return
    with lock.open("a") as file:
        report.progress(f"waits for {lock}")
        fcntl.flock(file, fcntl.LOCK_EX)
        report.progress(f"has {lock}")
        yield


def in_turn(peers: dict[str, Ours | Other], reasons: dict[str, str], prompt: list[int],
            place: Place, options: argparse.Namespace
            ) -> tuple[dict[str, list[dict[str, Any]]], list[float | None]]:
    """Rounds of all peers, and a round trip of each; who fails is out, its reason is noted."""
    rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in peers}
    trips = []
    for number in range(options.rounds):
        trips.append(_round_trip(place))
        for name, peer in peers.items():
            if name in reasons:
                continue
            report.progress(f"round {number + 1}/{options.rounds}: {name}")
            try:
                rounds[name].append(measured(peer, prompt, place, options))
            except FAILURES as error:
                reasons[name] = str(error)
    return rounds, trips


def middles(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """Of each figure the median; the tokens are the first round's."""
    return {key: rounds[0][key] if key == "ids" else report.middle([one[key] for one in rounds])
            for key in rounds[0]}


def comparable(name: str) -> bool:
    return name in OURS or OTHERS[name].same_weights


def same(ids: list[int], alone: list[int] | None) -> int | None:
    """How many of the first tokens are those of the model unsplit."""
    if alone is None:
        return None
    differs = (place for place, (one, other) in enumerate(zip(ids, alone, strict=False))
               if one != other)
    return next(differs, min(len(ids), len(alone)))


def measured(peer: Ours | Other, prompt: list[int], place: Place, options: argparse.Namespace
             ) -> dict[str, Any]:
    """A warm answer, then a short and a long one, each counted."""
    peer.ask(prompt, SHORT)
    counts = []
    for tokens in (SHORT, options.tokens):
        peer.forget()
        before = family_seconds(peer.process)
        answer, up, down = bytes_of(place, peer.port, lambda: peer.ask(prompt, tokens))  # noqa: B023 - called here
        after = family_seconds(peer.process)
        counts.append((up, down))
    gaps = np.diff(answer["times"])
    (up_short, down_short), (up_long, down_long) = counts
    more = options.tokens - SHORT
    return {
        "tokens_per_second": 1 / float(np.mean(gaps)), "token_ms": float(np.median(gaps)) * 1e3,
        "first_token_ms": answer["times"][0] * 1e3, "ids": answer["ids"],
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
            "bytes_met": None if by_bytes is None else by_bytes <= MOST_BYTES,
            "round_trip_ms": None if round_trip is None else round_trip * 1e3,
            "time_ratio": by_time, "time_met": None if by_time is None else by_time <= MOST_TIME}


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true",
                        help="a tiny shape, short answers, one link")
    parser.add_argument("--shape", help="of the model (default gemma3-270m; tiny)",
                        choices=sorted(shapes.SHAPES))
    parser.add_argument("--cache", type=Path, metavar="FOLDER",
                        help="keep the shape's folder there, and the others' forms of it")
    parser.add_argument("--prompt", type=int, default=32, help="tokens (default: %(default)s)")
    parser.add_argument("--others", nargs="*", choices=OTHERS, default=list(OTHERS), metavar="PEER",
                        help=f"beside ours, of {', '.join(OTHERS)} (default: all). With a large "
                             "vocabulary rpc-stateless takes minutes: it sends every position's "
                             "scores for each token")
    parser.add_argument("--llama-python", metavar="PATH",
                        help="interpreter that has llama_cpp, built with its RPC backend, and gguf "
                             "(default: this one)")
    parser.add_argument("--petals-python", metavar="PATH",
                        help="interpreter that has petals (default: this one)")
    parser.add_argument("--links", nargs="+", type=LinkKind, metavar="LINK",
                        choices=[LinkKind.LOOPBACK, LinkKind.SHAPED],
                        help="loopback, shaped (default: both; with --quick shaped; without root "
                             "loopback)")
    parser.add_argument("--lock", type=Path, metavar="FILE",
                        help="hold this file's lock (as flock does) during the rounds, not while "
                             "peers start")
    parser.add_argument("--rounds", type=int, help="default 5; 1")
    parser.add_argument("--tokens", type=int, help="of an answer (default 64; 20)")
    options = parser.parse_args(words)
    options.shape = options.shape or ("tiny" if options.quick else "gemma3-270m")
    given = options.rounds, options.tokens
    options.rounds, options.tokens = (
        usual if one is None else one
        for one, usual in zip(given, (1, 20) if options.quick else (5, 64), strict=True))
    options.links = options.links or usual_links(options.quick)
    if problem := wrong(options):
        parser.error(problem)
    return options


def usual_links(quick: bool) -> list[LinkKind]:
    if not namespaces.available():
        return [LinkKind.LOOPBACK]
    return [LinkKind.SHAPED] if quick else [LinkKind.LOOPBACK, LinkKind.SHAPED]


def wrong(options: argparse.Namespace) -> str | None:
    """What is wrong with the options together; None of nothing."""
    if options.rounds < 1 or options.prompt < 1:
        return "--rounds and --prompt have to be 1 or more"
    if options.tokens <= SHORT:
        return f"--tokens has to be more than {SHORT}: a short answer's bytes are taken off"
    if options.prompt + options.tokens > CONTEXT:
        return f"--prompt and --tokens together have to be at most {CONTEXT}"
    if LinkKind.SHAPED in options.links and not namespaces.available():
        return "a shaped link takes root, `ip` and /dev/net/tun; use --links loopback"
    return None


if __name__ == "__main__":
    main()
