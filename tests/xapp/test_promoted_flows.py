"""A flow of a phone with one session: the core is asked, reports decide, and it is put back."""

from __future__ import annotations

import pytest

from tests.xapp.core_scene import ADDRESS, NODE, Gnb, Scene, octets, ran
from tests.xapp.steering_scene import LLM, REST
from xapp.actuators.flow_promotion import FlowRequest, PromotionConfig
from xapp.actuators.registry import ActuatorConfig
from xapp.core_config import CoreConfig
from xapp.e2.e2ap_messages import SubscriptionRequest
from xapp.e2.kpm import CommonConditionAction, IndicationMessage, Report, UeReport, UeReports
from xapp.events import Code
from xapp.flow_ends import FlowEnds
from xapp.limits import Limits
from xapp.observations import UeKey
from xapp.steering_types import AtExit, SteeringConfig
from xapp.store_records import Kind, Left, read_held
from xapp.ue_map import Origin, UeEntry

FLOW = FlowEnds(ADDRESS, 40000, "192.0.2.9", 443)
NAME = "core_flow_promotion"
LINGER = 4.0


class MovingGnb(Gnb):
    """UE 1 has a session in everybody's slice; its flow is in the other one where it was moved."""

    def __init__(self) -> None:
        super().__init__(ues={1: REST, 2: REST})
        self.moved = False

    def message(self, asked: SubscriptionRequest) -> IndicationMessage:
        action = self.action(asked).action
        if not isinstance(action, CommonConditionAction):
            return super().message(asked)
        wanted = {one.condition.value for one in action.conditions}
        there = ({1: REST, 2: REST} if octets(REST) in wanted else {1: LLM} if self.moved else {})
        measured = action.action.measurements
        return UeReports(tuple(
            UeReport(self.name(number), Report((self._values(measured, snssai),), measured))
            for number, snssai in there.items()))


class PromotingScene(Scene):
    """With a core that answers as told."""

    def __init__(self, run: int = 1, **steering: object) -> None:
        super().__init__(config=CoreConfig(
            ran=ran(), limits=Limits(linger=LINGER), tapped=True,
            steering=SteeringConfig(**steering),  # type: ignore[arg-type]  # fields of it
            actuators=ActuatorConfig(promotion=PromotionConfig("http://127.0.0.1:8004", LLM))),
            run=run)
        self.gnb, self.answers = MovingGnb(), "ack"
        self.answered = 0

    def map(self, kind: str = "spec") -> None:
        self.core.mapped(Origin.FILE, [UeEntry(ADDRESS, UeKey(NODE, "du:1"), REST)], self.now)

    def core_answers(self) -> None:
        for call, step in self.remote_calls[self.answered:]:
            self.answered += 1
            assert isinstance(step, FlowRequest)
            if self.answers in ("ack", "obey silently"):
                self.gnb.moved = not step.back
            if self.answers == "obey silently":
                self.core.remote_answered(call, NAME, False, "no answer", self.now, answered=False)
            else:
                refused = self.answers == "refuse"
                self.core.remote_answered(call, NAME, not refused, "no" * refused, self.now)
            self.pump()

    def wait(self, seconds: float, step: float = 0.5, tap: bool = True) -> None:
        end = self.now + seconds
        while self.now < end - 1e-9:
            self.core_answers()
            super().wait(min(step, end - self.now), step, tap)
        self.core_answers()

    def begin(self) -> PromotingScene:
        """A flow on a full cell."""
        self.steer(self.gnb)
        return self

    def asked(self) -> list[tuple[FlowEnds, bool]]:
        """Flows that the core was asked for, and whether back."""
        return [(step.flow, step.back) for _, step in self.remote_calls
                if isinstance(step, FlowRequest)]


