"""The network that `fake_operations` shows: it moves in ticks, from a seed; none of it is real."""

from __future__ import annotations

import math
import random
from collections import Counter, defaultdict, deque
from dataclasses import dataclass, replace

from xapp.decisions import Expectation, Metric, SetQuotas
from xapp.events import Code, Event, Level
from xapp.observations import (
    Cell,
    CellKey,
    Flow,
    Load,
    Observations,
    Quota,
    Slice,
    Snssai,
    Ue,
    UeKey,
)
from xapp.operations import (
    LOAD_METRICS,
    AssociationView,
    Counts,
    DecisionState,
    DecisionView,
    Effect,
    EventView,
    FunctionView,
    Kind,
    NodeState,
    NodeView,
    Step,
    slice_subject,
)

TICK = 1.0  # seconds
NODE = "gnb_001_01_000019b"
CELLS = (CellKey(NODE, "00019b001"), CellKey(NODE, "00019b002"))
INTERNET, LLM, SENSORS = Snssai(1), Snssai(1, 1), Snssai(2, 7)
FOUND = {INTERNET: Quota(0, 100), LLM: Quota(5, 100), SENSORS: Quota(5, 20)}
RAISED = {INTERNET: Quota(20, 65), LLM: Quota(35, 100, 10), SENSORS: Quota(5, 20)}
TALK, PAUSE = 45, 40  # ticks
KBPS_OF_PERCENT = 850.0
History = dict[tuple[Kind, str], dict[str, deque[tuple[float, float | None]]]]


@dataclass
class _Talk:
    """A conversation in a cell, and the quotas that follow it."""

    quotas: dict[Snssai, Quota]
    since: float
    talking: bool = False
    until: int = 0
    decide: int | None = None  # tick at which the policy notices
    pending: int | None = None  # place of the decision that waits for its effect
    works: bool = True


