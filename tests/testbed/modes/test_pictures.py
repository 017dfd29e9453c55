"""Pictures are drawn of one combination of levels at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pcap_tools.look import LIGHT, NARROW, Draw, Look
from testbed.experiments.results import TRIALS, Row, write_parquet
from testbed.modes.pictures import arm_of, pictures
from tests.testbed.modes.scenes import RATES, rows, scenario

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLES = [f"rate {rate}" for rate in RATES]
TIMES = {"client_ms": 1.0, "serialise_ms": 2.0, "server_ms": 3.0}


def axes_of(draw: Draw, width: float = 9.0) -> Sequence[Axes]:
    return draw(Look(LIGHT, width)).axes


def lines_of(axes: Axes) -> list[tuple[Any, Any]]:
    return [(np.asarray(line.get_xdata()).tolist(), np.asarray(line.get_ydata()).tolist())
            for line in axes.lines]


def timed() -> list[Row]:
    """The wire's time is a hundredth of the rate's inverse: no two rates are alike."""
    return [replace(one, figures={**one.figures, **TIMES,
                                  "wire_ms": 100 / float(one.levels["rate"])}) for one in rows()]


@pytest.mark.parametrize("width", [9.0, NARROW])
def test_where_time_goes_has_a_panel_for_each_rate(tmp_path: Path, width: float) -> None:
    drawn = dict(pictures(scenario(), timed(), tmp_path))
    found = axes_of(drawn["Where a token's time goes, ms"], width)
    assert [axes.get_title(loc="left") or axes.get_title() for axes in found] == TITLES
    for axes, rate in zip(found, RATES, strict=True):
        ends = [text.get_text().strip() for text in axes.texts]
        assert ends == [f"{6 + 100 / rate:.3g}"] * 2  # never a mean over rates


def test_what_was_not_measured_has_no_bar_and_says_so(tmp_path: Path) -> None:
    drawn = dict(pictures(scenario(), rows(), tmp_path))
    for axes in axes_of(drawn["Where a token's time goes, ms"]):
        assert [text.get_text().strip() for text in axes.texts] == ["-", "-"]


def test_bytes_by_step_have_a_panel_for_each_rate(tmp_path: Path) -> None:
    for one in rows():
        size = int(float(one.levels["rate"]))
        folder = tmp_path / TRIALS / one.trial
        folder.mkdir(parents=True)
        write_parquet(folder / "steps.parquet", [
            {"turn": turn, "step": step, "sent": size + step, "received": turn}
            for turn in (0, 1) for step in (0, 1)])
    drawn = dict(pictures(scenario(), rows(), tmp_path))
    found = axes_of(drawn["Bytes of each step, both ways"])
    for axes, rate in zip(found, RATES, strict=True):
        assert lines_of(axes) == [([0, 1], [rate, rate + 1])] * 2  # of the first turn


def test_times_by_steps_and_prompts_are_drawn_at_each_rate(tmp_path: Path) -> None:
    for setting, column, title in (
            ("steps", "answer_ms", "An answer's time by its steps"),
            ("prompt_tokens", "first_token_ms", "Time to first token by the prompt")):
        levels = {str(value): {setting: value} for value in (20, 250)}
        found = [replace(one, levels={**one.levels, setting: name},
                         settings={**one.settings, **more},
                         figures={column: more[setting] / float(one.levels["rate"])})
                 for one in rows() for name, more in levels.items()]
        drawn = dict(pictures(scenario(**{setting: levels}), found, tmp_path))
        for axes, rate in zip(axes_of(drawn[title]), RATES, strict=True):
            assert lines_of(axes) == [([20, 250], [pytest.approx(20 / rate),
                                                   pytest.approx(250 / rate)])] * 2


def test_tokens_by_batch_are_drawn_for_each_way_of_answering_and_rate(tmp_path: Path) -> None:
    batches = {str(one): {"batch": one} for one in (1, 2, 4)}
    ways = {"together": {"batching": "together"}, "side_by_side": {"batching": "side_by_side"}}
    found = [replace(one, levels={**one.levels, "batch": batch, "batching": way},
                     settings={**one.settings, "batch": int(batch), "batching": way},
                     figures={"tokens_per_second": int(batch) * (
                         10.0 if way == "together" else 5.0)})
             for one in rows() for batch in batches for way in ways]
    drawn = dict(pictures(scenario(batch=batches, batching=ways), found, tmp_path))
    for way, top in (("together", 40), ("side_by_side", 20)):
        shown = axes_of(drawn[f"Tokens a second by batch, {way}"])
        assert len(shown) == len(RATES)
        for axes in shown:
            assert [x for x, _ in lines_of(axes)] == [[1, 2, 4]] * 2
            assert max(y[-1] for _, y in lines_of(axes)) == top


def test_of_many_combinations_the_title_says_which_are_shown(tmp_path: Path) -> None:
    batches = {str(one): {"batch": one} for one in range(1, 9)}
    found = [replace(one, levels={**one.levels, "batch": batch})
             for one in timed() for batch in batches]
    titles = [title for title, _ in pictures(scenario(batch=batches), found, tmp_path)]
    assert "Where a token's time goes, ms (first and last level of rate and batch)" in titles


def test_a_scenario_of_one_mode_tells_its_first_factor_apart(tmp_path: Path) -> None:
    plan = replace(scenario(), factors={"encoding": {"raw": {}, "int8": {}}})
    assert arm_of(plan) == "encoding"
    found = [replace(one, levels={"encoding": "raw"}) for one in timed()]
    title, draw = pictures(plan, found, tmp_path)[1]
    (axes,) = axes_of(draw)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["raw"]
    assert title == "Where a token's time goes, ms"
