"""What is remembered of nodes: repeats change nothing, one cell is the only one, flows find UEs."""

from __future__ import annotations

from dataclasses import replace

from xapp.observations import CellKey, Flow, Load, Snssai, UeKey
from xapp.observed import (
    NEVER,
    KnownCell,
    KnownNode,
    KnownSlice,
    placed_by,
    unless_repeated,
)
from xapp.ue_map import Origin, UeEntry, UeMap
from xapp.ue_names import Seen
from xapp.units import UNITS

NODE = "gnb_1"
ONE, TWO = CellKey(NODE, "000000001"), CellKey(NODE, "000000002")
UE, SLICE = UeKey(NODE, "du:3"), Snssai(1, 1)


def test_what_was_said_within_the_node_s_period_is_no_news() -> None:
    before, same = Load(10.0, down_kbps=5.0), Load(10.5, down_kbps=5.0)
    assert unless_repeated(before, same, 1.0) is before
    assert unless_repeated(before, replace(same, at=11.0), 1.0).at == 11.0
    assert unless_repeated(before, replace(same, down_kbps=6.0), 1.0).down_kbps == 6.0
    assert unless_repeated(None, same, 1.0) is same


def test_a_slice_remembers_its_last_reports_once_each_and_no_older_ones() -> None:
    known = KnownSlice()
    assert known.remember(Load(NEVER)) == ()
    for tenth in (0, 0, 10, 20, 20, 65):
        known.remember(Load(tenth / 10, up_delay_ms=tenth))
    assert [one.at for one in known.recent] == [1.0, 2.0, 6.5]
    for tenth in range(66, 200):
        known.remember(Load(tenth / 10))
    assert [one.at for one in known.recent] == [tenth / 10 for tenth in range(188, 200)]
    assert known.remember(Load(5.0))[-1].at == 5.0  # a clock that went back forgets


def test_a_ue_is_in_the_only_cell_that_there_is() -> None:
    node = KnownNode(UNITS["srsran"], Seen(False))
    assert node.only_cell is None
    node.cells[ONE] = KnownCell(ONE, 106)
    assert node.only_cell == ONE
    node.cells[TWO] = KnownCell(TWO, None)
    assert node.only_cell is None


def test_a_flow_is_its_address_s_unless_somebody_knew_better() -> None:
    ues = UeMap()
    ues.put(Origin.FILE, [UeEntry("10.45.0.2", UE, SLICE)], 0.0)
    flow = Flow("f", "llm_split", 0.9, 0.0, 1.0, None, "10.45.0.2", None)
    placed = placed_by(flow, ues)
    assert (placed.ue, placed.slice) == (UE, SLICE)
    other = UeKey(NODE, "du:4")
    assert placed_by(replace(flow, ue=other), ues).ue == other
    for stranger in (replace(flow, address="10.45.0.9"), replace(flow, address=None)):
        assert placed_by(stranger, ues) == stranger


def test_a_report_without_a_figure_leaves_what_was_said_last() -> None:
    before = Load(1.0, up_kbps=40.0, up_delay_ms=84.6)
    assert unless_repeated(before, Load(1.5), 0.0) is before
    assert unless_repeated(None, Load(1.5), 0.0) == Load(1.5)
    idle = Load(1.5, up_kbps=0.0)
    assert unless_repeated(before, idle, 0.0) is idle
