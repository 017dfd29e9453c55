"""Errors of experiments that a person can act on.

    TestbedFailure
    ├── BadScenario    a scenario file says what cannot be, or contradicts itself
    ├── BadResults     a folder or file of results cannot be used as it is
    └── RunFailed      trials fail one after the other, so going on would be of no use
"""

from __future__ import annotations

from testbed.errors import TestbedFailure


class BadScenario(TestbedFailure):
    """A scenario file says what cannot be, or contradicts itself."""


class BadResults(TestbedFailure):
    """A folder or file of results cannot be used as it is."""


class RunFailed(TestbedFailure):
    """Trials fail one after the other."""
