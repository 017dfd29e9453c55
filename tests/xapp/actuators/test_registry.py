"""Which actuators each kind of base station has, in which order, and what they say they do."""

from __future__ import annotations

import pytest

from tests.xapp.steering_scene import facts
from xapp.actuators.qos_flow import FlowConfig
from xapp.actuators.registry import ActuatorConfig, for_node
from xapp.decisions import Scope
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


@pytest.mark.parametrize("kind", PROFILES)
def test_each_says_what_it_acts_on_and_what_was_verified(kind: str) -> None:
    node = facts(kind)
    for one in for_node(node.profile, node.functions, ALL):
        assert isinstance(one.scope, Scope)
        assert node.profile.title in one.verified


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no actuator ccc"):
        ActuatorConfig(off=("ccc",))
