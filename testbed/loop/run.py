"""Runs the closed loop once: a cell with real packets, a real split model, taps, xApp, a crowd.

    result = run_loop(LoopSettings(), folder, model, say=print)

The first phase begins as soon as everything is there. The xApp watches first (dry run) and may act
from the third phase on, or all along (`watch`); what it decides and does is its own affair.
Everything that runs is ended, and what namespaces there were is taken away, also where something
fails. Where it was killed, the next run of its name does that: it is all on record.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from testbed.bed.record import Record, clean_leftovers
from testbed.errors import TestbedFailure
from testbed.loop import crowd
from testbed.loop.asking import ask, put
from testbed.loop.chronicle import Facts, chronicle
from testbed.loop.crowd_load import load_words
from testbed.loop.grounds import require
from testbed.loop.labels import LabelFigures, first_packets, label_figures
from testbed.loop.outcome import LoopResult, Quotas, base_percent, minimum
from testbed.loop.parts import written_to
from testbed.loop.programs import Programs
from testbed.loop.run_folder import alone
from testbed.loop.settings import EDGE_PORT, PHASES, Load, LoopSettings
from testbed.loop.slices import SliceSample, all_figures, sample_of
from testbed.loop.story import Question, Token, heard, phase_figures

LOOK_SECONDS = 0.35  # no part of the half second between reports, so as not to miss the same always
NEW_FLOW_SECONDS = 1.0  # from the crowd's begin to the phone's new flow
ORDER_SECONDS = 20.0  # for the crowd to begin, or to end


def run_loop(settings: LoopSettings, folder: Path, model: Path,
             say: Callable[[str], None]) -> LoopResult:
    """All of it; takes the phases' time and what starting takes."""
    require(settings)
    if told := clean_leftovers(settings.name):
        say(told)
    with written_to(folder), alone(folder), Record.open(settings.name) as record:
        with Programs(settings, folder, model, say, record) as programs:
            run = Run(programs)
            run.start()
            run.phases()
            run.rest()
        return run.result()


