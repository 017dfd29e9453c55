"""srsRAN's and OCUDU's stream of metrics as rates of cells and UEs, from JSON that is not trusted.

    cells = read_metrics(fields)        # () where the message is of another layer; ProtocolError

What is known of it: `cells[].ue_list[]` with `pci`, `rnti`, `dl_brate` and `ul_brate` in bits a
second is what the project's public source writes (scheduler.cpp of its JSON generators, 2025) and
what public recordings show; an older form, `ue_list[].ue_container`, had no cells and is read too.
`ue_list` is left out where there is no UE. Nothing of it was tried here against a live gNB, and
OCUDU's is taken to be the same.

A UE is named by its RNTI, which no E2 message of this kind links to KPM's UEs, and no slice is
told: so the stream says nothing of a UE that is known by E2 nor of a slice, and only the sums of a
cell can be used. Layers other than the scheduler's send messages of their own, which are passed by.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from xapp.errors import ProtocolError

MOST_CELLS, MOST_UES = 64, 1024  # of one message, UEs of one cell: more than a gNB has
MOST_RATE = 1e12  # bits a second
MOST_PCI, MOST_RNTI = 1007, 65_535


@dataclass(frozen=True, slots=True)
class StreamUe:
    """One UE over the stream's period."""

    pci: int
    rnti: int
    down_kbps: float
    up_kbps: float


@dataclass(frozen=True, slots=True)
class StreamCell:
    """One cell over the stream's period."""

    pci: int | None  # physical cell identity; None: it was not told, as nobody is in it
    ues: tuple[StreamUe, ...]

    @property
    def down_kbps(self) -> float:
        return sum(one.down_kbps for one in self.ues)

    @property
    def up_kbps(self) -> float:
        return sum(one.up_kbps for one in self.ues)


def read_metrics(fields: Mapping[str, Any]) -> tuple[StreamCell, ...]:
    """The cells of one message of the scheduler's; ProtocolError where one is damaged."""
    if "cells" in fields:
        return tuple(_cell(one) for one in _list(fields, "cells", MOST_CELLS))
    if "ue_list" in fields:
        ues = [_ue(_mapping(_mapping(one).get("ue_container")))
               for one in _list(fields, "ue_list", MOST_UES)]
        return tuple(StreamCell(pci, tuple(one for one in ues if one.pci == pci))
                     for pci in sorted({one.pci for one in ues}))
    return ()


def _cell(value: Any) -> StreamCell:
    fields = _mapping(value)
    metrics = _mapping(fields.get("cell_metrics", {}))
    ues = tuple(_ue(_mapping(one)) for one in (
        _list(fields, "ue_list", MOST_UES) if "ue_list" in fields else ()))
    found = {one.pci for one in ues}
    if "pci" in metrics:
        found.add(_whole(metrics, "pci", MOST_PCI))
    if len(found) > 1:
        raise ProtocolError("metrics of one cell with several cell identities")
    return StreamCell(next(iter(found), None), ues)


def _ue(fields: Mapping[str, Any]) -> StreamUe:
    return StreamUe(_whole(fields, "pci", MOST_PCI), _whole(fields, "rnti", MOST_RNTI),
                    _rate(fields, "dl_brate"), _rate(fields, "ul_brate"))


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ProtocolError("metrics with something else where an object belongs")
    return value


def _list(fields: Mapping[str, Any], name: str, most: int) -> list[Any]:
    value = fields[name]
    if not isinstance(value, list) or len(value) > most:
        raise ProtocolError(f"metrics whose {name} is no list of up to {most}")
    return value


def _whole(fields: Mapping[str, Any], name: str, most: int) -> int:
    value = fields.get(name)
    if type(value) is not int or not 0 <= value <= most:
        raise ProtocolError(f"metrics without a {name} from 0 to {most}")
    return value


def _rate(fields: Mapping[str, Any], name: str) -> float:
    value = fields.get(name)
    # No NaN lies between, and an integer of any size compares.
    if not isinstance(value, int | float) or type(value) is bool or not 0 <= value <= MOST_RATE:
        raise ProtocolError(f"metrics without a {name} in bits a second")
    return value / 1000
