"""`Operations` in memory, for tests and pictures: a small network that moves from a seed.

Nothing of it is measured. Two cells, three slices, eight UEs; now and then somebody talks to a
model, the quotas follow, and every fourth time the first actuator acknowledges and does nothing.
`python -m tests.xapp.fake_operations` serves it over the real API.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.xapp.fake_network import TICK, FakeNetwork
from xapp.a1 import A1
from xapp.a1_types import SLICE_POLICY
from xapp.access import load_or_make_token
from xapp.api import ApiServer
from xapp.errors import Conflict, XappError
from xapp.events import Code, Event, Level
from xapp.limits import Limits
from xapp.metrics import Metrics
from xapp.operations import (
    AuditEntry,
    Clock,
    DecisionView,
    Document,
    EventView,
    Health,
    Kind,
    Modes,
    Picture,
    PolicyView,
    Series,
)
from xapp.policy import STRATEGIES


class FakeOperations:
    """The whole of `Operations`; `now` gives monotonic and wall time."""

    def __init__(
        self, clocks: Callable[[], tuple[float, float]] | None = None, seed: int = 7,
        history: float = 600.0, empty: bool = False,
    ) -> None:
        self._clocks = clocks or (lambda: (time.monotonic(), time.time()))
        self._lock = threading.RLock()
        now, self._wall = self._clocks()
        self.started = now - history
        self.network = FakeNetwork(seed, now - history, empty)
        self.health = Health(True, ("No E2 node is connected.",) if empty else ())
        self.modes = Modes()
        self.a1 = A1(Limits(), STRATEGIES)
        self.types: dict[int, Document] = {}  # that nobody here acts on
        self.foreign: dict[tuple[int, str], PolicyView] = {}
        self.entries: list[AuditEntry] = []
        self.failure: XappError | None = None  # what every command fails with
        self.configured = "no flow that it is for was seen lately"  # of the configuration's policy
        self.silent = False  # commands are never answered
        if not empty:
            self.a1.put(SLICE_POLICY, "chat", {
                "targets": {"inter_token_ms": 80}, "priority": 10, "floors": {"1": 20}},
                "operator", self._wall - 500)
            self._all_in_effect()
        self._advance()

    def _advance(self) -> float:
        now, self._wall = self._clocks()
        with self._lock:
            while self.network.now + TICK <= now:
                self.network.step(steer=not (self.modes.killed or self.modes.dry_run),
                                  dry=self.modes.dry_run)
        return now

    # What is seen.

    def picture(self) -> Picture:
        now = self._advance()
        with self._lock:
            return Picture(Clock(now, self._wall), self.started, self.health, self.modes,
                           self.network.nodes(), self.network.observations(),
                           self.network.counts(), "test")

    def limits(self) -> Document:
        return {"policy": {"most_guaranteed": 90, "hold_seconds": 5.0},
                "actuators": {"order": ["websocket", "rc-slice"], "deadline_seconds": 3.0}}

    def history(
        self, kind: Kind, metric: str, since: float, subject: str | None = None
    ) -> Sequence[Series]:
        with self._lock:
            return [Series(name, tuple(point for point in points if point[0] >= since))
                    for name, points in self.network.history.get((kind, metric), {}).items()
                    if subject in (None, name)]

    def decisions(self, count: int, before: int | None = None) -> Sequence[DecisionView]:
        with self._lock:
            found = [one for one in reversed(self.network.decisions)
                     if before is None or one.number < before]
        return found[:count]

    def decision(self, number: int) -> DecisionView | None:
        with self._lock:
            return next((one for one in self.network.decisions if one.number == number), None)

    def events(self, count: int, before: int | None = None) -> Sequence[EventView]:
        with self._lock:
            found = [one for one in reversed(self.network.events)
                     if before is None or one.number < before]
        return found[:count]

    def audit(self, since: float | None = None) -> Iterator[AuditEntry]:
        return iter([one for one in self.entries if since is None or one.time >= since])

    def policy_types(self) -> Mapping[int, Document]:
        return {one.id: one.document() for one in self.a1.types()} | self.types

    def policies(self, type_id: int | None) -> Sequence[PolicyView]:
        if type_id is None:
            return [PolicyView(None, "llm", {"strategy": "proportional", "inter_token_ms": 100.0},
                               self._wall - 600, False, self.configured)]
        if type_id in self.types:
            return [one for key, one in self.foreign.items() if key[0] == type_id]
        return [PolicyView(one.type_id, one.name, one.body, one.created, one.in_effect, one.reason)
                for one in self.a1.instances(type_id)]

    def _all_in_effect(self) -> None:
        self.a1.told({policy.name: "" for policy in self.a1.policies()})

    # What is done.

    def create_policy_type(self, type_id: int, document: Document) -> Future[None]:
        def create() -> None:
            if type_id in self.policy_types():
                raise Conflict(f"There is a policy type {type_id}.", "Remove it first.")
            self.types[type_id] = document

        return self._command(create)

    def delete_policy_type(self, type_id: int) -> Future[None]:
        def delete() -> None:
            if self.policies(type_id):
                raise Conflict(f"Policy type {type_id} has instances.", "Remove them first.")
            if self.types.pop(type_id, None) is None:
                self.a1.delete_type(type_id)

        return self._command(delete)

    def put_policy(self, type_id: int, instance: str, body: Document, who: str) -> Future[None]:
        def put() -> None:
            if type_id in self.types:
                self.foreign[type_id, instance] = PolicyView(
                    type_id, instance, body, self._wall, False, "Nobody here takes this type.")
            else:
                self.a1.put(type_id, instance, body, who, self._wall)
                self._all_in_effect()
            self._write(who, f"A1 policy {instance} set")

        return self._command(put)

    def delete_policy(self, type_id: int, instance: str, who: str) -> Future[None]:
        def delete() -> None:
            if type_id in self.types:
                del self.foreign[type_id, instance]
            else:
                self.a1.delete(type_id, instance)
            self._write(who, f"A1 policy {instance} removed")

        return self._command(delete)

    def set_dry_run(self, on: bool, who: str) -> Future[None]:
        def switch() -> None:
            self.modes = replace(self.modes, dry_run=on)
            self._tell(Code.DRY_RUN, f"The dry run is {'on' if on else 'off'}.", who)

        return self._command(switch)

    def pull_kill_switch(self, reason: str, who: str) -> Future[None]:
        def pull() -> None:
            self.modes = replace(self.modes, killed=True, killed_at=self._clocks()[0],
                                 killed_by=who)
            self.network.restore()
            self._tell(Code.KILL_SWITCH, f"The kill switch was pulled: {reason}", who)

        return self._command(pull)

    def release_kill_switch(self, who: str) -> Future[None]:
        def release() -> None:
            self.modes = replace(self.modes, killed=False, killed_at=None, killed_by="")
            self._tell(Code.RELEASED, "The kill switch was released.", who)

        return self._command(release)

    def _command(self, act: Callable[[], None]) -> Future[None]:
        future: Future[None] = Future()
        if self.silent:
            return future
        try:
            if self.failure is not None:
                raise self.failure
            with self._lock:
                act()
        except XappError as error:
            future.set_exception(error)
        else:
            future.set_result(None)
        return future

    def _tell(self, code: Code, sentence: str, who: str) -> None:
        self.network.tell(Event(Level.WARNING, code, sentence))
        self._write(who, sentence)

    def _write(self, who: str, what: str) -> None:
        self.entries.append(AuditEntry(len(self.entries) + 1, self._wall, who, what,
                                       "asked to", detail={"n": len(self.entries)}))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--token-file", type=Path, required=True)
    parser.add_argument("--empty", action="store_true")
    arguments: Any = parser.parse_args()
    operations = FakeOperations(empty=arguments.empty)
    server = ApiServer(operations, Metrics(operations.picture),
                       load_or_make_token(arguments.token_file), port=arguments.port)
    server.start()
    print(f"fake xApp on {server.url}", flush=True)
    try:
        threading.Event().wait()
    finally:
        server.stop()


if __name__ == "__main__":
    main()