class FakeNetwork:
    """See the module."""

    def __init__(self, seed: int, now: float, empty: bool) -> None:
        self._random = random.Random(seed)
        self.now, self._empty = now, empty
        self._ticks = 0
        self._begun = now
        self._talks = {} if empty else {
            cell: _Talk(dict(FOUND), now, until=12 + 30 * place)
            for place, cell in enumerate(CELLS)}
        self._loads: dict[tuple[CellKey, Snssai], Load] = {}
        self.history: History = defaultdict(lambda: defaultdict(lambda: deque(maxlen=4000)))
        self.decisions: list[DecisionView] = []
        self.events: list[EventView] = []
        if not empty:
            self.step(steer=False, dry=False)

    def tell(self, event: Event) -> None:
        self.events.append(EventView(len(self.events) + 1, self.now, event))

    def restore(self) -> None:
        for talk in self._talks.values():
            talk.quotas, talk.since, talk.pending = dict(FOUND), self.now, None

    def step(self, steer: bool, dry: bool) -> None:
        self.now += TICK
        self._ticks += 1
        for cell, talk in self._talks.items():
            if self._ticks >= talk.until:
                self._turn(talk)
            elif talk.decide == self._ticks:
                self._decide(cell, talk, steer, dry)
            elif talk.pending is not None and self.now - self.decisions[talk.pending].at >= 2:
                self._judge(talk)
            self._move(cell, talk)

    def _turn(self, talk: _Talk) -> None:
        """Somebody begins to talk to a model, or ends it."""
        talk.talking = not talk.talking
        talk.until = self._ticks + (TALK if talk.talking else PAUSE) + self._random.randrange(15)
        talk.decide = self._ticks + (4 if talk.talking else 10)

    def _decide(self, cell: CellKey, talk: _Talk, steer: bool, dry: bool) -> None:
        talk.works = (len(self.decisions) + 1) % 4 != 0
        if not talk.works:  # it is tried once more
            talk.decide = self._ticks + 6
        wanted = RAISED if talk.talking else FOUND
        if not (steer or dry):
            return
        expected: tuple[Expectation, ...]
        if talk.talking:
            reason = ("A split-LLM flow at 14 rows/s of 4.1 kB waits 96 ms a token in the shared "
                      "queue; 35 % lets it meet 80 ms.")
            expected = (Expectation((cell, LLM), Metric.UP_DELAY_MS, 3.0, at_most=25.0),
                        Expectation((cell, INTERNET), Metric.DOWN_PRBS, 3.0, at_least=20.0))
        else:
            reason = "The last split-LLM flow ended 10 s ago; its share goes back."
            expected = (Expectation((cell, INTERNET), Metric.DOWN_PRBS, 3.0, at_least=40.0),)
        decision = SetQuotas(cell, wanted, reason, "chat", expected,
                             flows=(f"{cell.cell}-llm",))
        view = DecisionView(
            len(self.decisions) + 1, self.now, decision,
            DecisionState.RECORDED if dry else DecisionState.ACKNOWLEDGED, dict(talk.quotas),
            () if dry else (Step(self.now, "sent", "websocket"), Step(
                self.now + 0.006, "acknowledged", "websocket", "Accepted after 5.8 ms.")),
            tuple(Effect(one, before=96.0 if one.metric is Metric.UP_DELAY_MS else 64.0)
                  for one in expected), "websocket")
        self.decisions.append(view)
        if not dry:
            talk.pending = len(self.decisions) - 1
            if talk.works:
                talk.quotas, talk.since = dict(wanted), self.now

    def _judge(self, talk: _Talk) -> None:
        """The effect shows, or the deadline is over."""
        assert talk.pending is not None
        view, talk.pending = self.decisions[talk.pending], None
        cell = view.decision.cell if isinstance(view.decision, SetQuotas) else CELLS[0]
        effects = []
        for effect in view.effects:
            subject = effect.expected.subject
            load = self._loads[subject] if isinstance(subject, tuple) else Load(0.0)
            seen = getattr(load, effect.expected.metric.value)
            effects.append(replace(effect, seen=seen, met=talk.works))
        state = DecisionState.CONFIRMED if talk.works else DecisionState.ROLLED_BACK
        last = (Step(self.now, "effect seen", "websocket", "Every figure as expected.")
                if talk.works else
                Step(self.now, "rolled back", "websocket",
                     "Acknowledged, and the delay did not fall within 3 s."))
        self.decisions[view.number - 1] = replace(view, state=state, effects=tuple(effects),
                                                  steps=(*view.steps, last))
        if talk.works:
            self.tell(Event(Level.INFO, Code.CONFIRMED, f"Decision {view.number} took effect.",
                            str(cell)))
        else:
            self.tell(Event(Level.WARNING, Code.ROLLED_BACK,
                            f"Decision {view.number} was acknowledged and changed nothing; the "
                            "quotas from before are in force.", str(cell)))

    def _move(self, cell: CellKey, talk: _Talk) -> None:
        place = CELLS.index(cell)
        wave = math.sin(self._ticks / 23 + place * 2)
        shake = self._random.gauss
        served = talk.quotas[LLM].minimum >= 30
        llm = max(0.0, (22 if served else 9) + shake(0, 2.0)) if talk.talking else max(
            0.0, shake(0.4, 0.2))
        sensors = max(0.2, 4 + 1.5 * wave + shake(0, 0.5))
        internet = min(60 + 14 * wave + shake(0, 3.5), talk.quotas[INTERNET].maximum,
                       100 - llm - sensors)
        waits = talk.talking and not served
        for snssai, prbs, delay in ((INTERNET, internet, 28 + 20 * wave + 18),
                                    (LLM, llm, 96.0 if waits else 9.0), (SENSORS, sensors, 12.0)):
            delay = max(1.0, delay * (1 + shake(0, 0.08)))
            self._loads[cell, snssai] = load = Load(
                self.now, down_kbps=prbs * KBPS_OF_PERCENT, up_kbps=prbs * KBPS_OF_PERCENT * 0.4,
                down_prbs=prbs, up_prbs=min(100.0, prbs * 1.1), down_delay_ms=delay,
                up_delay_ms=delay * 0.8, down_drops=0.0)
            subject = slice_subject(cell, snssai)
            self._remember(Kind.SLICE, subject, load)
            for name in ("minimum", "maximum", "dedicated"):
                self.history[Kind.SLICE, f"quota_{name}"][subject].append(
                    (self.now, getattr(talk.quotas[snssai], name)))
        self._remember(Kind.CELL, str(cell), self._cell_load(cell))
        for ue in self._ues(cell):
            self._remember(Kind.UE, str(ue.key), ue.load)

    def _remember(self, kind: Kind, subject: str, load: Load) -> None:
        for metric in LOAD_METRICS:
            self.history[kind, metric][subject].append((load.at, getattr(load, metric)))

    def _cell_load(self, cell: CellKey) -> Load:
        loads = [load for (other, _), load in self._loads.items() if other == cell]
        return Load(self.now, **{name: sum(getattr(load, name) or 0.0 for load in loads)
                                 for name in ("down_kbps", "up_kbps", "down_prbs", "up_prbs")},
                    down_delay_ms=max((load.down_delay_ms or 0.0 for load in loads), default=None))

    def _ues(self, cell: CellKey) -> list[Ue]:
        place = CELLS.index(cell)
        found = []
        for number in range(4):
            snssai = (LLM, INTERNET, INTERNET, SENSORS)[number]
            whole = self._loads[cell, snssai]
            share = (1.0, 0.7, 0.3, 1.0)[number]
            load = replace(whole, down_kbps=(whole.down_kbps or 0.0) * share,
                           up_kbps=(whole.up_kbps or 0.0) * share,
                           down_prbs=(whole.down_prbs or 0.0) * share)
            found.append(Ue(UeKey(NODE, f"du:{place * 4 + number}"), cell, snssai, load,
                            f"10.45.{place}.{number + 2}",
                            ((CELLS[1 - place], -97.0 + number),) if number == 1 else ()))
        return found

    def observations(self) -> Observations:
        if self._empty:
            return Observations(self.now)
        cells: dict[CellKey, Cell] = {}
        ues: dict[UeKey, Ue] = {}
        flows: dict[str, Flow] = {}
        for cell, talk in self._talks.items():
            cells[cell] = Cell(cell, 106, self._cell_load(cell), {
                snssai: Slice(snssai, quota, talk.since, self._loads[cell, snssai])
                for snssai, quota in talk.quotas.items()})
            for ue in self._ues(cell):
                ues[ue.key] = ue
            flows |= {flow.key: flow for flow in self._flows(cell, talk)}
        return Observations(self.now, cells, ues, flows, self.now)

    def _flows(self, cell: CellKey, talk: _Talk) -> list[Flow]:
        ues = self._ues(cell)
        served = talk.quotas[LLM].minimum >= 30
        found = [
            Flow(f"{cell.cell}-{label}", label, confidence, self._begun, self.now, ues[which].key,
                 ues[which].address, ues[which].slice, label == "bulk", up, down)
            for label, confidence, which, up, down in (
                ("video", 0.97, 1, 9_000.0, 690_000.0), ("web", 0.81, 2, 7_200.0, 96_000.0),
                ("bulk", 0.66, 2, 3_000.0, 410_000.0), ("iot", 0.93, 3, 900.0, 420.0),
                ("unknown", 0.34, 2, 1_100.0, 2_300.0))]
        if talk.talking:
            steps = 14.1 if served else 6.3
            found.insert(0, Flow(
                f"{cell.cell}-llm", "llm_split", 0.98, self.now - 20, self.now, ues[0].key,
                ues[0].address, LLM, False, steps * 4128, steps * 36, steps, 4128.0))
        return found

    def nodes(self) -> tuple[NodeView, ...]:
        if self._empty:
            return ()
        return (NodeView(
            NODE, "srsran", NodeState.CONNECTED, self._begun,
            (AssociationView("DU", "127.0.0.2:41000", self._begun),
             AssociationView("CU-CP", "127.0.0.2:41001", self._begun)),
            (FunctionView("KPM", "1.3.6.1.4.1.53148.1.2.2.2", 2, True),
             FunctionView("RC", "1.3.6.1.4.1.53148.1.1.2.3", 3)), ("websocket", "rc-slice")),)

    def counts(self) -> Counts:
        return Counts(self._ticks * 8, 3, self._ticks * 6, 0, 1,
                      Counter(one.state for one in self.decisions),
                      Counter(one.event.level for one in self.events),
                      {("websocket", "acknowledged"): len(self.decisions)})
