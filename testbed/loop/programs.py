"""The loop's programs: each started as soon as what it needs is there, and ended in an order.

    with Programs(settings, folder, model, say) as programs:
        programs.start()
        programs.crowd.order("start")

It knows their command lines, addresses and files; what they do together is `run`'s business.
"""

from __future__ import annotations

import json
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import yaml

from classifier.labels import CLASSES
from testbed.bed.record import Record
from testbed.loop.documents import (
    WRONG_MAP,
    cell_document,
    crowd_document,
    wrong_map_document,
    xapp_document,
)
from testbed.loop.grounds import PAGE, PHONE, ground_of
from testbed.loop.parts import (
    AIRSPLIT,
    END_SECONDS,
    Part,
    answers,
    stop_all,
    undisturbed,
    wait_until,
)
from testbed.loop.run_folder import clear
from testbed.loop.settings import Arm, Load, LoopSettings

CELL_END_SECONDS = 60.0  # a busy machine takes down namespaces slowly
START_SECONDS = 240.0  # the first time of all, things are compiled
# Who goes first when all ends: the xApp puts quotas back while the cell still listens.
ORDER = (("phone", "crowd", "page", "page-door", "console", "console-door",
          "api-door"), ("xapp",), ("edge", "capture", "tap"),
         ("relay", "ends", "cell"))
# All that a run writes, by name: the next one in its folder takes these away, and nothing else.
# Of the rest, `xapp.token` and the page's folder `page` are kept.
FILES = frozenset((
    "cell.yaml", "crowd.yaml", "ends.yaml", "xapp.yaml", WRONG_MAP,
    *(f"{name}.log" for group in ORDER for name in group),
    "tokens.jsonl", "labels.jsonl", "crowd.jsonl", "ends.jsonl",  # what they print
    "ran.json", "xapp.db", "xapp.db-journal", "xapp.db-shm", "xapp.db-wal", "xapp.db.lock",
    "edge.pcap", "edge.pcap.part", "edge.timing.jsonl",
    "summary.json", "summary.json.part", "loop.png", "report.html"))  # what is made of it all


