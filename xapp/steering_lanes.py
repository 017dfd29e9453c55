"""Putting back what is not shown to be as it should: after a failure, a loss, a restart.

An entry of the book that is not certain is sent its goal again, with growing pauses, until reports
come in after it was. It does not know decisions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from xapp.actuators.base import Actuator, NodeFacts, Refusal
from xapp.actuators.targets import SliceTarget, Target
from xapp.effect_watch import alive
from xapp.events import Code, error, info
from xapp.observations import CellKey
from xapp.steering_actions import Actions
from xapp.steering_table import Stage
from xapp.steering_types import Action, Lane, SteeringConfig
from xapp.store_records import Held
from xapp.undo import Book, put_back_steps


class PuttingBack:
    """What is to be put back, and when."""

    def __init__(self, config: SteeringConfig, actions: Actions,
                 new_id: Callable[[], str]) -> None:
        self._config, self._actions, self._new_id = config, actions, new_id
        self._gone: dict[Target, float] = {}  # since when its UE is

    def possible(self, held: Held, facts: NodeFacts | None) -> bool:
        """Whether an entry waits for this, and its node can be told."""
        return facts is not None and not held.certain and (
            isinstance(held.target, SliceTarget) or held.target.ue in facts.ues)

    def due(self, lane: Lane, book: Book, facts: NodeFacts) -> bool:
        return self._actions.now >= lane.put_back_at and any(
            self.possible(held, facts) for held in book.of_cell(lane.cell))

    def deadlines(self, book: Book, lanes: Mapping[CellKey, Lane],
                  nodes: Mapping[str, NodeFacts]) -> Iterator[float]:
        for held in book:
            lane = lanes.get(held.target.cell)
            if lane is not None and lane.action is None and self.possible(
                    held, nodes.get(held.target.cell.node)):
                yield lane.put_back_at
        yield from (since + self._config.forget_seconds for since in self._gone.values())

    def begin(self, lane: Lane, book: Book, facts: NodeFacts,
              actuators: tuple[Actuator, ...]) -> None:
        """Send the goals of a cell's entries, by the actuator that set them where it can."""
        entries = book.of_cell(lane.cell)
        found = put_back_steps(actuators, facts, entries)
        if found is None:
            return
        if isinstance(found, Refusal):
            if facts.remote_due and not lane.remote_awaited:
                # It is connected to once the node is there: a moment later.
                lane.remote_awaited = True
                lane.put_back_at = self._actions.now + self._config.put_back_seconds
                return
            self._later(lane, found.reason)
            return
        actuator, steps = found
        before = {held.target: held for held in entries if held.target in steps.sets}
        expected = (alive(lane.cell, self._config.undo_seconds),)
        lane.action = Action(self._new_id(), lane.cell, actuator, steps, expected, before)
        self._actions.begin(lane.action)

    def over(self, lane: Lane, action: Action) -> None:
        """An action that put something back came to its end."""
        if action.stage is Stage.CONFIRMED:
            lane.remote_awaited = False
            lane.put_back_at = lane.put_back_wait = 0.0
            self._actions.tell(info(Code.PUT_BACK, "Put back, and reports came since: " + ", ".join(
                f"{target} to {value}" for target, value in action.steps.sets.items()) + ".",
                lane.cell))
        elif action.stage not in (Stage.SUPERSEDED, Stage.LOST):
            self._later(lane, action.why)

    def forget_gone(self, book: Book, nodes: Mapping[str, NodeFacts]) -> None:
        """UEs that left, or did not return with their node: their numbers may be another's soon."""
        now = self._actions.now
        for held in book:
            facts = nodes.get(held.target.cell.node)
            if facts is None or isinstance(held.target, SliceTarget) or (
                    held.target.ue in facts.ues):
                self._gone.pop(held.target, None)
            elif now >= self._gone.setdefault(held.target, now) + self._config.forget_seconds:
                del self._gone[held.target]
                book.forget(held.target, "the UE is gone")
                self._actions.tell(info(Code.FORGOTTEN, f"{held.target} is gone, and what was set "
                                        "on it with it.", held.target))

    def _later(self, lane: Lane, why: str) -> None:
        first = lane.put_back_wait == 0
        lane.put_back_wait = min(self._config.put_back_most_seconds,
                                 max(self._config.put_back_seconds, 2 * lane.put_back_wait))
        lane.put_back_at = self._actions.now + lane.put_back_wait
        if first:  # else it would be said with every attempt
            self._actions.tell(error(Code.PUT_BACK_FAILED, "What is in force is not as it should "
                                     f"be, and could not be put so: {why}. It is tried again.",
                                     lane.cell))
