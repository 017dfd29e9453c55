"""Decisions carried out, one action at a time in each cell, and checked by what comes of them.

    commands = steering.decide(decision, now)   # and likewise for all that happens
    # SendStep: to the node. Tell: to the operator. Remember: to the store.

Sans-IO: time comes in with every call, commands come out. An actuator that had no effect is undone
and the next one is tried; a newer decision for a cell takes the place of an older one. Whatever is
not shown to be in force as it should be is put back until it is. It knows no sockets and no disk.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping

from xapp.actuators.base import Actuator, NodeFacts
from xapp.decisions import Decision, SetQuotas
from xapp.decisions import cell_of as where
from xapp.effects import Evidence
from xapp.events import Code, error, info, warning
from xapp.observations import CellKey, Observations, Quota, Snssai
from xapp.steering_actions import Actions
from xapp.steering_cases import Cases
from xapp.steering_doubts import Doubts
from xapp.steering_guard import bad_quotas
from xapp.steering_lanes import PuttingBack
from xapp.steering_table import Signal, Stage
from xapp.steering_types import Action, AtExit, AtStart, Case, Command, End, Lane, SteeringConfig
from xapp.store_records import Held, Kind, Left, Record, cell_of, decision_document, uncertain


class Steering:
    """All cells of all nodes."""

    def __init__(self, config: SteeringConfig, actuators: Callable[[NodeFacts],
                 tuple[Actuator, ...]], run: int = 0) -> None:
        self.config, self.dry_run = config, config.dry_run
        self.killed = self.stopping = False
        self._actuators, self._run = actuators, run
        self._mute = config.dry_run  # nothing was sent yet, so that nothing is to be put back
        self._nodes: dict[str, NodeFacts] = {}
        self._lanes: dict[CellKey, Lane] = {}
        self._actions = Actions(config, self._facts, self._over)
        self._book = self._actions.book
        self._cases = Cases(config, self._actions, actuators, self._new_id)
        self._back = PuttingBack(config, self._actions, self._new_id)
        self._doubts = Doubts(config, self._actions, self._cases)
        self._numbers = itertools.count(1)

    # What is known.

    def quotas(self, cell: CellKey) -> Mapping[Snssai, tuple[Quota, float]]:
        """The slices' quotas in force as reports have shown, and since when."""
        return self._book.quotas(cell)

    def unproven(self, cell: CellKey) -> frozenset[Snssai]:
        """Those whose quotas were acknowledged, and that nothing could show to be in force."""
        return self._book.unproven(cell)

    def doubted(self) -> Mapping[CellKey, Mapping[Snssai, Quota]]:
        """Cells where something is in force that nothing has proven, and what they should have."""
        return self._doubts.cells()

    def doubted_since(self) -> Mapping[CellKey, float]:
        """When that was first set; not of what an earlier run set."""
        return self._doubts.since()

    def unsettled(self) -> frozenset[CellKey]:
        """Cells where something is under way, or was not shown to be as it should be."""
        return self._book.unsettled()

    def held(self) -> tuple[Held, ...]:
        """Everything that was ever touched."""
        return tuple(self._book)

    def base(self) -> dict[tuple[CellKey, Snssai], Quota]:
        """What touched slices had when they were found."""
        return self._book.base()

    @property
    def quiet(self) -> bool:
        """Nothing is under way, and nothing is to be put back on a node that is there."""
        return all(lane.idle for lane in self._lanes.values()) and (self._mute or not any(
            self._back.possible(held, self._nodes.get(held.target.cell.node))
            for held in self._book))

    def busy(self, cell: CellKey) -> bool:
        """Something is under way there: what is reported is not yet what was decided."""
        lane = self._lanes.get(cell)
        return lane is not None and not lane.idle

    def next_deadline(self) -> float | None:
        """When `tick` has something to do, if nothing happens before."""
        now, times = self._actions.now, []
        for lane in self._lanes.values():
            if lane.action is not None:
                times.append(lane.action.due)
            elif (lane.next or lane.case) is not None and not self._actions.store_down:
                times.append(self._cases.bucket(lane.cell).when(now))
        if not self._mute:
            times += self._back.deadlines(self._book, self._lanes, self._nodes)
        return min(times, default=None)

    # What happens.

    def start(self, left: Left, now: float) -> list[Command]:
        """What the last run left, and what of it had not ended."""
        self._actions.now = now
        self._book.load(map(uncertain, left.held))
        for held in left.held:
            if held.resting and held.certain:
                self._book.forget(held.target, "the last run left it as found")
        self._cases.end_unfinished(left)
        entries = list(self._book)
        self.killed = left.killed
        as_found = left.killed or self.config.at_start is AtStart.RESTORE
        if as_found:
            self._book.aim_at_found()
        if entries:
            self._actions.tell(warning(
                Code.LEFT_BY_LAST_RUN, f"The last run {'' if left.clean else 'was cut off and '}"
                f"left {len(entries)} settings; each is put as it was "
                f"{'found' if as_found else 'confirmed'} when its node is there."))
        if left.killed:
            self._actions.tell(warning(Code.KILL_SWITCH, "The kill switch is still pulled."))
        return self._actions.take()

    def decide(self, decision: Decision, now: float) -> list[Command]:
        """A policy wants this."""
        self._at(now)
        cell = where(decision)
        case = Case(self._new_id(), decision, cell)
        self._actions.remember(Record(
            Kind.DECISION, case.id, decision.policy, decision.reason,
            {"cell": cell_of(decision), "at": now, **decision_document(decision)}))
        why = bad_quotas(decision.quotas) if isinstance(decision, SetQuotas) else None
        if why is not None:
            self._actions.tell(error(Code.BAD_DECISION, f"{decision.policy}: {why}", cell))
            self._cases.close(case, End.FAILED, why)
        elif self.killed or self.stopping:
            self._cases.close(case, End.FAILED, "the kill switch is pulled" if self.killed else (
                "the xApp ends"))
        elif cell.node not in self._nodes:
            self._cases.close(case, End.FAILED, f"{cell.node} is not connected")
        elif self.dry_run:
            self._cases.rehearse(case, self._view(self._nodes[cell.node]))
        else:
            lane = self._lane(cell)
            if lane.next is not None:
                self._cases.close(lane.next, End.SUPERSEDED, f"{case.id} is newer")
            lane.next = case
            self._advance(lane)
        return self._actions.take()

    def committed(self, ticket: str, now: float) -> list[Command]:
        """An action's intent is on disk."""
        return self._to_action(ticket, Signal.COMMITTED, "", now)

    def not_committed(self, ticket: str, why: str, now: float) -> list[Command]:
        return self._to_action(ticket, Signal.NOT_COMMITTED, why, now)

    def acknowledged(self, call: int, now: float) -> list[Command]:
        """A node said that it did it."""
        return self._answered(call, Signal.ACKED, "", now)

    def failed(self, call: int, why: str, now: float) -> list[Command]:
        """A node said that it did not, or the request could not be sent."""
        return self._answered(call, Signal.REFUSED, why, now)

    def unanswered(self, call: int, why: str, now: float) -> list[Command]:
        return self._answered(call, Signal.UNANSWERED, why, now)

    def observe(self, observations: Observations, now: float) -> list[Command]:
        """What is reported now."""
        self._at(now)
        self._actions.observations = observations
        for lane in list(self._lanes.values()):
            if lane.action is not None:
                self._actions.look(lane.action)
        self._cases.look()
        return self._actions.take()

    def weigh(self, cell: CellKey, evidence: Evidence, now: float) -> list[Command]:
        """What reports say by now of what nothing could prove."""
        self._at(now)
        lane = self._lane(cell)
        if not (self.killed or self.stopping or self.busy(cell)):
            self._doubts.weigh(lane, evidence)
            self._advance(lane)
        return self._actions.take()

    def node(self, facts: NodeFacts, now: float) -> list[Command]:
        """A node is there, or something about it is new: functions, names of UEs."""
        self._at(now)
        if facts.name not in self._nodes:
            self._cases.forget(facts.name)
        self._nodes[facts.name] = facts
        for held in self._book.of_node(facts.name):
            self._lane(held.target.cell)
        self._all_on(facts.name)
        return self._actions.take()

    def node_lost(self, name: str, now: float) -> list[Command]:
        """A node went away; UEs and what is in force may be others when it returns."""
        self._at(now)
        self._nodes.pop(name, None)
        for lane in [lane for lane in self._lanes.values() if lane.cell.node == name]:
            waiting, lane.next = lane.next, None
            if waiting is not None:
                self._cases.close(waiting, End.FAILED, "the node went away")
            if lane.action is not None:
                self._actions.signal(lane.action, Signal.NODE_LOST, "the node went away")
            elif lane.case is not None:
                self._cases.close(lane.case, End.FAILED, "the node went away")
                lane.case = None
            self._doubts.forget(lane.cell)
        for held in self._book.of_node(name):
            if held.resting and held.certain:
                self._book.forget(held.target, "it was as found when the node went away")
            else:
                self._book.put(uncertain(held), why="the node went away")
        return self._actions.take()

    def store_down(self, why: str, now: float) -> list[Command]:
        """Nothing can be kept: no new action begins."""
        self._at(now)
        if not self._actions.store_down:
            self._actions.store_down = True
            self._actions.tell(error(Code.STORE_DOWN, f"Nothing new is sent to any node, as "
                                     f"nothing can be kept: {why}"))
            for lane in list(self._lanes.values()):
                if lane.action is not None and lane.action.stage is Stage.PLANNED:
                    self._actions.signal(lane.action, Signal.NOT_COMMITTED, why)
        return self._actions.take()

    def store_up(self, now: float) -> list[Command]:
        self._at(now)
        if self._actions.store_down:
            self._actions.store_down = False
            self._actions.tell(info(Code.STORE_UP, "The store keeps what happens again."))
            self._all_on()
        return self._actions.take()

    def tick(self, now: float) -> list[Command]:
        """Time has passed."""
        self._at(now)
        for lane in list(self._lanes.values()):
            if lane.action is not None:
                self._actions.overdue(lane.action)
        self._back.forget_gone(self._book, self._nodes)
        self._all_on()
        return self._actions.take()

    # What an operator does.

    def kill(self, who: str, why: str, now: float) -> list[Command]:
        """Put everything as it was found, and do nothing until released."""
        self._at(now)
        self.killed, self._mute = True, False
        self._mode(who, why)
        said = f": {why.strip().rstrip('.')}" if why.strip() else ""
        self._actions.tell(warning(Code.KILL_SWITCH, f"{who} pulled the kill switch{said}. "
                                   "Everything is put as it was found."))
        self._put_all_as_found("the kill switch")
        return self._actions.take()

    def release(self, who: str, now: float) -> list[Command]:
        """Steer again."""
        self._at(now)
        self.killed = False
        self._mode(who, "released")
        self._actions.tell(info(Code.RELEASED, f"{who} released the kill switch."))
        return self._actions.take()

    def set_dry_run(self, on: bool, who: str, now: float) -> list[Command]:
        """Decide and record, but send nothing new; what is under way goes on to its end."""
        self._at(now)
        self.dry_run, self._mute = on, self._mute and on
        self._mode(who, "dry run" if on else "for real")
        self._actions.tell(info(Code.DRY_RUN, f"{who} switched the dry run "
                                f"{'on' if on else 'off'}."))
        return self._actions.take()

    def stop(self, now: float) -> list[Command]:
        """The xApp ends: begin to leave things as configured; over when `quiet`."""
        self._at(now)
        self.stopping = True
        if self.config.at_exit is AtExit.RESTORE:
            self._put_all_as_found("the end of the run")
        else:
            for lane in list(self._lanes.values()):
                self._drop_cases(lane, "the xApp ends")
                if lane.action is not None and not lane.action.puts_back:
                    self._actions.signal(lane.action, Signal.CANCEL, "the xApp ends")
        return self._actions.take()

    def _put_all_as_found(self, why: str) -> None:
        # Before anything ends: what a lane begins next must not aim at what was last decided.
        self._book.aim_at_found()
        for lane in list(self._lanes.values()):
            self._drop_cases(lane, why)
            if lane.action is not None:
                self._actions.signal(lane.action, Signal.ABANDON, why)
            lane.put_back_at = lane.put_back_wait = 0.0
        self._book.aim_at_found()  # and what was withdrawn just now is as it was before
        self._all_on()

    def _drop_cases(self, lane: Lane, why: str) -> None:
        waiting, lane.next = lane.next, None
        if waiting is not None:
            self._cases.close(waiting, End.SUPERSEDED, why)
        if lane.action is None and lane.case is not None:
            self._cases.close(lane.case, End.SUPERSEDED, why)
            lane.case = None

    def _mode(self, who: str, why: str) -> None:
        self._actions.remember(Record(Kind.MODE, "steering", who, why, {
            "killed": self.killed, "dry_run": self.dry_run}))

    # Lanes.

    def _advance(self, lane: Lane) -> None:
        """Begin what can begin in a cell."""
        facts = self._nodes.get(lane.cell.node)
        if facts is None:
            return
        if lane.action is not None:
            self._make_way(lane, facts)
        elif not self._mute and self._back.due(lane, self._book, facts):
            self._back.begin(lane, self._book, self._view(facts), self._actuators(facts))
        elif lane.case is not None and lane.next is None:
            self._cases.begin_next(lane, self._view(facts))
        elif lane.next is not None and self._cases.may_begin(lane.next):
            if lane.case is not None:
                self._cases.close(lane.case, End.SUPERSEDED, f"{lane.next.id} is newer")
            lane.case, lane.next = lane.next, None
            self._cases.begin_next(lane, self._view(facts))

    def _make_way(self, lane: Lane, facts: NodeFacts) -> None:
        """A newer decision waits for an older action."""
        action, newer = lane.action, lane.next
        if newer is None or action is None or action.puts_back or action.cancelled or (
                not self._cases.may_begin(newer)):
            return
        action.outdated = True
        if action.stage in (Stage.ACKNOWLEDGED, Stage.SILENT) and self._cases.covers(
                newer, action, self._view(facts)):
            # The newer one sets all of it anew: nothing has to be put back before it does.
            lane.put_back_at = self._actions.now + self.config.put_back_seconds
            self._actions.signal(action, Signal.ABANDON, f"{newer.id} is newer")
        else:
            self._actions.signal(action, Signal.CANCEL, f"{newer.id} is newer")

    def _over(self, action: Action) -> None:
        """An action came to its end: go on."""
        lane = self._lanes[action.cell]
        lane.action = None
        case = action.case
        if case is None:
            self._back.over(lane, action)
        else:
            self._cases.judge(lane, case, action, self.killed or self.stopping)
            self._doubts.over(action)
        self._advance(lane)

    # What they share.

    def _at(self, now: float) -> None:
        self._actions.now = max(self._actions.now, now)

    def _to_action(self, ticket: str, signal: Signal, why: str, now: float) -> list[Command]:
        self._at(now)
        for lane in list(self._lanes.values()):
            if lane.action is not None and lane.action.id == ticket:
                self._actions.signal(lane.action, signal, why)
                break
        return self._actions.take()

    def _answered(self, call: int, signal: Signal, why: str, now: float) -> list[Command]:
        self._at(now)
        self._actions.answer(call, signal, why)
        return self._actions.take()

    def _all_on(self, node: str | None = None) -> None:
        for lane in list(self._lanes.values()):
            if node is None or lane.cell.node == node:
                self._advance(lane)

    def _facts(self, name: str) -> NodeFacts | None:
        facts = self._nodes.get(name)
        return None if facts is None else self._view(facts)

    def _view(self, facts: NodeFacts) -> NodeFacts:
        return facts.with_settings(self._book.in_force(facts.name),
                                   self._book.touched(facts.name))

    def _lane(self, cell: CellKey) -> Lane:
        return self._lanes.setdefault(cell, Lane(cell))

    def _new_id(self) -> str:
        return f"{self._run}.{next(self._numbers)}"
