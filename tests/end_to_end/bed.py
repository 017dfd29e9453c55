"""The whole thing with two cells, as real processes: cell, edge, tap, xApp, page, a scripted phone.

    with Bed(settings, folder) as bed:
        bed.start()
        question = bed.phone.ask("Tell me a story.", seed=3)
        bed.tell({"kind": "outage", "seconds": 5})
        assert bed.phone.answer(question) == unsplit(question)

Nothing waits for a time to pass: things are looked for until they are there, as long as all
programs run.
"""

from __future__ import annotations

import functools
import json
import os
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from testbed.cli import BUNDLED_MODEL
from testbed.loop.asking import ask as ask_api
from testbed.loop.asking import put
from testbed.loop.crowd import START, STOP
from testbed.loop.grounds import PHONE
from testbed.loop.parts import Part, in_namespace, running, wait_until
from testbed.loop.ports import HOST, PORTS
from testbed.loop.programs import Programs
from testbed.loop.settings import Load, LoopSettings
from testbed.ran.ran_control import door_of, tell
from tests.end_to_end.talker import Answer, ask, opened

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 200.0  # seconds until what comes must have come, on a machine that has others to serve
TOKENS = 150  # of an answer: some five seconds of an idle cell's
PAGE = {"max_new_tokens": 60, "patience": PATIENCE, "seed": 14, "temperature": 1.0}
CELLS = ({"bandwidth_mhz": 5, "spacing_khz": 15},
         {"nci": 0x66C010, "bandwidth_mhz": 5, "spacing_khz": 15})
NAME = f"airsplit-e2e{os.getpid()}"  # that no other run has


@dataclass(frozen=True)
class Question:
    """One that a seed makes repeatable."""

    prompt: str
    seed: int = 1
    tokens: int = TOKENS


@functools.cache
def unsplit(question: Question) -> Answer:
    """What the whole model says, in this process, without any edge."""
    return ask(_local(), question.prompt, question.seed, question.tokens)


@functools.cache
def _local() -> Any:
    return opened(BUNDLED_MODEL, None)


class Talker:
    """The scripted phone, by what it printed."""

    def __init__(self, part: Part, output: Path, wait: Callable[[Callable[[], bool], str], None],
                 ) -> None:
        self.part, self._output, self._wait, self._number = part, output, wait, 0

    def ready(self) -> None:
        self._wait(lambda: any("ready" in one for one in self._lines()), "the scripted phone")

    def ask(self, question: Question) -> int:
        """Begin an answer; its number."""
        self._number += 1
        self.part.order(json.dumps({
            "number": self._number, "prompt": question.prompt, "seed": question.seed,
            "tokens": question.tokens}))
        return self._number

    def times(self, number: int) -> list[float]:
        """When each token came so far, by the machine's monotonic clock."""
        return [one["at"] for one in self._lines() if one.get("number") == number and "at" in one]

    def came(self, number: int, count: int) -> None:
        """Wait for so many tokens."""
        self._wait(lambda: len(self.times(number)) >= count, f"token {count}")

    def ended(self, number: int) -> bool:
        return any(one.get("number") == number and "ids" in one for one in self._lines())

    def answer(self, number: int) -> Answer:
        """The whole of it, waited for."""
        self._wait(lambda: self.ended(number), "the answer's end")
        found = next(one for one in self._lines()
                     if one.get("number") == number and "ids" in one)
        return Answer(found["ids"], found["text"], found["finish"])

    def _lines(self) -> list[dict[str, Any]]:
        text = self._output.read_text(encoding="utf-8") if self._output.exists() else ""
        return [json.loads(line) for line in text.splitlines(True) if line.endswith("\n")]


