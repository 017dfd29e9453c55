"""What `ip` shows of a user plane: devices, addresses, routes, rules; and what comes of errors."""

from __future__ import annotations

import json

import pytest

from testbed import namespaces
from testbed.errors import LinkFailure
from testbed.ran.plane import topology
from testbed.ran.plane.config import TunnelConfig, simple_plane
from testbed.ran.plane.user_plane import UserPlane


def shown(namespace: str, *words: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(
        namespaces.command("ip", "-n", namespace, "-j", *words))
    return found


def test_names() -> None:
    config = simple_plane(2, "cell", TunnelConfig())
    assert topology.all_namespaces(config) == ("cell-n6", "cell-gnb", "cell-ue1", "cell-ue2")


def test_a_ue_sends_by_the_device_of_the_address_that_it_uses(name: str) -> None:
    with UserPlane(simple_plane(1, name)) as plane:
        ue = plane.namespace("ue1")
        for far, own, device in (("192.0.2.1", "10.45.0.2", "ue0"),
                                 ("192.0.2.1", "10.46.0.2", "ue1"),
                                 ("2001:db8::1", "fd45:0:0:1::1", "ue0"),
                                 ("2001:db8::1", "fd46:0:0:1::1", "ue1")):
            assert shown(ue, "route", "get", far, "from", own)[0]["dev"] == device
        assert shown(ue, "route", "get", "192.0.2.1")[0]["prefsrc"] == "10.45.0.2"
        assert shown(ue, "route", "get", "192.0.2.1", "oif", "ue1")[0]["prefsrc"] == "10.46.0.2"
        assert {shown(plane.n6, "route", "get", address)[0]["dev"]
                for address in ("10.46.3.4", "fd46:0:0:5::1")} == {"n6-llm"}
        link = shown(ue, "link", "show", "ue0")[0]
        assert (link["mtu"], link["txqlen"]) == (1400, 2000)


def test_rules_do_not_pile_up_when_addresses_change(name: str) -> None:
    with UserPlane(simple_plane(1, name)) as plane:
        ue = plane.namespace("ue1")
        before = shown(ue, "rule", "show") + shown(ue, "-6", "rule", "show")
        for _ in range(3):
            plane.detach("ue1")
            plane.attach("ue1")
        assert shown(ue, "rule", "show") + shown(ue, "-6", "rule", "show") == before


def test_what_ip_complains_of_is_passed_on(name: str) -> None:
    with pytest.raises(LinkFailure, match="cannot be set up"):
        topology.batch(f"{name}-nowhere", ["link set lo up"])
