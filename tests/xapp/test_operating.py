"""What operators see and do, over a real core, store and loop: pictures, lists, commands."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.xapp.core_scene import CELL, NODE, START, Gnb, Scene
from tests.xapp.steering_scene import LLM, REST
from xapp.a1 import NEW
from xapp.a1_types import SLICE_POLICY
from xapp.config import XappConfig, load
from xapp.errors import Conflict, NotFound, PolicyError
from xapp.events import Code, Level
from xapp.observations import Quota
from xapp.operating import PICTURE_SECONDS, Operating, plain, policy_document
from xapp.operations import DecisionState, Kind, NodeState, Picture
from xapp.slice_policy import Reach, SlicePolicy
from xapp.store import Store
from xapp.store_records import Record, Sample

WALL = 1_800_000_000.0
PATIENCE = 20.0  # seconds for threads on a busy machine


class Stored(Scene):
    """A scene whose records go to a store as well, in their order."""

    def __init__(self, path: Path, kind: str = "spec") -> None:
        self.now = START
        self.store = Store(path, lambda report: None, wall=lambda: WALL + self.now)
        super().__init__(kind)

    def put(self, what: Record | Sample, ticket: str | None = None) -> bool:
        self.store.put(what)
        return super().put(what, ticket)


class Desk:
    """Operating in a loop of another thread, as the REST API's thread finds it."""

    def __init__(self, scene: Stored, path: Path, shown: object) -> None:
        self.scene = scene
        self.loop = asyncio.new_event_loop()
        self.operating = Operating(
            scene.core, path, self.loop, shown, lambda: self.scene.now,
            lambda: WALL + self.scene.now, lambda number: f"tcp://192.0.2.7:{number}")

    def picture(self) -> Picture:
        self.operating.refresh(force=True)
        return self.operating.picture()


@contextmanager
def desk(folder: Path, shown: object = None) -> Iterator[Desk]:
    path = folder / "xapp.db"
    scene = Stored(path)
    made = Desk(scene, path, shown or XappConfig())
    thread = threading.Thread(target=made.loop.run_forever)
    thread.start()
    try:
        yield made
    finally:
        made.loop.call_soon_threadsafe(made.loop.stop)
        thread.join(PATIENCE)
        made.loop.close()
        scene.store.close()


def test_a_picture_is_what_is_known_and_does_not_change(tmp_path: Path) -> None:
    with desk(tmp_path) as one:
        one.scene.steer(Gnb())
        one.scene.wait(1.0)
        seen = one.picture()
        assert seen.observations is one.scene.core.observations
        node = seen.nodes[0]
        assert (node.name, node.profile, node.state) == (NODE, "spec", NodeState.CONNECTED)
        assert [(each.unit, each.peer) for each in node.associations] == [
            ("DU 0", "tcp://192.0.2.7:1")]
        assert [(each.name, each.subscribed) for each in node.functions] == [
            ("KPM", True), ("RC", False)]
        assert node.actuators[0] == "rc_slice_quota"
        assert seen.counts.decisions == {DecisionState.CONFIRMED: 1}
        assert seen.counts.controls == {("rc", "acknowledged"): 1}
        assert seen.counts.labels == 1
        assert seen.counts.indications > 0
        assert seen.counts.events[Level.INFO] > 0
        assert seen.health.ready
        one.scene.close(1)
        assert seen.nodes[0].state is NodeState.CONNECTED
        after = one.picture()
        assert after.nodes[0].state is NodeState.LOST
        assert after.nodes[0].actuators == ()
        with pytest.raises(dataclasses.FrozenInstanceError):
            seen.version = "x"  # type: ignore[misc]  # it is frozen


def test_times_to_controls_answers_and_effects_are_shown(tmp_path: Path) -> None:
    with desk(tmp_path) as made:
        before = made.picture()
        assert sum(before.loop.counts) == sum(before.effect.counts) == 0
        made.scene.steer(Gnb())
        made.scene.wait(6.0)
        shown = made.picture()
        assert sum(shown.loop.counts) == sum(shown.acknowledgement.counts) == 1
        assert sum(shown.effect.counts) == made.scene.core.tally.ends["confirmed"] == 1
        assert shown.effect.total > 0


