"""Runs the closed loop once: a cell with real packets, a real split model, tap, xApp, a crowd.

    result = run_loop(LoopSettings(), folder, model, say=print)

Phases follow each other by the cell's own clock. The xApp watches first (dry run) and may act from
the third phase on; what it decides and does is its own affair. Everything that runs is ended, and
what namespaces there were is taken away, also where something fails.
"""

from __future__ import annotations

import json
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import yaml

from testbed import namespaces
from testbed.errors import TestbedFailure
from testbed.loop.parts import AIRSPLIT, Part, answers, in_namespace, running, wait_until
from testbed.loop.settings import (
    EDGE_ADDRESS,
    EDGE_PORT,
    LLM_POOL,
    PHASES,
    LoopSettings,
    cell_document,
    xapp_document,
)
from testbed.loop.story import PhaseFigures, Token, phase_figures, verdict

START_SECONDS = 240.0  # the first time of all, things are compiled
LOOK_SECONDS = 0.5
LEAD = 1.0  # seconds between everything being there and the first phase


@dataclass
class LoopResult:
    """What happened."""

    settings: LoopSettings
    phases: list[PhaseFigures]
    tokens: list[Token]  # times since the first phase began
    decisions: list[dict[str, Any]]
    label: dict[str, Any] | None  # the split LLM's flow at the xApp, as it was last
    label_seconds: float | None
    quotas: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    cell: dict[str, Any] = field(default_factory=dict)  # `airsplit ran`'s summary

    def document(self) -> dict[str, Any]:
        """For summary.json."""
        return {"settings": asdict(self.settings), "phases": [asdict(one) for one in self.phases],
                "verdict": verdict(self.phases, self.decisions, self.label_seconds),
                "decisions": self.decisions, "flow": self.label, "quotas": self.quotas,
                "cell": self.cell}


def run_loop(settings: LoopSettings, folder: Path, model: Path,
             say: Callable[[str], None]) -> LoopResult:
    """All of it; takes the phases' time and what starting takes."""
    namespaces.require()
    folder.mkdir(parents=True, exist_ok=True)
    return _Loop(settings, folder, model, say).run()


