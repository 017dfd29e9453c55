"""Views of a picture: times on the wall, null where nothing is known, texts as in lists."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.xapp.policy_networks import CELL, LLM, WEB, cell, flow, network, slice_, ue
from xapp.api_views import (
    CellModel,
    EventModel,
    FlowModel,
    LoadModel,
    NodeModel,
    PolicyModel,
    StatusModel,
    UeModel,
    page,
)
from xapp.events import Code, warning
from xapp.observations import Load, Quota
from xapp.operations import (
    AssociationView,
    Clock,
    Counts,
    DecisionState,
    EventView,
    FunctionView,
    Health,
    Modes,
    NodeState,
    NodeView,
    Picture,
    PolicyView,
)

CLOCK = Clock(1000.0, 1_800_000_000.0)
NODE = NodeView("gnb", "oai", NodeState.CONNECTED, 900.0,
                (AssociationView("DU", "tcp://x", 901.0),),
                (FunctionView("KPM", "1.3", 2, True),), ("rc_slice_quota",))


def test_the_status_counts_what_there_is() -> None:
    shown = network([cell(slice_(LLM))], [flow("a"), flow("b"), flow("c", label="web")], [ue()],
                    tap_heard=999.0)
    picture = Picture(CLOCK, 400.0, Health(True, ("It lacks.",)), Modes(True, True, 990.0, "anna"),
                      (NODE, replace(NODE, state=NodeState.LOST)), shown,
                      Counts(decisions={DecisionState.CONFIRMED: 3}), "1.2")
    status = StatusModel.of(picture)
    assert (status.nodes, status.cells, status.ues) == (1, 1, 1)
    assert status.flows == {"llm_split": 2, "web": 1}
    assert (status.now, status.started) == (CLOCK.wall, CLOCK.wall - 600)
    assert (status.ready, status.reasons) == (False, ["It lacks."])
    assert (status.killed, status.killed_by, status.killed_at) == (True, "anna", CLOCK.wall - 10)
    assert (status.tap_heard, status.decisions) == (CLOCK.wall - 1, {"confirmed": 3})


def test_nothing_known_is_null_and_never_0() -> None:
    status = StatusModel.of(Picture(CLOCK, 400.0, Health(True)))
    assert (status.tap_heard, status.killed_at) == (None, None)
    load = LoadModel.of(Load(1000.0), CLOCK).model_dump()
    assert load.pop("at") == CLOCK.wall
    assert set(load.values()) == {None}


def test_a_node() -> None:
    node = NodeModel.of(NODE, CLOCK)
    assert (node.state, node.since, node.actuators) == (
        "connected", CLOCK.wall - 100, ["rc_slice_quota"])
    assert node.associations[0].since == CLOCK.wall - 99
    assert node.functions[0].subscribed


def test_a_cell_with_its_slices() -> None:
    shown = CellModel.of(cell(slice_(LLM, Quota(5, 60, 1)), slice_(WEB)), CLOCK)
    assert (shown.id, shown.prbs) == (str(CELL), 100)
    assert [one.id for one in shown.slices] == [f"{CELL}/{LLM}", f"{CELL}/{WEB}"]
    first, second = (one.quota for one in shown.slices)
    assert first is not None
    assert first.model_dump() == {"minimum": 5, "maximum": 60, "dedicated": 1}
    assert second is None


def test_a_ue_and_a_flow() -> None:
    one = UeModel.of(ue(neighbours=((CELL, -90.0),)), CLOCK)
    assert (one.id, one.cell, one.slice) == ("gnb/du:1", str(CELL), str(LLM))
    assert [(each.cell, each.rsrp_dbm) for each in one.neighbours] == [(str(CELL), -90.0)]
    shown = FlowModel.of(flow(ue=None, slice=None), CLOCK)
    assert (shown.ue, shown.slice, shown.steps_per_second) == (None, None, None)
    assert shown.at == CLOCK.wall


def test_an_event_and_a_policy() -> None:
    event = EventModel.of(EventView(3, 990.0, warning(Code.NODE_LOST, "Gone.", "gnb")), CLOCK)
    assert (event.number, event.at, event.level, event.code) == (
        3, CLOCK.wall - 10, "warning", "node_lost")
    policy = PolicyModel.of(PolicyView(20008, "a", {"threshold": 5}, 7.0, False, "Not yet."))
    assert (policy.body, policy.in_effect, policy.reason) == ({"threshold": 5}, False, "Not yet.")


@pytest.mark.parametrize(("offset", "limit", "items", "following"), [
    (0, 2, [0, 1], 2), (2, 2, [2, 3], 4), (4, 2, [4], None), (0, 5, [0, 1, 2, 3, 4], None),
    (9, 2, [], None)])
def test_pages(offset: int, limit: int, items: list[int], following: int | None) -> None:
    made: list[int] = []

    def make(one: int) -> int:
        made.append(one)
        return one

    part = page(range(5), offset, limit, make)
    assert (part.items, part.total, part.next) == (items, 5, following)
    assert made == items  # what is not shown is not made
