"""The table is whole: every method exists, every stage can end, no final stage moves."""

from __future__ import annotations

from xapp.steering_actions import Actions
from xapp.steering_table import FINAL, TABLE, Signal, Stage


def test_every_stage_is_in_the_table_and_every_method_exists() -> None:
    assert set(TABLE) == set(Stage)
    for moves in TABLE.values():
        for move in moves.values():
            assert callable(getattr(Actions, move.action))


def test_a_final_stage_never_moves_and_every_other_knows_a_lost_node() -> None:
    for stage, moves in TABLE.items():
        assert (Signal.NODE_LOST in moves) is (stage not in FINAL)
        assert (moves == {}) is (stage in FINAL)


def test_whoever_waits_for_an_answer_or_an_effect_can_get_none() -> None:
    for moves in TABLE.values():
        if Signal.ACKED in moves and Signal.SEEN not in moves:
            assert Signal.UNANSWERED in moves
        if Signal.SEEN in moves:
            assert Signal.UNSEEN in moves
