"""The xApp on a made-up OSC RIC: from the E2 manager's list to a quota shown to be in force."""

from __future__ import annotations

from tests.xapp.core_scene import LLM, NODE
from tests.xapp.ric.osc_ric import RAN
from tests.xapp.ric.osc_scene import OscScene
from xapp.events import Code
from xapp.ric.osc_messages import CONTROL


def started() -> OscScene:
    scene = OscScene()
    scene.begin()
    scene.wait(1.0)
    return scene


def steered(scene: OscScene) -> OscScene:
    """A flow of a split LLM, and time for what follows from it."""
    scene.map()
    scene.label()
    scene.wait(3.0)
    return scene


def test_a_base_station_of_the_e2_manager_is_there_with_what_it_announced() -> None:
    scene = started()
    station, = scene.core.stations.stations
    assert station.there
    assert station.name == NODE
    assert Code.NODE_UP in scene.codes()
    assert scene.session.name(next(iter(scene.nodes.connections))) == RAN


def test_its_reports_arrive_whose_ids_the_subscription_manager_made_up() -> None:
    scene = started()
    assert len(scene.ric.kept) == len(scene.asked("POST")) > 1
    assert scene.core.observer.counters.reports > 0
    assert scene.core.observations.ues


def test_a_decision_becomes_a_control_for_the_ran_and_its_effect_is_seen() -> None:
    scene = steered(started())
    control = next(one for one in scene.sent if one.type == CONTROL)
    assert control.meid == RAN
    assert scene.ric.gnb.controls[0].request.requestor == scene.osc.requestor
    assert scene.ric.gnb.station.slices[LLM].minimum > 0
    assert scene.core.controls["rc", "acknowledged"] == len(scene.ric.gnb.controls)
    assert Code.CONFIRMED in scene.codes()
