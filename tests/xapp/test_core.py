"""From E2 bytes that come in to E2 bytes that go out: when quotas are sent, rest and go back."""

from __future__ import annotations

import pytest

from tests.xapp.core_scene import ADDRESS, CELL, NODE, START, Gnb, Scene, ran
from tests.xapp.steering_scene import LLM, REST
from xapp.a1_types import SLICE_POLICY
from xapp.actuators.registry import ActuatorConfig
from xapp.actuators.targets import SliceTarget
from xapp.core import Core
from xapp.core_config import CoreConfig
from xapp.e2.e2ap_causes import RicRequestCause
from xapp.e2.e2ap_messages import ControlRequest
from xapp.e2.rc import ControlHeader
from xapp.e2.rc_quota import read_slice_quota
from xapp.e2.ue_id import GnbDuUe
from xapp.events import Code
from xapp.looking import LOOKS_IN_A_ROW
from xapp.observations import Quota, Snssai, UeKey
from xapp.steering_types import SteeringConfig
from xapp.store import Down, Up
from xapp.store_records import Held, Kind, Left
from xapp.ue_map import Origin, UeEntry


def quotas_sent(gnb: Gnb) -> dict[int | None, tuple[int, int]]:
    """Minimum and dedicated of the last control, by the slice's differentiator."""
    return {one.slice.sd: (one.minimum, one.dedicated)
            for one in read_slice_quota(gnb.profile, gnb.controls[-1].message)}


def test_a_labelled_flow_gets_a_guarantee_that_reports_confirm() -> None:
    scene = Scene()
    gnb = scene.steer(Gnb())
    assert len(gnb.controls) == 1
    assert gnb.station.slices[LLM].minimum >= scene.config.limits.first_guess
    assert gnb.station.slices[REST].minimum >= scene.config.limits.floor
    assert scene.ends() == []  # acknowledged, which proves nothing
    scene.wait(1.0)
    assert scene.ends() == ["confirmed"]
    assert Code.CONFIRMED in scene.codes()
    assert scene.core.tally.ends == {"confirmed": 1}
    assert scene.core.tally.controls == {("rc", "acknowledged"): 1}
    held = {snssai: quota for snssai, (quota, _) in scene.core.steering.quotas(CELL).items()}
    assert held == gnb.station.slices  # what it believes is what is in force


def test_on_oai_what_is_guaranteed_is_dedicated() -> None:
    scene = Scene("oai")
    gnb = scene.steer(Gnb("oai"))
    minimum, dedicated = quotas_sent(gnb)[LLM.sd]
    assert dedicated == minimum >= scene.config.limits.first_guess
    scene.wait(1.0)
    assert scene.ends() == ["confirmed"]


def test_on_srsran_the_flows_ue_is_named() -> None:
    scene = Scene("srsran")
    gnb = scene.steer(Gnb("srsran"))
    assert gnb.station.ues[1].minimum >= scene.config.limits.first_guess
    assert set(gnb.station.slices.values()) == {Quota()}


class Limiting(Gnb):
    """A DU that limits UEs, to be seen in its reports, and refuses what is for nobody."""

    def shares(self) -> dict[Snssai, int]:
        number = next(one for one, snssai in self.ues.items() if snssai == LLM)
        given = max(self.station.ues.get(number, Quota()).minimum, 4)
        return {LLM: given, REST: 100 - given}

    def _control(self, asked: ControlRequest) -> bytes | None:
        header = self.profile.rc.header.decode(asked.header)
        assert isinstance(header, ControlHeader)
        assert isinstance(header.ue, GnbDuUe)
        if header.ue.f1_id not in self.ues:
            return self.end.fail_control(asked, RicRequestCause.CONTROL_FAILED_TO_EXECUTE)
        return super()._control(asked)


def test_a_ue_that_comes_back_under_another_number_is_steered_and_the_old_one_forgotten() -> None:
    """As after every pause of a phone: nothing more is sent for the number that is nobody's.

    Until reports show that it left something is, and the node refuses it; so would any actuator's.
    """
    scene = Scene("srsran", CoreConfig(ran=ran("srsran"),
                                       steering=SteeringConfig(failures_before_aside=1)))
    gnb = scene.steer(Limiting("srsran"))
    scene.wait(8.0)
    assert gnb.station.ues[1].minimum >= scene.config.limits.first_guess
    gnb.ues = {5: LLM, 2: REST}
    gnb.station.ues.clear()
    scene.core.mapped(Origin.FILE, [UeEntry(ADDRESS, UeKey(NODE, "du:5"), LLM)], scene.now)
    scene.wait(30.0, step=1.0)
    assert gnb.station.ues[5].minimum >= scene.config.limits.first_guess
    assert Code.CONTROL_REFUSED in scene.codes()
    assert Code.SET_ASIDE not in scene.codes()
    assert scene.sentences(Code.UE_LEFT)[0].startswith(
        f"rc_slice_quota failed as {NODE}/du:1 had left")
    scene.wait(50.0, step=2.0)
    assert scene.sentences(Code.FORGOTTEN)[0].startswith(f"ue {NODE}/du:1 is gone")
    scene.core.stop(scene.now)
    scene.wait(8.0)
    assert scene.core.steering.quiet
    assert set(gnb.station.ues.values()) == {Quota()}


