"""The errors of the xApp: what is wrong, with which input, and what to do next.

    XappError
    ├── ConfigurationError    an option, or a combination of options, that cannot work
    ├── TransportError        an association cannot be listened for, opened or used
    │   ├── NoTransport         this machine has no such way to send SCTP
    │   └── MessageTooLarge     more than one message may hold
    ├── ProtocolError         bytes of a peer that are no E2 message
    ├── StoreError            what must survive cannot be kept or read
    ├── PolicyError           a policy that contradicts itself, its schema or the limits
    ├── BadLabel              bytes that are no flow label
    ├── CoreError             the core's APIs do not answer as they should
    │   └── PromotionRefused    its policy function said no, or nothing
    │       └── PolicyFunctionAway  nothing
    └── OperatorError         what an operator asked for cannot be done as asked
        ├── NotAllowed          it needs the operator's token
        ├── NotFound            it names something that is not there
        ├── Conflict            it contradicts what is there
        ├── Behind              the xApp did not get to it, or to its end, in time
        └── ApiAway             no xApp answers at that address, or something else does
"""

from __future__ import annotations


class XappError(Exception):
    """Base of the tree: a sentence that says what is wrong, and one that says what to do."""

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(f"{problem} {remedy}".strip())
        self.problem = problem
        self.remedy = remedy


class ConfigurationError(XappError):
    """An option, or a combination of options, that cannot work."""


class TransportError(XappError):
    """An association that cannot be listened for, opened or used."""


class NoTransport(TransportError):
    """This machine has no such way to send SCTP."""


class MessageTooLarge(TransportError):
    """More than one message may hold."""


class ProtocolError(XappError):
    """Bytes of a peer that are no E2 message."""


class StoreError(XappError):
    """What must survive cannot be kept or read."""


class PolicyError(XappError):
    """A policy that contradicts itself, its schema or the limits."""


class BadLabel(XappError):
    """Bytes that are no flow label."""


class CoreError(XappError):
    """The core's APIs do not answer as they should."""


class PromotionRefused(CoreError):
    """The core's policy function said no, or nothing."""


class PolicyFunctionAway(PromotionRefused):
    """The core's policy function does not answer."""


class OperatorError(XappError):
    """What an operator asked for cannot be done as asked."""


class NotAllowed(OperatorError):
    """It needs the operator's token."""


class NotFound(OperatorError):
    """It names something that is not there."""


class Conflict(OperatorError):
    """It contradicts what is there."""


class Behind(OperatorError):
    """The xApp did not get to it, or to its end, in time."""


class ApiAway(OperatorError):
    """No xApp answers at that address, or something else does."""
