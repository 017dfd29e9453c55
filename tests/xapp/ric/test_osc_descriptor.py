"""The descriptor: as committed, as the onboarder wants it, and as the xApp reads it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft7Validator
from jsonschema.exceptions import ValidationError

from xapp.config import XappConfig, load
from xapp.ric.osc_config import OscConfig
from xapp.ric.osc_descriptor import controls_schema, descriptor, descriptor_text, write

COMMITTED = Path(__file__).parents[3] / "docs" / "osc"
PORT = {"type": "object", "required": ["name", "container", "port"], "properties": {
    "name": {"type": "string"}, "container": {"type": "string"}, "port": {"type": "integer"}}}
PROBE = {"type": "object", "required": ["httpGet"], "properties": {"httpGet": {
    "type": "object", "required": ["path", "port"], "properties": {
        "path": {"type": "string"}, "port": {"type": "integer"}}}}}
# What the onboarder and the framework ask for.
WANTED = {
    "type": "object", "required": ["xapp_name", "name", "version", "containers", "messaging"],
    "properties": {
        "xapp_name": {"type": "string", "pattern": "^[a-z0-9-]{1,63}$"},
        "name": {"type": "string"}, "version": {"type": "string", "pattern": r"^\d+\.\d+\.\d+$"},
        "containers": {"type": "array", "minItems": 1, "items": {
            "type": "object", "required": ["name", "image"], "properties": {
                "name": {"type": "string"}, "image": {
                    "type": "object", "required": ["registry", "name", "tag"]}}}},
        "messaging": {"type": "object", "required": ["ports"], "properties": {
            "ports": {"type": "array", "items": PORT}}},
        "livenessProbe": PROBE, "readinessProbe": PROBE,
        "metrics": {"type": "array", "items": {"type": "object", "required": [
            "objectName", "objectInstance", "name", "type", "description"]}},
        "controls": {"type": "object"}}}


def test_the_committed_files_are_what_the_code_gives(tmp_path: Path) -> None:
    write(tmp_path)
    for name in ("config-file.json", "schema.json"):
        assert (COMMITTED / name).read_text() == (tmp_path / name).read_text(), (
            "python -m xapp.ric.osc_descriptor docs/osc")


def test_it_is_as_the_onboarder_wants_it() -> None:
    document = descriptor(OscConfig())
    Draft7Validator(WANTED).validate(document)
    assert document["xapp_name"] == document["name"]
    ports = {one["name"]: one["port"] for one in document["messaging"]["ports"]}
    assert ports == {"http": 8080, "rmr-data": 4560, "rmr-route": 4561}
    containers = {one["name"] for one in document["containers"]}
    assert {one["container"] for one in document["messaging"]["ports"]} <= containers
    paths = [document[one]["httpGet"]["path"] for one in ("livenessProbe", "readinessProbe")]
    assert paths == ["ric/v1/health/alive", "ric/v1/health/ready"]


def test_its_controls_keep_to_their_schema_and_turn_the_ric_on() -> None:
    schema = controls_schema()
    Draft7Validator.check_schema(schema)
    Draft7Validator(schema).validate(descriptor(OscConfig())["controls"])
    assert load(COMMITTED / "config-file.json").osc == OscConfig()


def test_other_ports_and_names_are_in_it_and_read_back(tmp_path: Path) -> None:
    config = OscConfig(rans=("gnb_1",), name="steer", http_port=81, rmr_port=4570, appmgr=None)
    file = tmp_path / "config-file.json"
    file.write_text(descriptor_text(config))
    assert load(file).osc == config
    Draft7Validator(controls_schema()).validate(json.loads(file.read_text())["controls"])
    Draft7Validator(WANTED).validate(json.loads(file.read_text()))


@pytest.mark.parametrize("wrong", [
    {"listening": []}, {"osc": {"rans": "all"}}, {"api": {"port": "x"}}, {"kpi_labels": 1},
    {"osc": {"poll_seconds": "5"}}, {"policies": [{}]}])
def test_the_schema_refuses_what_the_xapp_refuses(wrong: object) -> None:
    with pytest.raises(ValidationError):
        Draft7Validator(controls_schema()).validate(wrong)


def test_every_setting_is_in_the_schema() -> None:
    from dataclasses import fields

    assert set(controls_schema()["properties"]) == {one.name for one in fields(XappConfig)}


def test_the_alarms_that_the_manager_has_to_know_are_committed(tmp_path: Path) -> None:
    write(tmp_path)
    name = "alarms.json"
    assert (COMMITTED / name).read_text() == (tmp_path / name).read_text()
