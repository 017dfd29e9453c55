"""E2AP's causes: why something failed, was refused or is reset.

Six groups; a cause is a member of one of their enumerations, and its value is the specification's
name for it. Of a later version's causes, `UnknownCause` keeps the group and number: what a node
refuses for a new reason is refused all the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from xapp.e2.aper import Codec, choice, enumerated

MOST_ADDED = 64  # causes after an extension marker that are told apart: one octet has no more


class RicRequestCause(Enum):
    """Of a subscription, an indication or a control."""

    RAN_FUNCTION_ID_INVALID = "ran-function-id-invalid"
    ACTION_NOT_SUPPORTED = "action-not-supported"
    EXCESSIVE_ACTIONS = "excessive-actions"
    DUPLICATE_ACTION = "duplicate-action"
    DUPLICATE_EVENT_TRIGGER = "duplicate-event-trigger"
    FUNCTION_RESOURCE_LIMIT = "function-resource-limit"
    REQUEST_ID_UNKNOWN = "request-id-unknown"
    INCONSISTENT_ACTION_SEQUENCE = "inconsistent-action-subsequent-action-sequence"
    CONTROL_MESSAGE_INVALID = "control-message-invalid"
    CALL_PROCESS_ID_INVALID = "ric-call-process-id-invalid"
    CONTROL_TIMER_EXPIRED = "control-timer-expired"
    CONTROL_FAILED_TO_EXECUTE = "control-failed-to-execute"
    SYSTEM_NOT_READY = "system-not-ready"
    UNSPECIFIED = "unspecified"
    # After the extension marker.
    SUBSCRIPTION_END_TIME_EXPIRED = "ric-subscription-end-time-expired"
    SUBSCRIPTION_END_TIME_INVALID = "ric-subscription-end-time-invalid"
    DUPLICATE_REQUEST_ID = "duplicate-ric-request-id"
    EVENT_TRIGGER_NOT_SUPPORTED = "event-trigger-not-supported"
    REQUESTED_INFORMATION_UNAVAILABLE = "requested-information-unavailable"
    INVALID_INFORMATION_REQUEST = "invalid-information-request"


class RicServiceCause(Enum):
    """Of a RAN function."""

    RAN_FUNCTION_NOT_SUPPORTED = "ran-function-not-supported"
    EXCESSIVE_FUNCTIONS = "excessive-functions"
    RIC_RESOURCE_LIMIT = "ric-resource-limit"


class E2NodeCause(Enum):
    """Of a node's components."""

    COMPONENT_UNKNOWN = "e2node-component-unknown"


class TransportCause(Enum):
    """Of what carries E2AP."""

    UNSPECIFIED = "unspecified"
    RESOURCE_UNAVAILABLE = "transport-resource-unavailable"


class ProtocolCause(Enum):
    """Of messages that are not as they should be."""

    TRANSFER_SYNTAX_ERROR = "transfer-syntax-error"
    ABSTRACT_SYNTAX_ERROR_REJECT = "abstract-syntax-error-reject"
    ABSTRACT_SYNTAX_ERROR_IGNORE_AND_NOTIFY = "abstract-syntax-error-ignore-and-notify"
    MESSAGE_NOT_COMPATIBLE_WITH_RECEIVER_STATE = "message-not-compatible-with-receiver-state"
    SEMANTIC_ERROR = "semantic-error"
    FALSELY_CONSTRUCTED_MESSAGE = "abstract-syntax-error-falsely-constructed-message"
    UNSPECIFIED = "unspecified"


class MiscCause(Enum):
    """Of all else."""

    CONTROL_PROCESSING_OVERLOAD = "control-processing-overload"
    HARDWARE_FAILURE = "hardware-failure"
    OM_INTERVENTION = "om-intervention"
    UNSPECIFIED = "unspecified"


@dataclass(frozen=True)
class UnknownCause:
    """A later version's cause; it can be read and not be sent."""

    group: str
    number: int  # after the extension marker, from 0


Cause = (RicRequestCause | RicServiceCause | E2NodeCause | TransportCause | ProtocolCause
         | MiscCause | UnknownCause)
# In the order of the CHOICE, with how many values come before each extension marker.
GROUPS: tuple[tuple[str, type[Enum], int], ...] = (
    ("ric-request", RicRequestCause, 14),
    ("ric-service", RicServiceCause, 3),
    ("e2-node", E2NodeCause, 1),
    ("transport", TransportCause, 2),
    ("protocol", ProtocolCause, 7),
    ("misc", MiscCause, 4),
)
_NAMES = {kind: name for name, kind, _ in GROUPS}


def _group(name: str, kind: type[Enum], root: int) -> Codec[Cause]:
    values = list(kind)
    known = len(values) - root
    later = [UnknownCause(name, number) for number in range(known, MOST_ADDED)]
    return enumerated(values[:root], extensible=True, added=[*values[root:], *later])


CAUSE: Codec[Cause] = choice(*((name, _group(name, kind, root)) for name, kind, root in GROUPS),
                             extensible=True)


def say_cause(cause: Cause | None) -> str:
    """The cause in words: its group and name."""
    if cause is None:
        return "no cause given"
    if isinstance(cause, UnknownCause):
        return f"{cause.group}: cause {cause.number} of a later version"
    return f"{_NAMES[type(cause)]}: {cause.value}"
