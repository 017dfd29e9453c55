"""The questions in words, and where an answer turns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pcap_tools.look import LIGHT, Look
from testbed.experiments.kind import Value
from testbed.experiments.report import report_of
from testbed.experiments.results import DONE, Row
from testbed.experiments.scenario import Scenario
from testbed.experiments.verdicts import Outcome
from testbed.modes.columns import COLUMNS
from testbed.modes.findings import findings, where_it_turns

RATES = (1.0, 10.0, 100.0)
# What the semantic mode takes of the others' time: it pays on slow links alone.
RATIOS = {1.0: 0.1, 10.0: 0.6, 100.0: 0.98}


def scenario() -> Scenario:
    return Scenario(
        "m", "modes", factors={"mode": {"handle": {"mode": "handle"},
                                        "semantic": {"mode": "semantic"}},
                               "rate": {str(one): {"rate_mbps": one} for one in RATES}},
        repetitions=3)


def row(mode: str, rate: float, seed: int, **figures: Value) -> Row:
    settings: dict[str, Any] = {"mode": mode, "link": "shaped", "rate_mbps": rate, "steps": 10}
    return Row(f"r{seed}+{mode}+{rate}", seed, seed, {"mode": mode, "rate": str(rate)}, DONE, None,
               "", 1.0, 0.0, 0.0, settings, {}, figures)


def rows() -> list[Row]:
    found = []
    for seed in (1, 2, 3):
        for rate in RATES:
            base = 1000 / rate * (1 + seed / 50)
            found.append(row("handle", rate, seed, bytes_total=100_000, answer_ms=base))
            found.append(row("semantic", rate, seed, bytes_total=1000 + seed,
                             answer_ms=base * RATIOS[rate] * (1 + seed / 1000)))
    return found


def test_answers_in_words(tmp_path: Path) -> None:
    found = findings(report_of(scenario(), rows(), COLUMNS), tmp_path)
    bytes_, time, turn = found.answers
    assert bytes_.outcome is Outcome.MEETS
    assert "semantic saves at least 30% of the bytes, against handle" in bytes_.says
    assert time.outcome is Outcome.UNSURE  # over all rates its interval leaves that open
    assert turn.outcome is Outcome.SAID
    assert "between 10 and 100" in turn.why


def test_pictures_are_drawn(tmp_path: Path) -> None:
    found = findings(report_of(scenario(), rows(), COLUMNS), tmp_path)
    assert [title for title, _ in found.pictures] == [
        "An answer's time against its bytes", "Where a token's time goes, ms"]
    for _, draw in found.pictures:
        assert draw(Look(LIGHT)).axes


def test_times_by_steps_are_drawn_where_steps_differ(tmp_path: Path) -> None:
    longer = [replace(one, settings={**one.settings, "steps": 250}) for one in rows()]
    found = findings(report_of(scenario(), [*rows(), *longer], COLUMNS), tmp_path)
    title, draw = found.pictures[-1]
    assert title == "An answer's time by its steps"
    (axes,) = draw(Look(LIGHT)).axes
    assert [np.asarray(line.get_xdata()).tolist() for line in axes.lines] == [[10, 250], [10, 250]]


def test_tokens_by_batch_are_drawn_for_each_way_of_answering(tmp_path: Path) -> None:
    found = []
    for batch in (1, 2, 4):
        for batching, gain in (("together", 1.0), ("side_by_side", 0.5)):
            for one in rows():
                found.append(replace(
                    one, settings={**one.settings, "batch": batch, "batching": batching},
                    figures={**one.figures, "tokens_per_second": 10 * batch * gain}))
    drawn = dict(findings(report_of(scenario(), found, COLUMNS), tmp_path).pictures)
    for name, top in (("together", 40), ("side_by_side", 20)):
        (axes,) = drawn[f"Tokens a second by batch, {name}"](Look(LIGHT)).axes
        assert [np.asarray(line.get_xdata()).tolist() for line in axes.lines] == [[1, 2, 4]] * 2
        assert max(np.asarray(axes.lines[0].get_ydata()).tolist()) == top


def test_nothing_is_found_in_nothing(tmp_path: Path) -> None:
    found = findings(report_of(scenario(), [], COLUMNS), tmp_path)
    assert not found.answers
    assert not found.pictures


def test_a_mode_that_nothing_was_measured_of_is_not_judged(tmp_path: Path) -> None:
    only = [one for one in rows() if one.levels["mode"] == "semantic"]
    assert not findings(report_of(scenario(), only, COLUMNS), tmp_path).answers


@pytest.mark.parametrize(("points", "said"), [
    ([(1, 0.5), (100, 1.0)], "between 1 and 100, at about"),
    ([(1, 0.5), (100, 0.6)], "at every rate"), ([(1, 0.9), (100, 1.0)], "at no rate"),
    ([(1, 0.5), (10, 1.0), (100, 0.5)], "more than once")])
def test_where_it_turns(points: list[tuple[float, float]], said: str) -> None:
    assert said in where_it_turns(points, 0.85)


def test_the_line_is_over_the_logarithm() -> None:
    assert where_it_turns([(1, 0.35), (100, 1.35)], 0.85).endswith("about 10 Mbit/s")
