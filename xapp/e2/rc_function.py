"""What a base station says its E2SM-RC can do: styles, their actions, and the parameters of each.

The query service of version 3 is skipped where it is announced.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from xapp.e2.aper import (
    Codec,
    enumerated,
    field,
    integer,
    sequence,
    sequence_of,
    wrapped,
)
from xapp.e2.common import (
    FORMAT_TYPE,
    FUNCTION_NAME,
    NAME_150,
    STYLE_NAME,
    STYLE_TYPE,
    FunctionName,
)
from xapp.e2.kpm import EventStyle
from xapp.e2.rc_parameters import (
    PARAMETER_DEFINITION,
    PARAMETER_DEFINITIONS,
    ParameterDefinition,
)

T = TypeVar("T")
Parameters = tuple[ParameterDefinition, ...] | None
MOST_STYLES = 63
MOST_OUTCOMES = 255
MOST_ITEMS = 65535


@dataclass(frozen=True, slots=True)
class Breakpoint:
    """A place in a process where the node may ask."""

    id: int
    name: str
    parameters: Parameters = None


@dataclass(frozen=True, slots=True)
class CallProcess:
    """A process of the node, and its breakpoints."""

    id: int
    name: str
    breakpoints: tuple[Breakpoint, ...]


@dataclass(frozen=True, slots=True)
class Events:
    """What may trigger."""

    styles: tuple[EventStyle, ...]
    layer_2: Parameters = None
    processes: tuple[CallProcess, ...] | None = None
    ues: Parameters = None
    cells: Parameters = None


@dataclass(frozen=True, slots=True)
class RcReportStyle:
    """A way to report."""

    style: int
    name: str
    event_style: int
    action_format: int
    header_format: int
    message_format: int
    parameters: Parameters = None


@dataclass(frozen=True, slots=True)
class InsertIndication:
    """A question that the node may ask."""

    id: int
    name: str
    parameters: Parameters = None


@dataclass(frozen=True, slots=True)
class InsertStyle:
    """A way to ask."""

    style: int
    name: str
    event_style: int
    action_format: int
    indications: tuple[InsertIndication, ...] | None
    header_format: int
    message_format: int
    process_format: int


@dataclass(frozen=True, slots=True)
class ControlAction:
    """An action that the node carries out."""

    id: int
    name: str
    parameters: Parameters = None
    groups: bool | None = None  # for groups of UEs too


@dataclass(frozen=True, slots=True)
class ControlStyle:
    """A kind of control, and its actions."""

    style: int
    name: str
    actions: tuple[ControlAction, ...] | None
    header_format: int
    message_format: int
    process_format: int | None
    outcome_format: int
    outcomes: Parameters = None


@dataclass(frozen=True, slots=True)
class PolicyAction:
    """An action that the node carries out by itself under conditions."""

    id: int
    name: str
    action_format: int
    parameters: Parameters = None
    conditions: Parameters = None


@dataclass(frozen=True, slots=True)
class PolicyStyle:
    """A kind of policy, and its actions."""

    style: int
    name: str
    event_style: int
    actions: tuple[PolicyAction, ...] | None = None


@dataclass(frozen=True, slots=True)
class RcFunctionDefinition:
    """What a base station's RC can do."""

    name: FunctionName
    events: Events | None = None
    reports: tuple[RcReportStyle, ...] | None = None
    inserts: tuple[InsertStyle, ...] | None = None
    controls: tuple[ControlStyle, ...] | None = None
    policies: tuple[PolicyStyle, ...] | None = None

    def action(self, style: int, number: int) -> ControlAction | None:
        """A control action, where it is announced."""
        return next((action for one in self.controls or () if one.style == style
                     for action in one.actions or () if action.id == number), None)


ID = integer(1, 65535, extensible=True)
_PARAMETERS = field("parameters", PARAMETER_DEFINITIONS, optional=True)
_NAMED = (field("id", ID), field("name", NAME_150))
_STYLE = (field("style", STYLE_TYPE), field("name", STYLE_NAME))


def _styles(codec: Codec[T]) -> Codec[tuple[T, ...]]:
    return wrapped(sequence_of(codec, 1, MOST_STYLES))


BREAKPOINT = sequence(Breakpoint, *_NAMED, _PARAMETERS, extensible=True)
CALL_PROCESS = sequence(
    CallProcess, *_NAMED, field("breakpoints", sequence_of(BREAKPOINT, 1, MOST_ITEMS)),
    extensible=True)
EVENTS = sequence(
    Events, field("styles", sequence_of(sequence(
        EventStyle, *_STYLE, field("format", FORMAT_TYPE), extensible=True), 1, MOST_STYLES)),
    field("layer_2", PARAMETER_DEFINITIONS, optional=True),
    field("processes", sequence_of(CALL_PROCESS, 1, MOST_ITEMS), optional=True),
    field("ues", PARAMETER_DEFINITIONS, optional=True),
    field("cells", PARAMETER_DEFINITIONS, optional=True), extensible=True)

REPORT_STYLE = sequence(
    RcReportStyle, *_STYLE, field("event_style", STYLE_TYPE), field("action_format", FORMAT_TYPE),
    field("header_format", FORMAT_TYPE), field("message_format", FORMAT_TYPE), _PARAMETERS,
    extensible=True)

INSERT_INDICATION = sequence(InsertIndication, *_NAMED, _PARAMETERS, extensible=True)
INSERT_STYLE = sequence(
    InsertStyle, *_STYLE, field("event_style", STYLE_TYPE), field("action_format", FORMAT_TYPE),
    field("indications", sequence_of(INSERT_INDICATION, 1, MOST_ITEMS), optional=True),
    field("header_format", FORMAT_TYPE), field("message_format", FORMAT_TYPE),
    field("process_format", FORMAT_TYPE), extensible=True)

CONTROL_ACTION = sequence(
    ControlAction, *_NAMED, _PARAMETERS, extensible=True,
    additions=(field("groups", enumerated((True, False), extensible=True), optional=True),))
CONTROL_STYLE = sequence(
    ControlStyle, *_STYLE,
    field("actions", sequence_of(CONTROL_ACTION, 1, MOST_ITEMS), optional=True),
    field("header_format", FORMAT_TYPE), field("message_format", FORMAT_TYPE),
    field("process_format", FORMAT_TYPE, optional=True), field("outcome_format", FORMAT_TYPE),
    field("outcomes", sequence_of(PARAMETER_DEFINITION, 1, MOST_OUTCOMES), optional=True),
    extensible=True)

POLICY_ACTION = sequence(
    PolicyAction, *_NAMED, field("action_format", FORMAT_TYPE), _PARAMETERS,
    field("conditions", PARAMETER_DEFINITIONS, optional=True), extensible=True)
POLICY_STYLE = sequence(
    PolicyStyle, *_STYLE, field("event_style", STYLE_TYPE),
    field("actions", sequence_of(POLICY_ACTION, 1, MOST_ITEMS), optional=True), extensible=True)

RC_FUNCTION = sequence(
    RcFunctionDefinition, field("name", FUNCTION_NAME), field("events", EVENTS, optional=True),
    field("reports", _styles(REPORT_STYLE), optional=True),
    field("inserts", _styles(INSERT_STYLE), optional=True),
    field("controls", _styles(CONTROL_STYLE), optional=True),
    field("policies", _styles(POLICY_STYLE), optional=True), extensible=True)