def adopted(tapped: bool) -> tuple[Scene, Gnb]:
    """An earlier run left a guarantee, and its base station is there again."""
    scene, gnb = Scene(config=CoreConfig(ran=ran(), tapped=tapped)), Gnb()
    held = Held(SliceTarget(CELL, LLM), Quota(), Quota(30), Quota(30), "rc_slice_quota", True)
    scene.core.start(Left((held,)), (), scene.now)
    gnb.station.slices[LLM] = Quota(30)
    scene.map()
    scene.open(gnb)
    return scene, gnb


@pytest.mark.parametrize("tapped", [True, False])
def test_what_was_adopted_is_held_until_a_tap_speaks_or_is_given_up(tapped: bool) -> None:
    scene, gnb = adopted(tapped)
    scene.wait(scene.config.limits.abandon - 20)
    assert gnb.station.slices[LLM] == (Quota(30) if tapped else Quota())
    scene.wait(40.0)
    assert gnb.station.slices[LLM] == Quota()


def test_what_was_adopted_goes_back_once_a_tap_knows_of_no_flow() -> None:
    scene, gnb = adopted(tapped=True)
    scene.wait(30.0)
    assert gnb.station.slices[LLM] == Quota(30)
    scene.tap_lives()
    scene.wait(20.0)
    assert gnb.station.slices[LLM] == Quota()


def test_quotas_rest_for_the_hold_time_after_they_were_confirmed() -> None:
    scene = Scene()
    gnb = scene.steer(Gnb())
    scene.wait(scene.config.limits.pause - 0.5)  # more is needed all the while
    assert scene.ends() == ["confirmed"]
    assert len(gnb.controls) == 1
    scene.wait(3.0)
    assert len(gnb.controls) == 2


def test_what_is_believed_is_what_the_base_station_has_all_along() -> None:
    scene = Scene()
    gnb = scene.steer(Gnb())
    for _ in range(40):
        scene.wait(1.0)
        if not scene.core.steering.busy(CELL):
            held = {snssai: quota for snssai, (quota, _) in
                    scene.core.steering.quotas(CELL).items()}
            assert held == gnb.station.slices
        assert sum(one.minimum for one in gnb.station.slices.values()) <= 100
        assert gnb.station.slices[REST].minimum >= scene.config.limits.floor


def test_without_a_label_or_a_map_nothing_is_sent() -> None:
    scene = Scene()
    gnb = Gnb()
    scene.open(gnb)
    scene.wait(5.0)
    assert gnb.controls == []
    scene.label()  # whose address nobody knows
    scene.wait(2.0)
    assert gnb.controls == []
    scene.map()
    scene.wait(2.0)
    assert len(gnb.controls) == 1


def test_a_doubtful_label_moves_nothing() -> None:
    scene = Scene()
    scene.map()
    gnb = Gnb()
    scene.open(gnb)
    scene.wait(1.0)
    scene.label(confidence=0.5)
    scene.wait(2.0)
    assert gnb.controls == []


def test_a_dry_run_decides_and_sends_nothing_and_can_be_ended() -> None:
    scene = Scene(config=CoreConfig(ran=ran(), steering=SteeringConfig(dry_run=True)))
    gnb = scene.steer(Gnb())
    scene.wait(3.0)
    assert gnb.controls == []
    assert set(scene.ends()) == {"recorded"}
    assert Code.WOULD_SEND in scene.codes()
    scene.core.set_dry_run(False, "anna", scene.now)
    scene.wait(2.0)
    assert len(gnb.controls) == 1
    assert [one.who for one in scene.of(Kind.MODE)] == ["anna"]


def test_the_kill_switch_puts_back_what_was_found_until_it_is_released() -> None:
    scene = Scene()
    gnb = scene.steer(Gnb())
    scene.wait(1.0)
    scene.core.kill("anna", "A test.", scene.now)
    scene.wait(3.0)
    assert gnb.station.slices == {LLM: Quota(), REST: Quota()}
    sent = len(gnb.controls)
    scene.wait(20.0)
    assert len(gnb.controls) == sent
    scene.core.release("anna", scene.now)
    scene.wait(10.0)
    assert gnb.station.slices[LLM].minimum > 0


def test_nothing_is_sent_before_the_intent_is_on_disk() -> None:
    scene = Scene()
    scene.commits = False
    gnb = scene.steer(Gnb())
    assert gnb.controls == []
    scene.core.stored(Down("the disk is full"), scene.now)
    scene.wait(8.0)
    assert gnb.controls == []
    assert scene.core.store_why == "the disk is full"
    assert Code.STORE_DOWN in scene.codes()
    scene.commits = True
    scene.core.stored(Up(), scene.now)
    scene.wait(15.0)
    assert scene.core.store_why is None
    assert gnb.controls


