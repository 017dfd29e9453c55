"""The descriptor by which an OSC RIC onboards this xApp, and the schema of its controls.

    python -m xapp.ric.osc_descriptor docs/osc   # config-file.json, schema.json, alarms.json

Controls are this xApp's configuration, so that `airsplit xapp --config` reads the very file that
the RIC puts into the container. Their schema is made of the same dataclasses that read them. It
knows nothing of a RIC that runs.
"""

from __future__ import annotations

import dataclasses
import enum
import importlib.metadata
import json
import sys
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xapp.ric.osc_alarms import definitions
from xapp.ric.osc_config import OscConfig

REGISTRY, IMAGE = "localhost:5000", "airsplit"  # where the chart finds the image
RECEIVED = ("RIC_HEALTH_CHECK_REQ", "RIC_INDICATION", "RIC_CONTROL_ACK", "RIC_CONTROL_FAILURE",
            "A1_POLICY_REQ")
SENT = ("RIC_HEALTH_CHECK_RESP", "RIC_ALARM", "RIC_METRICS", "RIC_CONTROL_REQ", "A1_POLICY_RESP",
        "A1_POLICY_QUERY")
METRICS = (
    ("decisions", "Counter", "Decisions, by how they ended."),
    ("controls", "Counter", "Controls sent, by how they were answered."),
    ("indications", "Counter", "KPM indications taken in."),
    ("loop_seconds", "Histogram", "From an indication's bytes in to a control's bytes out."))
DRAFT = "http://json-schema.org/draft-07/schema#"


def descriptor(config: OscConfig) -> dict[str, Any]:
    """The document. The framework reads `name`, and the onboarder `xapp_name`."""
    version = importlib.metadata.version("airsplit")
    return {
        "xapp_name": config.name, "name": config.name, "version": version,
        "containers": [{
            "name": config.name,
            "image": {"registry": REGISTRY, "name": IMAGE, "tag": version},
            "command": ["airsplit"],
            "args": ["xapp", "--config", "/opt/ric/config/config-file.json"]}],
        "livenessProbe": _probe("alive", config.http_port, 15),
        "readinessProbe": _probe("ready", config.http_port, 15),
        "messaging": {"ports": [
            {"name": "http", "container": config.name, "port": config.http_port,
             "description": "notifications and probes"},
            {"name": "rmr-data", "container": config.name, "port": config.rmr_port,
             "rxMessages": list(RECEIVED), "txMessages": list(SENT), "policies": _policies(),
             "description": "RMR data"},
            {"name": "rmr-route", "container": config.name, "port": config.rmr_port + 1,
             "description": "RMR routes"}]},
        "rmr": {"protPort": f"tcp:{config.rmr_port}", "maxSize": 65536, "numWorkers": 1,
                "rxMessages": list(RECEIVED), "txMessages": list(SENT),
                "policies": _policies()},
        "controls": {"osc": _said(config), "store": "/var/lib/airsplit/xapp.db"},
        "metrics": [{
            "objectName": f"airsplit_xapp_{name}", "objectInstance": config.name, "name": name,
            "type": kind, "description": text} for name, kind, text in METRICS]}


def _probe(what: str, port: int, seconds: int) -> dict[str, Any]:
    return {"httpGet": {"path": f"ric/v1/health/{what}", "port": port},
            "initialDelaySeconds": 5, "periodSeconds": seconds}


def _policies() -> list[int]:
    from xapp.a1_types import TYPES

    return [one.id for one in TYPES]


def _said(config: OscConfig) -> dict[str, Any]:
    """What is not as it is by itself; an empty mapping turns the RIC on all the same."""
    return {field.name: _plain(value) for field in dataclasses.fields(config)
            if (value := getattr(config, field.name)) != field.default}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def descriptor_text(config: OscConfig) -> str:
    return json.dumps(descriptor(config), indent=2) + "\n"


def controls_schema() -> dict[str, Any]:
    """Of the descriptor's controls, as the onboarder asks for it."""
    from xapp.config import XappConfig

    return {"$schema": DRAFT, "title": "airsplit xApp: controls", **schema_of(XappConfig)}


def schema_of(kind: Any) -> dict[str, Any]:
    """What `xapp.config_reading` takes for a type."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        found = [schema_of(one) for one in inner if one is not type(None)]
        found = [one for number, one in enumerate(found) if one not in found[:number]]
        if type(None) in inner:
            found.append({"type": "null"})
        return found[0] if len(found) == 1 else {"anyOf": found}
    if origin in (tuple, frozenset):
        return {"type": "array", "items": schema_of(inner[0])}
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": schema_of(inner[1])}
    return _single(kind)


_TYPES: Mapping[type, dict[str, Any]] = {
    bool: {"type": "boolean"}, int: {"type": "integer"}, float: {"type": "number"},
    str: {"type": ["string", "integer"]}, Path: {"type": "string"}}


def _single(kind: type) -> dict[str, Any]:
    if kind in _TYPES:
        return _TYPES[kind]
    if issubclass(kind, enum.Enum):
        return {"enum": [one.value for one in kind]}
    ways: list[dict[str, Any]] = []
    if hasattr(kind, "parse"):
        ways.append({"type": ["string", "integer"]})
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        needed = [one.name for one in dataclasses.fields(kind)
                  if one.default is dataclasses.MISSING
                  and one.default_factory is dataclasses.MISSING]
        ways.append({
            "type": "object", "additionalProperties": False, "required": needed,
            "properties": {one.name: schema_of(hints[one.name])
                           for one in dataclasses.fields(kind)}})
    return ways[0] if len(ways) == 1 else {"anyOf": ways} if ways else {"type": "string"}


def write(folder: Path) -> None:
    """All files, of the defaults."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config-file.json").write_text(descriptor_text(OscConfig()), encoding="utf-8")
    (folder / "schema.json").write_text(json.dumps(controls_schema(), indent=2) + "\n",
                                        encoding="utf-8")
    (folder / "alarms.json").write_text(json.dumps(definitions(), indent=2) + "\n",
                                        encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/osc"))
