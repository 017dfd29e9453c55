"""JSON schemas of what is rendered: which keys sections have where a slip is silent, types, ranges.

    for finding in schema_findings(folder): print(finding)

Written from what the components read, for the parts that a site uses; sections that people add to
are open. The compose file's is the part of the compose specification that is used here.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from testbed.deploy.findings import Finding, error
from testbed.deploy.folder import Folder
from testbed.deploy.site import FUNCTIONS

Schema = dict[str, Any]
_PORT: Schema = {"type": "integer", "minimum": 1, "maximum": 65535}
_TEXT: Schema = {"type": "string", "minLength": 1}
_PERCENT: Schema = {"type": "integer", "minimum": 0, "maximum": 100}
_FLAG: Schema = {"type": "boolean"}
_PLACES: Schema = {"anyOf": [_TEXT, {"type": "array", "items": _TEXT, "minItems": 1}]}
_SST: Schema = {"type": "integer", "minimum": 0, "maximum": 255}


def _closed(properties: Schema, *required: str) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required),
            "additionalProperties": False}


def _open(properties: Schema, *required: str) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required)}


def _list(items: Schema, least: int = 1) -> Schema:
    return {"type": "array", "items": items, "minItems": least}


_GNB_SLICE = _open({"sst": _SST, "sd": {"type": "integer", "minimum": 0, "maximum": 0xFFFFFF}},
                   "sst")
_SCHED: Schema = _closed({
    "min_prb_policy_ratio": _PERCENT, "max_prb_policy_ratio": {**_PERCENT, "minimum": 1},
    "ded_prb_policy_ratio": {**_PERCENT, "minimum": 1},
    "priority": {"type": "integer", "minimum": 0, "maximum": 254}, "policy": {}})
GNB: Schema = _open({
    "gnb_id": {"type": "integer", "minimum": 0},
    "cu_cp": _open({"amf": _open({
        "no_core": _FLAG, "port": _PORT, "addr": _TEXT, "addrs": _PLACES,
        "supported_tracking_areas": _list(_open({
            "tac": {"type": "integer"},
            "plmn_list": _list(_open({"plmn": {"type": "string", "pattern": "^[0-9]{5,6}$"},
                                      "tai_slice_support_list": _list(_GNB_SLICE)}, "plmn"))},
            "tac", "plmn_list"))})}, "amf"),
    "cell_cfg": _open({
        "dl_arfcn": {"type": "integer"}, "band": {"type": "integer"},
        "channel_bandwidth_MHz": {"enum": [5, 10, 15, 20, 25, 30, 40, 50, 60, 70, 80, 90, 100]},
        "common_scs": {"enum": [15, 30]}, "plmn": {"type": "string", "pattern": "^[0-9]{5,6}$"},
        "slicing": _list({**_GNB_SLICE, "properties": {
            **_GNB_SLICE["properties"], "sched_cfg": _SCHED}})}, "dl_arfcn", "plmn", "tac"),
    "ru_sdr": _open({"device_driver": _TEXT, "device_args": {"type": "string"},
                     "srate": {"type": "number", "exclusiveMinimum": 0, "maximum": 1000}},
                    "device_driver", "srate"),
    "e2": _closed({
        **dict.fromkeys(("enable_du_e2", "enable_cu_cp_e2", "enable_cu_up_e2", "e2sm_kpm_enabled",
                         "e2sm_rc_enabled", "e2sm_ccc_enabled"), _FLAG),
        **dict.fromkeys(("addr", "bind_addr"), _TEXT),
        **dict.fromkeys(("addrs", "bind_addrs"), _PLACES), "port": _PORT}),
    "remote_control": _closed({"enabled": _FLAG, "bind_addr": _TEXT, "port": _PORT}),
    "metrics": _open({"periodicity": _open({
        "du_report_period": {"type": "integer", "minimum": 10}})})},
    "cu_cp", "cell_cfg", "e2")
RADIO: Schema = _open({"rate": {"type": "number", "exclusiveMinimum": 0},
                       "cells": _list(_open({"name": _TEXT}, "name")),
                       "ues": _list(_open({"name": _TEXT}, "name"))}, "rate", "cells", "ues")
_SBI: Schema = _open({
    "server": _list(_open({"address": _TEXT, "port": _PORT}, "address")),
    "client": _open({name: _list(_open({"uri": {"type": "string", "pattern": "^https?://"}},
                                       "uri")) for name in ("scp", "nrf", "nsi")})}, "server")
_SESSION: Schema = _open({"subnet": _TEXT, "dnn": _TEXT, "gateway": _TEXT, "dev": _TEXT}, "subnet")
_NSSAI: Schema = _list(_open({"sst": _SST, "sd": {
    # As text: a number such as 000010 may be read as octal by one and hexadecimal by another.
    "type": "string", "pattern": "^[0-9a-fA-F]{6}$"}}, "sst"))


def _function(name: str) -> Schema:
    parts: Schema = {"sbi": _SBI, "session": _list(_SESSION),
                     "plmn_support": _list(_open({"s_nssai": _NSSAI}, "plmn_id", "s_nssai")),
                     "info": _list(_open({"s_nssai": _NSSAI}, "s_nssai"))}
    needs = {"upf": ("pfcp", "gtpu", "session"), "smf": ("sbi", "pfcp", "session"),
             "amf": ("sbi", "ngap", "guami", "tai", "plmn_support")}.get(name, ("sbi",))
    return _open({name: _open(parts, *needs)}, name)


_RATE = _open({"value": {"type": "integer"}, "unit": {"enum": [0, 1, 2, 3, 4]}}, "value", "unit")
_AMBR = _open({"downlink": _RATE, "uplink": _RATE}, "downlink", "uplink")
SUBSCRIBERS: Schema = _list(_open({
    "imsi": {"type": "string", "pattern": "^[0-9]{14,15}$"}, "ambr": _AMBR,
    "security": _open({name: {"type": "string", "pattern": "^[0-9a-fA-F]{32}$"}
                       for name in ("k", "opc")}, "k", "opc", "amf"),
    "slice": _list(_open({"sst": _SST, "sd": {"type": "string", "pattern": "^[0-9a-fA-F]{6}$"},
                          "session": _list(_open({"name": _TEXT, "type": {"enum": [1, 2, 3]},
                                                  "ambr": _AMBR}, "name", "type", "qos"))},
                         "sst", "session"))}, "imsi", "security", "slice"), 0)
_TEXTS: Schema = _list(_TEXT, 0)
COMPOSE: Schema = _closed({
    "name": {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]*$"},
    "services": {"type": "object", "minProperties": 1, "additionalProperties": False,
                 "patternProperties": {"^[a-zA-Z0-9._-]+$": _closed({
                     "image": _TEXT, "network_mode": _TEXT, "privileged": _FLAG,
                     "command": {"anyOf": [_TEXT, _TEXTS]}, "volumes": _TEXTS, "devices": _TEXTS,
                     "cap_add": _TEXTS, "environment": {"type": ["object", "array"]},
                     "depends_on": {"anyOf": [_TEXTS, {"type": "object"}]},
                     "restart": {"enum": ["no", "always", "on-failure", "unless-stopped"]}},
                     "image")}},
    "volumes": {"type": "object"}}, "services")


@cache
def _schemas() -> dict[str, Draft202012Validator]:
    found = {"gnb/gnb.yaml": GNB, "radio/radio.yaml": RADIO, "subscribers.json": SUBSCRIBERS,
             "compose/compose.yaml": COMPOSE,
             **{f"open5gs/{one}.yaml": _function(one) for one in FUNCTIONS}}
    return {name: Draft202012Validator(schema) for name, schema in found.items()}


def schema_findings(folder: Folder) -> Iterator[Finding]:
    """What no schema allows, and services that depend on none that is there."""
    for name, validator in _schemas().items():
        if name not in folder.documents:
            continue
        for wrong in validator.iter_errors(folder.documents[name]):
            key = ".".join(str(part) for part in wrong.absolute_path) or "the file"
            yield error(key, f"{wrong.message[:200]}.", "Correct it.", name)
    services = folder.at("compose/compose.yaml", "services")
    for name, one in services.items() if isinstance(services, dict) else ():
        after = one.get("depends_on") if isinstance(one, dict) else None
        for other in after if isinstance(after, list) else ():
            if isinstance(other, str) and other not in services:
                yield error(f"services.{name}.depends_on", f"there is no service {other}.",
                            "Correct the name.", "compose/compose.yaml")
