"""CCC: on OCUDU with its least dedicated share, and never on srsRAN."""

from __future__ import annotations

from dataclasses import replace

from tests.xapp.steering_scene import CELL, FREE, LLM, NODE, REST, facts, wish
from xapp.actuators.base import E2Control, Refusal, Steps
from xapp.actuators.ccc import CccQuota
from xapp.actuators.targets import SliceTarget
from xapp.e2.ccc_quota import read_ccc_quotas
from xapp.e2.profiles import PROFILES
from xapp.observations import CellKey, Observations, Quota

EMPTY = Observations(0.0)


def test_dedicated_is_one_at_least_and_that_is_said() -> None:
    made = CccQuota(PROFILES["ocudu"]).plan(wish(), facts("ocudu"), EMPTY)
    assert isinstance(made, Steps)
    (step,) = made.steps
    assert isinstance(step, E2Control)
    ((cell, quotas),) = read_ccc_quotas(step.message).items()
    assert cell.cell == int(CELL.cell, 16)
    assert {(one.minimum, one.maximum, one.dedicated) for one in quotas} == {
        (70, 100, 1), (10, 30, 1)}
    assert made.sets[SliceTarget(CELL, LLM)] == Quota(70, 100, 1)
    assert "1 % dedicated" in made.shortfalls[0]


def test_srsran_hangs_on_it_and_never_gets_it() -> None:
    actuator, node = CccQuota(PROFILES["srsran"]), facts("srsran")
    assert "harmed" in (actuator.can(node, wish()) or "")
    assert isinstance(actuator.plan(wish(), node, EMPTY), Refusal)
    assert isinstance(actuator.put(node, {SliceTarget(CELL, LLM): FREE}), Refusal)


def test_guarantees_that_no_longer_fit_with_the_least_share_are_refused() -> None:
    made = CccQuota(PROFILES["ocudu"]).plan(
        wish({LLM: Quota(100, 100, 0), REST: Quota(0, 100, 0)}), facts("ocudu"), EMPTY)
    assert isinstance(made, Refusal)
    assert "101 %" in made.reason


def test_a_cell_without_a_name_and_a_node_without_the_function_are_refused() -> None:
    actuator = CccQuota(PROFILES["ocudu"])
    nameless = replace(wish(), cell=CellKey(NODE, ""))
    assert "never named" in (actuator.can(facts("ocudu"), nameless) or "")
    assert "announced no" in (actuator.can(replace(facts("ocudu"), functions=()), wish()) or "")
    broken = actuator.put(facts("ocudu"), {SliceTarget(CellKey(NODE, "no hex"), LLM): FREE})
    assert isinstance(broken, Refusal)