def test_a_picture_is_made_anew_only_when_it_is_old(tmp_path: Path) -> None:
    with desk(tmp_path) as one:
        first = one.picture()
        one.operating.refresh()
        assert one.operating.picture() is first
        one.scene.now += PICTURE_SECONDS
        one.operating.refresh()
        assert one.operating.picture() is not first


def test_what_keeps_it_from_its_work_is_said(tmp_path: Path) -> None:
    with desk(tmp_path) as one:
        assert one.picture().health.reasons == ("No base station is connected.",)
        gnb = Gnb(reports=False)
        one.scene.open(gnb)
        assert one.picture().health.reasons == ("No base station reports.",)
        gnb.reports = True
        one.scene.label()
        one.scene.wait(1.0)
        assert one.picture().health.ready
        one.scene.core.store_why = "the disk is full"
        one.scene.wait(10.0, tap=False)
        assert [each.split(" for ")[0] for each in one.picture().health.reasons] == [
            "No tap has spoken", "Nothing can be kept: the disk is full"]


def test_decisions_events_and_histories_are_read_from_the_store(tmp_path: Path) -> None:
    with desk(tmp_path) as one:
        one.scene.steer(Gnb())
        one.scene.wait(1.0)
        one.scene.store.close()  # so that all of it is on disk
        shown = one.operating.decisions(10)
        assert [each.state for each in shown] == [DecisionState.CONFIRMED]
        decision = one.operating.decision(shown[0].number)
        assert decision == shown[0]
        assert decision.before == {LLM: Quota(), REST: Quota()}
        assert decision.actuator == "rc_slice_quota"
        assert all(each.met for each in decision.effects)
        assert one.operating.decision(4711) is None
        codes = [each.event.code for each in one.operating.events(100)]
        assert Code.NODE_UP in codes
        lines = list(one.operating.audit())
        assert "decision" in {each.what.split()[0] for each in lines}
        series = one.operating.history(Kind.SLICE, "down_prbs", one.scene.now - 60)
        assert {each.subject for each in series} == {f"{CELL}/{LLM}", f"{CELL}/{REST}"}
        assert all(0 <= at <= one.scene.now + 1 for each in series for at, _ in each.points)
        only = one.operating.history(Kind.SLICE, "down_prbs", 0.0, f"{CELL}/{LLM}")
        assert [each.subject for each in only] == [f"{CELL}/{LLM}"]


def test_the_configuration_s_policies_say_whether_they_are_in_effect(tmp_path: Path) -> None:
    with desk(tmp_path) as one:
        (shown,) = one.operating.policies(None)
        assert (shown.type_id, shown.instance, shown.in_effect, shown.reason) == (
            None, "llm", False, NEW)
        assert shown.body == {"strategy": "proportional", "inter_token_ms": 100.0}
        one.scene.wait(1.0)
        (shown,) = one.operating.policies(None)
        assert "no flow" in shown.reason
        one.scene.steer(Gnb())
        one.scene.wait(2.0)
        (shown,) = one.operating.policies(None)
        assert "not yet what it asks for" in shown.reason
        one.scene.core.reasons = {"llm": ""}
        (shown,) = one.operating.policies(None)
        assert (shown.in_effect, shown.reason) == (True, "")
        one.scene.core.set_dry_run(True, "anna", one.scene.now)
        one.scene.wait(1.0)
        (shown,) = one.operating.policies(None)
        assert (shown.in_effect, shown.reason) == (False, "this is a dry run")


def test_a_policy_is_shown_in_the_configuration_s_words() -> None:
    shown = policy_document(SlicePolicy("chat", floors={REST: 20}, reach=Reach(
        frozenset({CELL})), inter_token_ms=80.0))
    assert shown == {"strategy": "proportional", "inter_token_ms": 80.0, "floors": {str(REST): 20},
                     "reach": {"cells": [str(CELL)], "slices": [], "ues": []}}


