"""Anything may happen in any order: in the end, belief, records and the base station agree.

Decisions, answers of every kind, silence, lost nodes, reports that stop, a disk that stops, the
kill switch and a killed xApp, drawn at random. Expectations are tight here, so that an order that
was not obeyed cannot pass for one that was.
"""

from __future__ import annotations

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.xapp.steering_scene import CELL, LLM, NODE, REST, Scene, wish
from xapp.decisions import Expectation, Metric
from xapp.events import Code
from xapp.steering_guard import below_floor
from xapp.steering_table import FINAL, Stage
from xapp.steering_types import AtStart, SendStep, SteeringConfig
from xapp.store_records import Kind

FLOORS = {REST: 10, LLM: 5}
BAD_ENDS = {Stage.ROLLED_BACK: Code.ROLLED_BACK, Stage.REFUSED: Code.CONTROL_REFUSED}


class AnythingHappens(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.scene = Scene(SteeringConfig(floors=FLOORS, actions_per_minute=60,
                                          at_start=AtStart.ADOPT, aside_seconds=20))
        self.there = True
        self.answer = "ack"
        self.scene.answers = self.answers

    def answers(self, sent: SendStep) -> str:
        # An order without effect is caught by its effect; one that puts back has none to show.
        puts_back = self.scene.of(Kind.ACTION)[-1].body["puts_back"]
        if self.answer == "deaf":
            self.scene.station.deaf = set() if sent.undo or puts_back else {"ccc", "remote", "rc"}
            return "ack"
        self.scene.station.deaf = set()
        return self.answer

    @rule(minimum=st.sampled_from([55, 65, 75, 85]))
    def decide(self, minimum: int) -> None:
        self.scene.decide(wish(minimum=minimum, expected=(Expectation(
            (CELL, LLM), Metric.DOWN_PRBS, 3.0, at_least=minimum - 4.0, at_most=minimum + 4.0),)))

    @rule(seconds=st.sampled_from([0.2, 1.0, 3.0, 8.0]))
    def wait(self, seconds: float) -> None:
        self.scene.wait(seconds)

    @rule(answer=st.sampled_from(["ack", "ack", "refuse", "silence", "obey silently", "deaf"]))
    def answer_so(self, answer: str) -> None:
        self.answer = answer

    @precondition(lambda self: self.scene.unanswered and self.there)
    @rule(obeys=st.booleans())
    def answer_late(self, obeys: bool) -> None:
        sent = self.scene.unanswered.pop()
        steering, now = self.scene.steering, self.scene.now
        if obeys:
            if sent is self.scene.sent[-1]:  # orders are obeyed in their order
                self.scene.station.deaf = set()
                self.scene.station.obey(sent.step)
            self.scene.do(steering.acknowledged(sent.call, now))
        elif sent.step.sets and not self.obeyed(sent):
            self.scene.do(steering.failed(sent.call, "late", now))

    def obeyed(self, sent: SendStep) -> bool:
        return any(self.scene.real(target) == value for target, value in sent.step.sets)

    @rule(reports=st.booleans())
    def report_or_not(self, reports: bool) -> None:
        self.scene.station.reports = reports

    @rule(takes=st.booleans())
    def disk(self, takes: bool) -> None:
        """It is slow, or takes all that waits."""
        scene = self.scene
        scene.commits = takes
        if takes and scene.tickets:
            scene.written = len(scene.records)
            scene.do(scene.steering.store_up(scene.now))
            scene.do(scene.steering.committed(scene.tickets[-1], scene.now))

    @rule()
    def disk_is_full(self) -> None:
        self.scene.commits = False
        self.scene.do(self.scene.steering.store_down("the disk is full", self.scene.now))

    @precondition(lambda self: self.there)
    @rule(restarts=st.booleans())
    def lose_node(self, restarts: bool) -> None:
        self.there = False
        self.scene.unanswered.clear()
        if restarts:
            self.scene.station.restart()
        self.scene.lose_node()

    @precondition(lambda self: not self.there)
    @rule(others=st.booleans())
    def return_node(self, others: bool) -> None:
        self.there = True
        self.scene.return_node((7, 8) if others else (1, 2))

    @rule()
    def kill_and_release(self) -> None:
        self.scene.do(self.scene.steering.kill("operator", "now.", self.scene.now))
        self.scene.wait(1.0)
        self.scene.do(self.scene.steering.release("operator", self.scene.now))

    @rule()
    def die(self) -> None:
        """kill -9, and a new start."""
        self.scene.restart()
        if not self.scene.commits:
            self.scene.do(self.scene.steering.store_down("the disk is full", self.scene.now))
        if self.there:
            self.scene.return_node(tuple(
                int(key.ue.removeprefix("du:")) for key in self.scene.facts.ues))

    @invariant()
    def no_floor_is_broken(self) -> None:
        assert below_floor(self.scene.station.slices, FLOORS) is None

    @invariant()
    def one_action_at_a_time(self) -> None:
        assert len(self.scene.kept().actions) <= 1

    def teardown(self) -> None:
        scene = self.scene
        self.answer, scene.station.reports = "ack", True
        self.disk(True)
        scene.do(scene.steering.store_up(scene.now))
        if not self.there:
            self.return_node(False)
        scene.wait(400, step=1.0)
        assert scene.steering.quiet
        believed = scene.believed()
        assert {target: scene.real(target) for target in believed} == believed
        kept = scene.kept()
        assert {held.target: held.confirmed for held in kept.held} == believed
        self.check_records()

    def check_records(self) -> None:
        kept = self.scene.kept()
        assert kept.actions == kept.decisions == ()
        ended = Counter(record.subject for record in self.scene.of(Kind.ACTION_ENDED))
        assert set(ended.values()) <= {1}
        outcomes = Counter(Stage(outcome) for outcome in self.scene.outcomes())
        assert outcomes.keys() <= FINAL
        told = Counter(self.scene.codes())
        for stage, code in BAD_ENDS.items():
            assert told[code] >= outcomes[stage]
        sent = {record.subject for record in self.scene.of(Kind.SENT)}
        intended = {record.subject for record in self.scene.of(Kind.ACTION)}
        assert sent <= intended
        assert {record.body["cell"].partition("/")[0]
                for record in self.scene.of(Kind.ACTION)} <= {NODE}


TestAnythingHappens = AnythingHappens.TestCase
TestAnythingHappens.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
