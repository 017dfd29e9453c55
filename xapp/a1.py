"""A1 policies: types, instances, and whether each is in effect. No sockets, no clock.

    a1 = A1(limits, STRATEGIES)
    a1.put(SLICE_POLICY, "chat", {"targets": {"inter_token_ms": 80}}, "operator", wall)
    a1.policies()                     # what `decide` takes
    a1.told({"a1/20981/chat": ""})    # what the steering says of them: in effect, or why not

An instance is in effect only once the steering says so. It does not know REST or RMR; the messages
of OSC's A1 mediator are in `xapp.a1_rmr`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from jsonschema.exceptions import ValidationError, best_match
from jsonschema.validators import Draft202012Validator

from xapp.a1_types import TYPES, Document, PolicyType, instance_name
from xapp.errors import Conflict, NotFound, PolicyError
from xapp.limits import Limits
from xapp.slice_policy import SlicePolicy, check

MOST_INSTANCES = 256  # of a type
MOST_BYTES = 64 * 1024  # of an instance; the largest that a schema allows has less than half
MOST_SAID = 300  # characters of a schema's complaint
IN_EFFECT, NOT_IN_EFFECT = "IN EFFECT", "NOT IN EFFECT"
NEW = "it has not been acted upon yet"
_INSTANCE = re.compile(r"[A-Za-z0-9._:@+-]{1,128}")  # stands in logs as it is
_ADVICE = "Correct the policy by the schema of its type; nothing of it is in effect."


@dataclass(frozen=True, slots=True)
class Instance:
    """A policy instance."""

    type_id: int
    name: str  # its id
    body: Document
    policy: SlicePolicy
    created: float  # seconds since 1970
    who: str  # gave it
    reason: str = NEW  # why it is not in effect; empty: it is

    @property
    def in_effect(self) -> bool:
        return not self.reason

    def status(self) -> dict[str, Any]:
        """As A1 shows it."""
        shown: dict[str, Any] = {
            "instance_status": IN_EFFECT if self.in_effect else NOT_IN_EFFECT,
            "has_been_deleted": False, "created_at": self.created}
        return shown if self.in_effect else shown | {"reason": self.reason}


class A1:
    """Types and instances."""

    def __init__(
        self, limits: Limits, strategies: Collection[str], types: tuple[PolicyType, ...] = TYPES
    ) -> None:
        self._limits, self._strategies = limits, strategies
        self._types = {one.id: one for one in types}
        self._checks = {one.id: Draft202012Validator(dict(one.schema)) for one in types}
        self._instances: dict[int, dict[str, Instance]] = {one.id: {} for one in types}

    def limits_are(self, limits: Limits) -> None:
        """New limits hold for what is put from now on; what is there was checked."""
        self._limits = limits

    def types(self) -> tuple[PolicyType, ...]:
        return tuple(self._types.values())

    def type(self, wanted: int | str) -> PolicyType:
        """By number or by name."""
        for one in self._types.values():
            if wanted in (one.id, str(one.id), one.name):
                return one
        raise NotFound(f"There is no A1 policy type {str(wanted)[:100]!r}.", "There are "
                       + ", ".join(f"{one.id} ({one.name})" for one in self._types.values()) + ".")

    def add_type(self, type_id: int, document: Document) -> None:
        """An SMO creates types before it uses them; ours are there already."""
        known = self._types.get(type_id)
        if known is None:
            raise PolicyError(f"This xApp cannot act on policy type {type_id}.", "Use "
                              + " or ".join(map(str, self._types)) + ".")
        if document.get("create_schema", known.schema) != known.schema:
            raise Conflict(f"Policy type {type_id} is there with another schema.",
                           "Leave out `create_schema`, or give the one that is there.")

    def delete_type(self, type_id: int) -> None:
        """Types are what the xApp can do: they stay."""
        found = self.type(type_id)
        what = "has instances" if self._instances[found.id] else "is built in"
        raise Conflict(f"Policy type {found.id} {what}.", "Delete its instances; types stay.")

    def put(self, type_id: int, name: str, body: Document, who: str, wall: float) -> Instance:
        """Create or replace an instance; `wall` is seconds since 1970."""
        kind = self.type(type_id)
        if _INSTANCE.fullmatch(name) is None:
            raise PolicyError(f"{name[:100]!r} is no name of a policy instance.",
                              "Use up to 128 letters, digits and . _ : @ + -, such as a UUID.")
        self._validate(kind, body)
        policy = kind.convert(instance_name(kind.id, name), body)
        check(policy, self._limits, self._strategies)
        self._contradicts(policy)
        instances = self._instances[kind.id]
        before = instances.get(name)
        if before is None and len(instances) >= MOST_INSTANCES:
            raise Conflict(f"Policy type {kind.id} has {MOST_INSTANCES} instances.",
                           "Delete one first.")
        created = wall if before is None else before.created
        instances[name] = Instance(kind.id, name, json.loads(_text(body)), policy, created, who)
        return instances[name]

    def _validate(self, kind: PolicyType, body: Document) -> None:
        if not isinstance(body, Mapping):
            raise PolicyError("A policy is no JSON object.", _ADVICE)
        if len(_text(body)) > MOST_BYTES:
            raise PolicyError(f"A policy of more than {MOST_BYTES >> 10} KiB.", _ADVICE)
        found = best_match(self._checks[kind.id].iter_errors(body))
        if found is not None:
            raise PolicyError(f"The policy does not keep to the schema of {kind.name}: "
                              f"{_said(found)}.", _ADVICE)

    def _contradicts(self, policy: SlicePolicy) -> None:
        """Conflict where its floors and those of others cannot all be kept."""
        floors = dict(policy.floors)
        others = [one.policy for one in self._all() if one.policy.name != policy.name
                  and _meet(one.policy, policy)]
        for other in others:
            for snssai, floor in other.floors.items():
                floors[snssai] = max(floor, floors.get(snssai, 0))
        if policy.floors and (total := sum(floors.values())) > self._limits.most_guaranteed:
            raise Conflict(
                f"With the floors of {', '.join(one.name for one in others)}, floors add up to "
                f"{total} %, and {self._limits.most_guaranteed} % may be guaranteed at most.",
                "Lower a floor, or narrow the scope of one of them.")

    def delete(self, type_id: int, name: str) -> None:
        del self._instances[self.instance(type_id, name).type_id][name]

    def instance(self, type_id: int, name: str) -> Instance:
        kind = self.type(type_id)
        found = self._instances[kind.id].get(name)
        if found is None:
            raise NotFound(f"Policy type {kind.id} has no instance {name[:100]!r}.",
                           f"Ask for the list: GET /A1-P/v2/policytypes/{kind.id}/policies")
        return found

    def instances(self, type_id: int) -> tuple[Instance, ...]:
        return tuple(self._instances[self.type(type_id).id].values())

    def _all(self) -> list[Instance]:
        return [one for instances in self._instances.values() for one in instances.values()]

    def policies(self) -> tuple[SlicePolicy, ...]:
        """All that came over A1, for `decide`."""
        return tuple(one.policy for one in self._all())

    def told(self, reasons: Mapping[str, str]) -> list[Instance]:
        """Why policies are not in effect (empty: they are), by name; those whose state changed."""
        changed = []
        for one in self._all():
            reason = reasons.get(one.policy.name, NEW)
            if reason != one.reason:
                now = replace(one, reason=reason)
                self._instances[one.type_id][one.name] = now
                if now.in_effect != one.in_effect:
                    changed.append(now)
        return changed


def _text(body: Document) -> str:
    try:
        return json.dumps(body, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        raise PolicyError("A policy that is no JSON.", _ADVICE) from None


def _said(error: ValidationError) -> str:
    place = "/".join(map(str, error.absolute_path)) or "the policy"
    return f"{place}: {' '.join(error.message.split())}"[:MOST_SAID]


def _meet(first: SlicePolicy, second: SlicePolicy) -> bool:
    """Whether there may be a cell where both hold."""
    one, other = first.reach.cells, second.reach.cells
    return not one or not other or not one.isdisjoint(other)
