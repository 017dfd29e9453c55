"""What KPM's figures mean on each kind of base station, as data: field, unit, and how stale.

    UNITS["srsran"].period            # seconds between renewals of its figures

3GPP TS 28.552 leaves little open and base stations do: delays come in tenths of a millisecond or in
microseconds, PRBs as a percentage or counted. What a figure is used for is not known here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

# What a measurement fills in; the last four serve only to reckon the others.
FIELDS = ("down_kbps", "up_kbps", "down_prbs", "up_prbs", "down_delay_ms", "up_delay_ms",
          "down_drops", "down_kbit", "up_kbit", "down_used", "up_used", "down_available",
          "up_available", "down_count", "up_count")
PLACE = {name: place for place, name in enumerate(FIELDS)}
LOAD_FIELDS = 7  # the first of them are those of a `Load`


@dataclass(frozen=True, slots=True)
class Unit:
    """Where a measurement goes, and what to multiply it by."""

    place: int
    scale: float = 1.0
    for_cell: bool = True  # False: of a whole cell it means something else


def _unit(name: str, scale: float = 1.0, for_cell: bool = True) -> Unit:
    return Unit(PLACE[name], scale, for_cell)


# Of a cell, DRB.UEThp is the mean over its UEs and no sum: it says nothing about the cell's load.
STANDARD: Mapping[str, Unit] = {
    "DRB.UEThpDl": _unit("down_kbps", for_cell=False),
    "DRB.UEThpUl": _unit("up_kbps", for_cell=False),
    "RRU.PrbTotDl": _unit("down_prbs"),
    "RRU.PrbTotUl": _unit("up_prbs"),
    "DRB.RlcSduDelayDl": _unit("down_delay_ms", 0.1),
    "DRB.RlcDelayUl": _unit("up_delay_ms", 0.1),
    "DRB.RlcPacketDropRateDl": _unit("down_drops", 0.01),
    "DRB.RlcSduTransmittedVolumeDL": _unit("down_kbit"),
    "DRB.RlcSduTransmittedVolumeUL": _unit("up_kbit"),
    "RRU.PrbUsedDl": _unit("down_used"),
    "RRU.PrbUsedUl": _unit("up_used"),
    "RRU.PrbAvailDl": _unit("down_available"),
    "RRU.PrbAvailUl": _unit("up_available"),
}
IN_MICROSECONDS = {"DRB.RlcSduDelayDl": _unit("down_delay_ms", 0.001)}
COUNTED = {"RRU.PrbTotDl": _unit("down_count"), "RRU.PrbTotUl": _unit("up_count")}


@dataclass(frozen=True, slots=True)
class Units:
    """How one kind of base station reports."""

    measurements: Mapping[str, Unit] = field(default_factory=lambda: STANDARD)
    period: float = 0.0  # seconds between renewals of its figures, which cover it; 0: each report's
    slots_per_second: int = 1000  # for PRBs that are counted; by the subcarrier spacing
    oai_names: bool = False  # UEs by the number that OpenAirInterface gives


_OAI = Units({**STANDARD, **IN_MICROSECONDS}, oai_names=True)
UNITS: Mapping[str, Units] = {
    "spec": Units(),
    "srsran": Units(period=1.0),
    "ocudu": Units(period=1.0),
    "oai": _OAI,
    # Before they divided by what there is, they gave the number of PRBs of a period.
    "oai-old": replace(_OAI, measurements={**STANDARD, **IN_MICROSECONDS, **COUNTED}),
    "flexric": _OAI,
}
