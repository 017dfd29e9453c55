"""Every kind of base station, from a label to quotas that are put back, as an operator runs it.

One xApp meets all six at once. What it says over HTTP, what its audit log holds afterwards, and
what the base stations themselves say of their cells have to be one story.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.xapp.whole.scene import Node, World, until
from xapp.actuators.targets import SliceTarget, UeTarget
from xapp.observations import Quota
from xapp.ric import usrsctp
from xapp.store_read import Row
from xapp.store_records import Held

pytestmark = [
    pytest.mark.long,  # last, it would be shared out: each worker would begin a world of its own
    pytest.mark.skipif(not usrsctp.available(), reason="libusrsctp2 is not installed")]
# The least that OCUDU takes over CCC is 1 % dedicated: that is as near to nothing as it can go.
KINDS = {"spec": "spec", "srsran": "", "ocudu": "ocudu", "oai": "", "oai-old": "", "flexric": ""}
ACTUATORS = dict.fromkeys(KINDS, "rc_slice_quota") | {"ocudu": "ccc_slice_quota"}
LEFT = dict.fromkeys(KINDS, (0, 100, 0)) | {"ocudu": (1, 100, 1)}
ENDED = ("confirmed", "unproven", "rolled_back", "failed")
QUICK = """
limits: {hold: 60, linger: 120}
steering: {actions_per_minute: 60, actions_in_a_row: 20}
"""


@dataclass
class Story:
    """What was seen of one base station."""

    decision: dict[str, Any] = field(default_factory=dict)
    in_force: dict[str, tuple[int, ...]] = field(default_factory=dict)  # as it says
    limits: dict[int, tuple[int, int]] = field(default_factory=dict)
    held: list[Held] = field(default_factory=list)
    after: dict[str, tuple[int, ...]] = field(default_factory=dict)
    limits_after: dict[int, tuple[int, int]] = field(default_factory=dict)
    lines: str = ""


@dataclass
class Told:
    """All of it."""

    stories: dict[str, Story]
    names: dict[str, str]
    audit: list[Row]
    status: int
    left: dict[str, Held]

    def of(self, kind: str, what: str) -> list[Row]:
        """Lines of the audit log of one base station."""
        return [one for one in self.audit if one["kind"] == what
                and self.names[kind] in f"{one['subject']} {one['body']}"]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    with World(tmp_path_factory.mktemp("kinds"), QUICK, tuple(KINDS.values())) as world:
        nodes = [world.node(kind) for kind in KINDS]
        for node in nodes:
            node.ready()
        until(lambda: world.xapp.get("status")["ues"] == 4 * len(nodes), "all UEs")
        for node in nodes:
            world.tap.sees(node.llm_address)
        stories = {node.profile: Story() for node in nodes}
        for node in nodes:
            story = stories[node.profile]
            story.decision = until(lambda: world.xapp.decisions(node.name, *ENDED),  # noqa: B023  # asked here and now
                                   f"a decision for {node.profile}")[0]
            story.in_force, story.limits = _shares(node), node.limits()
            story.held = [one for key, one in world.xapp.held().items() if node.name in key]
        status = world.xapp.end()
        for node in nodes:
            story = stories[node.profile]
            story.after, story.limits_after = _shares(node), node.limits()
            story.lines = node.text
        yield Told(stories, {node.profile: node.name for node in nodes}, world.xapp.audit(),
                   status, world.xapp.held())


def _shares(node: Node) -> dict[str, tuple[int, ...]]:
    return {name: tuple(share) for name, share in node.shares().items()}


def borne_out(kind: str, one: Held, story: Story) -> bool:
    """Whether the base station itself says what the store says is in force."""
    quota = one.confirmed
    assert isinstance(quota, Quota)
    if isinstance(one.target, UeTarget):
        return story.limits[int(one.target.ue.ue.rpartition(":")[2])] == (
            quota.minimum, quota.maximum)
    assert isinstance(one.target, SliceTarget)
    wanted = (quota.minimum, quota.maximum, quota.dedicated)
    if kind in ("oai", "oai-old"):  # it reserves what is dedicated, and looks at nothing else
        wanted = (quota.dedicated, 100, quota.dedicated)
    return story.in_force[str(one.target.snssai)] == wanted


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_decided_kept_sent_acknowledged_and_judged_in_this_order(
    told: Told, kind: str
) -> None:
    decision = told.stories[kind].decision
    assert decision["actuator"] == ACTUATORS[kind]
    assert "llm_split" in decision["reason"]
    action = told.of(kind, "action")[0]
    lines = [one for one in told.audit if one["subject"] == action["subject"]]
    assert [one["kind"] for one in lines][:4] == ["action", "sent", "answer", "effect"]
    assert told.of(kind, "decision")[0]["number"] < action["number"]
    assert lines[2]["body"]["answer"] == "acknowledged"
    steps = [one["what"] for one in decision["steps"]]
    assert steps[:3] == ["planned", "sent", "acknowledged"]
    assert steps[3].startswith("effect")
    assert any(one["seen"] is not None for one in decision["effects"])


@pytest.mark.parametrize("kind", [one for one in KINDS if one != "flexric"])
def test_what_the_store_says_is_in_force_the_base_station_says_too(told: Told, kind: str) -> None:
    story = told.stories[kind]
    certain = [one for one in story.held if one.certain]
    if story.decision["state"] in ("confirmed", "unproven"):
        assert certain
        assert any(one.confirmed != Quota() for one in certain)
    for one in certain:
        assert borne_out(kind, one, story), f"{one}, {story.in_force}, {story.limits}"


def test_flexric_s_agent_acknowledges_and_does_nothing_and_is_not_believed(told: Told) -> None:
    story = told.stories["flexric"]
    assert set(story.in_force.values()) == {(0, 100, 0)}
    assert story.decision["state"] != "confirmed"
    assert "acknowledged and nothing done" in story.lines


@pytest.mark.parametrize("kind", KINDS)
def test_the_other_slice_keeps_its_floor(told: Told, kind: str) -> None:
    for one in told.of(kind, "decision"):
        quotas = one["body"]["quotas"]
        assert quotas["1"]["maximum"] >= 10
        assert sum(each["minimum"] for each in quotas.values()) <= 100
    assert told.stories[kind].in_force["1"][1] >= 10


@pytest.mark.parametrize("kind", KINDS)
def test_at_the_end_everything_is_put_back_and_both_sides_say_so(told: Told, kind: str) -> None:
    story = told.stories[kind]
    assert told.status == 0
    assert set(story.limits_after.values()) == {(0, 100)}
    assert set(story.after.values()) == {LEFT[kind]}
    codes = [one["body"]["code"] for one in told.of(kind, "event")]
    assert "put_back" in codes or story.decision["state"] == "rolled_back"
    assert not [key for key in told.left if told.names[kind] in key]
    assert told.audit[-1]["kind"] == "run_ended"
