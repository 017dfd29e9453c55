"""A slow link between two processes of one machine, both directions limited alike.

As root: two network namespaces joined by a veth pair with a token bucket filter on each end; their
names hold this process's id, they are removed at the end, and what a killed run left behind is
removed at the next start. As an ordinary user: a relay process on 127.0.0.1 that forwards no faster
than its token bucket allows. Nothing leaves the namespaces or loopback, and the machine's own
interfaces are never touched. It adds no delay or loss, and it is not a radio link.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks import report

NAMESPACE = re.compile(r"airsplit-(\d+)-(phone|edge)")
PHONE_ADDRESS, EDGE_ADDRESS = "192.0.2.1", "192.0.2.2"  # set aside for examples: RFC 5737
BURST_BYTES = 4096  # of the bucket: two packets, so that the rate holds over milliseconds too
QUEUE_MILLISECONDS = 400  # a packet may wait before the filter drops it
COMMAND_SECONDS = 20.0
RELAY_READ_BYTES = 4096
MESSAGE_END = b"\n"  # `source` ends what it sends with it; the filler has none


@dataclass(frozen=True)
class Link:
    """How to start a process on either end, and where the phone finds the edge."""

    kind: str
    phone: list[str]  # in front of a command that is to run on the phone's end
    edge: list[str]
    listen: str  # address the edge listens on
    listen_port: int
    address: str  # address the phone connects to
    port: int


@contextmanager
def slow_link(megabits: float, relay_only: bool = False) -> Iterator[Link]:
    """A link of `megabits` per second each way, by the best means this user has."""
    remove_leftovers()
    if can_use_namespaces() and not relay_only:
        with _namespaces(megabits) as link:
            yield link
    else:
        with _relay(megabits) as link:
            yield link


def can_use_namespaces() -> bool:
    return os.geteuid() == 0 and all(shutil.which(tool) for tool in ("ip", "tc"))


def remove_leftovers() -> None:
    """Remove namespaces of benchmark processes that are no more."""
    if not can_use_namespaces():
        return
    for line in _command("ip", "netns", "list").splitlines():
        match = NAMESPACE.match(line)
        if match and not Path(f"/proc/{match.group(1)}").exists():
            _remove(match.group(0))


@contextmanager
def _namespaces(megabits: float) -> Iterator[Link]:
    phone, edge = (f"airsplit-{os.getpid()}-{side}" for side in ("phone", "edge"))
    try:
        for name in (phone, edge):
            _command("ip", "netns", "add", name)
        _command("ip", "-n", phone, "link", "add", "slow", "type", "veth",
                 "peer", "name", "slow", "netns", edge)
        for name, address in ((phone, PHONE_ADDRESS), (edge, EDGE_ADDRESS)):
            _command("ip", "-n", name, "address", "add", f"{address}/30", "dev", "slow")
            _command("ip", "-n", name, "link", "set", "lo", "up")
            _command("ip", "-n", name, "link", "set", "slow", "up")
            _command("tc", "-n", name, "qdisc", "add", "dev", "slow", "root", "tbf",
                     "rate", f"{round(megabits * 1e6)}bit", "burst", str(BURST_BYTES),
                     "latency", f"{QUEUE_MILLISECONDS}ms")
        yield Link("network namespaces, token bucket filter",
                   ["ip", "netns", "exec", phone], ["ip", "netns", "exec", edge],
                   EDGE_ADDRESS, 8700, EDGE_ADDRESS, 8700)
    finally:
        for name in (phone, edge):
            _remove(name)


def _remove(namespace: str) -> None:
    """End what still runs in `namespace`, then delete it with its half of the pair."""
    with suppress(subprocess.CalledProcessError):  # not there: nothing to remove
        for pid in _command("ip", "netns", "pids", namespace).split():
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        _command("ip", "netns", "delete", namespace)


def _command(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, timeout=COMMAND_SECONDS,
                          check=True)
    return done.stdout


@contextmanager
def _relay(megabits: float) -> Iterator[Link]:
    listen, port = free_port(), free_port()
    process = report.start(
        report.python("tests.benchmarks.link", "relay", "--port", port, "--to", listen,
                      "--megabits", megabits), threads=1)
    try:
        wait_for_port("127.0.0.1", port)
        yield Link("user-space relay, token bucket", [], [], "127.0.0.1", listen, "127.0.0.1", port)
    finally:
        report.stop(process)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(host: str, port: int, timeout: float = 20.0) -> None:
    """Return once something accepts connections there; `TimeoutError` if nothing does."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            socket.create_connection((host, port), timeout=1).close()
            return
        except OSError as error:
            if time.monotonic() > deadline:
                raise TimeoutError(f"nothing listens on {host}:{port}") from error
            time.sleep(0.02)


