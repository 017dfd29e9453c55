"""Things that an operator may want to know, one frozen dataclass each: for logs, console and audit.

The code is for machines and never changes its meaning; the sentence is for people. It does not know
who shows it.
"""

from __future__ import annotations

import enum
from dataclasses import asdict, dataclass


class Level(enum.Enum):
    INFO = "info"
    WARNING = "warning"  # the xApp goes on, with less
    ERROR = "error"  # an operator has to do something


class Code(enum.StrEnum):
    """What happened. Console and alarms sort by it."""

    # Of an action.
    CONFIRMED = "confirmed"
    UNPROVEN = "unproven"  # acknowledged and kept; no report could tell whether it is in force
    CONFIRMED_UNANSWERED = "confirmed_unanswered"  # the effect was seen, no answer was
    CONTROL_REFUSED = "control_refused"
    CONTROL_UNANSWERED = "control_unanswered"
    NO_EFFECT = "no_effect"  # reported by the deadline, and not as expected
    NOT_VISIBLE = "not_visible"  # nothing was reported by which to judge
    LATE_ANSWER = "late_answer"
    ROLLED_BACK = "rolled_back"
    UNDO_UNPROVEN = "undo_unproven"
    NODE_LOST_MIDWAY = "node_lost_midway"
    SUPERSEDED = "superseded"
    # Of a decision.
    WOULD_SEND = "would_send"  # a dry run
    PARTLY = "partly"  # the actuator does less than was wished
    NO_ACTUATOR = "no_actuator"
    FLOOR = "floor"
    RATE_LIMITED = "rate_limited"
    HELD = "held"
    BAD_DECISION = "bad_decision"
    # Of actuators, nodes and what is in force.
    SET_ASIDE = "set_aside"
    UE_LEFT = "ue_left"  # an actuator failed on a UE that was gone: not counted against it
    FOUND_ASSUMED = "found_assumed"
    PUT_BACK = "put_back"
    PUT_BACK_FAILED = "put_back_failed"
    FORGOTTEN = "forgotten"
    LEFT_BY_LAST_RUN = "left_by_last_run"
    KILL_SWITCH = "kill_switch"
    RELEASED = "released"
    DRY_RUN = "dry_run"
    # Of base stations and their reports.
    NODE_UP = "node_up"
    NODE_KIND = "node_kind"
    NODE_LOST = "node_lost"
    NODE_REFUSED = "node_refused"
    UNIT_LOST = "unit_lost"
    FUNCTION_UNKNOWN = "function_unknown"
    STALE_REPORTS = "stale_reports"
    NO_REPORTS = "no_reports"
    REPORTS_GRANTED = "reports_granted"
    GARBAGE = "garbage"
    # Of taps, the UE map and policies.
    TAP_HEARD = "tap_heard"
    TAP_SILENT = "tap_silent"
    LABELS_LOST = "labels_lost"
    FLOWS_CROWDED = "flows_crowded"  # more than are remembered: the least useful were given up
    MAP_FAILED = "map_failed"
    POLICY = "policy"
    CAPTURE_ENDED = "capture_ended"
    API_DOWN = "api_down"  # its process ended, and is started again
    API_UP = "api_up"
    SPUN = "spun"  # the loop computed for too long, and has no real-time priority for a while
    URGENT = "urgent"  # it has one again
    FAULT = "fault"  # one of the xApp's own
    # Of the store.
    STORE_DOWN = "store_down"
    STORE_UP = "store_up"
    STORE_DROPPED = "store_dropped"
    # Of srsRAN's remote control.
    REMOTE_UP = "remote_up"
    REMOTE_DOWN = "remote_down"
    # Of an OSC RIC's services.
    RIC_TROUBLE = "ric_trouble"
    RIC_WELL = "ric_well"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened."""

    level: Level
    code: Code
    sentence: str
    subject: str = ""  # the cell, UE, node, ... in its text form

    def document(self) -> dict[str, str]:
        """For JSON."""
        return {**asdict(self), "level": self.level.value, "code": self.code.value}


def info(code: Code, sentence: str, subject: object = "") -> Event:
    return Event(Level.INFO, code, sentence, str(subject))


def warning(code: Code, sentence: str, subject: object = "") -> Event:
    return Event(Level.WARNING, code, sentence, str(subject))


def error(code: Code, sentence: str, subject: object = "") -> Event:
    return Event(Level.ERROR, code, sentence, str(subject))
