"""An xApp and emulated base stations as an operator runs them: processes, SCTP between them.

    with World(folder, "steering: {effect_seconds: 3}") as world:
        node = world.node("oai")
        world.tap.sees(node.llm_address)
        until(lambda: world.xapp.decisions(node.name), "a decision")

The tap is a ZeroMQ publisher of this process. Base stations have the same addresses in their
presets, so this process serves one UE map that keeps them apart. Nothing waits for a time: things
are asked for until they are there, or a deadline passes.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

from classifier.labels import LLM_SPLIT
from classifier.messages import Labelled, TapStatus
from classifier.publisher import Publisher
from xapp.store_read import Reader, Row

ROOT = Path(__file__).resolve().parents[3]
PATIENCE = 60.0  # seconds for what must come, where each core has one program to run
MOST_CROWDED = 4.0  # times that; more than that no test is to take
ANSWER = 10.0  # seconds for an answer over HTTP, of a process that gives way to all others
EVERY = 0.05  # seconds between two looks
TAP_EVERY = 0.25  # seconds between a tap's messages
CLOSING = 45.0  # seconds for a process to end in order
FIRST_GNB = 411  # of a world's first base station
CONFIGURATION = """
listen: ["usrsctp://127.0.0.1:0?udp=any"]
taps: [{{address: "{tap}"}}]
kpi_labels: false
ue_map: {{emulator: "{map}", every: 0.3}}
ran:
  slices: ["1", "1-000001"]
  period_ms: 200
  nodes: [{nodes}]
policies: [{{name: llm, inter_token_ms: 100, floors: {{"1": 10}}}}]
{more}
"""

T = TypeVar("T")


def until(ask: Callable[[], T], what: str, seconds: float = PATIENCE) -> T:
    """What `ask` says once it says something; fails with `what` where it never does."""
    began = time.monotonic()
    while True:
        with suppress(TimeoutError):  # who is asked had no processor yet
            if found := ask():
                return found
        assert time.monotonic() - began < seconds * crowded(), f"it never came: {what}"
        time.sleep(EVERY)


def crowded() -> float:
    """How many programs want each core; what takes a second alone takes so many now."""
    return min(max(os.getloadavg()[0] / (os.cpu_count() or 1), 1.0), MOST_CROWDED)


class Process:
    """One `airsplit` command; its lines go to a file."""

    def __init__(self, lines: Path, *arguments: str, before: Callable[[], None] | None = None,
                 environment: Mapping[str, str] | None = None) -> None:
        self.lines = lines
        with lines.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "testbed.cli", *arguments], cwd=ROOT, stdout=out,
                stderr=subprocess.STDOUT, preexec_fn=before,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})})

    @property
    def text(self) -> str:
        return self.lines.read_text(encoding="utf-8", errors="replace")

    def says(self, words: str) -> str:
        """The first line with these words, once there is one."""
        def look() -> str:
            assert self.process.poll() is None, f"it ended: {self.text}"
            return next((one for one in self.text.splitlines() if words in one), "")

        return until(look, f"{words!r} in {self.lines.name}")

    def end(self) -> int:
        """In order, as by an operator."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(CLOSING * crowded())
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"it does not end: {self.text[-4000:]}") from None

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


