"""One base station of several associations: whose they are, which unit each is, what each can do.

A gNB may open an association for its DU, its CU-CP and its CU-UP. Their GlobalE2nodeIDs name the
same gNB, and hold the unit's number where it is a DU or a CU-UP; the payload protocol identifier
tells the rest. Names are kept apart from associations, so that a base station that comes back, on
others and with other numbers of its functions, is the same one. It sends nothing; `nodes` does.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from enum import Enum

from xapp.e2.common import plmn_text
from xapp.e2.connection_ric import RicConnection
from xapp.e2.connection_table import State
from xapp.e2.e2ap_identities import (
    EnbNodeId,
    EnGnbNodeId,
    GlobalE2NodeId,
    GnbNodeId,
    NgEnbNodeId,
)
from xapp.e2.e2ap_types import Action, RanFunction
from xapp.errors import ProtocolError


class Unit(Enum):
    """Which part of a base station an association is of."""

    DU = "DU"
    WHOLE = "whole"  # a base station that is not split, or does not say
    CU_UP = "CU-UP"
    CU_CP = "CU-CP"


PPIDS = {70: Unit.CU_CP, 71: Unit.CU_UP, 72: Unit.DU}  # of E2AP, one for each unit
KINDS = {GnbNodeId: "gNB", EnGnbNodeId: "en-gNB", NgEnbNodeId: "ng-eNB", EnbNodeId: "eNB"}


@dataclass(frozen=True, slots=True)
class NodeKey:
    """A base station in the world."""

    kind: str
    plmn: bytes
    number: int
    width: int  # bits of the number: 1 of 22 bits is not 1 of 32

    def __str__(self) -> str:
        try:
            network = plmn_text(self.plmn)
        except ProtocolError:
            network = self.plmn.hex()
        return f"{self.kind} {network}-{self.number:0{(self.width + 3) // 4}x}"


@dataclass(frozen=True, slots=True)
class UnitKey:
    """A unit of a base station; DUs and CU-UPs have numbers."""

    unit: Unit
    number: int | None = None

    def __str__(self) -> str:
        return self.unit.value + ("" if self.number is None else f" {self.number}")


def key_of(node: GlobalE2NodeId) -> NodeKey:
    """Which base station a unit belongs to."""
    if isinstance(node, GnbNodeId | EnGnbNodeId):
        identity, number = node.gnb.plmn, node.gnb.gnb_id
    else:
        identity, number = node.enb.plmn, node.enb.enb_id
    return NodeKey(KINDS[type(node)], identity, number.value, number.width)


def unit_of(node: GlobalE2NodeId, ppid: int) -> UnitKey:
    """Which unit it is: by its number where it has exactly one, else by the PPID."""
    numbers = {Unit.DU: getattr(node, "du_id", None), Unit.CU_UP: getattr(node, "cu_up_id", None)}
    named = [(unit, number) for unit, number in numbers.items() if number is not None]
    if len(named) == 1:
        return UnitKey(*named[0])
    if len(named) > 1:
        return UnitKey(Unit.WHOLE)
    return UnitKey(PPIDS.get(ppid, Unit.WHOLE))


@dataclass
class Wanted:
    """A subscription that somebody wants for as long as the base station is there."""

    handle: int
    oids: tuple[str, ...]  # of the service model, any version of it
    trigger: bytes
    action: Action
    unit: Unit | None  # None: whichever unit has the function
    due: float | None = 0.0  # when to ask for it; None while it is placed
    association: int | None = None  # where it is placed
    refused: int = 0  # how often in a row


@dataclass
class LogicalNode:
    """A base station: its units, and what is wanted of it."""

    key: NodeKey
    members: dict[UnitKey, int] = field(default_factory=dict)  # the association of each unit
    wanted: dict[int, Wanted] = field(default_factory=dict)  # by handle
    seen: bool = False  # it has had a unit


@dataclass(frozen=True, slots=True)
class Carrier:
    """An association that has a RAN function."""

    unit: UnitKey
    association: int
    function: RanFunction


def carriers(node: LogicalNode, connections: dict[int, RicConnection], oids: Collection[str],
             unit: Unit | None = None) -> list[Carrier]:
    """Who of the base station has a function of these OIDs; nearest to the radio first."""
    order = list(Unit)
    found = []
    for key, association in node.members.items():
        connection = connections[association]
        if connection.state is not State.READY or unit not in (None, key.unit):
            continue
        found += [Carrier(key, association, function) for function in connection.functions.values()
                  if function.oid.strip("\0 ") in oids]
    return sorted(found, key=lambda one: (order.index(one.unit.unit), one.unit.number or 0,
                                          one.function.id))
