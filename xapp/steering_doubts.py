"""What follows for steering from what comes to be known of what was kept unproven.

Proven, it is confirmed as anything else. Refuted, or never shown while there was load, it is put
back as it was, its actuator has failed, and the next one is tried. It does not know where a lane
goes from there.
"""

from __future__ import annotations

from collections.abc import Mapping

from xapp.decisions import MapFlows
from xapp.effects import Evidence
from xapp.events import Code, info, warning
from xapp.observations import CellKey, Quota, Snssai
from xapp.steering_actions import Actions
from xapp.steering_cases import Cases
from xapp.steering_table import Stage
from xapp.steering_types import Action, End, Lane, SteeringConfig
from xapp.steering_vigil import Finding, Vigil, Vigils
from xapp.store_records import Kind, Record


class Doubts:
    """Watches, confirms, takes back."""

    def __init__(self, config: SteeringConfig, actions: Actions, cases: Cases) -> None:
        self._config, self._actions, self._cases = config, actions, cases
        self._vigils = Vigils(actions.book)

    def cells(self) -> Mapping[CellKey, Mapping[Snssai, Quota]]:
        book = self._actions.book
        return {cell: self._vigils.of(cell).quotas(book) for cell in self._vigils.cells()}

    def since(self) -> Mapping[CellKey, float]:
        return {cell: since for cell in self._vigils.cells()
                if (since := self._vigils.of(cell).since) is not None}

    def over(self, action: Action) -> None:
        """A decision's action came to its end."""
        if action.case is not None and isinstance(action.case.decision, MapFlows):
            return  # flows that moved guard nobody, and say nothing of quotas
        if action.stage is Stage.KEPT and _amends(action):
            name = action.actuator.name
            self._actions.book.prove(action.cell, name, f"{name} was seen to work here before")
            self._vigils.end(action.cell)
        elif action.stage is Stage.KEPT:
            self._vigils.begin(action)
        elif action.stage is Stage.CONFIRMED:
            self._vigils.end(action.cell)

    def forget(self, cell: CellKey) -> None:
        """Its node went away: what is in force there is set anew, and watched from then on."""
        self._vigils.end(cell)

    def weigh(self, lane: Lane, evidence: Evidence) -> None:
        """One look; nothing is under way in the lane."""
        if lane.cell not in self._vigils.cells():
            return
        vigil = self._vigils.of(lane.cell)
        finding = vigil.weigh(evidence, self._actions.now, self._config)
        if finding is Finding.PROVEN:
            self._proven(vigil, evidence)
        elif finding is not Finding.OPEN:
            self._taken_back(lane, vigil, finding)

    def _proven(self, vigil: Vigil, evidence: Evidence) -> None:
        name = _name(vigil)
        self._actions.book.prove(vigil.cell, name, evidence.value)
        self._vigils.end(vigil.cell)
        self._actions.tell(info(Code.CONFIRMED, f"{name} had the effect, as is seen since load "
                                f"came: {evidence.value}.", vigil.cell))
        action = vigil.action
        if action is not None:
            self._ended(action, Stage.CONFIRMED, evidence.value)
            if action.case is not None:
                self._cases.close(action.case, End.CONFIRMED, evidence.value)

    def _taken_back(self, lane: Lane, vigil: Vigil, finding: Finding) -> None:
        name = _name(vigil)
        why = (f"{Evidence.HELD.value}" if finding is Finding.REFUTED else
               f"{vigil.loaded:.0f} s of load showed nothing for it")
        self._actions.tell(warning(
            Code.NO_EFFECT if finding is Finding.REFUTED else Code.NOT_VISIBLE,
            f"{name} was acknowledged and kept unproven, and now {why}.", vigil.cell))
        self._actions.book.disown(vigil.cell, vigil.back, name, why)
        self._vigils.end(vigil.cell)
        lane.put_back_at = lane.put_back_wait = 0.0
        self._actions.tell(warning(Code.ROLLED_BACK, f"What {name} set is put back: {why}.",
                                   vigil.cell))
        action = vigil.action
        if action is None:
            return
        self._ended(action, Stage.ROLLED_BACK, why)
        self._cases.count_failure(action)
        case = action.case
        if case is not None:  # the next actuator is tried, once it is put back
            case.rolled_back = True
            case.tried.append((name, why))
            lane.case = case

    def _ended(self, action: Action, stage: Stage, why: str) -> None:
        """The action's end as the log has it now."""
        self._actions.remember(Record(
            Kind.ACTION_ENDED, action.id, action.actuator.name, why, {
                "decision": None if action.case is None else action.case.id,
                "cell": str(action.cell), "at": self._actions.now, "outcome": stage.value,
                "why": why}))


def _amends(action: Action) -> bool:
    """Whether it moves what the same actuator set before, and reports showed to be in force.

    Whoever is helped by that waits no longer, and so no report can show a change.
    """
    moved = [held for held in action.before.values() if not held.resting]
    return bool(moved) and all(held.certain and held.proven
                               and held.actuator == action.actuator.name for held in moved)


def _name(vigil: Vigil) -> str:
    if vigil.action is None:
        return "what an earlier run set"
    return vigil.action.actuator.name
