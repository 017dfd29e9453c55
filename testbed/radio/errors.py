"""Errors of the virtual radio that a person can act on.

    EdgeError
    └── TestbedFailure
        └── RadioError        a setting, a script or an order that cannot be meant
            └── BrokerAway    no broker answers there, or something else does
"""

from __future__ import annotations

from testbed.errors import TestbedFailure


class RadioError(TestbedFailure):
    """A setting, a script or an order that cannot be meant."""


class BrokerAway(RadioError):
    """No broker answers there, or something else does."""
