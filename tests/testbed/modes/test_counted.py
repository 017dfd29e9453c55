"""Trials whose bytes differ are named with what each counted; those without a capture are told."""

from __future__ import annotations

from dataclasses import replace

from testbed.experiments.kind import Value
from testbed.experiments.results import FAILED, Row
from testbed.modes.counted import MOST_NAMED, notes_of
from tests.testbed.modes.scenes import row

ALL: dict[str, Value] = {
    "bytes_up": 4606, "bytes_down": 3778, "server_up": 4606, "server_down": 3778,
    "captured_up": 4606, "captured_down": 3778, "bytes_agree": True,
    "counted_by": "both sides and capture"}


def one(seed: int = 1, **changes: Value) -> Row:
    return row("semantic", 1.0, seed, **{**ALL, **changes})


def test_nothing_is_said_where_all_agree() -> None:
    assert notes_of([one(), row("local", 1.0, 1, bytes_up=None)]) == []


def test_who_disagrees_is_named_with_each_count() -> None:
    (note,) = notes_of([one(1), one(2, captured_down=3902, bytes_agree=False)])
    assert "do not agree in 1 of 2 trials" in note
    assert "r2+semantic+1.0: up 4,606 by the client, 4,606 by the server, 4,606 captured" in note
    assert "down 3,778 by the client, 3,778 by the server, 3,902 captured" in note


def test_of_many_the_first_are_named_and_the_others_counted() -> None:
    (note,) = notes_of([one(seed, captured_down=1, bytes_agree=False)
                        for seed in range(MOST_NAMED + 3)])
    assert note.count("semantic") == MOST_NAMED
    assert "and 3 more" in note


def test_trials_without_a_capture_are_told_with_who_counted() -> None:
    lost: dict[str, Value] = {"captured_up": None, "captured_down": None, "bytes_agree": None}
    (note,) = notes_of([one(1), one(2, counted_by="both sides", **lost),
                        one(3, counted_by="client", **lost)])
    assert note.startswith("Of 2 of 3 trials there is no capture")
    assert "both sides counted in 1, the client alone counted in 1" in note


def test_trials_that_failed_are_told_elsewhere() -> None:
    assert notes_of([replace(one(bytes_agree=False), status=FAILED)]) == []
