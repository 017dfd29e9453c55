"""Columns out of steps: what was counted, who agrees, and nothing where nothing was measured."""

from __future__ import annotations

from dataclasses import replace

import pytest

from testbed.experiments.report import report_of
from testbed.modes.capture import Captured
from testbed.modes.columns import COLUMNS, STEP_COLUMNS
from testbed.modes.figures import Far, Measured, Turn, figures_of, step_rows
from testbed.modes.metering import Step
from testbed.modes.opening import Offset
from testbed.modes.policies import Reported
from tests.testbed.modes.scenes import rows, scenario

PROMPT = Step(10, 1000, 50, 0.2, 0.15, 0.05, 0.002, 0.1, 0.09, 100.0,
              Reported(1100.05, 1100.14, 0.09))
TOKEN = Step(1, 100, 40, 0.03, 0.025, 0.005, 0.001, 0.004, 0.003, 101.0,
             Reported(1101.01, 1101.014, 0.003))
MEASURED = Measured([Turn(0, 0, (5, 6, 7), (PROMPT, TOKEN, TOKEN))], 0.5, 1200, 130,
                    Far(1200, 130, packing=0.003, load=2.0), Captured(1200, 130),
                    Offset(1000.0, 0.001))


def test_a_row_has_every_column_and_no_other() -> None:
    assert list(figures_of(MEASURED)) == [one.name for one in COLUMNS]


def test_figures_are_of_the_steps() -> None:
    found = figures_of(MEASURED)
    assert found["first_token_ms"] == pytest.approx(200)
    assert found["token_ms"] == pytest.approx(30)
    assert found["answer_ms"] == pytest.approx(260)
    assert found["tokens_per_second"] == pytest.approx(6)
    assert (found["bytes_total"], found["prompt_up"], found["up_per_token"]) == (1330, 1000, 100)
    assert found["serialise_ms"] == pytest.approx(2)  # 1 here, and a third of 3 there
    assert found["wire_ms"] == pytest.approx(19)  # 25 of the exchange less 4 and 2
    assert found["up_ms"] == pytest.approx(10)
    assert found["down_ms"] == pytest.approx(11)
    assert found["bytes_agree"] is True
    assert found["gpu_percent"] is None


@pytest.mark.parametrize("measured", [MEASURED, replace(MEASURED, far=Far(1200, 130))])
def test_the_parts_of_a_token_are_all_of_it_and_nothing_twice(measured: Measured) -> None:
    found = figures_of(measured)
    parts = [found[name] for name in ("client_ms", "serialise_ms", "wire_ms", "server_ms")]
    assert sum(part for part in parts if isinstance(part, float)) == pytest.approx(
        found["token_ms"])
    for row in step_rows(measured):
        assert row["client_ms"] + row["serialise_ms"] + row["wire_ms"] + row[
            "server_ms"] == pytest.approx(row["ms"])


def test_the_ways_are_the_exchange_without_the_server() -> None:
    found = figures_of(MEASURED)
    assert isinstance(found["up_ms"], float)
    assert isinstance(found["down_ms"], float)
    assert found["up_ms"] + found["down_ms"] == pytest.approx(25 - 4)


LOCAL = replace(TOKEN, sent=None, received=None, packing=None, server=None, reported=None,
                exchange=0.0, client=0.03, computed=0.025)


def test_what_was_not_measured_is_none_and_never_0() -> None:
    found = figures_of(Measured([Turn(0, 0, (5,), (LOCAL,))], 0.2, None, None))
    measured = {name for name, value in found.items() if value is not None}
    assert measured == {"first_token_ms", "answer_ms", "tokens_per_second", "tokens", "client_ms",
                        "compute_ms"}
    (row,) = step_rows(Measured([Turn(0, 0, (5,), (LOCAL,))], 0.2, None, None))
    assert {name for name in STEP_COLUMNS if row[name] is None} == {
        "sent", "received", "exchange_ms", "serialise_ms", "wire_ms", "server_ms"}


