"""What the xApp's core is given: the configuration of its parts, and the way out of it.

It knows neither files nor sockets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from xapp.actuators.base import RemoteRequest
from xapp.actuators.registry import ActuatorConfig
from xapp.base_stations_config import RanConfig
from xapp.e2.nodes import NodeEvent
from xapp.events import Event
from xapp.flows import FlowsConfig
from xapp.limits import Limits
from xapp.observing import ObservingConfig
from xapp.slice_policy import SlicePolicy
from xapp.steering_types import SteeringConfig
from xapp.store_records import Record, Sample
from xapp.ue_map import MapConfig


@dataclass(frozen=True)
class CoreConfig:
    """What the parts of the xApp are given."""

    ran: RanConfig = field(default_factory=RanConfig)
    observing: ObservingConfig = field(default_factory=ObservingConfig)
    flows: FlowsConfig = field(default_factory=FlowsConfig)
    limits: Limits = field(default_factory=Limits)
    policies: tuple[SlicePolicy, ...] = (SlicePolicy("llm"),)
    steering: SteeringConfig = field(default_factory=SteeringConfig)
    actuators: ActuatorConfig = field(default_factory=ActuatorConfig)
    ue_map: MapConfig = field(default_factory=MapConfig)
    tapped: bool = False  # taps are to speak: what was adopted is held until one does
    correlate: bool = False  # match addresses to UEs by their throughput
    # Seconds between looks at what was reported, at least; as much again for every 64 UEs, so that
    # looking leaves time for all else however many there are.
    evaluate_every: float = 0.001
    repeat_every: float = 10.0  # seconds before the same wish for a cell is uttered again
    sample_every: float = 1.0  # seconds between samples for the history


class Outward(Protocol):
    """Where things go; nothing here waits."""

    def transmit(self, events: Sequence[NodeEvent]) -> None:
        """E2 messages, for associations."""

    def put(self, what: Record | Sample, ticket: str | None = None) -> bool:
        """To the store; False where it takes no more."""

    def ask_remote(self, call: int, step: RemoteRequest) -> None:
        """To srsRAN's remote control; its answer comes to `remote_answered`."""

    def say(self, event: Event) -> None:
        """To the log."""
