"""A description of traffic that cannot be meant says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.ran.traffic.config import Kind, TrafficConfig
from xapp.errors import ConfigurationError


@pytest.mark.parametrize(("arguments", "said"), [
    ({"kind": Kind.REPLAY}, "needs a file"),
    ({"file": Path("x.pcap")}, "has no file"),
    ({"down_kbps": -1.0}, "cannot be"),
    ({"kind": Kind.REPLAY, "file": Path("x.pcap"), "speed": 0.0}, "cannot be"),
    ({"packet_bytes": 20}, "28 to 9000"),
    ({"start": 5.0, "stop": 5.0}, "stops before"),
    ({"tokens": 0}, "cannot be"),
    ({"down_kbps": 1e12}, "faster than it can be made"),
    ({"kind": Kind.ON_OFF, "off_seconds": 1e-9}, "faster than it can be made"),
    ({"kind": Kind.REPLAY, "file": Path("x.pcap"), "speed": 1e9}, "faster than it can be made"),
    ({"longest_gap": 0.0}, "cannot be")])
def test_what_cannot_be_meant(arguments: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        TrafficConfig(**arguments)  # type: ignore[arg-type]  # of several types on purpose
