"""Which actuators each kind of base station has, in which order, and what they say they do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.xapp.e2.examples import RC_DEFINITION
from tests.xapp.steering_scene import facts
from xapp.actuators.base import Function, functions_of
from xapp.actuators.qos_flow import FlowConfig
from xapp.actuators.registry import ActuatorConfig, OfNodes, for_node
from xapp.decisions import Scope
from xapp.e2.announced import Announced
from xapp.e2.common import RC_OIDS
from xapp.e2.profiles import PROFILES
from xapp.errors import ConfigurationError

ALL = ActuatorConfig(remote=True, flow=FlowConfig(5, 2))


@pytest.mark.parametrize(("kind", "names"), [
    ("srsran", ["websocket_slice_quota", "rc_slice_quota", "rc_handover"]),
    ("ocudu", ["ccc_slice_quota", "websocket_slice_quota", "rc_slice_quota", "rc_handover"]),
    ("oai", ["rc_slice_quota", "rc_flow_mapping"]),
    ("spec", ["rc_slice_quota", "ccc_slice_quota", "rc_flow_mapping", "rc_handover"])])
def test_slices_go_first_then_what_is_trusted_more(kind: str, names: list[str]) -> None:
    node = facts(kind)
    assert [one.name for one in for_node(node.profile, node.functions, ALL)] == names


def test_ccc_is_never_used_on_srsran_whatever_an_operator_says() -> None:
    node = facts("srsran")
    named = ActuatorConfig(order=("ccc_slice_quota",), remote=True)
    assert "ccc_slice_quota" not in [
        one.name for one in for_node(node.profile, node.functions, named)]


def test_an_operator_orders_and_switches_off() -> None:
    node = facts("ocudu")
    config = ActuatorConfig(order=("rc_slice_quota",), off=("ccc_slice_quota",), remote=True)
    assert [one.name for one in for_node(node.profile, node.functions, config)] == [
        "rc_slice_quota", "websocket_slice_quota", "rc_handover"]


def test_what_is_not_announced_or_configured_is_not_there() -> None:
    assert for_node(PROFILES["srsran"], ()) == ()
    assert for_node(PROFILES["oai"], facts("oai").functions)[-1].name == "rc_slice_quota"


def test_they_are_found_anew_where_a_node_announces_another_thing() -> None:
    node, of_nodes = replace(facts("srsran"), remote=False), OfNodes(ActuatorConfig())
    first = of_nodes.of(node)
    assert of_nodes.of(replace(node, in_force={}, touched={})) is first
    assert "websocket_slice_quota" not in [one.name for one in first]
    assert "websocket_slice_quota" in [one.name for one in of_nodes.of(replace(node, remote=True))]
    assert of_nodes.of(replace(node, functions=())) == ()
    assert [one.name for one in of_nodes.of(facts("oai"))] == ["rc_slice_quota"]


QUOTA, HANDOVER, FLOW = (2, 6), (3, 1), (1, 2)


@pytest.mark.parametrize(("unit", "actions", "names"), [
    ("du", {QUOTA}, ["rc_slice_quota"]),
    ("du", {QUOTA, FLOW}, ["rc_slice_quota", "rc_flow_mapping"]),
    ("cu_cp", {HANDOVER}, ["rc_handover"]),
    ("du", {HANDOVER}, []),  # a CU-CP's business
    ("cu_cp", {QUOTA}, []),  # a DU's
    ("gnb", {QUOTA, HANDOVER}, ["rc_slice_quota", "rc_handover"]),
    ("du", {(2, 1), (3, 2)}, []),
    ("du", set(), [])])
def test_styles_and_actions_of_rc_count_and_not_its_oid_alone(
        unit: str, actions: set[tuple[int, int]], names: list[str]) -> None:
    functions = (Function(unit, RC_OIDS[0], 3, frozenset(actions)),)
    assert [one.name for one in for_node(PROFILES["spec"], functions, ALL)] == names


def test_rc_without_controls_takes_none() -> None:
    for controls in (None, ()):
        definition = replace(RC_DEFINITION, controls=controls)
        found = functions_of("gnb", Announced(rc=((3, definition),)), {3: RC_OIDS[0]})
        assert for_node(PROFILES["spec"], found, ALL) == ()


@pytest.mark.parametrize("kind", PROFILES)
def test_each_says_what_it_acts_on_and_what_was_verified(kind: str) -> None:
    node = facts(kind)
    for one in for_node(node.profile, node.functions, ALL):
        assert isinstance(one.scope, Scope)
        assert node.profile.title in one.verified


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no actuator ccc"):
        ActuatorConfig(off=("ccc",))