class Bed(Programs):
    """All programs, until the block ends."""

    def __init__(self, folder: Path, settings: LoopSettings | None = None) -> None:
        settings = settings or LoopSettings(load=Load.SATURATION, crowd=16, down_kbps=2400.0,
                                            up_kbps=1500.0, page=True)
        super().__init__(_of_our_own(replace(settings, cells=CELLS)), folder, BUNDLED_MODEL, print)
        self.phone: Talker
        page = self.folder / "page"
        page.mkdir(parents=True)
        (page / "settings.json").write_text(json.dumps(PAGE))

    def __enter__(self) -> Bed:
        return self

    def until(self, ready: Callable[[], bool], what: str) -> None:
        wait_until(ready, list(self.parts.values()), PATIENCE, what)

    def tell(self, event: Mapping[str, Any]) -> str:
        """Something happens to the cell."""
        return tell(door_of(self.settings.name), event)

    def ask(self, path: str) -> list[dict[str, Any]]:
        """The items of a list that the xApp's API has; none where it does not answer."""
        return list((ask_api(f"{self.api}/api/v1/{path}") or {}).get("items", []))

    def shares(self) -> dict[str, tuple[int, int, int]]:
        """Each slice's, as the first cell itself has them; none where it does not answer."""
        found = self.state("/state")
        return {one["slice"]: (one["minimum"], one["maximum"], one["dedicated"])
                for one in found.get("slices", [])}

    def state(self, path: str) -> dict[str, Any]:
        """As the base station itself has it."""
        return ask_api(self.cell_api + path) or {}

    def watch_only(self, on: bool) -> None:
        """Whether the xApp sends nothing."""
        put(f"{self.api}/api/v1/dry-run", {"on": on}, self.folder / "xapp.token")

    @contextmanager
    def crowded(self) -> Iterator[None]:
        """The first cell is full, until the block ends."""
        self._order_crowd(START, "started")
        yield
        self._order_crowd(STOP, "stopped")

    def _order_crowd(self, order: str, answer: str) -> None:
        before = self._crowd_said(answer)
        self.crowd.order(order)
        self.until(lambda: self._crowd_said(answer) > before, f"the crowd, {answer}")

    def _crowd_said(self, answer: str) -> int:
        return sum(answer in one for one in self.lines("crowd.jsonl"))

    def kill(self, name: str) -> list[str]:
        """As `kill -9` does; the command line by which it can be started again."""
        part = self.parts.pop(name)
        part.process.kill()
        part.process.wait()
        assert part.process.stdin is not None  # parts have one
        part.process.stdin.close()
        command = part.process.args
        assert isinstance(command, list)
        return command

    def start_edge(self, command: list[str]) -> None:
        self.add("edge", command)
        log = self.folder / "edge.log"
        self.until(lambda: " on http://" in log.read_text(encoding="utf-8"), "the edge, again")

    @contextmanager
    def talker_in(self, ue: str) -> Iterator[Talker]:
        """One more phone that asks, in another UE."""
        output = self.folder / f"{ue}.jsonl"
        part = Part(f"the phone in {ue}", self._talker_command(f"{self.settings.name}-{ue}"),
                    self.folder / f"{ue}.log", None, output)
        with running(part):
            talker = Talker(part, output, lambda ready, what: wait_until(
                ready, [part, *self.parts.values()], PATIENCE, what))
            talker.ready()
            yield talker

    def _talker_command(self, namespace: str) -> list[str]:
        return in_namespace(namespace, [sys.executable, "-m", "tests.end_to_end.talker",
                                        self.ground.edge_of(PHONE), str(self.model)])

    def _start_phone(self) -> None:
        self.ground.route(PHONE, self.settings.phone_address)
        part = self.add("phone", self._talker_command(f"{self.settings.name}-{PHONE}"),
                        output="tokens.jsonl", by_input=True)
        self.phone = Talker(part, self.folder / "tokens.jsonl", self.until)
        self.phone.ready()


def _of_our_own(settings: LoopSettings) -> LoopSettings:
    """A name and ports that no other run on this machine has, whenever that begins."""
    with ExitStack() as stack:  # held until all are found, so that none is given twice
        ports = {}
        for name, (_, kind) in PORTS.items():
            held = stack.enter_context(socket.socket(socket.AF_INET, kind))
            held.bind((HOST, 0))
            ports[name] = held.getsockname()[1]
    return replace(settings, name=NAME, **ports)
