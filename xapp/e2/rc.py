"""E2SM-RC: control requests and their outcomes.

FlexRIC's version 1.03 has format 2 of headers and messages before the extension marker, where the
specification has it behind. So format 1 differs by a bit: a header for a DU's UE begins `00 80`
there and `01 00` elsewhere. `RC` and `RC_FLEXRIC` are the two layouts; a node's profile names its.

Format 3, control of groups of UEs, is not known here.
"""

from __future__ import annotations

from dataclasses import dataclass

from xapp.e2.aper import (
    Codec,
    choice,
    converted,
    enumerated,
    field,
    integer,
    sequence,
    sequence_of,
    wrapped,
)
from xapp.e2.common import STYLE_TYPE
from xapp.e2.rc_parameters import (
    OUTCOME,
    PARAMETER,
    PARAMETERS,
    Outcome,
    Parameter,
)
from xapp.e2.ue_id import UE_ID, UeId

MOST_STYLES = MOST_ACTIONS = 63
MOST_OUTCOMES = 255


@dataclass(frozen=True, slots=True)
class ControlHeader:
    """Format 1: which action, for which UE."""

    ue: UeId
    style: int
    action: int
    accept: bool | None = None  # the answer to an insert


@dataclass(frozen=True, slots=True)
class BundleHeader:
    """Format 2: several actions, for at most one UE."""

    ue: UeId | None = None
    accept: bool | None = None


@dataclass(frozen=True, slots=True)
class ControlMessage:
    """Format 1: the parameters of an action."""

    parameters: tuple[Parameter, ...]


@dataclass(frozen=True, slots=True)
class ActionParameters:
    """One of several actions."""

    action: int
    parameters: ControlMessage


@dataclass(frozen=True, slots=True)
class StyleActions:
    """The actions of one style."""

    style: int
    actions: tuple[ActionParameters, ...]


@dataclass(frozen=True, slots=True)
class BundleMessage:
    """Format 2: several actions."""

    styles: tuple[StyleActions, ...]


@dataclass(frozen=True, slots=True)
class ControlOutcome:
    """Format 1: what an action led to."""

    values: tuple[Outcome, ...]


@dataclass(frozen=True, slots=True)
class ActionOutcome:
    """What one of several actions led to."""

    action: int
    values: tuple[Outcome, ...]


@dataclass(frozen=True, slots=True)
class StyleOutcomes:
    """What the actions of one style led to."""

    style: int
    actions: tuple[ActionOutcome, ...]


@dataclass(frozen=True, slots=True)
class BundleOutcome:
    """Format 2: what several actions led to."""

    styles: tuple[StyleOutcomes, ...]


@dataclass(frozen=True, slots=True)
class ParametersOutcome:
    """Format 3: what an action led to, structures too."""

    parameters: tuple[Parameter, ...]


AnyOutcome = ControlOutcome | BundleOutcome | ParametersOutcome


@dataclass(frozen=True, slots=True)
class Rc:
    """The types of RC as one family of base stations writes them."""

    header: Codec[ControlHeader | BundleHeader]
    message: Codec[ControlMessage | BundleMessage]
    outcome: Codec[AnyOutcome]


ACTION_ID = integer(1, 65535, extensible=True)
DECISION = enumerated((True, False), extensible=True)  # accept, reject

HEADER_1 = sequence(
    ControlHeader, field("ue", UE_ID), field("style", STYLE_TYPE), field("action", ACTION_ID),
    field("accept", DECISION, optional=True), extensible=True)
HEADER_2 = sequence(
    BundleHeader, field("ue", UE_ID, optional=True), field("accept", DECISION, optional=True),
    extensible=True)

MESSAGE_1 = sequence(ControlMessage, field("parameters", PARAMETERS), extensible=True)
MESSAGE_2 = converted(
    wrapped(sequence_of(sequence(
        StyleActions, field("style", STYLE_TYPE), field("actions", sequence_of(sequence(
            ActionParameters, field("action", ACTION_ID), field("parameters", MESSAGE_1),
            extensible=True), 1, MOST_ACTIONS)), extensible=True), 1, MOST_STYLES)),
    BundleMessage, BundleMessage, lambda message: message.styles)

OUTCOME_1 = sequence(
    ControlOutcome, field("values", sequence_of(OUTCOME, 0, MOST_OUTCOMES)), extensible=True)
OUTCOME_2 = converted(
    wrapped(sequence_of(sequence(
        StyleOutcomes, field("style", STYLE_TYPE), field("actions", sequence_of(sequence(
            ActionOutcome, field("action", ACTION_ID),
            field("values", sequence_of(OUTCOME, 1, 65535)), extensible=True), 1, MOST_ACTIONS)),
        extensible=True), 1, MOST_STYLES)),
    BundleOutcome, BundleOutcome, lambda outcome: outcome.styles)
OUTCOME_3 = converted(
    wrapped(sequence_of(PARAMETER, 0, MOST_OUTCOMES)), ParametersOutcome, ParametersOutcome,
    lambda outcome: outcome.parameters)
OUTCOMES = wrapped(choice(
    ("controlOutcome-Format1", OUTCOME_1), extensible=True,
    added=(("controlOutcome-Format2", OUTCOME_2), ("controlOutcome-Format3", OUTCOME_3))))


def _layout(before: int) -> Rc:
    """The types with so many formats of headers and messages before the marker."""
    headers = (("controlHeader-Format1", HEADER_1), ("controlHeader-Format2", HEADER_2))
    messages = (("controlMessage-Format1", MESSAGE_1), ("controlMessage-Format2", MESSAGE_2))
    return Rc(
        wrapped(choice(*headers[:before], added=headers[before:], extensible=True)),
        wrapped(choice(*messages[:before], added=messages[before:], extensible=True)), OUTCOMES)


RC = _layout(1)
RC_FLEXRIC = _layout(2)
