"""The A1 policy types that the xApp takes, each with the JSON schema that its instances keep to.

20008 is OSC's traffic steering, one threshold for handovers. Ours says what split-LLM traffic
shall get: targets, floors, priority, scope. Instances become a `SlicePolicy`; their names carry
the type's number and their own. It keeps no instances; see `xapp.a1`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from classifier.labels import LLM_SPLIT
from xapp.errors import ConfigurationError, PolicyError
from xapp.observations import CellKey, Quota, Snssai, UeKey
from xapp.slice_policy import LONGEST_MS, Reach, SlicePolicy, Source

Document = Mapping[str, Any]
TRAFFIC_STEERING = 20008  # as OSC's traffic steering xApp registers for it
SLICE_POLICY = 20981  # ours; OSC gives out numbers below 20100
_ADVICE = "Correct the policy by the schema of its type; nothing of it is in effect."
_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_SLICE = r"^[0-9]{1,3}(-[0-9a-fA-F]{6})?$"
_PERCENT = {"type": "integer", "minimum": 0, "maximum": 100}
_NAMES = {"type": "array", "maxItems": 1024, "uniqueItems": True,
          "items": {"type": "string", "minLength": 1, "maxLength": 300}}

STEERING_SCHEMA: Document = {
    "$schema": _DRAFT, "type": "object", "additionalProperties": False,
    "required": ["threshold"],
    "properties": {"threshold": {
        "type": "integer", "minimum": 0, "maximum": 1000,
        "description": "percent by which another cell must be better before a UE is moved"}},
}
SLICE_SCHEMA: Document = {
    "$schema": _DRAFT, "type": "object", "additionalProperties": False,
    "minProperties": 1,
    "properties": {
        "targets": {
            "type": "object", "additionalProperties": False, "properties": {
                "inter_token_ms": {"type": "number", "minimum": 1, "maximum": LONGEST_MS,
                                   "description": "from one token to the next, at most"},
                "first_token_ms": {"type": "number", "minimum": 1, "maximum": LONGEST_MS,
                                   "description": "from a prompt to its first token, at most"}}},
        "traffic": {
            "type": "object", "additionalProperties": False, "properties": {
                "labels": {"type": "array", "minItems": 1, "maxItems": 32, "uniqueItems": True,
                           "items": {"type": "string", "minLength": 1, "maxLength": 64}},
                "row_bytes": {"type": "integer", "minimum": 1, "maximum": 16_777_216,
                              "description": "of an activation row on the link"},
                "prompt_rows": {"type": "integer", "minimum": 1, "maximum": 1_000_000}}},
        "floors": {
            "type": "object", "maxProperties": 64, "propertyNames": {"pattern": _SLICE},
            "additionalProperties": _PERCENT,
            "description": "percent of a cell that each slice keeps, by SST or SST-SD"},
        "quotas": {
            "type": "object", "maxProperties": 64, "propertyNames": {"pattern": _SLICE},
            "description": "what the static strategy gives while the traffic is there",
            "additionalProperties": {
                "type": "object", "additionalProperties": False, "required": ["minimum"],
                "properties": {"minimum": _PERCENT, "maximum": _PERCENT, "dedicated": _PERCENT}}},
        "strategy": {"type": "string", "minLength": 1, "maxLength": 64},
        "priority": {"type": "integer", "minimum": -1000, "maximum": 1000},
        "scope": {
            "type": "object", "additionalProperties": False, "properties": {
                "cells": {**_NAMES, "description": "NODE/CELL; none: all"},
                "slices": {**_NAMES, "items": {"type": "string", "pattern": _SLICE}},
                "ues": {**_NAMES, "description": "NODE/KIND:NUMBER; none: all"}}},
        "handover": {
            "type": "object", "additionalProperties": False, "properties": {
                "allowed": {"type": "boolean"},
                "gain": {"type": "integer", "minimum": 0, "maximum": 1000}}}},
}


@dataclass(frozen=True, slots=True)
class PolicyType:
    """A type, as A1 shows it."""

    id: int
    name: str
    description: str
    schema: Document = field(repr=False)
    convert: Callable[[str, Document], SlicePolicy] = field(repr=False)

    def document(self) -> dict[str, Any]:
        return {"name": self.name, "description": self.description, "policy_type_id": self.id,
                "create_schema": self.schema}


def sole_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object of which no key is there twice: which of them is meant, nobody knows."""
    fields = dict(pairs)
    if len(fields) != len(pairs):
        twice = next(key for place, (key, _) in enumerate(pairs)
                     if any(key == other for other, _ in pairs[:place]))
        raise PolicyError(f"The key {twice[:100]!r} is there twice.", "Give each key once.")
    return fields