def test_where_nothing_is_sent_all_of_a_tokens_time_is_the_clients() -> None:
    found = figures_of(Measured([Turn(0, 0, (5, 6), (LOCAL, LOCAL))], 0.2, None, None))
    assert found["client_ms"] == found["token_ms"] == pytest.approx(30)
    assert found["compute_ms"] == pytest.approx(25)
    assert found["wire_ms"] is None


def test_an_edges_steps_stand_for_its_time() -> None:
    silent = replace(TOKEN, server=None, computed=None, reported=None)
    turns = [Turn(0, 0, (5, 6), (silent, silent))]
    found = figures_of(Measured(turns, 0.1, 200, 80, Far(steps_seconds=0.02, steps_count=4,
                                                         steps_waited=0.004)))
    assert found["compute_ms"] == pytest.approx(5)
    assert found["server_ms"] == pytest.approx(6)  # they waited there as well
    assert found["serialise_ms"] == pytest.approx(1)  # the client's
    assert found["wire_ms"] == pytest.approx(18)
    assert found["up_ms"] is None
    slow = figures_of(Measured(turns, 0.1, 200, 80, Far(steps_seconds=0.2, steps_count=4,
                                                        steps_waited=0.0)))
    assert slow["server_ms"] == pytest.approx(50)
    assert slow["wire_ms"] is None  # 25 of the exchange less 50 is no time, and not 0 either
    older = figures_of(Measured(turns, 0.1, 200, 80, Far(steps_seconds=0.02, steps_count=4)))
    assert older["compute_ms"] == pytest.approx(5)
    assert older["server_ms"] is None


def test_the_first_other_token_is_named() -> None:
    assert figures_of(replace(MEASURED, wanted=[(5, 6, 7)]))["same_tokens"] is True
    found = figures_of(replace(MEASURED, wanted=[(5, 9, 7)]))
    assert (found["same_tokens"], found["diverges_at"]) == (False, 1)
    several = replace(MEASURED, turns=MEASURED.turns * 2, wanted=[(5, 6, 8), (5, 9, 7)])
    assert figures_of(several)["diverges_at"] == 1  # of the answer that parts soonest


@pytest.mark.parametrize("wanted", [(5, 6), (5, 6, 7, 8)])
def test_an_answer_of_another_length_is_another_answer(wanted: tuple[int, ...]) -> None:
    """As where one side's context ends sooner."""
    found = figures_of(replace(MEASURED, wanted=[wanted]))
    assert (found["same_tokens"], found["diverges_at"]) == (False, min(3, len(wanted)))


def test_a_report_says_where_answers_part_and_nothing_where_none_does() -> None:
    """In its main table, not in a file alone."""
    for wanted, there in (((5, 6, 7), False), ((5, 9, 7), True)):
        found = figures_of(replace(MEASURED, wanted=[wanted]))
        done = [replace(one, figures=found) for one in rows(seeds=(1,))]
        names = [one.name for one in report_of(scenario(), done, COLUMNS).main]
        assert "same_tokens" in names
        assert ("diverges_at" in names) is there


def test_rows_of_steps() -> None:
    found = step_rows(MEASURED)
    assert [row["step"] for row in found] == [0, 1, 2]
    assert set(found[0]) == set(STEP_COLUMNS)


def test_a_step_of_several_sequences_counts_once_where_times_are_shared() -> None:
    """Two sequences in step: each has half of the bytes, and waits for all of it."""
    share = replace(TOKEN, sent=50.0, received=20.0, sequences=2)
    turns = [Turn(which, 0, (5, 6), (share, share)) for which in (0, 1)]
    found = figures_of(Measured(turns, 0.1, 200, 80, Far(200, 80, packing=0.004)))
    assert found["up_per_token"] == pytest.approx(50)
    assert found["prompt_up"] == pytest.approx(100)
    assert found["token_ms"] == pytest.approx(30)
    assert found["serialise_ms"] == pytest.approx(1 + 4 / 2)  # two steps, of two sequences each
    assert found["tokens_per_second"] == pytest.approx(40)
