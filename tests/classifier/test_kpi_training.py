"""What the KPI classifier learns from, and how it is judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from classifier.export import flatten
from classifier.kpi import CLASSES
from classifier.kpi_data import Trace
from classifier.kpi_evaluation import (
    Predict,
    after_changes,
    boosted,
    confusion,
    counted,
    held_out,
    interval,
    majority,
    per_class,
    report,
    shuffled,
    transferred,
    worst,
)
from classifier.kpi_features import FEATURES, quiet, vectors
from classifier.kpi_training import (
    Examples,
    Training,
    changed,
    examples,
    fit,
    training_set,
    weights,
    within,
)
from tests.classifier.kpi_logs import rows, traces

QUICK = Training(rounds=8, smallest=5, bins=8, stride=2)
TRACES = traces()
KNOWN = examples(TRACES)
TRIALS = [trace.trial for trace in TRACES]


def test_an_example_is_what_was_known_at_its_row() -> None:
    first = KNOWN.only(KNOWN.trace == 0)
    np.testing.assert_array_equal(first.vectors, vectors(TRACES[0].rows))
    np.testing.assert_array_equal(first.quiet, quiet(TRACES[0].rows))
    assert set(first.codes) == {CLASSES.index("embb")}
    assert set(KNOWN.only(KNOWN.trace == 3).codes) == {-1}


def test_silent_rows_and_ues_without_traffic_are_not_learnt() -> None:
    learnt = training_set(TRACES, KNOWN, replace(QUICK, changes=0.0))
    assert (learnt.codes >= 0).all()
    assert not learnt.quiet.any()


def test_after_a_change_the_history_is_of_another_class() -> None:
    part = changed(TRACES, 400, seed=3)
    assert int((~part.quiet).sum()) >= 400
    truth = [CLASSES.index(TRACES[number].label) for number in part.trace]
    assert part.codes.tolist() == truth
    begins = np.flatnonzero(part.place == 0)
    # The second before belongs to what was sent then: its features differ from a fresh start's.
    alone = vectors(TRACES[int(part.trace[begins[0]])].rows[:1])[0]
    assert not np.array_equal(part.vectors[begins[0]], alone, equal_nan=True)


def test_changes_are_the_same_for_the_same_seed() -> None:
    one, two = changed(TRACES, 100, seed=3, reduced=0.5), changed(TRACES, 100, 3, 0.5)
    np.testing.assert_array_equal(one.vectors, two.vectors)
    assert not np.array_equal(one.vectors, changed(TRACES, 100, 4, 0.5).vectors[:len(one)])


def test_nothing_can_change_where_there_is_one_class() -> None:
    assert len(changed([TRACES[0]], 100, seed=1)) == 0
    assert len(changed([], 100, seed=1)) == 0


def test_nothing_of_a_held_out_group_is_learnt() -> None:
    """Neither its rows, nor pieces of it before or after a change."""
    out = KNOWN.only(KNOWN.trace >= 4)
    marked = [replace(trace, rows=np.full_like(trace.rows, 777)) if number < 4 else trace
              for number, trace in enumerate(TRACES)]
    learnt = training_set(marked, out, QUICK)
    assert set(learnt.trace) <= set(range(4, len(TRACES)))
    assert not (learnt.vectors == 777).any()


def test_every_class_weighs_the_same() -> None:
    learnt = training_set(TRACES, KNOWN, QUICK)
    found = weights(TRACES, learnt)
    totals = [found[learnt.codes == code].sum() for code in range(3)]
    assert totals == pytest.approx([len(learnt) / 3] * 3)


def test_windows_can_be_left_out() -> None:
    table = vectors(rows("embb", 300, 1))
    short = within(table, 16)
    for place, name in enumerate(FEATURES):
        long = name.endswith(("_64", "_256"))
        assert np.isnan(short[:, place]).all() if long else np.array_equal(
            short[:, place], table[:, place], equal_nan=True)
    assert within(table, 256) is table


def test_the_exported_trees_answer_as_scikit_learn_does_on_every_row() -> None:
    model = fit(TRACES, KNOWN, QUICK)
    learnt = training_set(TRACES, KNOWN, QUICK)
    everything = np.concatenate([KNOWN.vectors, learnt.vectors])
    np.testing.assert_allclose(flatten(model).probabilities(everything),
                               model.predict_proba(everything), atol=1e-6)


def test_easy_traffic_of_unseen_trials_is_told_apart() -> None:
    result = held_out(TRACES, KNOWN, TRIALS, boosted(QUICK), changes=200)
    found = report(KNOWN, result.shares[0], TRIALS)
    assert found["accuracy"] > 0.9
    assert found["accuracy_counting_idle"] >= found["accuracy"]
    assert found["idle_of_null"] == 1.0
    assert set(found["groups"]) == {"Trial0", "Trial1", "Trial2"}
    after = after_changes(result.changes)
    assert after["changes"] > 3
    assert after["seconds_to_first_right"]["median"] < 4


def test_each_model_is_asked_only_about_what_it_was_not_given() -> None:
    given: list[set[str]] = []
    asked: list[int] = []

    def spy(known_traces: Sequence[Trace], known: Examples) -> Predict:
        given.append({TRIALS[number] for number in np.unique(known.trace)})

        def predict(table: np.ndarray) -> np.ndarray:
            asked.append(len(table))
            return np.tile([0.2, 0.3, 0.5], (len(table), 1))
        return predict

    result = held_out(TRACES, KNOWN, TRIALS, spy)
    assert given == [{"Trial1", "Trial2"}, {"Trial0", "Trial2"}, {"Trial0", "Trial1"}]
    assert sum(asked) == len(KNOWN)
    assert (result.shares[0] == [0.2, 0.3, 0.5]).all()


def test_learning_elsewhere_and_shuffling_are_told_apart() -> None:
    moved = transferred(TRACES, KNOWN, lambda trial: trial == "Trial2", majority)
    assert set(moved["groups"]) == {"Trial2"}
    assert moved["accuracy"] < 0.7
    assert transferred(TRACES, KNOWN, lambda trial: False, majority) == {}
    assert 0.9 < (shuffled(TRACES, KNOWN, boosted(QUICK), 1) or 0) <= 1.0


def test_figures_are_those_of_the_confusion_matrix() -> None:
    table = confusion(np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 1, 1, 0]))
    assert table.tolist() == [[2, 1, 0], [0, 2, 0], [1, 0, 0]]
    precision, recall, f1 = per_class(table)
    assert precision == pytest.approx([2 / 3, 2 / 3, 0])
    assert recall == pytest.approx([2 / 3, 1, 0])
    assert f1 == pytest.approx([2 / 3, 0.8, 0])


def test_the_interval_is_that_of_groups_and_not_of_rows() -> None:
    group = np.repeat(["a", "b"], 1000)
    assert interval(group == "a", group, 1) == (0.0, 1.0)
    low, high = interval(np.tile([True, False], 1000), group, 1)
    assert low == pytest.approx(high)


def test_only_active_rows_of_labelled_ues_count() -> None:
    shares = np.tile([1.0, 0, 0], (len(KNOWN), 1))
    found = report(KNOWN, shares, TRIALS)
    assert found["rows"] == int(counted(KNOWN).sum())
    assert sum(map(sum, found["confusion"])) == found["rows"]
    assert sum(entry["rows"] for entry in found["delay"]) == found["rows"]
    assert sum(entry["rows"] for entry in found["bytes_4s"]) == found["rows"]


def test_the_worst_logs_are_named_with_what_was_said_of_them() -> None:
    shares = np.tile([1.0, 0, 0], (len(KNOWN), 1))
    found = worst(TRACES, KNOWN, shares, 3)
    assert len(found) == 3
    assert all("urllc" in entry["log"] and entry["accuracy"] == 0 for entry in found)
    assert found[0]["said"] == [found[0]["rows"], 0, 0]
