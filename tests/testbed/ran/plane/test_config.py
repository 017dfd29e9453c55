"""Configurations that cannot work are refused with what is wrong in them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from testbed.ran.plane.config import (
    DnnConfig,
    PlaneConfig,
    SessionConfig,
    TunnelConfig,
    UeConfig,
    nth_addresses,
    simple_plane,
)
from xapp.errors import ConfigurationError


def one_session(**changes: object) -> PlaneConfig:
    session = replace(SessionConfig(0, address="10.45.0.2"), **changes)  # type: ignore[arg-type]  # wrong on purpose
    return PlaneConfig((UeConfig("ue1", (session,)),))


def test_a_simple_plane() -> None:
    config = simple_plane(3, llm_ues=2)
    assert [(ue.name, place, session.bearer, session.dnn)
            for ue, place, session in config.sessions()] == [
        ("ue1", 0, 0, "internet"), ("ue1", 1, 1, "llm"), ("ue2", 0, 2, "internet"),
        ("ue2", 1, 3, "llm"), ("ue3", 0, 4, "internet")]
    assert list(config.dnns[1].gateways()) == ["10.46.0.1/16", "fd46::1/48"]
    assert config.ue("ue2").sessions[0].addresses == ("10.45.0.3", "fd45:0:0:2::1")


@pytest.mark.parametrize("changes", [
    {"address": None}, {"address": "10.44.0.2"}, {"address": "10.45.0.1"}, {"address": "nowhere"},
    {"address6": "fd46::1:1"}, {"address6": "fd45::9"}, {"address": "fd45:0:0:1::1"},
    {"dnn": "elsewhere"}, {"bearer": -1}, {"bearer": 4096}, {"qfi": 64}])
def test_sessions_that_cannot_be(changes: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        one_session(**changes)


@pytest.mark.parametrize("changes", [
    {"name": "No Name"}, {"mtu": 500}, {"mtu": 9000}, {"slot_us": 5}, {"places": 0},
    {"most_taken": 0}, {"queue": 0}, {"priority": 0}, {"dnns": ()},
    {"dnns": (DnnConfig(), DnnConfig(device="other"))},
    {"dnns": (DnnConfig(device="a-name-of-sixteen"),)}, {"dnns": (DnnConfig(pool="10.45.0.7/16"),)},
    {"dnns": (DnnConfig(pool6="fe80::/48"),)}, {"dnns": (DnnConfig(pool6="fd45::/96"),)},
    {"dnns": (DnnConfig(pool="fd00::/64"),)}])
def test_planes_that_cannot_be(changes: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        replace(one_session(), **changes)  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.parametrize(("changes", "said"), [
    ({"gnb": "1.2.3"}, "Give two IPv4 addresses"), ({"prefix": 64}, "prefix of 1 to 30"),
    ({"upf": "192.168.4.2"}, "not two ends"), ({"upf": "192.168.3.1"}, "not two ends"),
    ({"mtu": 0}, "an mtu of 0"), ({"first_teid": 1 << 32}, "first_teid is")])
def test_tunnels_that_cannot_be(changes: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        TunnelConfig(**changes)  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.parametrize("changes", [
    {"pool": "10.0.0.0/8", "pool6": None}, {"pool": "10.46.0.0/16", "pool6": "fd45:0:0:8000::/49"}])
def test_networks_that_share_addresses(changes: dict[str, str | None]) -> None:
    other = DnnConfig("other", "n6-other", **changes)  # type: ignore[arg-type]  # wrong on purpose
    with pytest.raises(ConfigurationError, match="internet and other share addresses"):
        PlaneConfig(one_session().ues, (DnnConfig(), other))


def test_sessions_that_get_in_each_others_way() -> None:
    one = SessionConfig(0, address="10.45.0.2", address6="fd45:0:0:1::1")
    for other in (replace(one, address="10.45.0.3", address6=None),
                  replace(one, bearer=1, address6=None),
                  replace(one, bearer=1, address="10.45.0.3", address6="fd45:0:0:1::2")):
        with pytest.raises(ConfigurationError):
            PlaneConfig((UeConfig("ue1", (one,)), UeConfig("ue2", (other,))))
    with pytest.raises(ConfigurationError, match="have one name"):
        PlaneConfig((UeConfig("n6", (one,)),))


def test_pools_have_an_end() -> None:
    with pytest.raises(ConfigurationError, match="larger pool"):
        nth_addresses(DnnConfig(pool="10.45.0.0/29"), 6)
    assert nth_addresses(DnnConfig(pool="10.45.0.0/29", pool6=None), 5) == ("10.45.0.6", None)


def test_what_is_not_there_is_named() -> None:
    with pytest.raises(ConfigurationError, match="There are: ue1"):
        one_session().ue("ue2")
