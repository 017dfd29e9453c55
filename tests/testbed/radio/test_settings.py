"""Settings say what cannot be meant, by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.radio.errors import RadioError
from testbed.radio.settings import (
    PathSettings,
    RadioSettings,
    Station,
    changed,
    load,
    usual,
)

FILE = """
rate: 11.52e6
cells:
  - {name: gnb, transmits: "tcp://127.0.0.1:2000", receives: "tcp://127.0.0.1:2001"}
ues:
  - {name: ue1, transmits: "tcp://127.0.0.1:2101", receives: "tcp://127.0.0.1:2100", snr: 30}
paths:
  gnb-ue1: {path_loss: 10, profile: tdla30, doppler: 5}
"""


def test_a_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "radio.yaml"
    file.write_text(FILE)
    radio = load(file)
    assert radio.rate == 11.52e6
    assert radio.path("gnb-ue1") == PathSettings(10, profile="tdla30", doppler=5)
    assert radio.ues[0].snr == 30


@pytest.mark.parametrize(("was", "is_", "named"), [
    ("path_loss: 10", "path_loss: 1000", "path_loss"),
    ("tdla30", "tdlz", "tdlz"),
    ("gnb-ue1:", "gnb-ue2:", "gnb-ue2"),
    ("tcp://127.0.0.1:2101", "udp://127.0.0.1:2101", "udp"),
    ("tcp://127.0.0.1:2101", "tcp://127.0.0.1:2000", "addresses of their own"),
    ("rate: 11.52e6", "rate: 0", "rate"),
    ("rate: 11.52e6", "speed: 1", "speed"),
    ("rate: 11.52e6", "real_time_priority: 99", "99"),
    ("name: ue1", "name: ue-1", "ue-1"),
])
def test_what_cannot_be_meant_is_named(tmp_path: Path, was: str, is_: str, named: str) -> None:
    file = tmp_path / "radio.yaml"
    file.write_text(FILE.replace(was, is_))
    with pytest.raises(RadioError, match=named):
        load(file)


def test_stations_are_few_and_do_something() -> None:
    with pytest.raises(RadioError, match="neither"):
        Station("ue1")
    with pytest.raises(RadioError, match="cannot be joined"):
        RadioSettings((), (Station("ue1", "tcp://a:1"),))
    with pytest.raises(RadioError):
        usual(16)
    assert len(usual(15).ues) == 15


def test_a_path_is_changed_by_names() -> None:
    lost = changed(PathSettings(), {"path_loss": 3, "outage": True})
    assert lost == PathSettings(3.0, outage=True)
    for values in ({"path_loss": "3"}, {"loss": 3}, {"outage": 1}, {"delay": True},
                   {"delay": float("nan")}, {"doppler": -1}):
        with pytest.raises(RadioError):
            changed(PathSettings(), values)
