"""One action, and all that a base station can answer or not do: each has one end, and is told."""

from __future__ import annotations

from tests.xapp.steering_scene import (
    CELL,
    FREE,
    LLM,
    REST,
    WISH,
    Scene,
    kind_of,
    wish,
)
from xapp.actuators.registry import ActuatorConfig
from xapp.decisions import Expectation, Metric
from xapp.events import Code, Level
from xapp.observations import Quota
from xapp.steering_table import Stage
from xapp.store_records import Kind

ONLY_REMOTE = ActuatorConfig(remote=True, off=("ccc_slice_quota", "rc_slice_quota"))


def test_an_effect_that_reports_show_confirms() -> None:
    scene = Scene()
    scene.decide()
    assert scene.outcomes() == []  # it was acknowledged, which proves nothing
    scene.wait(4)
    assert scene.outcomes() == ["confirmed"]
    assert scene.ends() == ["confirmed"]
    assert scene.codes()[-1] is Code.CONFIRMED
    assert scene.steering.quotas(CELL)[LLM][0] == Quota(70, 100, 1)  # OCUDU wants 1 dedicated
    assert scene.station.slices[LLM] == Quota(70, 100, 1)
    assert scene.steering.quiet


def test_a_stale_report_does_not_confirm() -> None:
    scene = Scene()  # OCUDU's profile: figures are refreshed once a second
    scene.decide()
    scene.wait(0.9, step=0.1)
    assert scene.outcomes() == []
    scene.wait(0.2, step=0.1)
    assert scene.outcomes() == ["confirmed"]


def test_an_acknowledgement_without_effect_is_undone_and_the_next_actuator_is_tried() -> None:
    scene = Scene()
    scene.station.deaf = {"ccc"}
    scene.decide()
    scene.wait(12)
    assert [kind_of(sent.step) for sent in scene.sent] == ["ccc", "ccc", "remote", "remote"]
    assert [sent.undo for sent in scene.sent] == [False, True, False, False]
    assert scene.outcomes() == ["rolled_back", "confirmed"]
    assert scene.ends() == ["confirmed"]
    assert {Code.NO_EFFECT, Code.ROLLED_BACK} <= set(scene.codes())
    assert scene.station.slices == WISH


def test_a_refused_control_is_not_undone_and_the_next_actuator_is_tried() -> None:
    scene = Scene()
    scene.answers = lambda sent: "refuse" if kind_of(sent.step) == "ccc" else "ack"
    scene.decide()
    scene.wait(5)
    assert scene.outcomes() == ["refused", "confirmed"]
    assert not any(sent.undo for sent in scene.sent)
    assert scene.codes().count(Code.CONTROL_REFUSED) == 1


def test_a_second_step_that_is_refused_undoes_the_first() -> None:
    scene = Scene(actuators=ONLY_REMOTE)
    scene.answers = lambda sent: (
        "refuse" if len(scene.sent) == 2 and not sent.undo else "ack")
    scene.decide()
    scene.wait(10)
    assert scene.outcomes() == ["rolled_back"]
    assert scene.station.slices == {LLM: FREE, REST: FREE}


def test_silence_with_an_effect_is_a_success_that_is_told_as_such() -> None:
    scene = Scene()
    scene.answers = lambda sent: "obey silently"
    scene.decide()
    scene.wait(8)
    assert scene.outcomes() == ["confirmed"]
    assert Code.CONTROL_UNANSWERED in scene.codes()
    assert Code.CONFIRMED_UNANSWERED in scene.codes()


def test_what_nothing_could_show_is_kept_unproven_and_told() -> None:
    scene = Scene(actuators=ONLY_REMOTE)
    so_already = Expectation((CELL, LLM), Metric.DOWN_PRBS, 3.0, at_least=40.0)
    scene.decide(wish(expected=(so_already,)))
    scene.wait(4)
    assert scene.outcomes() == ["kept"]
    assert scene.ends() == ["unproven"]
    assert Code.CONFIRMED not in scene.codes()
    told = [event for event in scene.events if event.code is Code.UNPROVEN]
    assert [event.level for event in told] == [Level.WARNING]
    assert scene.station.slices[LLM] == Quota(70, 100, 0)
    assert scene.steering.unproven(CELL) == {LLM, REST}
    assert scene.steering.quotas(CELL)[LLM][0] == Quota(70, 100, 0)
    # A later decision whose effect shows proves it.
    scene.decide(wish(minimum=80))
    scene.wait(4)
    assert scene.ends() == ["unproven", "confirmed"]
    assert not scene.steering.unproven(CELL)


def test_neither_an_answer_nor_a_figure_that_could_show_it_is_undone() -> None:
    scene = Scene(actuators=ONLY_REMOTE)
    scene.answers = lambda sent: "silence" if len(scene.sent) == 1 else "ack"
    scene.decide(wish(expected=(Expectation((CELL, LLM), Metric.DOWN_PRBS, 3.0, at_least=40.0),)))
    scene.wait(12)
    assert scene.outcomes() == ["rolled_back"]
    assert scene.ends() == ["rolled_back"]


