"""The virtual radio's errors are the testbed's."""

from __future__ import annotations

from testbed.errors import TestbedFailure
from testbed.radio.errors import BrokerAway, RadioError


def test_the_tree() -> None:
    assert issubclass(BrokerAway, RadioError)
    assert issubclass(RadioError, TestbedFailure)
