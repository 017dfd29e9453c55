"""Figures of quality on flows made by hand, where every number can be counted."""

from __future__ import annotations

import numpy as np
import pytest

from classifier.bundle import Bundle
from classifier.judge import Said, Verdict
from classifier.labels import UNKNOWN
from classifier.quality import importance, quality_of
from pcap_tools.features import FEATURES
from pcap_tools.flow_table import FLOW
from pcap_tools.flows import Sampled
from tests.classifier import bundles

CLASSES = ("llm_split", "web", "bulk")


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return bundles.flow_bundle(CLASSES)


def verdict(label: str, confidence: float = 0.9, early: str | None = None,
            best: str | None = None, vector: float = 0.0) -> Verdict:
    best = best or label
    said = [Said(Sampled.WHOLE, 9.0, label, confidence, best)]
    if early is not None:
        said.insert(0, Said(Sampled.PACKETS_5, 0.5, early, 0.6, early))
    shares = np.full(len(CLASSES), (1 - confidence) / 2, np.float32)
    shares[CLASSES.index(best)] = confidence
    return Verdict(0, "a.pcap", np.zeros((), FLOW), tuple(said), shares,
                   np.full(len(FEATURES), vector, np.float32), 0.0)


def test_confusion_and_rates(bundle: Bundle) -> None:
    verdicts = [verdict("web"), verdict("web"), verdict("bulk"), verdict(UNKNOWN, 0.4, best="web")]
    quality = quality_of(verdicts, ["web", "bulk", "bulk", "web"], bundle)
    assert quality.names == ("web", "bulk", UNKNOWN)
    assert quality.table.tolist() == [[1, 0, 1], [1, 1, 0], [0, 0, 0]]
    assert quality.accuracy == 0.5
    web, bulk = quality.classes
    assert (web.flows, web.said, web.precision, web.recall) == (2, 2, 0.5, 0.5)
    assert (bulk.flows, bulk.said, bulk.precision, bulk.recall) == (2, 1, 1.0, 0.5)
    assert quality.macro_f1 == pytest.approx((0.5 + 2 / 3) / 2)


def test_labels_that_the_model_does_not_know_are_in_the_confusion(bundle: Bundle) -> None:
    quality = quality_of([verdict("web")], ["strange"], bundle)
    assert quality.names == ("web", "strange")
    assert quality.accuracy == 0


def test_stages_count_only_flows_that_got_there(bundle: Bundle) -> None:
    verdicts = [verdict("web", early="bulk"), verdict("bulk", early="bulk"), verdict("web")]
    stages = {one.stage: one for one in quality_of(verdicts, ["web", "bulk", "web"],
                                                   bundle).stages}
    assert (stages[Sampled.PACKETS_5].flows, stages[Sampled.PACKETS_5].accuracy) == (2, 0.5)
    assert (stages[Sampled.WHOLE].flows, stages[Sampled.WHOLE].accuracy) == (3, 1.0)


def test_reliability_is_of_the_best_class_said_or_not(bundle: Bundle) -> None:
    verdicts = [verdict(UNKNOWN, 0.41, best="web"), verdict("web", 0.95), verdict("bulk", 0.97)]
    quality = quality_of(verdicts, ["web", "web", "web"], bundle)
    assert [(right, count) for _, right, count in quality.reliability] == [(1.0, 1), (0.5, 2)]


def test_curves_end_at_full_recall(bundle: Bundle) -> None:
    verdicts = [verdict("web", 0.9), verdict("web", 0.8), verdict("bulk", 0.9)]
    quality = quality_of(verdicts, ["web", "bulk", "bulk"], bundle)
    curves = {curve.name: curve for curve in quality.curves}
    assert set(curves) == {"web", "bulk"}
    assert curves["web"].area == 1.0
    assert curves["bulk"].recall[-1] == 1.0
    assert curves["bulk"].precision[-1] == pytest.approx(2 / 3)


def test_a_flow_is_known_from_the_first_answer_that_stays() -> None:
    assert verdict("web", early="bulk").known.stage is Sampled.WHOLE
    assert verdict("web", early="web").known.stage is Sampled.PACKETS_5


def test_the_features_that_tell_classes_matter_most(bundle: Bundle) -> None:
    vectors, codes = bundles.data(200, len(CLASSES), seed=5)
    verdicts = []
    for row in vectors:
        one = verdict("web")
        one.vector[:] = np.nan
        one.vector[:len(row)] = row
        verdicts.append(one)
    falls = importance(bundle, verdicts, [CLASSES[code] for code in codes], seed=1)
    names = [feature.name for feature in FEATURES]
    assert {name for name, _ in falls[:2]} == set(names[:2])
    assert falls == importance(bundle, verdicts, [CLASSES[code] for code in codes], seed=1)
    assert importance(bundle, verdicts[:1], ["web"], seed=1) == []
