"""The drafter that is never right: it asks another, takes as long, and guesses nothing of use."""

from __future__ import annotations

from collections.abc import Sequence

from edge_server.messages import Sampling
from tests.benchmarks.wrong_drafts import NEVER, WRONG, Wrong, wrong_drafter
from ue_app.drafts.registry import DRAFTERS


class Asked:
    """Notes what it is asked, and is short of guesses."""

    name = "asked"

    def __init__(self) -> None:
        self.heard: list[object] = []

    def start(self, sampling: Sampling, first: int) -> None:
        self.heard.append(first)

    def read(self, ids: Sequence[int]) -> None:
        self.heard.append(list(ids))

    def draft(self, ids: Sequence[int], count: int) -> list[int]:
        return [7, 8][:count]

    def bytes(self) -> int:
        return 12


def test_it_spends_anothers_time_and_throws_the_guesses_away() -> None:
    asked = Asked()
    wrong = Wrong(asked)
    wrong.start(Sampling(), 3)
    wrong.read([1, 2])
    assert asked.heard == [3, [1, 2]]
    assert wrong.milliseconds is None
    assert wrong.draft([1, 2], 5) == [NEVER, NEVER]
    assert wrong.guesses == 2
    assert wrong.milliseconds is not None
    assert wrong.bytes() == 12


def test_it_is_a_drafter_for_a_while() -> None:
    with wrong_drafter() as opened:
        assert WRONG in DRAFTERS
        assert opened == []
    assert WRONG not in DRAFTERS