class Xapp(Process):
    """`airsplit xapp` with its REST API and its store."""

    def __init__(self, folder: Path, config: Path, listen: str | None = None,
                 before: Callable[[], None] | None = None,
                 environment: Mapping[str, str] | None = None) -> None:
        self.store = folder / "store" / "xapp.db"
        self.store.parent.mkdir(exist_ok=True)
        self.lines = folder / "xapp.lines"
        self._skip = self.text.count("connect to") if self.lines.exists() else 0
        super().__init__(
            self.lines, "xapp", "--config", str(config), "--store", str(self.store),
            "--api-port", "0", "--token-file", str(folder / "token"),
            *(("--listen", listen) if listen else ()), before=before, environment=environment)

    def ready(self) -> None:
        line = until(self._line, f"its first line: {self.text}")
        self.address = line.split("connect to ")[1].split(";")[0]
        self.api = line.split("API at ")[1].split()[0]

    def _line(self) -> str:
        assert self.process.poll() is None, self.text
        found = [one for one in self.text.splitlines() if "connect to" in one]
        return found[self._skip] if len(found) > self._skip else ""

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self.api}/api/v1/{path}",
                                    timeout=ANSWER * crowded()) as answer:
            return json.load(answer)

    def decisions(self, node: str, *states: str) -> list[dict[str, Any]]:
        """A base station's, oldest first."""
        found = [one for one in self.get("decisions?limit=200")["items"]
                 if one["cell"].startswith(f"{node}/")]
        return [one for one in found[::-1] if not states or one["state"] in states]

    def events(self, code: str = "", subject: str = "") -> list[dict[str, Any]]:
        return [one for one in self.get("events?limit=200")["items"]
                if code in ("", one["code"]) and subject in one["subject"] + one["sentence"]]

    def count(self, code: str) -> int:
        """How many such events the audit log has."""
        return sum(one["kind"] == "event" and one["body"]["code"] == code for one in self.audit())

    def metric(self, name: str) -> float:
        """A counter of all, as Prometheus reads it."""
        with urllib.request.urlopen(f"{self.api}/metrics",
                                    timeout=ANSWER * crowded()) as answer:
            lines = answer.read().decode().splitlines()
        return next(float(line.split()[-1]) for line in lines
                    if line.startswith(f"airsplit_xapp_{name} "))

    def has(self, code: str, subject: str = "") -> None:
        """Waits for such an event."""
        until(lambda: self.events(code, subject), f"{code} of {subject or 'anything'}")

    def audit(self) -> list[Row]:
        """Read from the file; its chain of hashes must hold."""
        with Reader(self.store) as reader:
            assert reader.verify() is None
            return list(reader.audit())

    def held(self) -> dict[str, Any]:
        with Reader(self.store) as reader:
            return {str(one.target): one for one in reader.held()}


class Node(Process):
    """`airsplit e2-node`."""

    def __init__(self, folder: Path, profile: str, ric: str, number: int, *options: str) -> None:
        self.profile, self.gnb = profile, FIRST_GNB + number
        self.number, self.name = number, f"gnb_00101_{self.gnb:06x}"
        super().__init__(
            folder / f"{number}-{profile}.lines", "e2-node", "--profile", profile, "--ric", ric,
            "--gnb-id", str(self.gnb), "--load", "overload", "--map-port", "0",
            "--report-period", "0.2", *options)

    def ready(self) -> None:
        self.url = self.says("UE map at ").split(" at ")[1].removesuffix("/ues")

    @property
    def llm_address(self) -> str:
        """Of the split LLM's UE, in the world's map."""
        return _apart("10.46.0.2", self.number)

    def ask(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=ANSWER * crowded()) as answer:
            return json.load(answer)

    def shares(self) -> dict[str, tuple[int, int, int]]:
        """Of its slices: minimum, maximum, dedicated."""
        return {one["slice"]: (one["minimum"], one["maximum"], one["dedicated"])
                for one in self.ask("/state")["slices"]}

    def limits(self) -> dict[int, tuple[int, int]]:
        """Of its UEs: minimum, maximum."""
        return {one["f1_id"]: (one["minimum"], one["maximum"])
                for one in self.ask("/state")["ues"]}

    @property
    def untouched(self) -> bool:
        return (set(self.limits().values()) == {(0, 100)}
                and set(self.shares().values()) == {(0, 100, 0)})


