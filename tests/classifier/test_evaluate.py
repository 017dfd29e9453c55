"""What is judged is judged by what was not learnt, at the moment that is named."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from classifier import card, evaluate, foreign, judging, splits
from classifier.dataset import STAGES, Samples
from classifier.labels import CLASSES
from classifier.shipping import build
from classifier.train import Recipe
from pcap_tools.flows import Sampled
from tests.classifier.traffic import samples

QUICK = Recipe(parts=2, trees=2, leaves=6, least=5, rate=0.4)
PLAIN = Recipe(parts=1, trees=2, leaves=6, least=5, rate=0.4)
LABELS = ("llm_split", "web", "bulk")


@pytest.fixture(scope="module")
def made() -> Samples:
    return samples(24, labels=LABELS, flows=2)


def test_each_flow_is_judged_once_by_the_last_that_was_known(made: Samples) -> None:
    rows = np.flatnonzero(made.variants == 0)
    chosen = rows[evaluate.latest(made, rows, 0.8)]
    assert len(chosen) == len(np.unique(made.flows))
    assert (made.ages[chosen] == 0.75).all()
    assert not evaluate.latest(made, rows, -1.0).any()
    assert len(evaluate.latest(made, rows[:0], 1.0)) == 0


def test_answers_are_of_flows_as_recorded_and_of_every_one(made: Samples) -> None:
    given = evaluate.answers(made, splits.by_capture(made, 3, 1), QUICK, 1)
    assert sorted(given.rows.tolist()) == np.flatnonzero(made.variants == 0).tolist()
    assert (made.labels[given.rows] == given.said).mean() > 0.85


def test_a_class_that_was_not_learnt_is_never_said(made: Samples) -> None:
    kept = made.labels[made.captures < 8] != CLASSES.index("bulk")
    train = np.flatnonzero(made.captures < 8)[kept]
    split = splits.Split("one", train, np.flatnonzero(made.captures >= 8))
    given = evaluate.answers(made, [split], QUICK, 1)
    assert CLASSES.index("bulk") not in given.said


def test_figures_come_three_ways_at_every_stage_with_intervals(made: Samples) -> None:
    figures = evaluate.three_ways(made, QUICK, 1, parts=2)
    for way in ("random", "by_capture"):
        assert {stage.name for stage in STAGES} <= set(figures[way])
        value, low, high = figures[way]["PACKETS_10"]["macro_f1"]
        assert low <= value <= high
        assert set(figures[way]["PACKETS_10"]["classes"]) == set(LABELS)
    text = card.tables({"three_ways": figures})
    assert "10 packets" in text
    assert "within two seconds" in text


def test_sources_are_left_out_by_three_recipes(made: Samples, monkeypatch: pytest.MonkeyPatch,
                                               ) -> None:
    monkeypatch.setattr(foreign, "CANDIDATES", foreign.CANDIDATES[:2])
    figures = foreign.left_out_sources(made, QUICK, PLAIN, 1)
    assert set(figures["stages"]["PACKETS_10"]["baseline"]) == {"a", "b", "c"}
    assert set(figures["chosen"]) == {"a", "b", "c"}
    value, low, high = figures["means"]["AFTER_2_S"]["general by baseline"]
    assert low <= value <= high
    assert "times the baseline" in card.tables({"by_source": figures})


def test_levels_are_chosen_without_what_is_judged(made: Samples) -> None:
    assert foreign.choose(made.where(made.sources == "a"), 1) == foreign.GENERAL


def test_what_is_not_sure_is_no_split_session(made: Samples) -> None:
    given = evaluate.answers(made, splits.by_capture(made, 3, 1), QUICK, 1)
    doubtful = replace(given, sure=np.zeros(len(given.rows), np.bool_))
    figures = evaluate.told(made, doubtful, 1)
    assert figures["recall"][0] == 0
    assert len(figures["mistakes"]) == min(figures["flows"], evaluate.MOST_MISTAKES)
    assert figures["late"] == 0


def test_sessions_that_come_too_late_are_counted_apart(made: Samples) -> None:
    given = evaluate.answers(made, splits.by_capture(made, 3, 1), QUICK, 1)
    slow = replace(made, ages=made.ages + 3 * (made.captures == 0).astype(np.float32))
    every, fewer = evaluate.told(made, given, 1), evaluate.told(slow, given, 1)
    gone = len(np.unique(made.flows[(made.captures == 0) & (made.labels == 0)]))
    assert fewer["late"] == gone == every["flows"] - fewer["flows"]


def test_split_sessions_are_told_with_what_was_never_seen(made: Samples) -> None:
    figures = evaluate.split_sessions(made, QUICK, 1, parts=2)
    assert set(figures) == {"models", "links", "models and links"}
    for row in figures.values():
        assert row["flows"] > 0
        assert row["recall"][0] > 0.8
    assert "models and links" in card.tables({"split_sessions": figures})


def test_a_class_that_was_left_out_is_told_by_its_distance(made: Samples) -> None:
    figures = judging.left_out_classes(made, QUICK, 1)
    assert set(figures) == set(LABELS)
    assert all(0 <= row["distance"] <= 1 for row in figures.values())


def test_rivals_are_compared_in_one_table(made: Samples) -> None:
    rivals = {"boosting": QUICK, "forest": Recipe(kind="forest", parts=1, trees=3)}
    result = judging.compared(made, 1, recipes=rivals)
    assert set(result["compared"]) == set(rivals)
    assert "forest" in card.tables(result)
    assert {"boosting", "forest", "linear"} <= set(judging.rivals())


def test_a_built_bundle_answers_and_noise_is_unknown(made: Samples) -> None:
    bundle = build(made, QUICK, 1)
    assert bundle.metrics["difference_from_scikit_learn"] < 1e-6
    assert {stage.name for stage in STAGES} | {""} == set(bundle.decisions)
    originals = made.where((made.variants == 0) & (made.kinds == Sampled.WHOLE))
    labels = bundle.predict(Sampled.WHOLE, originals.vectors)
    right = [CLASSES[code] == name for code, name in zip(
        originals.labels, labels.names(), strict=True)]
    assert np.mean(right) > 0.8
    noise = np.random.default_rng(1).normal(scale=1e4, size=(50, made.vectors.shape[1]))
    strange = bundle.predict(Sampled.WHOLE, noise.astype(np.float32)).names()
    assert strange.count("unknown") > 40
    result = judging.of_bundle(made, bundle, 1)
    assert result["as_it_is"]["WHOLE"]["accuracy"][0] > 0.8
    assert 0 <= result["unknown"]["WHOLE"] < 0.3
