"""Drafts by looking up: against the plain search, on hand-made and on random texts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge_server.messages import Sampling
from ue_app.drafts.lookup import LONGEST, SHORTEST, LookupDrafter

IDS = st.lists(st.integers(0, 3), max_size=60)


def searched(ids: list[int], count: int) -> list[int]:
    """What follows the latest earlier place of the longest end: by trying all of them."""
    for length in range(min(LONGEST, len(ids) - 1), SHORTEST - 1, -1):
        for end in range(len(ids) - 1, length - 1, -1):
            if ids[end - length : end] == ids[len(ids) - length :]:
                text = list(ids)
                for index in range(count):
                    text.append(text[end + index])
                return text[len(ids) :]
    return []


def test_what_followed_before() -> None:
    assert LookupDrafter().draft([5, 6, 7, 8, 9, 5, 6], 3) == [7, 8, 9]


def test_a_circle_is_gone_round_again() -> None:
    assert LookupDrafter().draft([1, 2, 3, 1, 2, 3], 7) == [1, 2, 3, 1, 2, 3, 1]


def test_nothing_was_there_before() -> None:
    for ids in ([], [1], [1, 1], [1, 2, 3, 4], [1, 2, 3, 1]):
        assert LookupDrafter().draft(ids, 4) == []


def test_the_longest_end_counts_not_the_latest() -> None:
    assert LookupDrafter().draft([1, 2, 3, 8, 9, 2, 3, 7, 1, 2, 3], 1) == [8]
    assert LookupDrafter(shortest=4).draft([1, 2, 3, 8, 9, 2, 3, 7, 1, 2, 3], 1) == []


@given(IDS, st.integers(1, 6))
def test_it_is_the_plain_search(ids: list[int], count: int) -> None:
    assert LookupDrafter().draft(ids, count) == searched(ids, count)


@given(st.lists(IDS, min_size=1, max_size=4))
def test_a_conversation_that_grows_or_turns_out_otherwise(turns: list[list[int]]) -> None:
    drafter, text = LookupDrafter(), list[int]()
    for number, turn in enumerate(turns):
        drafter.start(Sampling(), len(text))
        text = text[: len(text) // 2] + turn if number % 2 else text + turn
        drafter.read(text[: len(text) // 2])
        assert drafter.draft(text, 3) == searched(text, 3)
