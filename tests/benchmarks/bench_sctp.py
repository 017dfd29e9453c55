"""Round trip of a message over each transport to the RAN, beside a bare UDP socket.

A message of 400 bytes, as a control or a small indication has, goes to a process that sends it back
at once, over this machine's loopback. Every transport is used as the xApp uses it: from an asyncio
loop at both ends. The bare socket blocks, and is what the way there and back costs without SCTP and
without a loop. All are asked in turn by the same process, so that a slow moment hits them alike.

    python -m tests.benchmarks.bench_sctp --quick
    python -m tests.benchmarks.bench_sctp --bytes 4000 --rounds 5
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tests.benchmarks import report
from tests.benchmarks.report import Figures, Measured

OWN, NODE = "tests.benchmarks.bench_sctp", "tests.xapp.ric.node"
WARM_UP = 200  # exchanges
READY = "ready"
BARE = "bare UDP socket"
TRANSPORTS = {
    "kernel SCTP": "sctp://127.0.0.1:0",
    "usrsctp in UDP": "usrsctp://127.0.0.1:0?udp=any",
    "usrsctp over raw IP": "usrsctp://127.0.0.1:0?udp=0",
    "TCP frames (tests only)": "tcp://127.0.0.1:0",
}
LABELS = ("p50", "p99", "p999")


def main() -> None:
    options = arguments()
    if options.worker:
        {"serve": serve, "ask": ask}[options.worker](options)
        return
    reasons = {name: _missing(address) for name, address in TRANSPORTS.items()}
    used = [name for name, reason in reasons.items() if reason is None]
    one = report.round_robin({"all": lambda: run(used, options)}, options)["all"]
    rows = [row(name, one, reasons.get(name)) for name in (BARE, *TRANSPORTS)]
    base = one.middle(f"{BARE} p50")
    report.print_table(
        f"{options.bytes:,} bytes there and back: {options.rounds} round(s) of "
        f"{options.exchanges:,}, others used {one.middle('others_busy') or 0:.2f} processors",
        ["", "p50 µs", "p99 µs", "p99.9 µs", "times bare p50"],
        [[each["transport"], each["p50_us"], each["p99_us"], each["p999_us"],
          report.ratio(each["p50_us"], base)] for each in rows])
    for each in rows:
        if each["reason"] is not None:
            print(f"  {each['transport']}: not measured: {each['reason']}")
    report.finish("sctp", vars(options), {"rows": rows, "rounds": one.rounds,
                                          "reason": one.reason})


def row(name: str, measured: Measured, reason: str | None) -> Figures:
    figures: Figures = {f"{label}_us": measured.middle(f"{name} {label}") for label in LABELS}
    return {"transport": name, "reason": reason or measured.reason, **figures}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one round")
    parser.add_argument("--bytes", type=int, default=400, help="of the message, default 400")
    parser.add_argument("--exchanges", type=int, default=5000, help="of each in a round")
    parser.add_argument("--rounds", type=int, help="default 3")
    parser.add_argument("--timeout", type=float, default=120.0, help="seconds a round may take")
    parser.add_argument("--worker", choices=["serve", "ask"], help=argparse.SUPPRESS)
    parser.add_argument("--udp", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--peers", nargs="*", default=[], help=argparse.SUPPRESS)
    report.add_quiet_options(parser)
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 3)
    return options


def _missing(address: str) -> str | None:
    """Why a transport cannot be measured here."""
    from tests.xapp.ric import scene

    name = next(name for name, known in scene.ADDRESSES.items() if known == address)
    return scene.missing(name)


def run(names: list[str], options: argparse.Namespace) -> Figures:
    """Start a peer for each transport, and the process that asks them in turn."""
    with ExitStack() as stack:
        udp = stack.enter_context(_started(report.python(OWN, "--worker", "serve"), options))
        peers = [f"{name}={stack.enter_context(_started(_echo(name), options))}"
                 for name in names]
        return report.run_worker(
            report.python(OWN, "--worker", "ask", "--udp", udp, "--bytes", options.bytes,
                          "--exchanges", options.exchanges, "--peers", *peers),
            1, options.timeout)


def _echo(name: str) -> list[str]:
    return report.python(NODE, "echo", TRANSPORTS[name])


@contextmanager
def _started(command: list[str], options: argparse.Namespace) -> Iterator[str]:
    process = report.start(command, 1)
    try:
        yield report.wait_for_line(process, READY, options.timeout).split()[-1]
    finally:
        report.stop(process)


def serve(options: argparse.Namespace) -> None:
    """The bare socket's other end."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bare:
        bare.bind(("127.0.0.1", 0))
        print(READY, bare.getsockname()[1], flush=True)
        while True:
            bare.sendto(*bare.recvfrom(1 << 16))


def ask(options: argparse.Namespace) -> None:
    """All in turn, exchange by exchange."""
    asyncio.run(_ask(options))


async def _ask(options: argparse.Namespace) -> None:
    from xapp.ric.transport import PPID_DU, Address, connect

    names = [peer.partition("=")[0] for peer in options.peers]
    associations = [await connect(Address.parse(peer.partition("=")[2])) for peer in options.peers]
    payload = bytes(options.bytes)
    times: dict[str, list[float]] = {name: [] for name in (BARE, *names)}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bare:
        bare.connect(("127.0.0.1", options.udp))
        for _ in range(WARM_UP + options.exchanges):
            began = time.perf_counter()
            bare.send(payload)
            bare.recv(1 << 16)
            times[BARE].append((time.perf_counter() - began) * 1e6)
            for name, association in zip(names, associations, strict=True):
                began = time.perf_counter()
                association.send(payload, PPID_DU)
                if await association.receive() is None:
                    raise ConnectionError(f"{name}: {association.ended}")
                times[name].append((time.perf_counter() - began) * 1e6)
    for association in associations:
        association.close()
        await association.wait_closed()
    print(json.dumps({f"{name} {label}": cut for name, values in times.items()
                      for label, cut in _quantiles(values[WARM_UP:]).items()}))


def _quantiles(values: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(values, n=1000, method="inclusive")
    return {"p50": cuts[499], "p99": cuts[989], "p999": cuts[998]}


if __name__ == "__main__":
    main()
