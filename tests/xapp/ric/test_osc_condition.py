"""From trouble of the core to an alarm at a made-up RIC, and back; and the metrics beside it."""

from __future__ import annotations

from tests.xapp.core_scene import NODE
from tests.xapp.ric.osc_ric import MadeRic
from tests.xapp.ric.osc_scene import OscScene
from xapp.events import Code
from xapp.ric.osc_alarms import Problem
from xapp.store import Down, Up

E2 = Problem.E2_LOST.number, NODE
TAP = Problem.TAP_SILENT.number, "tap"
STORE = Problem.STORE_DOWN.number, "store"
CONTROL = Problem.CONTROL_FAILING.number, "rc"


def begun(ric: MadeRic | None = None) -> OscScene:
    scene = OscScene(ric)
    scene.begin()
    scene.wait(8.0)
    return scene


def steered(scene: OscScene) -> OscScene:
    scene.map()
    scene.label()
    scene.wait(8.0)
    return scene


def test_all_is_well_and_the_manager_shows_nothing() -> None:
    scene = steered(begun())
    assert scene.ric.active() == set()
    assert scene.ric.alarms[0]["AlarmAction"] == "CLEARALL"
    assert Code.RIC_TROUBLE not in scene.codes()


def test_a_base_station_that_goes_is_an_alarm_until_it_is_back() -> None:
    scene = begun()
    scene.ric.connected = False
    scene.wait(7.0)
    assert scene.ric.active() == {E2}
    scene.ric.connected = True
    scene.ric.restart()
    scene.wait(7.0)
    assert scene.ric.active() == set()


def test_a_tap_that_falls_silent_is_an_alarm_until_it_speaks() -> None:
    scene = steered(begun())
    scene.wait(8.0, tap=False)
    assert scene.ric.active() == {TAP}
    scene.wait(2.0)
    assert scene.ric.active() == set()


def test_a_store_that_is_down_is_an_alarm_until_it_is_up() -> None:
    scene = begun()
    scene.core.stored(Down("the disk is full"), scene.now)
    scene.wait(2.0)
    assert scene.ric.active() == {STORE}
    assert "the disk is full" in scene.ric.alarms[-1]["additionalInfo"]
    scene.core.stored(Up(), scene.now)
    scene.wait(2.0)
    assert scene.ric.active() == set()


def test_controls_that_fail_are_an_alarm() -> None:
    ric = MadeRic()
    ric.gnb.answer = "refuse"
    scene = steered(begun(ric))
    assert CONTROL in scene.ric.active()


def test_controls_without_effect_are_an_alarm_too() -> None:
    ric = MadeRic()
    ric.gnb.answer = "ack without effect"
    scene = steered(begun(ric))
    assert (Problem.CONTROL_FAILING.number, "decisions") in scene.ric.active()


def test_what_a_bus_without_routes_lost_is_raised_when_it_has_some() -> None:
    scene = begun()
    scene.routed = False
    scene.ric.connected = False
    scene.wait(7.0)
    assert scene.ric.active() == set()
    assert any("alarm manager" in one for one in scene.sentences(Code.RIC_TROUBLE))
    scene.routed = True
    scene.wait(12.0)
    assert scene.ric.active() == {E2}


def test_metrics_are_those_of_the_core() -> None:
    scene = steered(begun())
    data = {one["id"]: one for one in scene.ric.metrics[-1]["data"]}
    assert data["airsplit_xapp_nodes"] == {"id": "airsplit_xapp_nodes", "type": "gauge",
                                           "value": "1"}
    assert int(data["airsplit_xapp_indications_total"]["value"]) > 0
    assert data["airsplit_xapp_controls_total.rc.acknowledged"]["type"] == "counter"
    confirmed = int(data["airsplit_xapp_decisions_total.confirmed"]["value"])
    assert 0 < confirmed <= scene.core.tally.ends["confirmed"]  # some seconds ago
    assert any(name.startswith("airsplit_xapp_slice_minimum_percent.") for name in data)