def instance_name(type_id: int, instance: str) -> str:
    """What a policy that came over A1 is called."""
    return f"a1/{type_id}/{instance}"


def steering_policy(name: str, body: Document) -> SlicePolicy:
    """It helps nobody by itself and bounds every handover."""
    return SlicePolicy(name, labels=frozenset(), handover_gain=int(body["threshold"]),
                       source=Source.A1)


def slice_policy(name: str, body: Document) -> SlicePolicy:
    """Ours; what it leaves out is as in the configuration's defaults."""
    targets, traffic = body.get("targets", {}), body.get("traffic", {})
    handover = body.get("handover", {})
    plain = SlicePolicy(name)
    try:
        return SlicePolicy(
            name, body.get("strategy", plain.strategy),
            frozenset(traffic.get("labels", (LLM_SPLIT,))),
            float(targets.get("inter_token_ms", plain.inter_token_ms)),
            _number(targets.get("first_token_ms")), traffic.get("prompt_rows", plain.prompt_rows),
            traffic.get("row_bytes"),
            _by_slice(body.get("floors", {}), int), _by_slice(body.get("quotas", {}), _quota),
            body.get("priority", plain.priority), _reach(body.get("scope", {})),
            handover.get("allowed", plain.handover), handover.get("gain", plain.handover_gain),
            Source.A1)
    except ConfigurationError as error:
        raise PolicyError(error.problem, _ADVICE) from None


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)


def _by_slice(fields: Document, convert: Callable[[Any], Any]) -> dict[Snssai, Any]:
    found: dict[Snssai, Any] = {}
    for text, value in fields.items():
        snssai = Snssai.parse(text)
        if snssai in found:
            raise PolicyError(f"Slice {snssai} is named twice.", _ADVICE)
        found[snssai] = convert(value)
    return found


def _quota(fields: Document) -> Quota:
    return Quota(fields["minimum"], fields.get("maximum", 100), fields.get("dedicated", 0))


def _reach(scope: Document) -> Reach:
    return Reach(
        frozenset(CellKey(*_pair(text, "cell")) for text in scope.get("cells", ())),
        frozenset(Snssai.parse(text) for text in scope.get("slices", ())),
        frozenset(UeKey(*_pair(text, "UE")) for text in scope.get("ues", ())))


def _pair(text: str, what: str) -> tuple[str, str]:
    node, separator, rest = text.rpartition("/")
    if not separator or not node or not text.isprintable():
        raise PolicyError(f"{text[:100]!r} is no {what} of a node.", "Write NODE/" + (
            "CELL." if what == "cell" else "KIND:NUMBER, such as gnb_1/du:3."))
    return node, rest


TYPES: tuple[PolicyType, ...] = (
    PolicyType(TRAFFIC_STEERING, "tsapolicy",
               "Traffic steering: how much better another cell must be for a handover",
               STEERING_SCHEMA, steering_policy),
    PolicyType(SLICE_POLICY, "airsplit-slice-policy",
               "What split-LLM traffic gets of a cell, and what every other slice keeps",
               SLICE_SCHEMA, slice_policy),
)
