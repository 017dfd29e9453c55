"""What an emulated base station can be told to do wrong, and how wrong."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Fault(enum.Enum):
    """Beyond the traps that its kind has anyway."""

    REFUSE_SUBSCRIPTIONS = "refuse-subscriptions"
    DROP_INDICATIONS = "drop-indications"
    DUPLICATE_INDICATIONS = "duplicate-indications"
    DELAY_INDICATIONS = "delay-indications"
    UNKNOWN_UE = "unknown-ue"  # reports one that nobody knows
    CONTROL_FAILURE = "control-failure"
    NO_EFFECT = "no-effect"  # acknowledges controls and does nothing
    LATE_ACK = "late-ack"  # acts at once and answers too late
    NO_ACK = "no-ack"
    DIE_ON_CONTROL = "die-on-control"  # and comes back with other numbers
    GARBAGE = "garbage"  # beside every indication


@dataclass(frozen=True)
class FaultConfig:
    """How often and how long."""

    share: float = 0.3  # of indications that are dropped, doubled or late
    late_seconds: float = 1.5  # of an indication
    late_ack_seconds: float = 4.0  # longer than a RIC waits


REMARKS = {
    Fault.REFUSE_SUBSCRIPTIONS: "refuse every subscription",
    Fault.DROP_INDICATIONS: "lose some indications",
    Fault.DUPLICATE_INDICATIONS: "send some indications twice",
    Fault.DELAY_INDICATIONS: "send some indications late, after newer ones",
    Fault.UNKNOWN_UE: "report a UE that nobody knows",
    Fault.CONTROL_FAILURE: "refuse every control",
    Fault.NO_EFFECT: "acknowledge controls without doing anything",
    Fault.LATE_ACK: "act, and acknowledge after seconds",
    Fault.NO_ACK: "act, and never answer",
    Fault.DIE_ON_CONTROL: "vanish instead of answering, come back with other numbers",
    Fault.GARBAGE: "send bytes that are no E2AP beside every indication",
}
