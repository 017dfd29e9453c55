"""Cells that UEs can be sent away from: of a node that takes handovers, with a neighbour there.

    movable(observations, stations, config.actuators)

A policy that only bounds handovers means nothing without them. It does not know whether anybody
should go.
"""

from __future__ import annotations

from collections.abc import Iterable

from xapp.actuators.handover import LEVER
from xapp.actuators.registry import ActuatorConfig, for_node
from xapp.base_stations import BaseStations
from xapp.observations import CellKey, Observations


def movable(observations: Observations, stations: BaseStations,
            config: ActuatorConfig) -> frozenset[CellKey]:
    """Those cells."""
    beside: dict[CellKey, set[CellKey]] = {
        key: _named(stations, key) for key in observations.cells if _takes(stations, key, config)}
    for ue in observations.ues.values():
        if ue.cell in beside:
            beside[ue.cell].update(key for key, _ in ue.neighbours)
    return frozenset(key for key, others in beside.items()
                     if _there(key, others, observations))


def _takes(stations: BaseStations, cell: CellKey, config: ActuatorConfig) -> bool:
    """Whether the cell's node is there and takes handovers."""
    facts = stations.facts(cell.node)
    return facts is not None and any(
        one.name == LEVER.value for one in for_node(facts.profile, facts.functions, config))


def _named(stations: BaseStations, cell: CellKey) -> set[CellKey]:
    """Neighbours that the operator names."""
    return {CellKey(cell.node, other)
            for other in stations.config.of(cell.node).neighbours.get(cell.cell, ())}


def _there(cell: CellKey, others: Iterable[CellKey], observations: Observations) -> bool:
    return any(other != cell and other.node == cell.node and other in observations.cells
               for other in others)
