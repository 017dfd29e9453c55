"""Settings of the draft training: what cannot work is refused, and what fixes a run is told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from testbed.training.draft_settings import check_draft_settings
from testbed.training.errors import BadTrainingInput
from tests.models import LAYERS
from tests.testbed.training.draft_toy import DRAFT_TOY, draft_toy


@pytest.mark.parametrize(("changes", "message"), [
    ({"steps": 0}, "--steps is 0; give 1 or more"),
    ({"cooldown_steps": 7}, "--cooldown-steps is 7, outside 0 to --steps"),
    ({"cooldown_steps": -1}, "--cooldown-steps is -1"),
    ({"after": 0}, "--after is 0; the model has 4 layers, so give 1 to 3"),
    ({"after": LAYERS}, "--after is 4"),
    ({"sources": (1, 9)}, r"--sources names \[9\]; give layers from 0 to 3"),
    ({"sources": (-1,)}, r"--sources names \[-1\]"),
    ({"sources": ()}, "--sources names no layer"),
])
def test_impossible_settings_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(BadTrainingInput, match=message):
        check_draft_settings(draft_toy(**changes), LAYERS)


def test_good_ones_are_not() -> None:
    check_draft_settings(DRAFT_TOY, LAYERS)
    check_draft_settings(draft_toy(after=3, sources=(0,), cooldown_steps=0), LAYERS)


def test_the_schedule_is_the_training_s_own() -> None:
    plain = DRAFT_TOY.training(64)
    assert (plain.hidden_size, plain.layer_count, plain.steps) == (64, 3, DRAFT_TOY.steps)
    assert plain.tokens_per_step() == 4 * 32


def test_step_counts_alone_may_change_and_a_file_gives_the_same() -> None:
    same = draft_toy(steps=99, cooldown_steps=0).identity()
    assert same == DRAFT_TOY.identity() == json.loads(json.dumps(DRAFT_TOY.identity()))
    for changes in ({"sources": (2, 3)}, {"temperature": 1.0}, {"seed": 4}, {"own_rows": 5}):
        assert draft_toy(**changes).identity() != same
