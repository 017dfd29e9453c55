"""Flows by their 5-tuples: text, and what is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xapp.errors import ConfigurationError
from xapp.flow_ends import FlowEnds, ends_of

PORTS = st.integers(1, 65535)
NAMES = st.sampled_from(["tcp", "udp"])
FOUR, SIX = st.ip_addresses(v=4).map(str), st.ip_addresses(v=6).map(str)
ENDS = st.builds(FlowEnds, FOUR, PORTS, FOUR, PORTS, NAMES) | st.builds(
    FlowEnds, SIX, PORTS, SIX, PORTS, NAMES)


@given(ENDS)
def test_text_is_read_as_it_is_written(flow: FlowEnds) -> None:
    assert FlowEnds.parse(str(flow)) == flow


@pytest.mark.parametrize("text", ["", "tcp:1:2", "sctp:10.0.0.1:1:10.0.0.2:2", "tcp:a:1:b:2",
                                  "tcp:10.0.0.1:0:10.0.0.2:2", "tcp:10.0.0.999:1:10.0.0.2:2",
                                  "tcp:10.0.0.1:1:[::1]:2", "tcp:10.0.0.1:99999:10.0.0.2:2"])
def test_what_is_no_flow_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError):
        FlowEnds.parse(text)


def test_what_has_no_ports_is_no_single_flow() -> None:
    assert ends_of(1, "10.0.0.1", 0, "10.0.0.2", 0) is None
    assert ends_of(6, "10.0.0.1", 0, "10.0.0.2", 443) is None
    assert ends_of(17, "10.0.0.1", 5, "10.0.0.2", 443) == FlowEnds(
        "10.0.0.1", 5, "10.0.0.2", 443, "udp")
