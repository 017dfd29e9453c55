"""What goes wrong between two processes, and what has to be true after it.

Whatever a base station, a tap, a stranger or the disk does: what the audit log says is in force is
what the base station has, no other slice is below its floor, and an event says what happened. One
xApp meets all base stations that err; the rest is done to it alone.
"""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from classifier.labels import LLM_SPLIT
from classifier.messages import Labelled
from classifier.publisher import Publisher
from tests.xapp.whole.scene import Node, World, hang_up, until
from xapp.ric import usrsctp
from xapp.ric.transport import PPID_DU, Address, connect
from xapp.store_read import Row

# Processes that have to keep time: they want the cores for themselves, for a minute and a half.
pytestmark = [pytest.mark.alone, pytest.mark.skipif(
    not usrsctp.available(), reason="libusrsctp2 is not installed")]
QUICK = """
limits: {hold: 2, most_changes: 30, linger: 60, silent: 1.5, abandon: 3600}
steering: {actions_per_minute: 120, actions_in_a_row: 20, ack_seconds: 3, put_back_seconds: 0.5}
exit_seconds: 5
"""
SLOW_ACK = """
limits: {{hold: 1, most_changes: 30, linger: 1, silent: 1.5, abandon: 3600}}
steering: {{actions_per_minute: 120, actions_in_a_row: 20, put_back_seconds: 0.5,
  at_start: {at_start}}}
exit_seconds: 15
"""
FAULTS = ("refuse-subscriptions", "drop-indications", "duplicate-indications",
          "delay-indications", "unknown-ue", "control-failure", "no-effect", "late-ack", "no-ack",
          "garbage", "die-on-control")
# By what the operator learns of it; none: it is counted, and disturbs nothing.
EVENTS = {"control-failure": "control_refused", "late-ack": "control_unanswered",
          "no-ack": "control_unanswered", "garbage": "garbage",
          "die-on-control": "node_lost_midway"}
ENDED = ("confirmed", "unproven", "rolled_back", "failed")
FLOOR = 10  # percent that the world's policy keeps for slice 1
FLOODS, A_FLOOD = 4, 2_000  # bursts, and labels of each: some 8,000 within a second
FULL = 128 << 10  # bytes beyond which no file can be written where the disk is full
STEERED = ("drop-indications", "duplicate-indications", "delay-indications", "unknown-ue")


def quota_held(node: Node, audit: list[Row]) -> dict[str, tuple[int, int, int]]:
    """What the last lines of the audit log say is in force in a base station's slices."""
    found = {one["slice"]: (0, 100, 0) for one in node.ask("/state")["slices"]}
    for line in audit:
        if not line["subject"].startswith(f"slice {node.name}/"):
            continue
        name = line["subject"].rpartition("/")[2]
        if line["kind"] == "forgotten":
            found[name] = (0, 100, 0)
        elif line["kind"] == "target" and line["body"]["certain"]:
            value = line["body"]["confirmed"]
            # OpenAirInterface reserves what is dedicated, and looks at nothing else.
            found[name] = (value["dedicated"], 100, value["dedicated"])
    return found


def floors_hold(world: World) -> None:
    for node in world.nodes:
        if node.process.poll() is None:
            floor_holds(node)


def floor_holds(node: Node) -> None:
    """Others leave it free: where only what is dedicated counts, nobody has a maximum."""
    shares = node.shares()
    assert shares["1"][1] >= FLOOR
    assert sum(minimum for name, (minimum, _, _) in shares.items() if name != "1") <= 100 - FLOOR


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with World(tmp_path_factory.mktemp("faults"), QUICK) as world:
        for fault in FAULTS:
            world.node("oai", "--fault", fault)
        for node in world.nodes:
            node.ready()
        # All report but the one that refuses to.
        until(lambda: world.xapp.get("status")["ues"] >= 4 * (len(FAULTS) - 1), "all UEs")
        for node in world.nodes:
            world.tap.sees(node.llm_address)
        yield world
        # Those that answer wrongly leave it uncertain; the others have what was found.
        world.xapp.end()
        for node in (world.nodes[FAULTS.index(one)] for one in STEERED):
            assert node.untouched
            assert node.name not in str(world.xapp.held())


@pytest.mark.parametrize("fault", STEERED)
def test_indications_that_err_do_not_keep_it_from_steering(faulty: World, fault: str) -> None:
    node = faulty.nodes[FAULTS.index(fault)]
    until(lambda: faulty.xapp.decisions(node.name, *ENDED), f"a decision of {fault}")
    found = faulty.xapp.get("ues?limit=500")["items"]
    assert len([one for one in found if one["id"].startswith(node.name)]) in (4, 5)
    mapped = [one for one in found if one["id"].startswith(node.name) and one["address"]]
    assert len(mapped) == 4  # whom nobody knows has no address, and nothing is set on it
    floors_hold(faulty)