class Bucket:
    """Lets `rate` bytes a second through; `now` is passed in."""

    def __init__(self, rate: float, burst: float) -> None:
        self.rate, self.burst = rate, burst
        self.level, self.updated = burst, 0.0

    def wait(self, size: int, now: float) -> float:
        """Take `size` bytes; the seconds to wait before they may go."""
        self.level = min(self.burst, self.level + (now - self.updated) * self.rate)
        self.updated = now
        self.level -= size
        return max(0.0, -self.level / self.rate)


async def relay(port: int, to: int, megabits: float) -> None:
    """Forward connections on `port` to `to`, each direction through a bucket of its own."""
    up, down = (Bucket(megabits * 1e6 / 8, BURST_BYTES) for _ in range(2))

    async def connected(near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        try:
            far, forth = await asyncio.open_connection("127.0.0.1", to)
        except OSError:  # nobody there yet: the caller sees a closed connection
            back.close()
            return
        await asyncio.gather(pump(near, forth, up), pump(far, back, down))

    async with await asyncio.start_server(connected, "127.0.0.1", port, limit=RELAY_READ_BYTES):
        await asyncio.Event().wait()


async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, bucket: Bucket) -> None:
    """Copy until the end, no faster than `bucket`."""
    with suppress(OSError):  # a peer that goes away ends this direction
        while data := await source.read(RELAY_READ_BYTES):
            await asyncio.sleep(bucket.wait(len(data), asyncio.get_running_loop().time()))
            sink.write(data)
            await sink.drain()
    sink.close()


def sink(host: str, port: int) -> None:
    """Take messages that end with MESSAGE_END and acknowledge each; until killed."""
    with socket.create_server((host, port)) as server:
        while True:
            connection, _ = server.accept()
            with connection, suppress(OSError):  # a peer that goes away: the next one comes
                while data := connection.recv(1 << 16):
                    if data.endswith(MESSAGE_END):
                        connection.sendall(b"k")


def source(host: str, port: int, size: int, repeats: int) -> list[float]:
    """Milliseconds to send `size` bytes and hear that they came; the first one warms up."""
    times = []
    with greeted(host, port) as connection:
        for _ in range(repeats + 1):
            began = time.perf_counter()
            connection.sendall(bytes(size - 1) + MESSAGE_END)
            connection.recv(1)
            times.append((time.perf_counter() - began) * 1e3)
    return times[1:]


def greeted(host: str, port: int, timeout: float = 20.0) -> socket.socket:
    """A connection whose far end has answered: a relay accepts before anyone is behind it."""
    deadline = time.monotonic() + timeout
    while True:
        with suppress(OSError):
            connection = socket.create_connection((host, port), timeout=60)
            connection.sendall(MESSAGE_END)
            if connection.recv(1):
                return connection
            connection.close()
        if time.monotonic() > deadline:
            raise TimeoutError(f"nothing answers on {host}:{port}")
        time.sleep(0.05)


def transfer_milliseconds(link: Link, size: int, repeats: int, timeout: float) -> list[float]:
    """Times of `size` bytes over `link` with nothing computed."""
    listener = report.start(
        [*link.edge, *report.python("tests.benchmarks.link", "sink", "--host", link.listen,
                                    "--port", link.listen_port)], threads=1)
    try:
        figures = report.run_worker(
            [*link.phone, *report.python("tests.benchmarks.link", "source", "--host", link.address,
                                         "--port", link.port, "--bytes", size,
                                         "--repeats", repeats)], threads=1, timeout=timeout)
    finally:
        report.stop(listener)
    return [float(value) for value in figures["transfer_ms"]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("role", choices=["relay", "sink", "source"])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--to", type=int, help="relay: port to forward to")
    parser.add_argument("--megabits", type=float, default=20.0)
    parser.add_argument("--bytes", type=int, default=1 << 20)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    if options.role == "relay":
        with suppress(KeyboardInterrupt):
            asyncio.run(relay(options.port, options.to, options.megabits))
    elif options.role == "sink":
        sink(options.host, options.port)
    else:
        print(json.dumps({"transfer_ms": source(options.host, options.port, options.bytes,
                                                options.repeats)}))


if __name__ == "__main__":
    main()
