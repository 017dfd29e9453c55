"""Where a flow is, whose it is, and whether it is believed."""

from __future__ import annotations

from dataclasses import replace

from tests.xapp.policy_networks import CELL, LIMITS, LLM, NOW, OTHER, WEB, cell, flow, network, ue
from tests.xapp.policy_networks import slice_ as slice_of
from xapp.observations import Flow, UeKey
from xapp.placing import locate, place
from xapp.slice_policy import Reach, SlicePolicy

POLICY = SlicePolicy("chat")
SEEN = network([cell(slice_of(LLM), slice_of(WEB)), cell(slice_of(WEB), key=OTHER)], [], [ue()])


def test_where_a_flow_is() -> None:
    assert locate(flow(), SEEN) == (CELL, LLM)
    assert locate(flow(slice=None), SEEN) == (CELL, LLM)  # its UE's
    assert locate(flow(slice=WEB), SEEN) == (CELL, WEB)
    stranger = UeKey("gnb", "du:9")
    assert locate(flow(ue=stranger), SEEN) == (CELL, LLM)  # the only cell with that slice
    assert locate(flow(ue=None, slice=WEB), SEEN) is None  # two have it
    assert locate(flow(ue=stranger, slice=None), SEEN) is None
    lost = replace(SEEN, cells={OTHER: SEEN.cells[OTHER]})
    assert locate(flow(), lost) is None


def placed(one: Flow, *policies: SlicePolicy) -> tuple[str, int, int] | None:
    seen = replace(SEEN, flows={one.key: one})
    groups = [group for cells in place(seen, policies or (POLICY,), LIMITS, NOW).values()
              for group in cells.values()]
    if not groups:
        return None
    group, = groups
    return group.policy.name, len(group.believed), len(group.doubted)


def test_who_is_believed() -> None:
    assert placed(flow()) == ("chat", 1, 0)
    assert placed(flow(confidence=0.5)) == ("chat", 0, 1)
    assert placed(flow(confidence=0.3)) is None
    assert placed(flow(label="web")) is None
    assert placed(flow(at=NOW - 16)) is None
    assert placed(flow(label="unknown")) is None  # its slice is not raised


def test_the_highest_priority_that_wants_a_flow_has_it() -> None:
    high = SlicePolicy("high", priority=9, reach=Reach(frozenset({OTHER})))
    assert placed(flow(), POLICY, high) == ("chat", 1, 0)
    assert placed(flow(), POLICY, replace(high, reach=Reach())) == ("high", 1, 0)
    assert placed(flow(), SlicePolicy("amends", labels=frozenset(), priority=9)) is None
