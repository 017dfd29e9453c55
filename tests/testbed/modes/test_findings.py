"""The questions in words, each within one combination of all else, and none of one pair."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from testbed.experiments.kind import Value
from testbed.experiments.report import report_of
from testbed.experiments.results import Row
from testbed.experiments.scenario import Scenario
from testbed.experiments.verdicts import Outcome
from testbed.modes.columns import COLUMNS
from testbed.modes.findings import RESOURCES, answers, findings
from tests.testbed.modes.scenes import MODES, RATES, row, rows, scenario

BATCHES = {str(one): {"batch": one} for one in range(1, 9)}


def test_answers_in_words_at_each_rate(tmp_path: Path) -> None:
    found = findings(report_of(scenario(), rows(), COLUMNS), tmp_path)
    bytes_, *times, turn = found.answers
    assert bytes_.outcome is Outcome.MEETS
    assert "semantic saves at least 30% of the bytes, against handle" in bytes_.says
    assert "of 9 pairs" in bytes_.why  # bytes are the same over any link
    assert [(one.says.rpartition(" ")[2], one.outcome) for one in times] == [
        ("1.0", Outcome.MEETS), ("10.0", Outcome.MEETS), ("100.0", Outcome.MISSES)]
    assert all("of 3 pairs" in one.why and " to " in one.why for one in times)
    assert turn.outcome is Outcome.SAID
    assert "between the measured rates 10 and 100 Mbit/s" in turn.why
    assert turn.why.count(" to ") == len(RATES)  # each ratio has its interval


def test_one_pair_of_trials_answers_nothing() -> None:
    found = answers(scenario(), rows(seeds=(1,)))
    assert {one.outcome for one in found[1:]} == {Outcome.ONE_PAIR}
    assert found[-1].outcome.value == "open: one pair"
    assert "0.10 x (one pair) at 1" in found[-1].why
    # Of bytes there is a pair for each rate, which are several.
    assert found[0].outcome is Outcome.MEETS
    (alone,) = [one for one in answers(scenario(), rows(seeds=(1,))[:2]) if "bytes" in one.says]
    assert alone.outcome is Outcome.ONE_PAIR


def test_an_interval_over_the_bound_cannot_be_told() -> None:
    scattered = []
    for place, factor in enumerate((0.7, 0.9, 0.8)):
        scattered += [row("handle", 1.0, place, answer_ms=100.0),
                      row("semantic", 1.0, place, answer_ms=100.0 * factor)]
    (time,) = [one for one in answers(scenario(), scattered) if "time" in one.says]
    assert time.outcome is Outcome.UNSURE


def test_every_blind_mode_is_asked_where_it_turns() -> None:
    both = rows() + [replace(one, levels={**one.levels, "mode": "remote_cache"})
                     for one in rows() if one.levels["mode"] == "handle"]
    found = answers(scenario((*MODES, "remote_cache")), both)
    assert [one.says.rpartition(" ")[2] for one in found if "link rate" in one.says] == [
        "handle", "remote_cache"]


def with_batches() -> tuple[Scenario, list[Row]]:
    found = [replace(one, trial=f"{one.trial}+{batch}", levels={**one.levels, "batch": batch},
                     settings={**one.settings, "batch": int(batch)})
             for one in rows() for batch in BATCHES]
    return scenario(batch=BATCHES), found


def test_of_many_combinations_the_first_and_last_levels_are_judged_and_it_is_said(
    tmp_path: Path
) -> None:
    plan, many = with_batches()
    found = findings(report_of(plan, many, COLUMNS), tmp_path)
    times = [one for one in found.answers if "time of an answer" in one.says]
    assert len(times) == 4
    assert "at rate 1.0, batch 1" in times[0].says
    assert "at rate 100.0, batch 8" in times[-1].says
    assert found.notes == ["Answers and pictures are of the first and last level of rate and "
                           "batch; the tables have all of them."]


def test_growth_is_told_within_one_rate(tmp_path: Path) -> None:
    steps = {"50": {"steps": 50}, "100": {"steps": 100}}
    found = [replace(one, levels={**one.levels, "steps": name},
                     settings={**one.settings, **more},
                     figures={**one.figures, "answer_ms": more["steps"] * 1e3 / float(
                         one.levels["rate"])})
             for one in rows() for name, more in steps.items()]
    said = findings(report_of(scenario(steps=steps), found, COLUMNS), tmp_path).answers
    grown = [one for one in said if "what a step adds" in one.says]
    assert [one.says.rpartition(" ")[2] for one in grown] == ["1.0", "10.0", "100.0"]
    assert "handle 1000.0 ms" in grown[0].why
    assert "handle 100.0 ms" in grown[1].why


def test_trials_whose_bytes_differ_are_named(tmp_path: Path) -> None:
    told: dict[str, Value] = {"bytes_up": 10, "bytes_down": 20, "captured_up": 10,
                              "captured_down": 21, "bytes_agree": False}
    odd = [replace(one, figures={**one.figures, **told}) for one in rows()[:1]]
    found = findings(report_of(scenario(), odd, COLUMNS), tmp_path)
    assert odd[0].trial in found.notes[0]


def test_nothing_is_found_in_nothing(tmp_path: Path) -> None:
    found = findings(report_of(scenario(), [], COLUMNS), tmp_path)
    assert not found.answers
    assert not found.pictures


def test_a_mode_that_nothing_was_measured_of_is_not_judged(tmp_path: Path) -> None:
    only = [one for one in rows() if one.levels["mode"] == "semantic"]
    assert not findings(report_of(scenario(), only, COLUMNS), tmp_path).answers


def test_where_time_and_resources_go_is_a_table_of_columns_that_there_are() -> None:
    names = {one.name for one in COLUMNS}
    assert set(RESOURCES.short) <= set(RESOURCES.headings) <= set(RESOURCES.columns) <= names
    assert {"load_client_s", "load_server_s", "connect_ms", "wire_ms", "server_ms", "client_ms",
            "serialise_ms", "cpu_client_s", "cpu_server_s", "peak_client_mib", "peak_server_mib",
            "gpu_percent", "gpu_mib"} <= set(RESOURCES.columns)
