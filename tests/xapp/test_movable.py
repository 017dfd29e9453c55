"""From which cells UEs can be sent away, and what a policy that only bounds that is worth."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.xapp.core_scene import CELL, NODE, Gnb, Scene, cu_cp
from tests.xapp.policy_networks import CELL as HERE
from tests.xapp.policy_networks import LIMITS, NOW, OTHER, WEB, cell, network, slice_
from tests.xapp.policy_networks import LLM as SPLIT
from tests.xapp.steering_scene import LLM, REST
from xapp.a1_types import TRAFFIC_STEERING
from xapp.actuators.registry import ActuatorConfig
from xapp.base_stations_config import NodeConfig, RanConfig
from xapp.core_config import CoreConfig
from xapp.movable import movable
from xapp.observations import CellKey, Observations
from xapp.policy import NOBODY_MOVES, standing
from xapp.slice_policy import Reach, SlicePolicy
from xapp.store_records import Left

NEAR = "00066c001"


def config(kind: str = "srsran", neighbour: str = NEAR, **values: object) -> CoreConfig:
    node = NodeConfig("*", kind, {CELL.cell: 106, NEAR: 106}, neighbours={CELL.cell: (neighbour,)})
    plain = CoreConfig(ran=RanConfig((node,), (LLM, REST)))
    return replace(plain, **values)  # type: ignore[arg-type]  # names of CoreConfig's own fields


def bound(scene: Scene) -> tuple[bool, str]:
    shown = scene.core.a1.instance(TRAFFIC_STEERING, "ts")
    return shown.in_effect, shown.reason


def restarted(settings: CoreConfig, kind: str = "srsran") -> Scene:
    scene = Scene(kind, settings)
    scene.core.start(Left(), [(TRAFFIC_STEERING, "ts", {"threshold": 20}, "anna", 7.0)], scene.now)
    return scene


def test_a_bound_of_handovers_is_in_effect_once_somebody_can_be_handed_over() -> None:
    scene = restarted(config())
    scene.wait(2.0)
    assert bound(scene) == (False, NOBODY_MOVES)
    scene.open(Gnb("srsran"))
    scene.wait(2.0)
    assert bound(scene) == (False, NOBODY_MOVES)  # a CU-CP hands over
    number = scene.open(cu_cp("srsran"))
    scene.wait(2.0)
    assert bound(scene) == (True, "")
    scene.close(number)
    scene.wait(2.0)
    assert bound(scene) == (False, NOBODY_MOVES)


@pytest.mark.parametrize(("settings", "kind"), [
    (config("spec"), "spec"),  # announces no handovers
    (config(neighbour="00066c009"), "srsran"),  # the neighbour is not there
    (config(neighbour=CELL.cell), "srsran"),  # is the cell itself
    (config(actuators=ActuatorConfig(off=("rc_handover",))), "srsran")])
def test_it_is_not_where_nobody_can(settings: CoreConfig, kind: str) -> None:
    scene = restarted(settings, kind)
    scene.open(Gnb(kind))
    scene.open(cu_cp(kind))
    scene.wait(2.0)
    assert bound(scene) == (False, NOBODY_MOVES)


def test_a_neighbour_that_a_ue_hears_is_one_too() -> None:
    scene = Scene("srsran", config(neighbour="00066c009"))
    scene.open(Gnb("srsran"))
    scene.open(cu_cp("srsran"))
    scene.wait(2.0)
    seen, stations = scene.core.observations, scene.core.stations
    assert movable(seen, stations, ActuatorConfig()) == frozenset()
    ues = {key: replace(one, cell=CELL, neighbours=((CellKey(NODE, NEAR), -90.0),))
           for key, one in seen.ues.items()}
    assert ues
    heard = replace(seen, ues=ues)
    assert movable(heard, stations, ActuatorConfig()) == {CELL}
    assert movable(Observations(0.0), stations, ActuatorConfig()) == frozenset()


def test_a_policy_for_no_flows_stands_where_it_changes_anything() -> None:
    bound = SlicePolicy("bound", labels=frozenset(), handover_gain=30)
    floor = SlicePolicy("floor", labels=frozenset(), floors={WEB: 20}, reach=Reach(
        frozenset({HERE})))
    seen = network([cell(slice_(SPLIT), slice_(WEB))])
    assert standing(network([]), [bound, floor], LIMITS, NOW) == {
        "bound": NOBODY_MOVES, "floor": "no cell that it is for is there"}
    assert standing(seen, [bound, floor], LIMITS, NOW) == {"bound": NOBODY_MOVES, "floor": ""}
    assert standing(seen, [bound], LIMITS, NOW, {HERE}) == {"bound": ""}
    elsewhere = replace(bound, reach=Reach(frozenset({OTHER})))
    assert standing(seen, [elsewhere], LIMITS, NOW, {HERE}) == {"bound": NOBODY_MOVES}