class Run:
    """One run over programs that somebody else ends."""

    def __init__(self, programs: Programs,
                 looked: Callable[[Run, float], None] = lambda run, now: None) -> None:
        """`looked` is called after each look at everything, with the seconds since the start."""
        self.programs, self.settings, self._looked = programs, programs.settings, looked
        self.origin = 0.0  # monotonic, of the first phase
        self.wall_origin = 0.0  # the same in seconds since 1970
        self.phase = 0
        self.quotas: Quotas = []
        self.cell_quotas: Quotas = []
        self.samples: list[SliceSample] = []
        self.flow: dict[str, Any] | None = None
        self.decisions: list[dict[str, Any]] = []
        self.congestion_at: float | None = None
        self.congestion_end: float | None = None
        self.crowd_account: dict[str, Any] | None = None
        self.allowed_at: float | None = None
        self.put_away_at: float | None = None
        self.missed = 0

    def start(self) -> None:
        """Everything, until the first token is there and the xApp hears cell and taps."""
        programs = self.programs
        programs.start()
        programs.wait(lambda: bool((ask(programs.api + "/api/v1/nodes") or {}).get("items")),
                      "the cell's E2")
        programs.wait(lambda: (ask(programs.api + "/api/v1/status") or {}).get("tap_heard")
                      is not None, "labels at the xApp")
        self.origin, self.wall_origin = time.monotonic(), time.time()
        if self.settings.acts_from == 0:
            self.allowed_at = 0.0

    def phases(self) -> None:
        """The story, from its begin to its end."""
        ends = self.settings.ends
        self._begin(0)
        next_look = 0.0
        anew = ends[0] + NEW_FLOW_SECONDS if self.settings.new_flow else float("inf")
        while (now := self.now()) < ends[-1]:
            phase = sum(now >= end for end in ends)
            while self.phase < phase:
                self._begin(self.phase + 1)
            if now >= anew:
                self.programs.parts["phone"].order("anew")
                anew = float("inf")
            if now >= next_look:
                self.programs.check()
                self._look(now)
                next_look = now + LOOK_SECONDS
            time.sleep(max(0.0, min(next_look, ends[self.phase]) - self.now()))

    def rest(self) -> None:
        """The phone is put away; until quotas are as they were, or `rest_seconds` are over."""
        if self.settings.rest_seconds == 0:
            return
        self.programs.say("the phone is put away")
        self.programs.parts.pop("phone").stop()
        self.put_away_at = self.now()
        end = self.put_away_at + self.settings.rest_seconds
        while self.now() < end and not self._returned():
            self.programs.check()
            self._look(self.now())
            time.sleep(LOOK_SECONDS)

    def _returned(self) -> bool:
        return bool(self.cell_quotas) and (
            minimum(self.cell_quotas[-1][1]) <= base_percent(self.settings))

    def now(self) -> float:
        return time.monotonic() - self.origin

    def _begin(self, phase: int) -> None:
        self.phase = phase
        self.programs.say(PHASES[phase])
        loaded = self.settings.load is not Load.NONE
        if phase == 1 and loaded:
            self.congestion_at = self._order(crowd.START, "started")
        elif phase == 2 and self.settings.acts and self.settings.watch:
            put(self.programs.api + "/api/v1/dry-run", {"on": False},
                self.programs.folder / "xapp.token")
            self.allowed_at = self.now()
        elif phase == 3 and loaded:
            self.congestion_end = self._order(crowd.STOP, "stopped")

    def _order(self, order: str, answer: str) -> float:
        """Tell the crowd; when it did so."""
        count = self._answers(answer)
        self.programs.crowd.order(order)
        deadline = time.monotonic() + ORDER_SECONDS
        while self._answers(answer) == count:
            self.programs.check()
            if time.monotonic() > deadline:
                raise TestbedFailure(f"The crowd does not {order}.",
                                     f"See {self.programs.crowd.log}.")
            time.sleep(0.02)
        found = [one for one in self.programs.lines("crowd.jsonl") if answer in one][-1]
        self.crowd_account = found.get("account", self.crowd_account)
        return float(found[answer]) - self.origin

    def _answers(self, answer: str) -> int:
        return sum(answer in one for one in self.programs.lines("crowd.jsonl"))

    def _look(self, now: float) -> None:
        """Everything as the xApp and the cell have it."""
        api = self.programs.api + "/api/v1/"
        slices, flows, decisions, cell = (self._ask(url) for url in (
            api + "slices", api + "flows", api + "decisions",
            self.programs.cell_api + "/state"))
        for one in (slices or {}).get("items", []):
            if one["load"]["at"] is not None:
                self._note(sample_of(one, one["load"]["at"] - time.time() + self.now()))
        if slices is not None:
            _changed(self.quotas, now, _highest(
                (one["snssai"], one.get("quota")) for one in slices["items"]))
        if cell is not None:
            _changed(self.cell_quotas, now, _highest((one["slice"], {
                name: one[name] for name in ("minimum", "maximum", "dedicated")})
                for one in cell["slices"]))
        for flow in (flows or {}).get("items", []):
            if flow.get("label") == "llm_split" or flow.get("address") == (
                    self.settings.phone_address):
                self.flow = flow
        if decisions is not None:
            self.decisions = decisions["items"]
        self._looked(self, now)

    def _ask(self, url: str) -> dict[str, Any] | None:
        found = ask(url)
        self.missed += found is None
        return found

    def _note(self, sample: SliceSample) -> None:
        """A slice's report, unless it is known."""
        before = next((one for one in reversed(self.samples)
                       if (one.slice, one.cell) == (sample.slice, sample.cell)), None)
        if before is None or sample.at > before.at + LOOK_SECONDS / 2:
            self.samples.append(sample)

    def facts(self) -> Facts:
        """All that its story is made of, so far."""
        settings = self.settings
        return Facts(
            self.tokens(), [one | {"heard": one["heard"] - self.wall_origin}
                            for one in self.programs.lines("labels.jsonl") if "label" in one
                            and settings.phone_address in (one["source"], one["destination"])],
            self.cell_quotas, base_percent(settings), settings.ends[0], self.congestion_at,
            self.congestion_end, self.put_away_at,
            f"{settings.crowd_phones} phones with {load_words(settings)}",
            [(one["at"] - self.wall_origin, flow) for one in reversed(self.decisions)
             if one["kind"] == "map_flows" and one["state"] == "confirmed"
             for flow in one["flows"]])

    def tokens(self) -> list[Token]:
        """Those that have come, by the run's time."""
        return self._heard()[0]

    def _heard(self) -> tuple[list[Token], list[Question]]:
        return heard(self.programs.lines("tokens.jsonl"), self.origin)

    def result(self) -> LoopResult:
        """What it came to; the programs have ended."""
        (tokens, questions), settings = self._heard(), self.settings
        if not tokens:
            raise TestbedFailure("The phone got no token.",
                                 f"See the logs in {self.programs.folder}.")
        spans = list(zip(PHASES, (0.0, *settings.ends), settings.ends, strict=False))
        return LoopResult(
            settings, [phase_figures(name, tokens, begin, end, questions)
                       for name, begin, end in spans],
            tokens, self.decisions, self.flow, self._labels(),
            all_figures(self.samples, {one: settings.floors.get(one)
                                       for one in settings.slice_names}, spans),
            self.samples, self.quotas, self.cell_quotas, self.congestion_at, self.congestion_end,
            self.allowed_at, self.put_away_at, self.crowd_account,
            _document(self.programs.folder / "ran.json"), self.wall_origin,
            chronicle(self.facts()), self.missed, self.origin)

    def _labels(self) -> LabelFigures | None:
        capture = self.programs.capture
        if not capture.exists():
            return None
        return label_figures([one for one in self.programs.lines("labels.jsonl")
                              if "label" in one], first_packets(capture),
                             (self.settings.edge_address, EDGE_PORT),
                             self.settings.phone_address)


def _highest(shares: Iterable[tuple[str, dict[str, Any] | None]]) -> dict[str, Any]:
    """Of each slice what it has in the cell that guarantees it most: a phone may be handed over."""
    found: dict[str, Any] = {}
    for name, share in shares:
        if name not in found or _guaranteed(share) > _guaranteed(found[name]):
            found[name] = share
    return found


def _guaranteed(share: dict[str, Any] | None) -> int:
    return -1 if share is None else int(share["minimum"])  # None: not known


def _changed(found: Quotas, now: float, shares: dict[str, Any]) -> None:
    if not found or found[-1][1] != shares:
        found.append((now, shares))


def _document(file: Path) -> dict[str, Any] | None:
    if not file.exists():
        return None
    found = json.loads(file.read_text(encoding="utf-8"))
    return found if isinstance(found, dict) else None
