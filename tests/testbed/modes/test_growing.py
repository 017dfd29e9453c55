"""A straight line through an answer's steps, and a batch against one sequence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from testbed.experiments.verdicts import Outcome
from testbed.modes.growing import by_value, growing
from tests.testbed.modes.scenes import row


def steps(mode: str, count: int, **figures: Any) -> Any:
    one = row(mode, 1.0, 1, **figures)
    return replace(one, settings={**one.settings, "steps": count})


def test_what_a_step_adds() -> None:
    rows = [steps("semantic", at, answer_ms=100 + 25.0 * at, bytes_total=126 * at)
            for at in (50, 150, 250)]
    rows.append(steps("local", 50, answer_ms=9.0, bytes_total=None))
    (found,) = growing(rows, ["local", "semantic"])
    assert found.outcome is Outcome.SAID
    assert "50 to 250" in found.says
    assert found.why == "semantic 25.0 ms (r\N{SUPERSCRIPT TWO} 1.00), 126 B"  # local has one point


def test_what_is_the_same_at_all_steps_has_a_level_line() -> None:
    rows = [steps("local", at, answer_ms=9.0, bytes_total=None) for at in (50, 250)]
    (found,) = growing(rows, ["local"])
    assert found.why == "local 0.0 ms (r\N{SUPERSCRIPT TWO} 1.00)"


def test_what_a_batch_brings() -> None:
    rows = []
    for batching, gain in (("together", 0.9), ("side_by_side", 0.4)):
        for batch in (1, 2, 4):
            one = row("split", 1.0, 1, tokens_per_second=30.0 * (batch * gain if batch > 1 else 1))
            rows.append(replace(one, settings={**one.settings, "batch": batch,
                                               "batching": batching}))
    together, side = growing(rows, ["split", "local"])
    assert "answered together" in together.says
    assert together.why == "split 1.80 x at 2, 3.60 x at 4"
    assert side.why == "split 0.80 x at 2, 1.60 x at 4"


def test_nothing_where_neither_varies_or_was_measured() -> None:
    assert growing([], []) == []
    assert growing([steps("local", 50, answer_ms=9.0)], ["local"]) == []
    assert growing([steps("local", at) for at in (50, 250)], ["local"]) == []
    assert by_value([steps("local", 50)], "local", "steps", "answer_ms") == {}
