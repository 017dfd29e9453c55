"""An emulated base station's configuration: who it is and what its cells carry; with presets.

    config = load(Path("cell.yaml"))
    config = preset("srsran", cells=1, ues=4, load="overload", seed=1)

The dataclasses are the schema of the YAML file, with units in their comments. It opens nothing but
that file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from testbed.ran.cell_model import Ran
from testbed.ran.fluid_cell import (
    CellConfig,
    FluidCells,
    FluidConfig,
    SessionConfig,
    SliceConfig,
    UeConfig,
)
from testbed.ran.node_config import NodeConfig
from testbed.ran.offered_load import Kind, LoadConfig
from testbed.ran.reports import AMF
from xapp.config_reading import build, yaml_document
from xapp.errors import ConfigurationError
from xapp.observations import Snssai

INTERNET, LLM = Snssai(1), Snssai(1, 1)
# Of what a cell can carry, by all UEs that are no split LLM's, each way.
LOADS: Mapping[str, float] = {"light": 0.2, "busy": 0.7, "overload": 1.5}
MOST_CELLS, MOST_UES_OF_CELL = 64, 128
CELL_BITS = 14  # of an NR cell identity's 36, where a gNB's number has 22


@dataclass(frozen=True)
class EmulatorConfig:
    """All of it."""

    cells: FluidConfig
    node: NodeConfig = field(default_factory=NodeConfig)


def load(path: Path) -> EmulatorConfig:
    """What a file says."""
    return build(EmulatorConfig, yaml_document(path))


def preset(profile: str = "spec", cells: int = 1, ues: int = 4, load: str = "busy",
           seed: int = 1, gnb_id: int = 411) -> EmulatorConfig:
    """In each cell one UE uses a split LLM in a slice of its own; the others load the cell."""
    if not 1 <= cells <= MOST_CELLS or not 1 <= ues <= MOST_UES_OF_CELL:
        raise ConfigurationError(f"{cells} cells with {ues} UEs each cannot be meant.",
                                 f"Give 1 to {MOST_CELLS} cells, 1 to {MOST_UES_OF_CELL} UEs.")
    if load not in LOADS:
        raise ConfigurationError(f"There is no load {load!r}.", f"There are {', '.join(LOADS)}.")
    node = NodeConfig(profile, gnb_id)
    first = gnb_id << CELL_BITS
    made = tuple(CellConfig(first + place) for place in range(cells))
    return EmulatorConfig(FluidConfig(
        made, tuple(_ue(cell, place, ues, LOADS[load], made[cell].prbs)
                    for cell in range(cells) for place in range(ues)),
        (SliceConfig(INTERNET), SliceConfig(LLM)), seed=seed), node)


def _ue(cell: int, place: int, ues: int, load: float, prbs: int) -> UeConfig:
    ue = UeConfig((), cell)
    last = f"{cell}.{2 + place}"
    if place == 0:
        # One session alone: where reports name no slice, a UE with two of them is in neither.
        return UeConfig((SessionConfig(
            LLM, f"10.46.{last}", "llm", LoadConfig(Kind.SPLIT_LLM)),), cell)
    share = load * prbs * ue.kbps_per_prb / (ues - 1)
    return UeConfig((SessionConfig(INTERNET, f"10.45.{last}", "internet", LoadConfig(
        Kind.CONSTANT, share, share * ue.up_ratio)),), cell)


def ue_map(ran: Ran, node: str, ran_ids: bool) -> dict[str, list[dict[str, Any]]]:
    """Who has which address, in the format of the xApp's UE maps."""
    guami = "-".join(map(str, (ran.plmn, *AMF)))
    return {"ues": [
        {"address": session.address, "node": node, "slice": str(session.slice),
         "ue": f"oai:{one.ran_id}" if ran_ids else f"du:{one.f1_id}",
         "cell": f"{one.cell:09x}", "dnn": session.dnn,
         "amf_id": one.amf_id, "guami": guami}
        for one in ran.ues for session in one.sessions]}


def state(ran: Ran, node: str) -> dict[str, Any]:
    """What is in force in its cells, for who compares it with what a RIC believes."""
    return {"node": node, "tokens": ran.tokens if isinstance(ran, FluidCells) else None,
            "slices": [{"cell": f"{nci:09x}", "slice": str(snssai), **asdict(share)}
                       for (nci, snssai), share in ran.shares.items()],
            "ues": [{"f1_id": number, **asdict(share)} for number, share in ran.limits.items()]}