def test_silence_without_an_effect_is_undone() -> None:
    scene = Scene()
    scene.answers = lambda sent: "silence" if kind_of(sent.step) == "ccc" and (
        not sent.undo) else "ack"
    scene.decide()
    scene.wait(16)
    assert scene.outcomes() == ["rolled_back", "confirmed"]


def test_what_cannot_be_judged_counts_as_not_shown_and_is_told_as_not_visible() -> None:
    scene = Scene(actuators=ONLY_REMOTE)
    scene.decide()
    scene.station.reports = False
    scene.wait(5)
    assert Code.NOT_VISIBLE in scene.codes()
    assert Code.NO_EFFECT not in scene.codes()
    scene.wait(20)
    assert scene.outcomes()[0] == "unproven"  # the undo is not visible either
    assert Code.UNDO_UNPROVEN in scene.codes()
    assert not scene.steering.quiet
    scene.station.reports = True
    scene.wait(200)
    assert scene.codes()[-1] is Code.PUT_BACK
    assert scene.steering.quiet
    assert scene.station.slices == {LLM: FREE, REST: FREE}


def test_an_answer_after_the_deadline_is_noted_and_changes_nothing() -> None:
    scene = Scene(actuators=ONLY_REMOTE)
    scene.station.deaf = {"remote"}
    scene.answers = lambda sent: "ack" if sent.undo or len(scene.sent) == 1 else "silence"
    scene.decide()
    late = scene.sent[-1]
    scene.wait(20)
    assert scene.outcomes() == ["rolled_back"]
    before = list(scene.sent)
    scene.do(scene.steering.acknowledged(late.call, scene.now))
    assert scene.codes()[-1] is Code.LATE_ANSWER
    assert scene.sent == before
    assert scene.of(Kind.ANSWER)[-1].body["late"] is True


def test_an_answer_that_is_late_but_before_the_deadline_counts() -> None:
    scene = Scene(actuators=ONLY_REMOTE)
    scene.answers = lambda sent: "ack" if len(scene.sent) == 1 else "silence"
    scene.decide()
    scene.wait(3.2)
    assert Code.CONTROL_UNANSWERED in scene.codes()
    scene.station.obey(scene.sent[-1].step)
    scene.do(scene.steering.acknowledged(scene.sent[-1].call, scene.now))
    scene.wait(4)
    assert scene.outcomes() == ["confirmed"]
    assert Code.CONFIRMED in scene.codes()


def test_an_effect_that_comes_after_the_deadline_is_undone_until_it_is_gone() -> None:
    scene = Scene(actuators=ONLY_REMOTE)
    scene.station.deaf = {"remote"}
    scene.decide()
    scene.wait(3.5)
    assert [sent.undo for sent in scene.sent] == [False, False, True, True]
    scene.station.slices = dict(WISH)  # the first order comes into force now, after the undo
    scene.wait(4)
    assert [sent.undo for sent in scene.sent].count(True) > 2  # it saw that the effect is there
    scene.station.deaf = set()
    scene.wait(20)
    assert scene.outcomes()[0] == "rolled_back"
    assert scene.station.slices == {LLM: FREE, REST: FREE}


def test_an_intent_that_the_store_does_not_take_is_withdrawn() -> None:
    scene = Scene(actuators=ONLY_REMOTE)
    scene.commits = False
    scene.decide()
    scene.do(scene.steering.not_committed(scene.tickets[0], "the disk is full", scene.now))
    assert scene.sent == []
    assert scene.outcomes() == ["withdrawn"]
    assert Code.HELD in scene.codes()
    assert all(held.resting and held.certain for held in scene.steering.held())


def test_an_intent_that_takes_too_long_to_keep_is_withdrawn() -> None:
    scene = Scene(actuators=ONLY_REMOTE)
    scene.commits = False
    scene.decide()
    scene.wait(6)
    scene.do(scene.steering.committed(scene.tickets[0], scene.now))
    assert scene.sent == []
    assert scene.outcomes() == ["withdrawn"]


def test_an_undo_is_sent_even_when_nothing_can_be_kept() -> None:
    scene = Scene(actuators=ONLY_REMOTE)
    scene.station.deaf = {"remote"}
    scene.decide()
    scene.do(scene.steering.store_down("the disk is full", scene.now))
    scene.wait(12)
    assert scene.outcomes() == ["rolled_back"]


def test_every_action_ends_in_one_stage_that_is_final() -> None:
    scene = Scene()
    scene.station.deaf = {"ccc"}
    scene.decide()
    scene.wait(12)
    ended = [record.subject for record in scene.of(Kind.ACTION_ENDED)]
    begun = [record.subject for record in scene.of(Kind.ACTION)]
    assert ended == begun
    assert len(set(ended)) == len(ended)
    assert {Stage(one) for one in scene.outcomes()} == {Stage.ROLLED_BACK, Stage.CONFIRMED}
