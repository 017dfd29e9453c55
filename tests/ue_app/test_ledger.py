"""What the phone keeps of a conversation, and what it makes of any edge: the same point again."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from edge_server.frame import Flags
from ue_app.ledger import Ledger, Sent

HIDDEN = 2
FLAGS = [Flags.NONE, Flags.RESULT_WANTED, Flags.ALL_ROWS, Flags.ALL_ROWS | Flags.RESULT_WANTED]


def numbered(*numbers: int) -> torch.Tensor:
    """Rows that can be told apart."""
    return torch.tensor([[number, -number] for number in numbers], dtype=torch.float32)


@dataclass
class Edge:
    """What an edge does with rows: going back is allowed, a gap is not."""

    rows: list[int] = field(default_factory=list)
    results: list[tuple[int, Flags, list[int]]] = field(default_factory=list)

    def take(self, position: int, rows: torch.Tensor, flags: Flags) -> None:
        assert position <= len(self.rows)
        assert len(rows)
        self.rows[position:] = [int(row[0]) for row in rows]
        if flags:
            # A result follows from all rows up to it, the last of them or each of those sent.
            first = position if flags & Flags.ALL_ROWS else len(self.rows) - 1
            self.results.append((first, flags, list(self.rows)))


class Links(RuleBasedStateMachine):
    """Whatever was sent, answered and made void: an edge that lost any of it is made whole."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger()
        self.kept: list[int] = []  # numbers of the rows, by our own count
        self.due: deque[tuple[int, Flags, list[int]]] = deque()
        self.number = 0

    @rule(count=st.integers(1, 400) | st.integers(1, 5), flags=st.sampled_from(FLAGS))
    def go_on(self, count: int, flags: Flags) -> None:
        self.record(len(self.kept), count, flags)

    @precondition(lambda self: not self.due)
    @rule(share=st.floats(0, 1), count=st.integers(1, 5), flags=st.sampled_from(FLAGS))
    def go_back(self, share: float, count: int, flags: Flags) -> None:
        """What is due is answered or given up before its rows are made void."""
        self.record(int(share * len(self.kept)), count, flags)

    def record(self, position: int, count: int, flags: Flags) -> None:
        numbers = range(self.number, self.number + count)
        self.number += count
        self.ledger.record(position, numbered(*numbers), flags)
        self.kept[position:] = numbers
        if flags:
            first = position if flags & Flags.ALL_ROWS else len(self.kept) - 1
            self.due.append((first, flags, list(self.kept)))

    @precondition(lambda self: self.due)
    @rule()
    def answered(self) -> None:
        first, flags, rows = self.due.popleft()
        sent = self.ledger.due[0]
        self.ledger.settle(1)
        assert (sent.needed_from, sent.end, sent.flags) == (first, len(rows), flags)

    @rule(share=st.floats(0, 1.2))
    def given_up(self, share: float) -> None:
        length = int(share * len(self.kept))
        self.ledger.truncate(length)
        del self.kept[length:]
        self.due.clear()

    @rule(share=st.floats(0, 1.2), max_rows=st.integers(1, 300))
    def bring_back(self, share: float, max_rows: int) -> None:
        """To an edge that holds the first rows and was asked nothing."""
        held = int(share * len(self.kept))
        edge = Edge(self.kept[:held])
        before = [(sent.position, sent.end) for sent in self.ledger.due]
        for sent in self.ledger.plan(held, max_rows):
            edge.take(sent.position, self.ledger.rows(sent), sent.flags)
            assert sent.flags or sent.end - sent.position <= max_rows
        assert edge.rows == self.kept
        assert edge.results == list(self.due)
        assert [(sent.position, sent.end) for sent in self.ledger.due] == before

    @invariant()
    def all_rows_are_kept(self) -> None:
        assert self.ledger.end == len(self.kept)
        if self.kept:
            rows = self.ledger.rows(Sent(0, self.ledger.end, Flags.NONE))
            assert [int(row[0]) for row in rows] == self.kept


TestLinks = Links.TestCase


def ledger_of(count: int) -> Ledger:
    ledger = Ledger()
    if count:
        ledger.record(0, numbered(*range(count)), Flags.NONE)
    return ledger


def plan(ledger: Ledger, held: int, max_rows: int = 4) -> list[tuple[int, int]]:
    return [(sent.position, sent.end) for sent in ledger.plan(held, max_rows)]


@pytest.mark.parametrize(("held", "pieces"), [
    (10, []), (99, []), (9, [(9, 10)]), (6, [(6, 10)]), (5, [(5, 9), (9, 10)]),
    (0, [(0, 4), (4, 8), (8, 10)])])
def test_what_an_edge_lacks(held: int, pieces: list[tuple[int, int]]) -> None:
    assert plan(ledger_of(10), held) == pieces


def test_nothing_was_sent() -> None:
    assert plan(ledger_of(0), 0) == []
    assert plan(ledger_of(0), 7) == []


def test_a_token_needs_its_last_row_again_and_hidden_rows_need_all() -> None:
    """Nothing else of what the edge holds is computed twice."""
    for flags, needed in ((Flags.RESULT_WANTED, 12), (Flags.ALL_ROWS, 10)):
        ledger = ledger_of(10)
        ledger.record(10, numbered(10, 11, 12), flags)
        assert plan(ledger, 13) == [(needed, 13)]


def test_drafts_are_sent_again_whole_and_those_that_were_wrong_are_void() -> None:
    for stand in (1, 2, 3):
        ledger = ledger_of(10)
        ledger.record(10, numbered(10, 11, 12), Flags.RESULT_WANTED, drafts=(7, 8))
        for held in (9, 10, 12, 13):
            *before, last = ledger.plan(held, 4)
            assert last == Sent(10, 13, Flags.RESULT_WANTED, drafts=(7, 8))
            assert [(sent.position, sent.end) for sent in before] == [(9, 10)][held - 9 :]
        ledger.settle(stand)
        assert (ledger.end, list(ledger.due)) == (10 + stand, [])
        assert torch.equal(ledger.rows(Sent(9, 10 + stand, Flags.NONE)),
                           numbered(*range(9, 10 + stand)))


@pytest.mark.parametrize("position", [1, 5, 2**32 - 1])
def test_rows_after_a_gap_are_no_conversation(position: int) -> None:
    ledger = Ledger()
    with pytest.raises(ValueError, match=f"rows at {position} leave a gap after 0"):
        ledger.record(position, numbered(1), Flags.NONE)
    assert ledger.end == 0


@given(st.lists(st.integers(1, 300), min_size=1, max_size=10))
def test_growing_moves_nothing(counts: list[int]) -> None:
    ledger, end = Ledger(), 0
    for count in counts:
        ledger.record(end, numbered(*range(end, end + count)), Flags.NONE)
        end += count
        assert torch.equal(ledger.rows(Sent(0, end, Flags.NONE)), numbered(*range(end)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_rows_stay_what_they_were(dtype: torch.dtype) -> None:
    """Also when the caller's tensor changes afterwards."""
    rows: Any = numbered(1, 2).to(dtype)
    ledger = Ledger()
    ledger.record(0, rows, Flags.NONE)
    rows.zero_()
    kept = ledger.rows(Sent(0, 2, Flags.NONE))
    assert kept.dtype is dtype
    assert torch.equal(kept, numbered(1, 2).to(dtype))
