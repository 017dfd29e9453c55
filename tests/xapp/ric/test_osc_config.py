"""The configuration of an OSC RIC: what is read, and what cannot be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from xapp.config import XappConfig, load
from xapp.config_reading import build
from xapp.errors import ConfigurationError
from xapp.ric.osc_config import OscConfig


def test_an_empty_mapping_turns_it_on_and_nothing_leaves_it_off() -> None:
    assert build(XappConfig, {"osc": {}}).osc == OscConfig()
    assert XappConfig().osc is None


@pytest.mark.parametrize("wrong", [
    {"rans": ["a/b"]}, {"rans": ["x" * 32]}, {"submgr": "submgr:8088"}, {"e2mgr": "http://a/b"},
    {"appmgr": "ftp://a"}, {"name": ""}, {"host": "a b"}, {"rmr_port": 70000}, {"http_port": -1},
    {"requestor": 123}, {"requestor": 65536}, {"poll_seconds": 0}, {"quiet_seconds": -1}])
def test_what_cannot_work_is_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as raised:
        build(XappConfig, {"osc": wrong})
    assert "osc" in str(raised.value)


def test_nobody_but_the_subscription_manager_retries() -> None:
    assert OscConfig(subscription_seconds=12).e2.subscription_seconds == 12


def test_a_descriptor_holds_the_configuration_among_its_controls(tmp_path: Path) -> None:
    file = tmp_path / "config-file.json"
    file.write_text(json.dumps({"xapp_name": "airsplit", "containers": [],
                                "controls": {"osc": {"requestor": 5}, "plmn": "00102"}}))
    config = load(file)
    assert config.plmn == "00102"
    assert config.osc == OscConfig(requestor=5)
    file.write_text('{"xapp_name": "airsplit"}')
    assert load(file) == XappConfig()


def test_controls_that_are_none_are_named(tmp_path: Path) -> None:
    file = tmp_path / "config-file.json"
    file.write_text('{"xapp_name": "airsplit", "controls": [1]}')
    with pytest.raises(ConfigurationError, match="controls"):
        load(file)
