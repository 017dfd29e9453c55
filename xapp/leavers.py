"""Whether an actuator failed because a UE that it was to act on had left.

A node reports the UEs that are there: one that it reports no more while it goes on with others has
left, and what was asked for it had to fail. A node that reports nothing says nothing of anybody.
Pure; what a failure is counted for is `xapp.steering_guard`'s.
"""

from __future__ import annotations

from dataclasses import dataclass

from xapp.actuators.targets import FlowTarget, PlaceTarget, UeTarget
from xapp.observations import Observations, UeKey
from xapp.steering_table import Stage
from xapp.steering_types import Action


@dataclass(frozen=True, slots=True)
class Failure:
    """One that reports have not judged yet."""

    action: Action
    at: float
    ues: tuple[UeKey, ...]  # all of one node

    def who_left(self, observations: Observations, seconds: float) -> UeKey | None:
        """One of whom the node has said nothing since, and for `seconds` of its other reports."""
        newest = max((load.at for load in (
            *(cell.load for key, cell in observations.cells.items() if key.node == self.node),
            *(ue.load for key, ue in observations.ues.items() if key.node == self.node))),
            default=self.at)
        return next((key for key in self.ues if newest - self._heard(key, observations) > seconds),
                    None)

    def all_there(self, observations: Observations) -> bool:
        """Whether each was reported since."""
        return all(self._heard(key, observations) > self.at for key in self.ues)

    @property
    def node(self) -> str:
        return self.action.node

    def _heard(self, key: UeKey, observations: Observations) -> float:
        ue = observations.ues.get(key)
        return self.at if ue is None else max(self.at, ue.load.at)


def ues_of(action: Action) -> tuple[UeKey, ...]:
    """The UEs that must be there for an action to work."""
    # Whom a handover that was obeyed takes away has not left before it.
    kinds = (UeTarget, FlowTarget, PlaceTarget) if action.stage is Stage.REFUSED else (
        UeTarget, FlowTarget)
    return tuple(target.ue for target in action.steps.sets if isinstance(target, kinds))