class _Loop:
    def __init__(self, settings: LoopSettings, folder: Path, model: Path,
                 say: Callable[[str], None]) -> None:
        self.settings, self.folder, self.model, self.say = settings, folder, model, say
        self.parts: list[Part] = []
        self.api = f"http://127.0.0.1:{settings.api_port}"
        self.quotas: list[tuple[float, dict[str, Any]]] = []
        self.label: dict[str, Any] | None = None
        self.labelled: float | None = None  # monotonic, when the xApp first knew
        self.origin = 0.0  # monotonic, of the first phase

    def run(self) -> LoopResult:
        with ExitStack() as stack:
            cell = self._start(stack)
            self._phases()
            decisions = self._get("/api/v1/decisions").get("items", [])
        del cell
        tokens = [Token(one.answer, one.number, one.asked - self.origin, one.at - self.origin)
                  for one in self._tokens()]
        if not tokens:
            raise TestbedFailure("The phone got no token.", f"See the logs in {self.folder}.")
        ends = (0.0, *self.settings.ends)
        phases = [phase_figures(name, tokens, ends[place], ends[place + 1])
                  for place, name in enumerate(PHASES)]
        return LoopResult(self.settings, phases, tokens, decisions, self.label,
                          self._label_seconds(tokens), self.quotas, self._cell_summary())

    def _start(self, stack: ExitStack) -> Part:
        """Everything, each as soon as what it needs is there."""
        settings, folder = self.settings, self.folder
        labels = f"ipc://{folder.resolve()}/labels"
        store = folder / "xapp.db"
        for old in folder.glob("xapp.db*"):
            old.unlink()
        xapp_file, cell_file = folder / "xapp.yaml", folder / "cell.yaml"
        xapp_file.write_text(yaml.safe_dump(xapp_document(settings, labels, store)))
        self._add(stack, Part("the xApp", [
            *AIRSPLIT, "xapp", "--config", str(xapp_file), "--dry-run"], folder / "xapp.log"))
        self._wait(lambda: answers(self.api + "/healthz"), "the xApp's API")
        # The crowd begins by the cell's time; the cell is asked to start it after all else.
        start = self._warm_seconds()
        cell_file.write_text(yaml.safe_dump(cell_document(settings, start)))
        begun = time.monotonic()
        cell = self._add(stack, Part("the cell", [
            *AIRSPLIT, "ran", "--config", str(cell_file), "--quiet",
            "--seconds", str(start + settings.seconds + 5), "--json", str(folder / "ran.json")],
            folder / "ran.log"))
        n6, ue = f"{settings.name}-n6", f"{settings.name}-phone"
        self._wait(lambda: answers(f"http://127.0.0.1:{settings.map_port}/ues"), "the cell")
        up = time.monotonic()
        namespaces.command("ip", "-n", ue, "route", "replace", LLM_POOL, "dev", "ue1",
                           "src", "10.46.0.2")
        self._add(stack, Part("the edge", in_namespace(n6, [
            *AIRSPLIT, "edge", "--model", str(self.model), "--host", EDGE_ADDRESS,
            "--port", str(EDGE_PORT), "--threads", "1", "--allow-anyone"]), folder / "edge.log"))
        self._add(stack, Part("the tap", in_namespace(n6, [
            *AIRSPLIT, "tap", "n6-llm", "--publish", labels]), folder / "tap.log"))
        edge_log = folder / "edge.log"
        self._wait(lambda: " on http://" in edge_log.read_text(), "the edge")
        self._wait(lambda: bool(self._get("/api/v1/nodes").get("items")), "the cell's E2")
        self._add(stack, Part("the phone", in_namespace(ue, [
            sys.executable, "-m", "testbed.loop.phone", f"http://{EDGE_ADDRESS}:{EDGE_PORT}",
            str(self.model)]), folder / "phone.log", keep_output=folder / "tokens.jsonl"))
        self._wait(lambda: bool(self._tokens()), "the first token")
        self.origin = up + start
        if time.monotonic() > self.origin:
            raise TestbedFailure(
                f"Starting took {time.monotonic() - begun:.0f} s, and the crowd came before.",
                "Run it again: what had to be compiled is compiled now.")
        return cell

    def _warm_seconds(self) -> float:
        """Of the cell's time until the first phase: for edge, tap and phone to start."""
        return 25.0

    def _add(self, stack: ExitStack, part: Part) -> Part:
        self.parts.append(stack.enter_context(running(part)))
        return part

    def _wait(self, ready: Callable[[], bool], what: str) -> None:
        self.say(f"waiting for {what}")
        wait_until(ready, self.parts, START_SECONDS, what)

    def _phases(self) -> None:
        shown = -1
        while (now := time.monotonic() - self.origin) < self.settings.ends[-1]:
            for one in self.parts:
                one.check()
            phase = sum(now >= end for end in self.settings.ends)
            if now >= 0 and phase != shown:
                shown = phase
                self.say(PHASES[phase])
                if phase == 2:
                    self._let_it_act()
            self._look(now)
            time.sleep(LOOK_SECONDS)

    def _let_it_act(self) -> None:
        from xapp.access import default_token_file

        token = default_token_file().read_text(encoding="utf-8").strip()
        request = urllib.request.Request(
            self.api + "/api/v1/dry-run", b'{"on": false}', method="PUT",
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=5) as reply:
            reply.read()

    def _look(self, now: float) -> None:
        """Quotas and labels as the xApp has them."""
        shares = {one["snssai"]: one.get("quota") for one in self._get("/api/v1/slices").get(
            "items", [])}
        if not self.quotas or self.quotas[-1][1] != shares:
            self.quotas.append((now, shares))
        for flow in self._get("/api/v1/flows").get("items", []):
            if flow.get("label") == "llm_split":
                self.label = flow
                if self.labelled is None:
                    self.labelled = time.monotonic()

    def _get(self, path: str) -> dict[str, Any]:
        with urllib.request.urlopen(self.api + path, timeout=5) as reply:
            found = json.load(reply)
        return found if isinstance(found, dict) else {"items": found}

    def _tokens(self) -> list[Token]:
        found = []
        file = self.folder / "tokens.jsonl"
        for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
            try:
                one = json.loads(line)
            except ValueError:
                continue  # the last line, in the middle of its writing
            if "token" in one:
                found.append(Token(one["answer"], one["token"], one["asked"], one["at"]))
        return found

    def _label_seconds(self, tokens: list[Token]) -> float | None:
        """From the first question to the label at the xApp, at most half a second too long."""
        if self.labelled is None:
            return None
        return self.labelled - self.origin - tokens[0].asked

    def _cell_summary(self) -> dict[str, Any]:
        file = self.folder / "ran.json"
        if not file.exists():
            return {}
        found = json.loads(file.read_text(encoding="utf-8"))
        return found if isinstance(found, dict) else {}
