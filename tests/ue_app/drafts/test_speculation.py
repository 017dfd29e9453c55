"""A drafter and a pace together: what is asked of each, and when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count

from edge_server.messages import Sampling
from tests.ue_app.drafts.guessing import Oracle
from ue_app.drafts.pace import Step
from ue_app.drafts.speculation import Speculation


class Noted:
    """A pace that says a number and remembers what it is told."""

    def __init__(self, number: int) -> None:
        self.number, self.steps = number, list[Step]()

    def expect(self, drafting: float) -> None:
        self.expected = drafting

    def choose(self) -> int:
        return self.number

    def observe(self, step: Step) -> None:
        self.steps.append(step)


class Slow(Oracle):
    """Counts what is asked of it."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []

    def draft(self, ids: Sequence[int], count: int) -> list[int]:
        self.asked.append(count)
        return super().draft(ids, count)


def make(number: int) -> tuple[Speculation, Slow, Noted]:
    ticks: Iterator[int] = count(100)
    drafter, pace = Slow(), Noted(number)
    made = Speculation(drafter, pace, lambda: float(next(ticks)))
    made.start(Sampling(), 3)
    drafter.coming = [7, 8, 9, 10]
    return made, drafter, pace


def test_as_many_as_the_pace_says_and_there_is_room_for() -> None:
    made, drafter, _ = make(3)
    assert made.draft([1, 2, 3], 10) == [7, 8, 9]
    assert made.draft([1, 2, 3, 7], 2) == [8, 9]
    assert made.draft([1, 2, 3, 7], 0) == []
    assert made.draft([1, 2, 3, 7], -1) == []
    assert drafter.asked == [3, 2]


def test_a_drafter_is_not_asked_where_nothing_is_to_be_drafted() -> None:
    made, drafter, pace = make(0)
    assert made.draft([1, 2, 3], 10) == []
    made.came(0, 0)
    assert drafter.asked == []
    assert pace.steps == [Step(0, 0, 1.0, 2.0)]


def test_a_wait_is_used_to_see_what_a_draft_takes() -> None:
    made, drafter, pace = make(3)
    made.read([1, 2, 3])
    assert drafter.asked == [1, 1]  # the first is a cold one
    assert pace.expected == 1.0
    made.read([1, 2, 3, 7])
    assert drafter.asked == [1, 1, 1]


def test_the_pace_learns_what_it_took() -> None:
    made, _, pace = make(3)
    made.draft([1, 2, 3], 10)
    made.came(3, 2)
    assert pace.steps == [Step(3, 2, 1.0, 2.0)]
