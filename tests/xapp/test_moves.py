"""When UEs moved."""

from __future__ import annotations

from xapp.moves import MOST, NEVER, Moves
from xapp.observations import CellKey, UeKey

HERE, THERE = CellKey("gnb", "000000001"), CellKey("gnb", "000000002")
UE = UeKey("gnb", "du:1")


def test_who_is_seen_in_another_cell_moved_and_who_stays_did_not() -> None:
    moves = Moves()
    assert moves.seen(UE, (), HERE, 1.0) == NEVER
    assert moves.seen(UE, (), HERE, 2.0) == NEVER
    assert moves.seen(UE, (), None, 3.0) == NEVER  # not known where
    assert moves.seen(UE, (), THERE, 4.0) == 4.0
    assert moves.seen(UE, (), THERE, 9.0) == 4.0


def test_who_was_told_to_go_is_known_by_its_address_under_another_name() -> None:
    moves = Moves()
    moves.told(UE, ["10.45.0.2"], 5.0)
    assert moves.seen(UE, ["10.45.0.2"], HERE, 6.0) == 5.0
    assert moves.seen(UeKey("gnb", "du:9"), ["10.45.0.2"], THERE, 6.0) == 5.0
    assert moves.seen(UeKey("gnb", "du:9"), [], THERE, 6.0) == NEVER


def test_caps_hold() -> None:
    moves = Moves()
    for number in range(MOST + 10):
        moves.told(UeKey("gnb", str(number)), (), float(number))
        moves.seen(UeKey("gnb", str(number)), (), HERE, float(number))
    assert len(moves._moved) == len(moves._cells) == MOST
    assert moves.seen(UeKey("gnb", "0"), (), None, 0.0) == NEVER
