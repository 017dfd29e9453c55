"""Whatever is at hand: a clear repetition first, else the model."""

from __future__ import annotations

from edge_server.messages import Sampling
from tests.ue_app.drafts.guessing import Oracle
from ue_app.drafts.auto import CLEAR, AutoDrafter


def test_a_clear_repetition_comes_before_the_model() -> None:
    model = Oracle()
    model.coming = [77, 78, 79]
    drafter = AutoDrafter(model)
    words = list(range(20, 20 + CLEAR))
    text = [*words, 5, 6, *words]
    drafter.start(Sampling(), len(text))
    drafter.read(text[:4])
    assert drafter.draft(text, 2) == [5, 6]
    short = [9, 5, *words[1:], 6, *words[1:]]  # the same end, and a token less of it
    drafter.start(Sampling(), len(short))
    assert drafter.draft(short, 2) == [77, 78]
    assert drafter.bytes() == 0