def test_a_flow_moves_first_then_its_new_slice_is_guaranteed_its_share() -> None:
    scene = PromotingScene().begin()
    assert scene.asked() == [(FLOW, False)]
    assert not scene.gnb.controls  # what its session's slice gets would not help it
    scene.wait(1.0)
    decided = scene.of(Kind.DECISION)
    assert [one.body["do"] for one in decided[:2]] == ["map_flows", "set_quotas"]
    assert decided[0].body["moved"] == [{"flow": str(FLOW), "ue": f"{NODE}/du:1",
                                         "home": str(REST)}]
    assert scene.ends()[0] == "confirmed"
    assert str(LLM) in decided[1].body["quotas"]
    assert scene.gnb.controls
    flow, = scene.core.observations.flows.values()
    assert (flow.slice, flow.ends) == (LLM, FLOW)
    scene.wait(20.0)
    assert scene.asked() == [(FLOW, False)]  # where it is, it stays


def test_a_flow_that_ended_is_put_back() -> None:
    scene = PromotingScene().begin()
    scene.wait(2.0)
    scene.label(ended=True, sequence=2)
    scene.wait(LINGER + 2)
    assert scene.asked() == [(FLOW, False), (FLOW, True)]
    assert not scene.gnb.moved


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_everything_is_put_back_on_the_kill_switch_and_at_the_end(how: str) -> None:
    scene = PromotingScene().begin()
    scene.wait(2.0)
    if how == "kill":
        scene.core.kill("operator", "a test.", scene.now)
    else:
        scene.core.stop(scene.now)
    scene.wait(3.0)
    assert scene.asked() == [(FLOW, False), (FLOW, True)]
    assert scene.core.steering.quiet


def test_at_the_end_it_may_be_left() -> None:
    scene = PromotingScene(at_exit=AtExit.LEAVE).begin()
    scene.wait(2.0)
    scene.core.stop(scene.now)
    scene.wait(2.0)
    assert scene.asked() == [(FLOW, False)]


def test_an_acknowledgement_without_effect_is_rolled_back_and_said() -> None:
    scene = PromotingScene()
    scene.answers = "ack without effect"
    scene.begin()
    scene.wait(12.0)
    assert scene.asked()[:2] == [(FLOW, False), (FLOW, True)]
    assert {Code.NO_EFFECT, Code.NOT_VISIBLE} & set(scene.codes())
    assert "confirmed" not in scene.ends()
    assert not scene.gnb.controls


def test_a_refusal_moves_nothing_and_is_not_repeated_at_once() -> None:
    scene = PromotingScene()
    scene.answers = "refuse"
    scene.begin()
    scene.wait(3.0)
    assert scene.asked() == [(FLOW, False)]
    assert Code.CONTROL_REFUSED in scene.codes()
    assert all(held.resting for held in scene.core.steering.held())


def test_without_an_answer_reports_decide() -> None:
    scene = PromotingScene()
    scene.answers = "obey silently"
    scene.begin()
    scene.wait(3.0)
    assert scene.ends()[0] == "confirmed"


def test_in_a_dry_run_nobody_is_asked() -> None:
    scene = PromotingScene(dry_run=True).begin()
    scene.wait(3.0)
    assert (scene.asked(), scene.gnb.controls) == ([], [])
    assert "recorded" in scene.ends()
    assert any(str(FLOW) in one for one in scene.sentences(Code.WOULD_SEND))


def test_a_doubtful_label_moves_nothing() -> None:
    scene = PromotingScene()
    scene.map()
    scene.open(scene.gnb)
    scene.wait(1.0)
    scene.label(confidence=0.6)
    scene.wait(3.0)
    assert scene.asked() == []


def test_what_a_killed_run_left_is_known_to_the_next_and_put_back() -> None:
    first = PromotingScene().begin()
    first.wait(2.0)
    held = {one.subject: read_held(one.body) for one in first.of(Kind.TARGET)}
    next_run = PromotingScene(run=2)
    next_run.core.start(Left(tuple(held.values()), clean=False), (), next_run.now)
    next_run.gnb.moved = True
    next_run.map()
    next_run.open(next_run.gnb)
    next_run.wait(8.0)
    assert next_run.asked() == [(FLOW, False)]  # put in force again, as it was confirmed
    next_run.core.stop(next_run.now)
    next_run.wait(4.0)
    assert next_run.asked()[-1] == (FLOW, True)