class Tap:
    """Says four times a second what it sees, from a thread of its own."""

    def __init__(self) -> None:
        self._publisher = Publisher("tcp://127.0.0.1:*")
        self.address, self._seen, self.silent = self._publisher.address, list[str](), False
        self.aside: Callable[[Publisher], None] = lambda publisher: None  # what else it does
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._speak)
        self._thread.start()

    def sees(self, address: str) -> None:
        self._seen.append(address)

    def over(self) -> None:
        """No flow is under way any more."""
        self._seen.clear()

    def _speak(self) -> None:
        while not self._over.wait(TAP_EVERY):
            if self.silent:
                continue
            now, seen = time.time_ns(), list(self._seen)
            for place, address in enumerate(seen):
                self._publisher.send(Labelled(
                    place + 1, LLM_SPLIT, 0.97, "AFTER_2_S", now, address, "192.0.2.1", 40000,
                    8470, 6, tap="test", model="0"))
            self.aside(self._publisher)
            self._publisher.send(TapStatus(
                now, 1.0, 1, 1, 0, len(seen), len(seen), 0, self._publisher.sent, 0.0, "test",
                "0"))

    def close(self) -> None:
        self._over.set()
        self._thread.join()
        self._publisher.close()


class World:
    """An xApp, its tap and its map; base stations as they are asked for."""

    def __init__(self, folder: Path, more: str = "", kinds: Sequence[str] = (),
                 before: Callable[[], None] | None = None,
                 environment: Mapping[str, str] | None = None) -> None:
        """`kinds` are of base stations in their order that have to be named; "" need not be."""
        self.folder, self.nodes, self._environment = folder, list[Node](), environment
        self.tap = Tap()
        self._map = ThreadingHTTPServer(("127.0.0.1", 0), _map_of(self))
        self._serving = threading.Thread(target=self._map.serve_forever, args=(0.05,))
        self._serving.start()
        self.config = folder / "xapp.yaml"
        named = ", ".join(f"{{name: gnb_00101_{FIRST_GNB + place:06x}, profile: {kind}}}"
                          for place, kind in enumerate(kinds) if kind)
        self.config.write_text(CONFIGURATION.format(
            tap=self.tap.address, more=more, nodes=named,
            map=f"http://127.0.0.1:{self._map.server_address[1]}/ues"), encoding="utf-8")
        self.xapp = Xapp(folder, self.config, before=before, environment=environment)
        self.xapp.ready()

    def node(self, profile: str, *options: str) -> Node:
        found = Node(self.folder, profile, self.xapp.address, len(self.nodes), *options)
        self.nodes.append(found)
        return found

    def again(self, node: Node, *options: str) -> Node:
        """The same base station, started anew after it was killed."""
        node.lines.unlink()
        found = Node(self.folder, node.profile, self.xapp.address, node.number, *options)
        self.nodes[self.nodes.index(node)] = found
        return found

    def xapp_again(self) -> None:
        """The xApp started anew, where base stations know it to be."""
        self.xapp = Xapp(self.folder, self.config, self.xapp.address,
                         environment=self._environment)
        self.xapp.ready()

    def ues(self) -> list[dict[str, Any]]:
        found = []
        for node in self.nodes:
            if not hasattr(node, "url"):
                continue
            try:
                entries = node.ask("/ues")["ues"]
            except (OSError, urllib.error.URLError):
                continue  # it was killed
            found += [one | {"address": _apart(one["address"], node.number)} for one in entries]
        return found

    def __enter__(self) -> World:
        return self

    def __exit__(self, *_: object) -> None:
        for one in (self.xapp, *self.nodes):
            if one.process.poll() is None:
                one.kill()
        self._map.shutdown()
        self._serving.join()
        self._map.server_close()
        self.tap.close()


def _apart(address: str, number: int) -> str:
    first, second, third, last = address.split(".")
    return f"{first}.{second}.{int(third) + 10 * number}.{last}"


def _map_of(world: World) -> type[BaseHTTPRequestHandler]:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"ues": world.ues()}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with suppress(ConnectionError):  # who asked waits no longer
                self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            """Nobody reads it."""

    return Answer


def hang_up(node: Node) -> None:
    """As if somebody restarted the base station."""
    node.process.send_signal(signal.SIGHUP)
