"""What deployments take of promotion."""

from __future__ import annotations

import pytest

from testbed.deploy.promotion import PROMOTED_5QI, parse_flow
from xapp.errors import ConfigurationError
from xapp.promotion import MEDIA_5QI


def test_flows_are_written_as_they_are_read() -> None:
    flow = parse_flow("udp:[2001:db8::2]:1:[2001:db8::3]:2")
    assert (flow.ue, flow.protocol) == ("2001:db8::2", "udp")
    with pytest.raises(ConfigurationError):
        parse_flow("tcp:1:2")


def test_subscribers_need_the_5qi_that_a_promoted_flow_gets() -> None:
    assert PROMOTED_5QI in MEDIA_5QI.values()
