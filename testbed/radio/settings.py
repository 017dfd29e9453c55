"""What the virtual radio joins: stations with their sockets, and the path between each two.

    radio = load(Path("radio.yaml"))

The dataclasses are the schema of the YAML file, with units in their comments. It opens nothing but
that file, and knows nothing of samples.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from testbed.radio.errors import RadioError
from testbed.radio.profiles import PROFILES
from xapp.config_reading import build, yaml_document
from xapp.errors import ConfigurationError

MOST_STATIONS = 16  # two cores mix a few; more than this is a mistake in the file
MOST_RATE = 122.88e6  # samples a second; srsRAN's largest
MOST_DELAY = 2000.0  # microseconds: 600 km; beyond it a cell's timing advance has long ended
MOST_DOPPLER = 5000.0  # Hz
MOST_LOSS = 300.0  # dB either way
MOST_PRIORITY = 98  # 99 is for the kernel's own threads
PLACES = ("tcp://", "ipc://")


@dataclass(frozen=True)
class PathSettings:
    """From one station to another."""

    path_loss: float = 0.0  # dB; negative amplifies
    delay: float = 0.0  # microseconds; parts of a sample count
    profile: str = "none"  # of fading: none, or a name in `profiles`
    doppler: float = 5.0  # Hz, the largest; with a profile only
    outage: bool = False  # nothing arrives

    def __post_init__(self) -> None:
        _within("path_loss", self.path_loss, -MOST_LOSS, MOST_LOSS, "dB")
        _within("delay", self.delay, 0, MOST_DELAY, "microseconds")
        _within("doppler", self.doppler, 0, MOST_DOPPLER, "Hz")
        if self.profile != "none" and self.profile not in PROFILES:
            raise RadioError(f"There is no fading profile {self.profile!r}: give none, "
                             f"{', '.join(PROFILES)}.")


@dataclass(frozen=True)
class Station:
    """A radio with one antenna. Addresses are those that its own configuration names."""

    name: str
    transmits: str | None = None  # its tx_port: where it answers with samples
    receives: str | None = None  # its rx_port: where it asks for them; the broker listens there
    snr: float | None = None  # dB over what is sent at no path loss; None adds no noise

    def __post_init__(self) -> None:
        if not self.name.isidentifier():
            raise RadioError(f"{self.name!r} cannot be a station's name: use letters, digits, _.")
        if self.transmits is None and self.receives is None:
            raise RadioError(f"Station {self.name} neither transmits nor receives: give addresses.")
        for place in (self.transmits, self.receives):
            if place is not None and not place.startswith(PLACES):
                raise RadioError(f"Station {self.name}: {place!r} is no address such as "
                                 "tcp://127.0.0.1:2000.")
        if self.snr is not None:
            _within("snr", self.snr, -100, 200, "dB")


@dataclass(frozen=True)
class RadioSettings:
    """All of it."""

    cells: tuple[Station, ...]
    ues: tuple[Station, ...]
    rate: float = 23.04e6  # samples a second: turns microseconds and Hz into samples
    paths: Mapping[str, PathSettings] = field(default_factory=dict)  # "gnb-ue1": both ways
    pace: bool = False  # no faster than real time; peers usually see to that
    together: bool = False  # time begins when every station is there; else with the first
    seed: int = 1  # of noise and fading
    real_time_priority: int = 10  # of the broker, where permitted: 1 to 98; 0 is none
    control: str = "ipc:///tmp/airsplit-radio.control"  # where orders are taken
    script: str | None = None  # CSV of changes by time: see `script`

    def __post_init__(self) -> None:
        _within("rate", self.rate, 1e3, MOST_RATE, "samples a second")
        names = [one.name for one in self.stations]
        places = [place for one in self.stations
                  for place in (one.transmits, one.receives) if place]
        if not self.cells or not self.ues or len(names) > MOST_STATIONS:
            raise RadioError(f"{len(self.cells)} cells and {len(self.ues)} UEs cannot be joined: "
                             f"give one or more of each, at most {MOST_STATIONS} in all.")
        if len(set(names)) < len(names) or len(set(places)) < len(places):
            raise RadioError("Stations need names and addresses of their own.")
        for name in self.paths:
            if name not in self.links:
                raise RadioError(f"There is no path {name!r}: there are "
                                 f"{', '.join(self.links)}.")
        if not 0 <= self.real_time_priority <= MOST_PRIORITY:
            raise RadioError(f"{self.real_time_priority} is no real-time priority: give 1 to "
                             f"{MOST_PRIORITY}, or 0 for none.")
        if not self.control.startswith(PLACES):
            raise RadioError(f"control: {self.control!r} is no address such as ipc:///run/radio.")

    @property
    def stations(self) -> tuple[Station, ...]:
        return (*self.cells, *self.ues)

    @property
    def links(self) -> Mapping[str, tuple[Station, Station]]:
        """Each cell with each UE, by the name that `paths` and orders use."""
        return {f"{cell.name}-{ue.name}": (cell, ue) for cell in self.cells for ue in self.ues}

    def path(self, link: str) -> PathSettings:
        return self.paths.get(link, PathSettings())


def changed(path: PathSettings, values: Mapping[str, Any]) -> PathSettings:
    """`path` with other values, as an order or a script names them."""
    kinds = {"path_loss": float, "delay": float, "profile": str, "doppler": float, "outage": bool}
    taken: dict[str, Any] = {}
    for name, value in values.items():
        kind = kinds.get(name)
        if kind is None:
            raise RadioError(f"A path has no {name!r}: it has {', '.join(kinds)}.")
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if not isinstance(value, kind):
            raise RadioError(f"{name}: {value!r} is no {kind.__name__}.")
        taken[name] = value
    return replace(path, **taken)


def usual(ues: int) -> RadioSettings:
    """One gNB and so many UEs at the ports that srsRAN's guides use."""
    if not 1 <= ues < MOST_STATIONS:
        raise RadioError(f"{ues} UEs cannot be joined: give 1 to {MOST_STATIONS - 1}.")
    here = "tcp://127.0.0.1:"
    return RadioSettings(
        (Station("gnb", f"{here}2000", f"{here}2001"),),
        tuple(Station(f"ue{one}", f"{here}{2001 + 100 * one}", f"{here}{2000 + 100 * one}")
              for one in range(1, ues + 1)))


def load(file: Path) -> RadioSettings:
    """What a file says."""
    try:
        return build(RadioSettings, yaml_document(file))
    except ConfigurationError as error:
        raise RadioError(str(error)) from None


def _within(name: str, value: float, least: float, most: float, unit: str) -> None:
    if not math.isfinite(value) or not least <= value <= most:
        raise RadioError(f"{name} {value:g} cannot be meant: give {least:g} to {most:g} {unit}.")
