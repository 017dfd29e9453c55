"""What E2AP's messages are made of: functions, actions, diagnostics, associations.

Each dataclass is followed by the type in aligned PER that carries it. Which information element
holds which is in `e2ap_tables`; who is who in `e2ap_identities`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum

from xapp.e2.aper import (
    Codec,
    converted,
    enumerated,
    field,
    integer,
    octet_string,
    printable_string,
    sequence,
    sequence_of,
)
from xapp.e2.e2ap_causes import CAUSE, Cause
from xapp.e2.e2ap_identities import TNL_INFORMATION, TnlInformation


class Criticality(IntEnum):
    """What a receiver does with what it does not understand."""

    REJECT = 0
    IGNORE = 1
    NOTIFY = 2  # ignore, and tell


class Kind(IntEnum):
    """What a PDU is to its procedure."""

    INITIATING = 0
    SUCCESSFUL = 1
    UNSUCCESSFUL = 2


class Procedure(IntEnum):
    """Procedure codes."""

    E2_SETUP = 1
    ERROR_INDICATION = 2
    RESET = 3
    CONTROL = 4
    INDICATION = 5
    SERVICE_QUERY = 6
    SERVICE_UPDATE = 7
    SUBSCRIPTION = 8
    SUBSCRIPTION_DELETE = 9
    CONFIGURATION_UPDATE = 10
    CONNECTION_UPDATE = 11
    SUBSCRIPTION_DELETE_REQUIRED = 12


@dataclass(frozen=True, slots=True)
class RequestId:
    """Whose request, and which of them: names a subscription or a control."""

    requestor: int
    instance: int


REQUEST_ID = sequence(RequestId, field("requestor", integer(0, 65535)),
                      field("instance", integer(0, 65535)), extensible=True)
FUNCTION_ID = integer(0, 4095)
ACTION_ID = integer(0, 255)
OID = printable_string(1, 1000, extensible=True)


@dataclass(frozen=True, slots=True)
class RanFunction:
    """What a node can do, as it announces it; the OID names the service model."""

    id: int
    definition: bytes
    revision: int
    oid: str


@dataclass(frozen=True, slots=True)
class FunctionRevision:
    """A RAN function by its number."""

    id: int
    revision: int


@dataclass(frozen=True, slots=True)
class FunctionRefused:
    id: int
    cause: Cause


RAN_FUNCTION = sequence(RanFunction, field("id", FUNCTION_ID), field("definition", octet_string()),
                        field("revision", integer(0, 4095)), field("oid", OID), extensible=True)
FUNCTION_REVISION = sequence(FunctionRevision, field("id", FUNCTION_ID),
                             field("revision", integer(0, 4095)), extensible=True)
FUNCTION_REFUSED = sequence(FunctionRefused, field("id", FUNCTION_ID), field("cause", CAUSE),
                            extensible=True)


class ActionType(Enum):
    REPORT = "report"
    INSERT = "insert"
    POLICY = "policy"


class IndicationType(Enum):
    REPORT = "report"
    INSERT = "insert"


class Subsequent(Enum):
    CONTINUE = "continue"
    WAIT = "wait"


class ActionWait(Enum):
    """How long an inserted action waits for the RIC."""

    MS_1 = "w1ms"
    MS_2 = "w2ms"
    MS_5 = "w5ms"
    MS_10 = "w10ms"
    MS_20 = "w20ms"
    MS_30 = "w30ms"
    MS_40 = "w40ms"
    MS_50 = "w50ms"
    MS_100 = "w100ms"
    MS_200 = "w200ms"
    MS_500 = "w500ms"
    S_1 = "w1s"
    S_2 = "w2s"
    S_5 = "w5s"
    S_10 = "w10s"
    S_20 = "w20s"
    S_60 = "w60s"


@dataclass(frozen=True, slots=True)
class SubsequentAction:
    type: Subsequent
    wait: ActionWait


@dataclass(frozen=True, slots=True)
class Action:
    """What a subscription asks a node to do whenever its event comes."""

    id: int
    type: ActionType = ActionType.REPORT
    definition: bytes | None = None  # the service model's
    subsequent: SubsequentAction | None = None
    execution_order: int | None = None  # since E2AP v3


@dataclass(frozen=True, slots=True)
class ActionRefused:
    id: int
    cause: Cause


ACTION = sequence(
    Action, field("id", ACTION_ID), field("type", enumerated(ActionType, extensible=True)),
    field("definition", octet_string(), optional=True),
    field("subsequent", sequence(
        SubsequentAction, field("type", enumerated(Subsequent, extensible=True)),
        field("wait", enumerated(ActionWait, extensible=True)), extensible=True), optional=True),
    additions=(field("execution_order", integer(0, 255, extensible=True)),))
ACTION_REFUSED = sequence(ActionRefused, field("id", ACTION_ID), field("cause", CAUSE),
                          extensible=True)


@dataclass(frozen=True, slots=True)
class _Numbered:
    id: int


ACTION_ADMITTED: Codec[int] = converted(
    sequence(_Numbered, field("id", ACTION_ID), extensible=True), int,
    lambda admitted: admitted.id, _Numbered)


@dataclass(frozen=True, slots=True)
class SubscriptionCause:
    """A subscription that its node wants to end, and why."""

    request: RequestId
    function: int
    cause: Cause


SUBSCRIPTION_CAUSE = sequence(SubscriptionCause, field("request", REQUEST_ID),
                              field("function", FUNCTION_ID), field("cause", CAUSE),
                              extensible=True)


class TimeToWait(Enum):
    """How long a refused node waits before it asks again; `seconds` as a number."""

    S_1 = "v1s"
    S_2 = "v2s"
    S_5 = "v5s"
    S_10 = "v10s"
    S_20 = "v20s"
    S_60 = "v60s"

    @property
    def seconds(self) -> float:
        return float(self.value[1:-1])


TIME_TO_WAIT = enumerated(TimeToWait, extensible=True)


class TypeOfError(Enum):
    NOT_UNDERSTOOD = "not-understood"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class IeProblem:
    """An information element that was not understood, or is missing."""

    criticality: Criticality
    id: int
    type: TypeOfError


@dataclass(frozen=True, slots=True)
class Diagnostics:
    """What a receiver could not do with a message."""

    procedure: int | None = None  # a procedure's code, or one nobody knows
    triggering: Kind | None = None
    criticality: Criticality | None = None
    request: RequestId | None = None
    problems: tuple[IeProblem, ...] | None = None  # up to 256


CRITICALITY = enumerated(Criticality)
DIAGNOSTICS = sequence(
    Diagnostics, field("procedure", integer(0, 255), optional=True),
    field("triggering", enumerated(Kind), optional=True),
    field("criticality", CRITICALITY, optional=True), field("request", REQUEST_ID, optional=True),
    field("problems", sequence_of(sequence(
        IeProblem, field("criticality", CRITICALITY), field("id", integer(0, 65535)),
        field("type", enumerated(TypeOfError, extensible=True)), extensible=True), 1, 256),
        optional=True), extensible=True)


class TnlUsage(Enum):
    """What a further association is for."""

    RIC_SERVICE = "ric-service"
    SUPPORT_FUNCTION = "support-function"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class TnlAssociation:
    tnl: TnlInformation
    usage: TnlUsage


@dataclass(frozen=True, slots=True)
class TnlRefused:
    tnl: TnlInformation
    cause: Cause


@dataclass(frozen=True, slots=True)
class TnlPair:
    """An association that a node ends: both its ends."""

    node: TnlInformation
    ric: TnlInformation


TNL_ASSOCIATION = sequence(TnlAssociation, field("tnl", TNL_INFORMATION),
                           field("usage", enumerated(TnlUsage, extensible=True)), extensible=True)
TNL_REFUSED = sequence(TnlRefused, field("tnl", TNL_INFORMATION), field("cause", CAUSE),
                       extensible=True)


@dataclass(frozen=True, slots=True)
class _Tnl:
    tnl: TnlInformation


TNL_REMOVED: Codec[TnlInformation] = converted(
    sequence(_Tnl, field("tnl", TNL_INFORMATION), extensible=True), TnlInformation,
    lambda removed: removed.tnl, _Tnl)
TNL_PAIR = sequence(TnlPair, field("node", TNL_INFORMATION), field("ric", TNL_INFORMATION),
                    extensible=True)
