"""A node's components: its interfaces to the rest of the network, and how each is configured.

The configurations themselves are messages of other protocols (NGAP, F1AP, E1AP), passed on as
octets and not looked into.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from xapp.e2.aper import (
    Codec,
    choice,
    enumerated,
    field,
    octet_string,
    printable_string,
    sequence,
)
from xapp.e2.e2ap_causes import CAUSE, Cause
from xapp.e2.e2ap_identities import (
    GLOBAL_EN_GNB_ID,
    GLOBAL_ENB_ID,
    GLOBAL_GNB_ID,
    GLOBAL_NG_ENB_ID,
    UNIT_ID,
    GlobalEnbId,
    GlobalEnGnbId,
    GlobalGnbId,
    GlobalNgEnbId,
)


class Interface(Enum):
    """Between which units of the network a component speaks."""

    NG = "ng"
    XN = "xn"
    E1 = "e1"
    F1 = "f1"
    W1 = "w1"
    S1 = "s1"
    X2 = "x2"


@dataclass(frozen=True, slots=True)
class NgComponent:
    amf_name: str


@dataclass(frozen=True, slots=True)
class XnComponent:
    node: GlobalGnbId | GlobalNgEnbId


@dataclass(frozen=True, slots=True)
class E1Component:
    cu_up_id: int


@dataclass(frozen=True, slots=True)
class F1Component:
    du_id: int


@dataclass(frozen=True, slots=True)
class W1Component:
    du_id: int


@dataclass(frozen=True, slots=True)
class S1Component:
    mme_name: str


@dataclass(frozen=True, slots=True)
class X2Component:
    enb: GlobalEnbId | None = None
    en_gnb: GlobalEnGnbId | None = None


ComponentId = (NgComponent | XnComponent | E1Component | F1Component | W1Component | S1Component
               | X2Component)
INTERFACE = enumerated(Interface, extensible=True)
_NAME = printable_string(1, 150, extensible=True)
_NG_RAN_NODE = choice(("gNB", GLOBAL_GNB_ID), ("ng-eNB", GLOBAL_NG_ENB_ID), extensible=True)
COMPONENT_ID: Codec[ComponentId] = choice(
    ("ng", sequence(NgComponent, field("amf_name", _NAME), extensible=True)),
    ("xn", sequence(XnComponent, field("node", _NG_RAN_NODE), extensible=True)),
    ("e1", sequence(E1Component, field("cu_up_id", UNIT_ID), extensible=True)),
    ("f1", sequence(F1Component, field("du_id", UNIT_ID), extensible=True)),
    ("w1", sequence(W1Component, field("du_id", UNIT_ID), extensible=True)),
    ("s1", sequence(S1Component, field("mme_name", _NAME), extensible=True)),
    ("x2", sequence(X2Component, field("enb", GLOBAL_ENB_ID, optional=True),
                    field("en_gnb", GLOBAL_EN_GNB_ID, optional=True), extensible=True)),
    extensible=True)


@dataclass(frozen=True, slots=True)
class Configuration:
    """The setup messages that a component exchanged with its peer."""

    request: bytes
    response: bytes


@dataclass(frozen=True, slots=True)
class Component:
    """A component added, or configured anew."""

    interface: Interface
    id: ComponentId
    configuration: Configuration


@dataclass(frozen=True, slots=True)
class ComponentRemoved:
    interface: Interface
    id: ComponentId


class Outcome(Enum):
    SUCCESS = "success"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What a RIC made of a component's configuration."""

    outcome: Outcome = Outcome.SUCCESS
    cause: Cause | None = None


@dataclass(frozen=True, slots=True)
class ComponentAck:
    interface: Interface
    id: ComponentId
    acknowledgement: Acknowledgement = Acknowledgement()


COMPONENT = sequence(
    Component, field("interface", INTERFACE), field("id", COMPONENT_ID),
    field("configuration", sequence(Configuration, field("request", octet_string()),
                                    field("response", octet_string()), extensible=True)),
    extensible=True)
COMPONENT_REMOVED = sequence(ComponentRemoved, field("interface", INTERFACE),
                             field("id", COMPONENT_ID), extensible=True)
COMPONENT_ACK = sequence(
    ComponentAck, field("interface", INTERFACE), field("id", COMPONENT_ID),
    field("acknowledgement", sequence(
        Acknowledgement, field("outcome", enumerated(Outcome, extensible=True)),
        field("cause", CAUSE, optional=True), extensible=True)), extensible=True)
