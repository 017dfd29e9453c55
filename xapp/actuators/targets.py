"""What can be set on a base station, and to what; each with one text form that survives a restart.

A slice's and a UE's quota, the DRB of a QoS flow, the cell of a UE, the slice of one flow. `cell`
says where a UE was when it was acted on; it is no part of its identity. It does not know how
anything is set.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from xapp.errors import ConfigurationError, StoreError
from xapp.flow_ends import FlowEnds
from xapp.observations import CellKey, Quota, Snssai, UeKey


@dataclass(frozen=True, slots=True)
class SliceTarget:
    """The quota of a slice in a cell."""

    cell: CellKey
    snssai: Snssai

    def __str__(self) -> str:
        return f"slice {self.cell}/{self.snssai}"


@dataclass(frozen=True, slots=True)
class UeTarget:
    """The limits of a UE's grants."""

    ue: UeKey
    cell: CellKey = field(compare=False)

    def __str__(self) -> str:
        return f"ue {self.ue}"


@dataclass(frozen=True, slots=True)
class FlowTarget:
    """The DRB that a UE's QoS flow goes through."""

    ue: UeKey
    qfi: int
    cell: CellKey = field(compare=False)

    def __str__(self) -> str:
        return f"flow {self.ue}/{self.qfi}"


@dataclass(frozen=True, slots=True)
class PlaceTarget:
    """The cell that serves a UE."""

    ue: UeKey
    cell: CellKey = field(compare=False)

    def __str__(self) -> str:
        return f"place {self.ue}"


@dataclass(frozen=True, slots=True)
class RuleTarget:
    """The slice that one flow of a UE goes through."""

    ue: UeKey
    flow: FlowEnds
    home: Snssai = field(compare=False)  # its session's
    cell: CellKey = field(compare=False)

    def __str__(self) -> str:
        return f"rule {self.ue}/{self.flow}"


Target = SliceTarget | UeTarget | FlowTarget | PlaceTarget | RuleTarget
# Of a slice or UE; DRB of a QoS flow; place of a UE; slice of one flow.
Value = Quota | int | CellKey | Snssai
Settings = Mapping[Target, Value]
_KINDS = {SliceTarget: "slice", UeTarget: "ue", FlowTarget: "flow", PlaceTarget: "place",
          RuleTarget: "rule"}

_PLACES = {"place": PlaceTarget}


def node_of(target: Target) -> str:
    return target.cell.node if isinstance(target, SliceTarget) else target.ue.node


def target_document(target: Target) -> dict[str, Any]:
    """For JSON."""
    document: dict[str, Any] = {"kind": _KINDS[type(target)], "node": node_of(target),
                                "cell": target.cell.cell}
    if isinstance(target, SliceTarget):
        return document | {"slice": str(target.snssai)}
    document["ue"] = target.ue.ue
    if isinstance(target, RuleTarget):
        return document | {"flow": str(target.flow), "home": str(target.home)}
    return document | ({"qfi": target.qfi} if isinstance(target, FlowTarget) else {})


def read_target(document: Mapping[str, Any]) -> Target:
    """The inverse of `target_document`."""
    try:
        kind, node = document["kind"], document["node"]
        cell = CellKey(node, document["cell"])
        if kind == "slice":
            return SliceTarget(cell, Snssai.parse(document["slice"]))
        ue = UeKey(node, document["ue"])
        if kind == "flow":
            return FlowTarget(ue, int(document["qfi"]), cell)
        if kind == "rule":
            return RuleTarget(ue, FlowEnds.parse(document["flow"]),
                              Snssai.parse(document["home"]), cell)
        return UeTarget(ue, cell) if kind == "ue" else _PLACES[kind](ue, cell)
    except (KeyError, TypeError, ValueError, ConfigurationError) as error:
        raise StoreError(f"{document!r} is nothing that can be set.",
                         "The store was written by another program or version.") from error


def value_document(value: Value) -> Any:
    """For JSON."""
    if isinstance(value, Quota):
        return {"minimum": value.minimum, "maximum": value.maximum, "dedicated": value.dedicated}
    if isinstance(value, Snssai):
        return {"slice": str(value)}
    return value if isinstance(value, int) else {"node": value.node, "cell": value.cell}


def read_value(document: Any) -> Value:
    """The inverse of `value_document`."""
    try:
        if isinstance(document, int):
            return document
        if "cell" in document:
            return CellKey(document["node"], document["cell"])
        if "slice" in document:
            return Snssai.parse(document["slice"])
        return Quota(document["minimum"], document["maximum"], document["dedicated"])
    except (KeyError, TypeError, ConfigurationError) as error:
        raise StoreError(f"{document!r} is no value.",
                         "The store was written by another program or version.") from error
