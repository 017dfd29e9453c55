"""Errors of the execution modes; the command line prints each as one line.

    EdgeError
    └── ModesError
        ├── BadMessage    bytes that are no message, or more than is taken
        ├── Refused       the server said why it does not do it
        └── ServerGone    it ended, or said nothing for too long
"""

from __future__ import annotations

from edge_server.errors import EdgeError


class ModesError(EdgeError):
    """Base of the tree."""


class BadMessage(ModesError):
    """Bytes that are no message, or more than is taken."""


class Refused(ModesError):
    """The server said why it does not do what was asked."""


class ServerGone(ModesError):
    """The server ended, or said nothing for too long."""