def test_a_store_that_takes_no_more_stops_the_action_and_not_the_core() -> None:
    scene = Scene()
    scene.takes = False
    gnb = scene.steer(Gnb())
    scene.wait(2.0)
    assert gnb.controls == []
    scene.takes = True
    scene.wait(20.0)
    assert gnb.controls


@pytest.mark.parametrize(("answer", "code", "counted"), [
    ("refuse", Code.CONTROL_REFUSED, "refused"), ("nothing", Code.CONTROL_UNANSWERED, "silent"),
    ("ack without effect", Code.NO_EFFECT, "acknowledged")])
def test_a_control_without_an_effect_is_told_and_never_confirmed(
    answer: str, code: Code, counted: str
) -> None:
    scene = Scene()
    gnb = Gnb(answer=answer)
    gnb.station.deaf = {"rc"}
    scene.steer(gnb)
    scene.wait(12.0)
    assert code in scene.codes()
    assert scene.core.tally.controls["rc", counted] >= 1
    assert "confirmed" not in scene.ends()
    assert gnb.station.slices == {LLM: Quota(), REST: Quota()}


def test_a_base_station_that_dies_between_is_steered_again_when_it_is_back() -> None:
    scene = Scene()
    gnb = Gnb(answer="nothing")
    scene.steer(gnb)
    assert len(gnb.controls) == 1
    scene.close(1)
    assert scene.ends() == ["failed"]
    assert Code.NODE_LOST in scene.codes()
    scene.wait(1.0)
    again = Gnb()
    scene.open(again)
    scene.wait(20.0)
    assert again.controls
    assert again.station.slices == {
        snssai: quota for snssai, (quota, _) in scene.core.steering.quotas(CELL).items()}


def test_the_end_puts_back_what_was_found() -> None:
    scene = Scene()
    gnb = scene.steer(Gnb())
    scene.wait(1.0)
    scene.core.stop(scene.now)
    scene.wait(5.0)
    assert scene.core.steering.quiet
    assert gnb.station.slices == {LLM: Quota(), REST: Quota()}


def test_a_flow_that_is_over_gives_its_guarantee_back() -> None:
    scene = Scene()
    gnb = scene.steer(Gnb())
    scene.wait(2.0)
    scene.label(ended=True, sequence=2)
    scene.wait(60.0)
    assert gnb.station.slices[LLM].minimum == 0


def test_the_same_wish_is_not_uttered_again_before_its_time() -> None:
    config = CoreConfig(ran=ran(), repeat_every=10.0,
                        actuators=ActuatorConfig(off=("rc_slice_quota",)))  # and it has no other
    scene = Scene(config=config)
    scene.steer(Gnb())
    scene.wait(9.0)
    assert len(scene.of(Kind.DECISION)) == 1
    scene.wait(2.0)
    assert len(scene.of(Kind.DECISION)) == 2


def test_a_dry_run_records_a_decision_once_until_it_is_another() -> None:
    scene = Scene(config=CoreConfig(ran=ran(), steering=SteeringConfig(dry_run=True)))
    scene.steer(Gnb())
    scene.wait(60.0)
    assert len(scene.of(Kind.DECISION)) == len(scene.of(Kind.DECISION_ENDED)) == 1
    scene.core.put_policy(SLICE_POLICY, "floor", {"floors": {str(REST): 60}}, "anna", scene.now,
                          7.0)
    scene.wait(60.0)
    assert len(scene.of(Kind.DECISION)) == 2


def test_reports_of_one_moment_are_looked_at_at_once_and_many_more_together() -> None:
    scene = Scene()
    scene.open(Gnb())
    scene.wait(1.0)
    every = scene.config.evaluate_every
    scene.now += every * 10
    scene.report()
    assert scene.core.observations.now == scene.now
    for _ in range(LOOKS_IN_A_ROW + 5):
        last = scene.core.observations.now
        scene.now += every / 100
        scene.report()
    assert scene.core.observations.now == last < scene.now
    due = scene.core.next_deadline()
    assert last < due <= last + every * 1.1
    scene.now = due
    scene.core.tick(scene.now)
    assert scene.core.observations.now == scene.now


def test_looks_are_on_average_as_far_apart_as_is_configured() -> None:
    scene = Scene()
    scene.open(Gnb())
    scene.wait(1.0)
    every, began, looks = scene.config.evaluate_every, scene.now, set()
    while scene.now < began + 100 * every:
        scene.now += every / 7
        scene.report()
        scene.core.tick(scene.now)
        looks.add(scene.core.observations.now)
    assert 90 <= len(looks) <= 100 + LOOKS_IN_A_ROW + 1


def test_once_a_second_what_is_observed_is_sampled() -> None:
    scene = Scene()
    scene.steer(Gnb())
    scene.samples.clear()
    scene.wait(5.0)
    assert len([one for one in scene.samples if one.kind == "cell"]) == 5
    assert {one.kind for one in scene.samples} == {"cell", "slice", "ue", "flow"}


def test_a_new_core_is_due_at_once() -> None:
    scene = Scene()
    assert isinstance(scene.core, Core)
    assert scene.core.next_deadline() <= START