class Programs:
    """All of them, until the block ends."""

    def __init__(self, settings: LoopSettings, folder: Path, model: Path,
                 say: Callable[[str], None], record: Record | None = None) -> None:
        """`record` is where all that is made is written down, in case of a kill."""
        self.settings, self.folder, self.model, self.say = settings, folder.resolve(), model, say
        self.parts: dict[str, Part] = {}
        # Sockets' names have to be short, and the folder's may be long.
        self._sockets = Path(tempfile.mkdtemp(prefix="airsplit-"))
        self._record = record
        self.ground = ground_of(self, self._sockets)
        if record is not None:
            record.folder(self._sockets)
            for one in self.ground.namespaces():
                record.namespace(one)
        self.api = f"http://127.0.0.1:{settings.api_port}"
        self.cell_api = f"http://127.0.0.1:{settings.map_port}"

    def __enter__(self) -> Programs:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    @property
    def addresses(self) -> dict[str, str]:
        """What a person may open while it runs."""
        pages = {"the phone's page": f"http://127.0.0.1:{self.settings.page_port}",
                 "the operator's console": f"http://127.0.0.1:{self.settings.console_port}"}
        return (pages if self.settings.page else {}) | {
            "metrics": f"{self.api}/metrics", "the xApp": f"{self.api}/api/v1/status"}

    @property
    def capture(self) -> Path:
        return self.folder / "edge.pcap"

    @property
    def crowd(self) -> Part:
        return self.parts["crowd"]

    def close(self) -> None:
        """End all that runs, in order."""
        with undisturbed():
            stop_all([[self.parts[name] for name in group if name in self.parts]
                      for group in ORDER])
            shutil.rmtree(self._sockets, ignore_errors=True)
            if "cell" in self.parts:  # where it had to be killed, or was
                self.ground.take_away()

    def check(self) -> None:
        """Raise if one has ended."""
        for part in self.parts.values():
            part.check()

    def start(self) -> None:
        """Everything; returns when the phone has its first token."""
        clear(self.folder, FILES)
        self._start_cell()
        self._start_xapp()
        self.wait(lambda: answers(self.cell_api + "/ues"), "the cell")
        self.ground.start()
        self._start_core()
        if self.settings.page:
            self._start_pages()
        self._wait_for_core()
        self._start_phone()

    def _start_cell(self) -> None:
        ground = self.ground
        self.write("cell.yaml", cell_document(self.settings) | {"way": ground.way(False)})
        self.write("crowd.yaml", crowd_document(self.settings) | {"way": ground.way(True)})
        self.add("cell", [*AIRSPLIT, "ran", "--config", str(self.folder / "cell.yaml"), "--quiet",
                          "--json", str(self.folder / "ran.json"), *ground.cell_options()])

    def _start_xapp(self) -> None:
        if self.settings.arm is Arm.WRONG_SLICE:
            self.write(WRONG_MAP, wrong_map_document(self.settings))
        labels = self._socket("relay" if self._relayed else "tap")
        self.write("xapp.yaml", xapp_document(self.settings, labels, self.folder))
        dry = ["--dry-run"] if self.settings.acts_from != 0 else []
        self.add("xapp", [*AIRSPLIT, "xapp", "--config", str(self.folder / "xapp.yaml"), *dry])

    @property
    def _relayed(self) -> bool:
        """Whether the xApp hears the taps through somebody who exchanges labels."""
        return self.settings.arm is Arm.SHUFFLED_LABELS

    def _start_core(self) -> None:
        """Edge, tap, capture, and the crowd, which waits."""
        settings, ground = self.settings, self.ground
        self.add("edge", ground.in_core([
            *AIRSPLIT, "edge", "--model", str(self.model), *ground.edge_options(),
            "--threads", "1", "--allow-anyone"]))
        self.add("tap", ground.tap(self._socket("tap")))
        ground.start_capture()
        self.add_module("relay", "testbed.loop.relay", self._socket("tap"), *(
            ["--to", self._socket("relay"), "--rotate", str(self._rotate)]
            if self._relayed else []), output="labels.jsonl")
        if settings.load is not Load.NONE:
            self.add_module("crowd", "testbed.loop.crowd", str(self.folder / "crowd.yaml"),
                            output="crowd.jsonl")

    @property
    def _rotate(self) -> int:
        """How far labels are moved: never to themselves."""
        return 1 + self.settings.seed % (len(CLASSES) - 1)

    def _wait_for_core(self) -> None:
        self.wait(lambda: answers(self.api + "/healthz"), "the xApp's API")
        log = self.folder / "edge.log"
        self.wait(lambda: " on http://" in log.read_text(encoding="utf-8"), "the edge")
        self.wait(lambda: bool(list(self.lines("labels.jsonl"))), "the tap")
        growing = self.capture.with_name(f"{self.capture.name}.part")
        self.wait(lambda: self.capture.exists() or growing.exists(), "the capture")
        if self.settings.load is not Load.NONE:
            self.wait(lambda: bool(list(self.lines("crowd.jsonl"))), "the crowd")
        if self.settings.page:
            self._wait_for_pages()

    def _wait_for_pages(self) -> None:
        log = self.folder / "page.log"
        self.wait(lambda: " on http://" in log.read_text(encoding="utf-8"), "the phone's page")
        self.wait(lambda: answers(self.addresses["the operator's console"]),
                  "the operator's console")

    def _start_pages(self) -> None:
        """The app on the second phone, a way to its page, and the operator's console."""
        settings, ground = self.settings, self.ground
        ground.route(PAGE, settings.page_address)
        self.add("page", ground.in_phone(PAGE, [
            *AIRSPLIT, "app", "--port", str(settings.page_port), "--edge", ground.edge_of(PAGE),
            "--model", str(self.model), "--split", str(settings.split),
            "--data", str(self.folder / "page")]))
        if (inside := ground.page_place()) is not None:
            self._door("page-door", settings.page_port, inside)
        # The console looks for the token that the xApp makes.
        self.wait(lambda: answers(self.api + "/healthz"), "the xApp's API")
        self.add("console", [
            *AIRSPLIT, "xapp-console", "--api", self.api, "--port", str(settings.console_port),
            "--token-file", str(self.folder / "xapp.token")])
        if settings.doors is not None:
            self._door("console-door", settings.console_port)
            self._door("api-door", settings.api_port)

    def _door(self, name: str, port: int, *namespace: str) -> None:
        """From this machine's port of that number, or from a socket named so."""
        doors = self.settings.doors
        here = f"tcp:{port}" if doors is None else f"unix:{doors}/{port}"
        self.add_module(name, "testbed.loop.door", here, f"tcp:{port}", *namespace)

    def _start_phone(self) -> None:
        self.ground.route(PHONE, self.settings.phone_address)
        self.add("phone", self.ground.in_phone(PHONE, self.module(
            "testbed.loop.phone", self.ground.edge_of(PHONE), str(self.model),
            str(self.settings.split))),
            output="tokens.jsonl", by_input=True)
        self.wait(lambda: any("token" in one for one in self.lines("tokens.jsonl")),
                  "the first token")

    def module(self, name: str, *words: str) -> list[str]:
        """The command line of one of ours."""
        return [sys.executable, "-m", name, *words]

    def add_module(self, name: str, module: str, *words: str, output: str | None = None) -> Part:
        """Start one of ours, which ends with its input."""
        return self.add(name, self.module(module, *words), output, by_input=True)

    def add(self, name: str, command: list[str], output: str | None = None,
            by_input: bool = False) -> Part:
        """Start one; `output` keeps what it prints."""
        part = Part(f"the program {name!r}", command, self._file(f"{name}.log"),
                    None if by_input else signal.SIGTERM,
                    None if output is None else self._file(output),
                    CELL_END_SECONDS if name == "cell" else END_SECONDS)
        self.parts[name] = part
        if self._record is not None:
            self._record.process(part.process.pid)
        return part

    def wait(self, ready: Callable[[], bool], what: str) -> None:
        """Until it is so, as long as all programs run."""
        self.say(f"waiting for {what}")
        wait_until(ready, list(self.parts.values()), START_SECONDS, what)

    def lines(self, name: str) -> Iterator[dict[str, Any]]:
        """JSON objects that a program printed."""
        file = self.folder / name
        for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
            try:
                yield json.loads(line)
            except ValueError:
                continue  # the last line, in the middle of its writing

    def _socket(self, name: str) -> str:
        return f"ipc://{self._sockets}/{name}"

    def write(self, name: str, document: dict[str, Any]) -> None:
        """A program's file."""
        self._file(name).write_text(yaml.safe_dump(document), encoding="utf-8")

    def _file(self, name: str) -> Path:
        """One to write; of a name that the next run will know."""
        assert name in FILES, f"{name} is not in FILES: no later run would take it away"
        return self.folder / name