@pytest.mark.parametrize("fault", EVENTS)
def test_an_event_says_what_happened(faulty: World, fault: str) -> None:
    node = faulty.nodes[FAULTS.index(fault)]
    until(lambda: [one for one in faulty.xapp.audit() if one["kind"] == "event"
                   and one["body"]["code"] == EVENTS[fault]
                   and node.name in one["subject"] + one["why"]], f"{EVENTS[fault]} of {fault}")
    floors_hold(faulty)


def test_a_refused_control_changes_nothing_and_is_in_the_log(faulty: World) -> None:
    node = faulty.nodes[FAULTS.index("control-failure")]
    decision = until(lambda: faulty.xapp.decisions(node.name, "failed", "rolled_back"),
                     "a decision that fails")[0]
    assert "refused" in [one["what"] for one in decision["steps"]]
    assert node.untouched
    assert set(quota_held(node, faulty.xapp.audit()).values()) == {(0, 100, 0)}


def test_an_acknowledgement_without_effect_is_not_believed(faulty: World) -> None:
    node = faulty.nodes[FAULTS.index("no-effect")]
    decision = until(lambda: faulty.xapp.decisions(node.name, *ENDED), "a decision that ends")[0]
    assert decision["state"] != "confirmed"
    assert node.untouched


def test_who_refuses_subscriptions_is_seen_and_not_steered(faulty: World) -> None:
    node = faulty.nodes[FAULTS.index("refuse-subscriptions")]
    until(lambda: [one for one in faulty.xapp.audit() if one["kind"] == "event"
                   and one["body"]["level"] != "info" and node.name in one["why"]
                   and "refuse" in one["why"]], "an event of the refusal")
    assert not faulty.xapp.decisions(node.name)
    assert node.untouched


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with World(tmp_path_factory.mktemp("alone"), QUICK) as world:
        node = world.node("oai")
        node.ready()
        until(lambda: world.xapp.get("status")["ues"] == 4, "all UEs")
        yield world


def steered(world: World) -> None:
    world.tap.sees(world.nodes[0].llm_address)
    until(lambda: world.xapp.decisions(world.nodes[0].name, "confirmed", "unproven"),
          "a decision that is kept")


def agree(world: World) -> None:
    """The audit log and the base station say the same, once nothing is under way."""
    node = world.nodes[0]
    until(lambda: quota_held(node, world.xapp.audit()) == _shares(node), "both sides agree")
    floors_hold(world)


def _shares(node: Node) -> dict[str, tuple[int, int, int]]:
    return node.shares()


def test_garbage_from_a_stranger_over_sctp(alone: World) -> None:
    async def scene() -> None:
        stranger = await connect(Address.parse(alone.xapp.address))
        for data in (b"\x00" * 40, bytes(range(256)) * 8, b"GET / HTTP/1.1\r\n\r\n"):
            if stranger.ended is None:
                stranger.send(data, PPID_DU)
        stranger.close()
        await stranger.wait_closed()

    asyncio.run(asyncio.wait_for(scene(), 60))
    alone.xapp.has("garbage")
    steered(alone)
    agree(alone)


@pytest.mark.parametrize("own_name", [True, False])
def test_garbage_and_a_flood_from_the_tap(alone: World, own_name: bool) -> None:
    """Thousands of labels a second, of one tap or each of a tap that nobody heard of."""
    flooded = 0

    def flood(publisher: Publisher) -> None:
        nonlocal flooded
        flooded += 1
        if flooded > FLOODS:
            return
        for number in range(A_FLOOD):
            publisher.send(Labelled(
                100_000 * flooded + number, LLM_SPLIT, 0.9, "AFTER_2_S", 1, "192.0.2.9",
                "192.0.2.1", number, 8470, 6, tap="test" if own_name else f"made-up-{number}",
                model="0"))
            if number % 20 == 0:
                publisher._socket.send_multipart([b"label.x", b"{" * 100])

    before, crowded = alone.xapp.get("status"), alone.xapp.count("flows_crowded")
    silent, unanswered = (alone.xapp.count(one) for one in ("tap_silent", "control_unanswered"))
    alone.tap.aside = flood
    until(lambda: flooded > FLOODS, "the flood")
    labels = "labels_total"
    until(lambda: alone.xapp.metric(labels) >= FLOODS * A_FLOOD, "all of it")
    assert alone.xapp.metric("labels_bad_total") >= FLOODS * A_FLOOD // 20
    assert alone.xapp.get("status")["ues"] == before["ues"]
    until(lambda: alone.xapp.count("flows_crowded") > crowded or not own_name,
          "an event of flows that were given up")
    # The loop kept its time: nothing that it waited for was overlooked meanwhile.
    assert alone.xapp.count("tap_silent") == silent
    assert alone.xapp.count("control_unanswered") == unanswered
    assert alone.nodes[0].shares()["1-000001"] != (0, 100, 0)
    agree(alone)


