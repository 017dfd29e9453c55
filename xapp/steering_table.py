"""The stages of an action, and what moves it from one to the next: a table, no code.

    PLANNED -> SENT -> ACKNOWLEDGED or SILENT -> CONFIRMED, or KEPT where nothing could show it
                    -> REFUSED               -> UNDOING -> CHECKING -> ROLLED_BACK or UNPROVEN

An action is planned, its intent is on disk, then it is sent; the node answers or is silent; reports
show the effect by the deadline, or what was before is put back, which reports have to show too. It
ends in exactly one final stage. What the methods do is in `xapp.steering_actions`.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import NamedTuple


class Stage(enum.Enum):
    """How far an action has come."""

    PLANNED = "planned"  # its intent is on its way to the disk
    SENT = "sent"  # one of its steps is, and not answered
    ACKNOWLEDGED = "acknowledged"  # all of its steps are, which proves nothing
    SILENT = "silent"  # the last step was not answered; it may have an effect all the same
    UNDOING = "undoing"  # a step of the undo is sent, and not answered
    CHECKING = "checking"  # the undo is sent; reports have to show it
    # Final:
    CONFIRMED = "confirmed"  # reports show the effect
    ROLLED_BACK = "rolled_back"  # reports show that what was before is in force
    KEPT = "kept"  # acknowledged, and nothing could show whether it is in force
    UNPROVEN = "unproven"  # what is in force is not known; it will be put back
    REFUSED = "refused"  # by the node, and nothing was changed
    WITHDRAWN = "withdrawn"  # never sent
    SUPERSEDED = "superseded"  # a newer one sets the same, or all is put back
    LOST = "lost"  # the node went away


class Signal(enum.Enum):
    """What moves an action."""

    COMMITTED = "committed"  # the intent is on disk
    NOT_COMMITTED = "not committed"
    ACKED = "acknowledged"
    REFUSED = "refused"
    UNANSWERED = "unanswered"
    SEEN = "seen"  # what was expected
    UNSEEN = "unseen"  # by the deadline
    UNTOLD = "untold"  # reports came, and they would be the same without any effect
    CANCEL = "cancel"  # a newer decision, or the end of the run: undo it
    ABANDON = "abandon"  # everything is put back anyway
    NODE_LOST = "node lost"


class Move(NamedTuple):
    """What a signal does: the method, which sets the stage that follows."""

    action: str


FINAL = frozenset((Stage.CONFIRMED, Stage.KEPT, Stage.ROLLED_BACK, Stage.UNPROVEN, Stage.REFUSED,
                   Stage.WITHDRAWN, Stage.SUPERSEDED, Stage.LOST))
_LOST = {Signal.NODE_LOST: Move("_lost")}

TABLE: Mapping[Stage, Mapping[Signal, Move]] = {
    Stage.PLANNED: {
        Signal.COMMITTED: Move("_send_first"), Signal.NOT_COMMITTED: Move("_not_committed"),
        Signal.CANCEL: Move("_withdraw"), Signal.ABANDON: Move("_withdraw"), **_LOST},
    Stage.SENT: {
        Signal.ACKED: Move("_acked"), Signal.REFUSED: Move("_refused"),
        Signal.UNANSWERED: Move("_unanswered"),
        # An order is out: what the node says of it is waited for, as it could come after the undo.
        Signal.CANCEL: Move("_doom"), Signal.ABANDON: Move("_doom_all"), **_LOST},
    Stage.ACKNOWLEDGED: {
        Signal.SEEN: Move("_confirm"), Signal.UNSEEN: Move("_unseen"),
        Signal.UNTOLD: Move("_keep"),
        Signal.CANCEL: Move("_undo"), Signal.ABANDON: Move("_abandon"), **_LOST},
    Stage.SILENT: {
        Signal.ACKED: Move("_acked_late"), Signal.REFUSED: Move("_refused_late"),
        Signal.SEEN: Move("_confirm"), Signal.UNSEEN: Move("_unseen"),
        Signal.UNTOLD: Move("_doubt"),
        Signal.CANCEL: Move("_undo"), Signal.ABANDON: Move("_abandon"), **_LOST},
    Stage.UNDOING: {
        Signal.ACKED: Move("_undo_acked"), Signal.REFUSED: Move("_undo_failed"),
        Signal.UNANSWERED: Move("_undo_failed"), Signal.ABANDON: Move("_doom_all"), **_LOST},
    Stage.CHECKING: {
        Signal.SEEN: Move("_rolled_back"), Signal.UNSEEN: Move("_undo_failed"),
        Signal.UNTOLD: Move("_rolled_back"),  # there was no effect that could be over
        Signal.ABANDON: Move("_abandon"), **_LOST},
    **{stage: {} for stage in FINAL},
}