def test_policies_come_and_go(tmp_path: Path) -> None:
    with desk(tmp_path) as one:
        assert set(one.operating.policy_types()) == {20008, SLICE_POLICY}
        body = {"floors": {str(REST): 20}}
        one.operating.put_policy(SLICE_POLICY, "a", body, "anna").result(PATIENCE)
        shown = one.operating.policies(SLICE_POLICY)
        assert [(each.instance, each.body, each.created) for each in shown] == [
            ("a", body, WALL + one.scene.now)]
        with pytest.raises(PolicyError):
            one.operating.put_policy(SLICE_POLICY, "b", {"x": 1}, "anna").result(PATIENCE)
        one.operating.delete_policy(SLICE_POLICY, "a", "anna").result(PATIENCE)
        assert one.operating.policies(SLICE_POLICY) == []
        with pytest.raises(NotFound):
            one.operating.delete_policy(SLICE_POLICY, "a", "anna").result(PATIENCE)


def test_policy_types_stay_as_they_are(tmp_path: Path) -> None:
    with desk(tmp_path) as one:
        document = dict(one.operating.policy_types()[SLICE_POLICY])
        with pytest.raises(Conflict):
            one.operating.create_policy_type(
                SLICE_POLICY, document | {"create_schema": {"type": "object"}}).result(PATIENCE)
        with pytest.raises(Conflict):
            one.operating.delete_policy_type(SLICE_POLICY).result(PATIENCE)
        one.operating.create_policy_type(SLICE_POLICY, document).result(PATIENCE)
        assert one.operating.policy_types()[SLICE_POLICY] == document


def test_switches_show_before_anybody_is_told_that_they_are_done(tmp_path: Path) -> None:
    with desk(tmp_path) as one:
        one.operating.set_dry_run(True, "anna").result(PATIENCE)
        assert one.operating.picture().modes.dry_run
        one.operating.pull_kill_switch("A test.", "anna").result(PATIENCE)
        modes = one.operating.picture().modes
        assert (modes.killed, modes.killed_at, modes.killed_by) == (True, one.scene.now, "anna")
        one.operating.release_kill_switch("bert").result(PATIENCE)
        modes = one.operating.picture().modes
        assert (modes.killed, modes.killed_at, modes.killed_by) == (False, None, "")


def test_a_fault_in_a_command_is_told_and_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a fault")

    with desk(tmp_path) as one:
        monkeypatch.setattr(one.scene.core, "set_dry_run", broken)
        with pytest.raises(RuntimeError):
            one.operating.set_dry_run(True, "anna").result(PATIENCE)
        assert Code.FAULT in one.scene.codes()
        one.operating.pull_kill_switch("A test.", "anna").result(PATIENCE)


def test_bad_labels_are_counted_by_who_reads_them(tmp_path: Path) -> None:
    with desk(tmp_path) as one:
        one.operating.count_bad_labels(lambda: 7)
        assert one.picture().counts.labels_bad == 7


def test_the_configuration_is_shown_without_secrets(tmp_path: Path) -> None:
    file = tmp_path / "xapp.yaml"
    file.write_text("taps: [{server_key: /etc/secret.key}]\napi: {token_file: /etc/token}\n"
                    "steering: {found: {1-000005: {minimum: 5}}}\n")
    with desk(tmp_path, load(file)) as one:
        shown: Any = one.operating.limits()
        assert "/etc" not in str(shown)
        assert shown["taps"][0]["server_key"] == "set"
        assert shown["api"]["token_file"] == "set"
        assert shown["listen"] == ["auto://0.0.0.0:36421"]
        assert shown["steering"]["at_start"] == "adopt"
        assert "1-000005" in shown["steering"]["found"]


@pytest.mark.parametrize(("value", "shown"), [
    ({("a", 1): {1, }}, {"a/1": [1]}), (frozenset({"x"}), ["x"]), (None, None), (1.5, 1.5),
    (Path("x"), "x"), (LLM, "1-000005")])
def test_anything_is_shown_as_json(value: object, shown: object) -> None:
    assert plain(value) == shown


def test_only_what_is_set_is_called_so() -> None:
    assert [plain(value, "token") for value in (None, "", "abc")] == [None, "", "set"]