def test_a_tap_that_falls_silent_is_told_and_nothing_is_lowered(alone: World) -> None:
    alone.tap.aside = lambda publisher: None
    alone.tap.silent = True
    alone.xapp.has("tap_silent")
    assert alone.nodes[0].shares()["1-000001"] != (0, 100, 0)
    alone.tap.silent = False
    agree(alone)


@pytest.mark.slow  # test_full_disk has the quick half of it
def test_on_a_full_disk_only_what_is_kept_is_in_force_until_there_is_room(alone: World) -> None:
    """A base station that comes back meanwhile is given what the log says it has, and no more."""
    pid, wal = alone.xapp.process.pid, Path(f"{alone.xapp.store}-wal")
    until(lambda: wal.stat().st_size > 2 * FULL, "a log that is longer than what is left")
    lines, limits = len(alone.xapp.audit()), resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (FULL, limits[1]))
    try:
        until(lambda: "kept" in str(alone.xapp.get("status")["reasons"]), "it says so")
        assert not alone.xapp.get("status")["ready"]
        assert "Nothing new is sent to any node" in alone.xapp.text
        gone = f"{alone.nodes[0].name} is gone"
        before = alone.xapp.text.count(gone)
        alone.nodes[0].kill()
        until(lambda: alone.xapp.text.count(gone) > before, "it is missed")
        node = alone.again(alone.nodes[0])
        node.ready()
        node.says("gnb is accepted")
        until(lambda: alone.xapp.get("status")["ues"] == 4, "its UEs are reported")
        agree(alone)
        assert not node.untouched
        assert len(alone.xapp.audit()) == lines
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)
    until(lambda: alone.xapp.get("status")["ready"], "it is ready again")
    agree(alone)
    # Nothing is lost: what happened meanwhile is in the log, in its order.
    codes = [one["body"]["code"] for one in alone.xapp.audit()[lines:] if one["kind"] == "event"]
    told = [one for one in codes if one in ("store_down", "node_lost", "node_up", "store_up")]
    assert told == ["store_down", "node_lost", "node_up", "store_up"]
    assert alone.xapp.count("store_dropped") == 0


def test_a_base_station_that_is_killed_comes_back_with_other_ids(alone: World) -> None:
    alone.nodes[0].kill()
    alone.xapp.has("node_lost", alone.nodes[0].name)
    node = alone.again(alone.nodes[0])
    node.ready()
    node.says("gnb is accepted")
    hang_up(node)  # and once more: its UEs have other numbers now
    until(lambda: {one["ue"] for one in node.ask("/ues")["ues"]} == {
        f"oai:{number}" for number in range(1001, 1005)}, "other numbers")
    until(lambda: node.shares()["1-000001"] != (0, 100, 0), "it is steered again")
    agree(alone)


@pytest.mark.parametrize("at_start", ["restore", "adopt"])
def test_an_xapp_that_is_killed_before_the_answer_puts_right_what_it_left(
    tmp_path: Path, at_start: str
) -> None:
    """The base station has obeyed, its answer is on the way, and nobody is there to hear it."""
    with World(tmp_path, SLOW_ACK.format(at_start=at_start)) as world:
        node = world.node("oai", "--fault", "late-ack", "--late-ack", "1.2")
        node.ready()
        until(lambda: world.xapp.get("status")["ues"] == 4, "all UEs")
        world.tap.sees(node.llm_address)
        wanted = {"1": (0, 100, 0), "1-000001": (0, 100, 0)}
        if at_start == "adopt":
            until(lambda: world.xapp.decisions(node.name, "confirmed", "unproven"), "a first one")
            agree(world)
            wanted = node.shares()
            assert wanted["1-000001"] != (0, 100, 0)
            world.tap.over()  # the slice is given back; that is the second
            until(lambda: node.shares() != wanted, "it gives back")
        else:
            until(lambda: not node.untouched, "a control")
        world.xapp.kill()
        last = [one["kind"] for one in world.xapp.audit() if one["kind"] in ("sent", "answer")]
        assert last[-1] == "sent"  # it died between the two
        assert not all(one.certain for one in world.xapp.held().values())
        world.tap.silent = True  # nothing new to decide
        world.xapp_again()
        world.xapp.has("left_by_last_run")
        until(lambda: node.shares() == wanted, f"what it is to {at_start}")
        until(lambda: all(one.certain for one in world.xapp.held().values()), "it is certain")
        agree(world)
        assert node.shares() == wanted
        assert world.xapp.end() == 0
        assert node.untouched
        assert not world.xapp.held()
