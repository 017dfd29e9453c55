"""One action through its stages: what each signal of the table does.

It sends steps one after another, never two at a time, and has every move remembered. Which action
comes next, and for whom, is `xapp.steering`'s business: it is told when one is over.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import replace

from xapp import effect_watch
from xapp.actuators.base import NodeFacts, Refusal, Step
from xapp.actuators.targets import PlaceTarget, Target, Value
from xapp.effect_watch import Verdict
from xapp.events import Code, Event, error, info, warning
from xapp.observations import Observations
from xapp.steering_table import TABLE, Signal, Stage
from xapp.steering_types import Action, Command, Remember, SendStep, SteeringConfig, Tell
from xapp.store_records import Kind, Record, effect_document, settings_document
from xapp.undo import Book, undo_steps

MOST_CALLS = 1024  # sent, whose late answers are known as such
_MISSING = {
    Verdict.NOT_VISIBLE.value: "is not visible, as nothing was reported",
    Verdict.UNPROVEN.value: "is not shown by reports, and the node said nothing"}


class Actions:
    """Runs actions; knows nothing of decisions."""

    def __init__(self, config: SteeringConfig, facts: Callable[[str], NodeFacts | None],
                 over: Callable[[Action], None]) -> None:
        self.config = config
        self.observations = Observations(0.0)
        self.now = 0.0
        self.store_down = False
        self.book = Book(self.remember)
        self._facts, self._over = facts, over
        self._out: list[Command] = []
        self._calls: dict[int, Action] = {}
        self._numbers = itertools.count(1)

    # What goes out.

    def tell(self, event: Event) -> None:
        self._out.append(Tell(event))
        self.remember(Record(Kind.EVENT, event.subject, why=event.sentence, body=event.document()))

    def remember(self, record: Record, ticket: str | None = None) -> None:
        self._out.append(Remember(record, ticket))

    def take(self) -> list[Command]:
        out, self._out = self._out, []
        return out

    # What comes in.

    def begin(self, action: Action) -> None:
        """Have the intent written; the first step goes when it is."""
        action.stage = Stage.PLANNED
        action.due = self.now + self.config.commit_seconds
        self._remember(Kind.ACTION, action, actuator=action.actuator.name,
                       puts_back=action.puts_back, sets=settings_document(action.steps.sets),
                       before=settings_document({target: held.confirmed for target, held
                                                 in action.before.items()}), ticket=action.id)
        if self.store_down and action.puts_back:
            # What was found is in the store already, and to go back to it must not need room.
            self.signal(action, Signal.COMMITTED)

    def signal(self, action: Action, signal: Signal, detail: str = "") -> None:
        """Do what the table says; what is not in it changes nothing."""
        move = TABLE[action.stage].get(signal)
        if move is not None:
            getattr(self, move.action)(action, detail)

    def answer(self, call: int, signal: Signal, detail: str) -> None:
        """What a node said, or did not say, to a call."""
        action = self._calls.get(call)
        if action is None:
            return
        if action.over or action.call != call:
            if signal is not Signal.UNANSWERED:
                self._remember(Kind.ANSWER, action, answer=signal.value, late=True, detail=detail)
                self.tell(warning(
                    Code.LATE_ANSWER, f"{action.node} answered {action.actuator.name} after it was "
                    f"given up ({signal.value}); what is reported decides.", action.cell))
            return
        self.signal(action, signal, detail)

    def look(self, action: Action) -> None:
        """What reports show of an action."""
        if action.watch is None or Signal.SEEN not in TABLE[action.stage]:
            return
        action.watch = effect_watch.look(action.watch, self.observations)
        verdict = effect_watch.judge(action.watch, self.observations, self.now)
        if verdict is Verdict.SEEN:
            self.signal(action, Signal.SEEN)
        elif verdict is Verdict.UNPROVEN:
            self.signal(action, Signal.UNTOLD)
        elif verdict is not Verdict.WAITING:
            self.signal(action, Signal.UNSEEN, verdict.value)

    def overdue(self, action: Action) -> None:
        """Time has passed."""
        if action.over or self.now < action.due:
            return
        if action.stage is Stage.PLANNED:
            self.signal(action, Signal.NOT_COMMITTED, "the disk did not take it in time")
        elif action.stage in (Stage.SENT, Stage.UNDOING):
            self.signal(action, Signal.UNANSWERED, "no answer came in time")
        else:
            self.look(action)

    # What the table names.

    def _send_first(self, action: Action, detail: str) -> None:
        action.stage = Stage.SENT
        action.index = 0
        action.before_it = self.observations  # an effect may come before the answer does
        self._send(action, action.steps.steps, undo=False)

    def _send(self, action: Action, steps: tuple[Step, ...], undo: bool) -> None:
        step, call = steps[action.index], next(self._numbers)
        action.call, action.due = call, self.now + self.config.ack_seconds
        self._calls[call] = action
        if len(self._calls) > MOST_CALLS:
            del self._calls[next(iter(self._calls))]
        self._remember(Kind.SENT, action, undo=undo, step=action.index,
                       sets=settings_document(dict(step.sets)))
        self._out.append(SendStep(call, action.id, step, undo))
        if getattr(step, "ack", True) is False:
            self.signal(action, Signal.ACKED, "none was asked for")

    def _acked(self, action: Action, detail: str) -> None:
        self._remember(Kind.ANSWER, action, answer="acknowledged", step=action.index)
        if action.abandoned:
            self._abandon(action, detail)
        elif action.cancelled:
            self._undo(action, action.cancelled)
        elif action.index + 1 < len(action.steps.steps):
            action.index += 1
            self._send(action, action.steps.steps, undo=False)
        else:
            self._watch(action, Stage.ACKNOWLEDGED)

    def _watch(self, action: Action, stage: Stage) -> None:
        action.stage = stage
        facts = self._facts(action.node)
        stale = 0.0 if facts is None else facts.profile.fresh_every / 1000
        action.watch = effect_watch.watch(
            action.expected, action.steps.sets, action.before_it or self.observations, self.now,
            stale, self.config.effect_seconds)
        action.due = action.watch.deadline

    def _refused(self, action: Action, detail: str) -> None:
        self._remember(Kind.ANSWER, action, answer="refused", step=action.index, detail=detail)
        self.tell(warning(Code.CONTROL_REFUSED, f"{action.node} refused {action.actuator.name}: "
                          f"{detail}.", action.cell))
        if action.abandoned:
            self._abandon(action, detail)
        elif action.index:
            self._undo(action, f"step {action.index + 1} of {len(action.steps.steps)} was refused")
        else:
            self.book.unchanged(action.before, action.actuator.name)
            self._end(action, Stage.REFUSED, f"refused: {detail}")

    def _unanswered(self, action: Action, detail: str) -> None:
        self._remember(Kind.ANSWER, action, answer="none", step=action.index, detail=detail)
        self.tell(warning(Code.CONTROL_UNANSWERED, f"{action.node} did not answer "
                          f"{action.actuator.name}; reports decide.", action.cell))
        if action.abandoned:
            self._abandon(action, detail)
        elif action.puts_back or action.cancelled or (
                action.index + 1 < len(action.steps.steps)):
            # What puts back has no effect of its own to show: it is sent again later.
            self._undo(action, action.cancelled or "the node did not answer")
        else:
            self._watch(action, Stage.SILENT)

    def _acked_late(self, action: Action, detail: str) -> None:
        self._remember(Kind.ANSWER, action, answer="acknowledged", step=action.index, late=True)
        action.stage = Stage.ACKNOWLEDGED

    def _refused_late(self, action: Action, detail: str) -> None:
        self._remember(Kind.ANSWER, action, answer="refused", late=True, detail=detail)
        self._undo(action, f"refused late: {detail}")

    def _confirm(self, action: Action, detail: str) -> None:
        self._effect(action, "seen")
        name, shown = action.actuator.name, self._outcome(action)
        if action.puts_back:
            self.book.settled(action.steps.sets, name, self.now)
        else:
            self.book.confirm(action.steps.sets, name, self.now, shown)
            code = (Code.CONFIRMED_UNANSWERED if action.stage is Stage.SILENT else Code.CONFIRMED)
            self.tell(info(code, f"{name} had the effect: {shown}", action.cell))
        self._end(action, Stage.CONFIRMED, shown)

    def _keep(self, action: Action, detail: str) -> None:
        """It was acknowledged, and what is reported would be so in any case."""
        if action.puts_back:  # nothing else can be seen of that
            self._confirm(action, detail)
            return
        self._effect(action, Verdict.UNPROVEN.value)
        shown = self._outcome(action)
        self.book.keep(action.steps.sets, action.actuator.name, self.now, shown)
        back = all((held := self.book.get(target)) is not None and held.resting
                   for target in action.steps.sets)
        self.tell((info if back else warning)(  # what is as it was found guards nobody
            Code.UNPROVEN, f"{action.actuator.name} was acknowledged and is kept, but nothing "
            f"shows whether it is in force, as nobody is held back now: {shown}", action.cell))
        self._end(action, Stage.KEPT, shown)

    def _doubt(self, action: Action, detail: str) -> None:
        """Neither an answer nor a report speaks for it: the answer is waited for to the end."""
        if action.watch is not None and self.now >= action.watch.deadline:
            self._unseen(action, Verdict.UNPROVEN.value)

    def _unseen(self, action: Action, detail: str) -> None:
        hidden = detail in _MISSING
        self._effect(action, detail)
        shown = self._outcome(action)
        self.tell(warning(
            Code.NOT_VISIBLE if hidden else Code.NO_EFFECT,
            f"{action.actuator.name}: the effect "
            f"{_MISSING.get(detail, 'did not come')} by the deadline: {shown}", action.cell))
        if action.puts_back:
            self._end(action, Stage.UNPROVEN, f"effect {detail}: {shown}")
        else:
            self._undo(action, f"effect {detail}")

    def _undo(self, action: Action, detail: str) -> None:
        """Send what was before, of everything that was sent."""
        action.cancelled = action.cancelled or detail
        if action.puts_back:
            self._end(action, Stage.UNPROVEN, detail)
            return
        action.undo_tries += 1
        if action.watch is None:
            self._watch(action, action.stage)  # what would be seen if it had an effect
        facts = self._facts(action.node)
        steps = Refusal("the node is away") if facts is None else undo_steps(
            action.actuator, facts, self._sent(action), action.before, self._places(action))
        self._remember(Kind.UNDO, action, attempt=action.undo_tries, why=detail)
        if isinstance(steps, Refusal) or not steps.steps:
            why = steps.reason if isinstance(steps, Refusal) else "there is nothing to send"
            self._unproven(action, f"the undo cannot be sent: {why}")
            return
        action.undo, action.index, action.stage = steps, 0, Stage.UNDOING
        self._send(action, action.undo.steps, undo=True)

    def _undo_acked(self, action: Action, detail: str) -> None:
        self._remember(Kind.ANSWER, action, answer="acknowledged", undo=True, step=action.index)
        if action.abandoned:
            self._abandon(action, detail)
        elif action.index + 1 < len(action.undo.steps):
            action.index += 1
            self._send(action, action.undo.steps, undo=True)
        else:
            assert action.watch is not None  # an undo begins with one
            if action.checked is None:  # later attempts are compared with the same
                action.checked = effect_watch.undone(
                    action.watch, action.undo.sets, self.now, self.config.undo_seconds)
            action.stage = Stage.CHECKING
            action.watch = replace(action.checked, told=self.now)
            action.due = action.watch.deadline

    def _undo_failed(self, action: Action, detail: str) -> None:
        if action.stage is Stage.CHECKING:
            self._effect(action, f"undo {detail}")
        else:
            self._remember(Kind.ANSWER, action, answer="refused or none", undo=True, detail=detail)
        if action.abandoned:
            self._abandon(action, detail)
        elif action.undo_tries < self.config.undo_attempts:
            self._undo(action, action.cancelled)
        else:
            self._unproven(action, f"{self.config.undo_attempts} attempts to undo it were not "
                           f"shown to work: {detail}")

    def _unproven(self, action: Action, detail: str) -> None:
        self.tell(error(Code.UNDO_UNPROVEN, f"What {action.actuator.name} set may still be in "
                        f"force: {detail}. It is put back as soon as that works.", action.cell))
        self._end(action, Stage.UNPROVEN, f"{action.cancelled}; {detail}")

    def _rolled_back(self, action: Action, detail: str) -> None:
        self._effect(action, "undo seen")
        for held in action.before.values():
            self.book.put(replace(held, certain=True), action.actuator.name, "rolled back")
        self.tell(warning(Code.ROLLED_BACK, f"{action.actuator.name} was undone, and reports show "
                          f"it: {action.cancelled}.", action.cell))
        self._end(action, Stage.ROLLED_BACK, action.cancelled)

    def _withdraw(self, action: Action, detail: str) -> None:
        self.book.unchanged(action.before, action.actuator.name)
        self._end(action, Stage.WITHDRAWN, detail)

    def _not_committed(self, action: Action, detail: str) -> None:
        if action.puts_back:  # see `begin`
            self._send_first(action, detail)
            return
        self.tell(error(Code.HELD, f"{action.actuator.name} is not sent, as its intent could not "
                        f"be kept: {detail}.", action.cell))
        self._withdraw(action, f"not kept: {detail}")

    def _doom(self, action: Action, detail: str) -> None:
        action.cancelled = detail

    def _doom_all(self, action: Action, detail: str) -> None:
        action.abandoned, action.cancelled = True, detail

    def _abandon(self, action: Action, detail: str) -> None:
        """All its targets are put back in any case, or set by a newer one."""
        self._end(action, Stage.SUPERSEDED, detail or action.cancelled)

    def _lost(self, action: Action, detail: str) -> None:
        if action.stage is Stage.PLANNED:
            self._withdraw(action, detail)
            return
        self.tell(error(Code.NODE_LOST_MIDWAY, f"{action.node} went away while "
                        f"{action.actuator.name} was {action.stage.value}; what is in force there "
                        "is looked after when it is back.", action.cell))
        self._end(action, Stage.LOST, detail)

    # What they share.

    def _end(self, action: Action, stage: Stage, why: str) -> None:
        action.stage, action.why, action.due = stage, why, float("inf")
        self._remember(Kind.ACTION_ENDED, action, outcome=stage.value, why=why)
        self._over(action)

    def _sent(self, action: Action) -> Mapping[Target, Value]:
        """What the steps that were sent would set."""
        if action.stage in (Stage.SENT,):
            done = action.steps.steps[:action.index + 1]
            return {target: value for step in done for target, value in step.sets}
        return action.steps.sets

    def _places(self, action: Action) -> dict[Target, Value]:
        """Where UEs are handed back to."""
        return {target: target.cell for target in action.steps.sets
                if isinstance(target, PlaceTarget)}

    def _outcome(self, action: Action) -> str:
        return "" if action.watch is None else effect_watch.outcome(action.watch)

    def _effect(self, action: Action, verdict: str) -> None:
        effects = () if action.watch is None else action.watch.effects
        self._remember(Kind.EFFECT, action, verdict=verdict,
                       effects=[effect_document(one) for one in effects])

    def _remember(self, kind: Kind, action: Action, ticket: str | None = None, why: str = "",
                  **body: object) -> None:
        decision = None if action.case is None else action.case.id
        self.remember(Record(kind, action.id, action.actuator.name, why, {
            "decision": decision, "cell": str(action.cell), "at": self.now, **body}), ticket)
