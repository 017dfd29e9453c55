"""A decision on its way through the actuators: which is tried, what is asked of it, how it ends.

An actuator is used where it can do anything of the wish, is not set aside, and breaks no floor. It
runs no actions itself (`xapp.steering_actions`) and knows of one cell at a time.
"""

from __future__ import annotations

from collections.abc import Callable

from xapp import effect_watch
from xapp.actuators.base import Actuator, NodeFacts, Refusal, Steps
from xapp.actuators.targets import Target, Value
from xapp.events import Code, error, info, warning
from xapp.leavers import Failure, ues_of
from xapp.observations import CellKey
from xapp.steering_actions import Actions
from xapp.steering_guard import Aside, Bucket, breaks_floor
from xapp.steering_table import Stage
from xapp.steering_types import Action, Case, End, Lane, SteeringConfig
from xapp.store_records import Kind, Left, Record
from xapp.undo import found_value

FAILURES = (Stage.ROLLED_BACK, Stage.UNPROVEN, Stage.REFUSED)


class Cases:
    """What becomes of decisions."""

    def __init__(self, config: SteeringConfig, actions: Actions,
                 actuators: Callable[[NodeFacts], tuple[Actuator, ...]],
                 new_id: Callable[[], str]) -> None:
        self._config, self._actions = config, actions
        self._actuators, self._new_id = actuators, new_id
        self._buckets: dict[CellKey, Bucket] = {}
        self.aside = Aside(config.failures_before_aside, config.aside_seconds)
        self._failures: list[Failure] = []  # of which reports must tell whether to count them

    def may_begin(self, case: Case) -> bool:
        """Whether the store and the rate limit allow for an action."""
        if self._actions.store_down:
            return False
        ready = self.bucket(case.cell).ready(self._actions.now)
        if not ready and not case.told_waiting:
            case.told_waiting = True
            self._actions.tell(info(Code.RATE_LIMITED, f"{case.id} waits: no more than "
                                    f"{self._config.actions_per_minute:g} actions a minute.",
                                    case.cell))
        return ready

    def begin_next(self, lane: Lane, facts: NodeFacts) -> None:
        """Use the next actuator that can do anything."""
        case = lane.case
        if case is None or not self.may_begin(case):
            return
        if case.actuators is None:
            case.actuators = list(self._actuators(facts))
        while case.actuators:
            actuator = case.actuators.pop(0)
            steps = self._plan(case, actuator, facts)
            if isinstance(steps, Steps):
                self._begin(lane, case, actuator, steps)
                return
            case.tried.append((actuator.name, steps.reason))
        lane.case = None
        reasons = "; ".join(f"{name}: {why}" for name, why in case.tried) or (
            "the node announced nothing to act with")
        self._actions.tell(error(Code.NO_ACTUATOR, f"Nothing is left to try for {case.id}. "
                                 f"{reasons}", case.cell))
        self.close(case, End.ROLLED_BACK if case.rolled_back else End.FAILED, reasons)

    def covers(self, newer: Case, action: Action, facts: NodeFacts) -> bool:
        """Whether the newer one would set all that the older one did, in the same way."""
        for actuator in self._actuators(facts):
            if not self.aside.is_set(facts.name, actuator.name, self._actions.now):
                steps = actuator.plan(newer.decision, facts, self._actions.observations)
                if isinstance(steps, Steps):
                    return (actuator.name == action.actuator.name
                            and steps.sets.keys() >= action.steps.sets.keys())
        return False

    def rehearse(self, case: Case, facts: NodeFacts) -> None:
        """A dry run: what would be sent, and nothing is."""
        for actuator in self._actuators(facts):
            steps = self._plan(case, actuator, facts)
            if isinstance(steps, Steps):
                sets = ", ".join(f"{target} to {value}" for target, value in steps.sets.items())
                self._actions.tell(info(Code.WOULD_SEND, f"{actuator.name} would set {sets}.",
                                        case.cell))
                self.close(case, End.RECORDED, f"{actuator.name} would set {sets}")
                return
            case.tried.append((actuator.name, steps.reason))
        self.close(case, End.RECORDED, "; ".join(f"{name}: {why}" for name, why in case.tried))

    def judge(self, lane: Lane, case: Case, action: Action, ending: bool) -> None:
        """What an action's end means for its decision."""
        case.tried.append((action.actuator.name, action.why))
        case.rolled_back = case.rolled_back or action.stage is Stage.ROLLED_BACK
        if action.stage in FAILURES and not action.outdated and not ending:
            self.count_failure(action)
        if action.stage is Stage.CONFIRMED:
            self.aside.worked(action.node, action.actuator.name)
            end = End.CONFIRMED
        elif action.stage is Stage.KEPT:
            end = End.UNPROVEN
        elif ending or lane.next is not None or action.stage is Stage.SUPERSEDED:
            end = End.SUPERSEDED
        elif action.stage in FAILURES:
            return  # the next actuator
        else:
            end = End.FAILED
        lane.case = None
        self.close(case, end, action.why)

    def close(self, case: Case, end: End, why: str) -> None:
        """A decision is over."""
        self._actions.remember(Record(Kind.DECISION_ENDED, case.id, why=why, body={
            "state": end.value, "at": self._actions.now, "cell": str(case.cell),
            "tried": [list(one) for one in case.tried]}))

    def end_unfinished(self, left: Left) -> None:
        """What an earlier run began, and did not end."""
        why = "the xApp ended before it was over"
        for action in left.actions:
            self._actions.remember(Record(Kind.ACTION_ENDED, action, why=why, body={
                "outcome": Stage.LOST.value}))
        for decision in left.decisions:
            self._actions.remember(Record(Kind.DECISION_ENDED, decision, why=why, body={
                "state": End.FAILED.value, "at": self._actions.now, "tried": []}))

    def bucket(self, cell: CellKey) -> Bucket:
        if cell not in self._buckets:
            most = float(self._config.actions_in_a_row)
            self._buckets[cell] = Bucket(self._config.actions_per_minute / 60, most, most)
        return self._buckets[cell]

    def _plan(self, case: Case, actuator: Actuator, facts: NodeFacts) -> Steps | Refusal:
        if self.aside.is_set(facts.name, actuator.name, self._actions.now):
            return Refusal("it is set aside, as it failed too often.")
        why = actuator.can(facts, case.decision)
        if why is not None:
            return Refusal(why)
        steps = actuator.plan(case.decision, facts, self._actions.observations)
        if isinstance(steps, Refusal):
            return steps
        why = breaks_floor(case.cell, steps.sets, facts.in_force, self._config.floors,
                           self._actions.observations)
        if why is not None:
            self._actions.tell(error(Code.FLOOR, f"{actuator.name} is not used: {why}", case.cell))
            return Refusal(why)
        return steps if steps.steps else Refusal("it has nothing to send.")

    def _begin(self, lane: Lane, case: Case, actuator: Actuator, steps: Steps) -> None:
        self.bucket(lane.cell).take(self._actions.now)
        for sentence in steps.shortfalls:
            self._actions.tell(info(Code.PARTLY, f"{actuator.name}: {sentence}", case.cell))
        new = [target for target in steps.sets if self._actions.book.get(target) is None]
        before = self._actions.book.touch(steps.sets, actuator.name, self._find,
                                          self._actions.now)
        for held in before.values():
            if held.assumed and held.target in new:
                self._actions.tell(warning(
                    Code.FOUND_ASSUMED, f"Nobody said what {held.target} was before: {held.found} "
                    "is taken for it. Give it in the configuration.", case.cell))
        expected = effect_watch.expectations(
            case.decision, steps.sets, case.cell, self._config.effect_seconds,
            self._actions.observations)
        lane.action = Action(self._new_id(), lane.cell, actuator, steps, expected, before, case)
        self._actions.begin(lane.action)

    def count_failure(self, action: Action) -> None:
        """An actuator that fails too often is set aside; with UEs, once they are seen there."""
        ues = ues_of(action)
        if ues:
            self._failures.append(Failure(action, self._actions.now, ues))
        else:
            self._count(action)

    def look(self) -> None:
        """What reports say by now of the UEs that actuators failed with."""
        waiting, self._failures = self._failures, []
        for one in waiting:
            left = one.who_left(self._actions.observations, self._config.left_seconds)
            if left is not None:
                self._actions.tell(info(
                    Code.UE_LEFT, f"{one.action.actuator.name} failed as {left} had left; that "
                    "does not count against it.", one.action.cell))
            elif (one.all_there(self._actions.observations)
                    or self._actions.now - one.at > 2 * self._config.left_seconds):
                self._count(one.action)
            else:
                self._failures.append(one)

    def forget(self, node: str) -> None:
        """It went away: what comes back may do better."""
        self._failures = [one for one in self._failures if one.node != node]
        self.aside.forget(node)

    def _count(self, action: Action) -> None:
        if self.aside.failed(action.node, action.actuator.name, self._actions.now):
            self._actions.tell(error(
                Code.SET_ASIDE, f"{action.actuator.name} failed "
                f"{self._config.failures_before_aside} times in a row; it is not used for "
                f"{self._config.aside_seconds:g} s.", action.node))

    def _find(self, target: Target) -> tuple[Value, bool]:
        return found_value(target, self._actions.observations, self._config.found,
                           self._config.assumed, self._config.usual_drb)
