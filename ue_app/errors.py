"""The errors of the phone side.

    PhoneError
    ├── PromptError           the text cannot be turned into the model's input
    ├── BadEdgeAddress        the URL of the edge is none
    ├── HistoryError          the conversations on this phone cannot be read or written
    ├── SettingsError         a setting cannot work, or the settings cannot be kept
    ├── RecordingError        a recording cannot be made or read
    ├── OwnEdgeError          the edge that the app starts for itself did not start
    └── LinkError             the link to the edge does not carry the answer
        ├── EdgeUnreachable     no connection came about
        ├── LinkLost            the connection ended in the middle
        ├── LinkTimeout         the edge is connected and silent
        └── Interrupted         whoever waited for it does so no longer

A refusal by the edge itself arrives as `edge_server.errors.SessionError`.
"""

from __future__ import annotations


class PhoneError(Exception):
    """Base of the tree: what is wrong, and what to do."""

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(f"{problem} {remedy}".strip())
        self.problem = problem
        self.remedy = remedy


class PromptError(PhoneError):
    """The text cannot be turned into the model's input."""


class BadEdgeAddress(PhoneError):
    """The URL of the edge is none."""


class HistoryError(PhoneError):
    """The conversations on this phone cannot be read or written."""


class SettingsError(PhoneError):
    """A setting cannot work, or the settings cannot be kept."""


class RecordingError(PhoneError):
    """A recording cannot be made or read."""


class OwnEdgeError(PhoneError):
    """The edge that the app starts for itself did not start."""


class LinkError(PhoneError):
    """The link to the edge does not carry the answer."""


class EdgeUnreachable(LinkError):
    """No connection came about."""


class LinkLost(LinkError):
    """The connection ended in the middle."""


class LinkTimeout(LinkError):
    """The edge is connected and silent."""


class Interrupted(LinkError):
    """Whoever waited for the link does so no longer."""
