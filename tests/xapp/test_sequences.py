"""Numbers and time stamps of indications: gaps, repeats, and nodes that count anew."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from xapp.sequences import BELIEVED, NUMBERS, Sequences


def seen(*numbers: int) -> list[int | None]:
    sequences = Sequences()
    return [sequences.saw("gnb", 1, number, None) for number in numbers]


def test_gaps_and_repeats() -> None:
    assert seen(3, 4, 4, 7, 5, 8) == [0, 0, None, 2, None, 0]


def test_the_numbers_wrap() -> None:
    assert seen(NUMBERS - 2, NUMBERS - 1, 0, 2) == [0, 0, 0, 1]


def test_a_node_that_counts_anew_is_believed_after_a_while() -> None:
    assert seen(5000, 0, 1, 2, 3) == [0, *[None] * (BELIEVED - 1), 0, 0]


def test_time_stamps_serve_where_there_are_no_numbers() -> None:
    sequences = Sequences()
    results = [sequences.saw("gnb", 1, None, start) for start in (5.0, 6.0, 6.0, 5.5, 7.0)]
    assert results == [0, 0, None, None, 0]
    # A clock that was set back for good.
    results = [sequences.saw("gnb", 1, None, start) for start in (1.0, 2.0, 3.0, 4.0)]
    assert results == [None, None, 0, 0]


def test_without_either_everything_is_new() -> None:
    sequences = Sequences()
    assert [sequences.saw("gnb", 1, None, None) for _ in range(3)] == [0, 0, 0]


def test_subscriptions_and_nodes_count_by_themselves() -> None:
    sequences = Sequences()
    sequences.saw("a", 1, 10, None)
    assert sequences.saw("a", 2, 3, None) == 0
    assert sequences.saw("b", 1, 3, None) == 0
    sequences.forget("a")
    assert sequences.saw("a", 1, 2, None) == 0


@given(st.integers(0, NUMBERS - 1), st.lists(st.integers(1, 50), min_size=1))
def test_all_that_were_skipped_are_counted(first: int, steps: list[int]) -> None:
    numbers = [first]
    for step in steps:
        numbers.append((numbers[-1] + step) % NUMBERS)
    found = seen(*numbers)
    assert sum(lost for lost in found if lost is not None) == sum(steps) - len(steps)
