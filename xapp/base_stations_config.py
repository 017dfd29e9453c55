"""What an operator says of base stations, and what is asked of them.

    config = RanConfig((NodeConfig("gnb_00101_*", "oai"),), slices=(Snssai(1),))
    config.of("gnb_00101_0000019b").profile

It is checked as it is made, so that an error names the setting. It knows no E2.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from xapp.e2.profiles import PROFILES
from xapp.errors import ConfigurationError
from xapp.observations import Snssai
from xapp.units import UNITS, Units


@dataclass(frozen=True)
class NodeConfig:
    """What an operator says of base stations."""

    name: str = "*"  # a name such as gnb_00101_0000019b, with * and ? for what may be any
    profile: str = "auto"  # its kind; auto: guessed from what it announces
    cells: Mapping[str, int | None] = field(default_factory=dict)  # NR cell identity: PRBs
    remote: str | None = None  # srsRAN's remote control, such as ws://127.0.0.1:8001
    renewal_ms: int | None = None  # its metrics.periodicity.du_report_period; None: as its kind has
    # Where UEs of a cell may be sent: NR cell identity: those of its neighbours, of the same gNB.
    neighbours: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.profile != "auto" and self.profile not in PROFILES:
            raise ConfigurationError(f"There is no kind of base station {self.profile!r}.",
                                     f"There are auto, {', '.join(sorted(PROFILES))}.")
        if self.renewal_ms is not None and not 10 <= self.renewal_ms <= 60_000:
            raise ConfigurationError(f"{self.renewal_ms} ms between renewals cannot be meant.",
                                     "Give 10 to 60000, or leave `renewal_ms` out.")
        beside = (one for cells in self.neighbours.values() for one in cells)
        for cell in (*self.cells, *self.neighbours, *beside):
            if cell and not (len(cell) == 9 and all(one in "0123456789abcdef" for one in cell)):
                raise ConfigurationError(f"{cell!r} is no NR cell identity.",
                                         "Write its 9 hexadecimal digits, lower case.")

    def units(self, kind: str) -> Units:
        """How it reports, if it is of this kind."""
        units = UNITS.get(kind, UNITS["spec"])
        if self.renewal_ms is None or not units.period:
            return units
        return replace(units, period=self.renewal_ms / 1000)


@dataclass(frozen=True)
class RanConfig:
    """What is asked of base stations."""

    nodes: tuple[NodeConfig, ...] = ()  # the first whose name fits counts
    slices: tuple[Snssai, ...] = (Snssai(1),)  # whose UEs are reported
    period_ms: int = 500  # between reports
    measurements: tuple[str, ...] = tuple(UNITS["spec"].measurements)  # as far as announced

    def __post_init__(self) -> None:
        if not 10 <= self.period_ms <= 60_000:
            raise ConfigurationError(f"{self.period_ms} ms between reports cannot be meant.",
                                     "Give 10 to 60000.")
        if not self.slices:
            raise ConfigurationError("No slice is named.", "Name those of the core under `slices`.")

    def of(self, name: str) -> NodeConfig:
        """What was said of a base station."""
        return next((one for one in self.nodes if fnmatch.fnmatchcase(name, one.name)),
                    NodeConfig())
