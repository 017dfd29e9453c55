"""Labels from counters, one report at a time."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from classifier.bundle import Bundle, load, save
from classifier.errors import OtherSchema
from classifier.kpi import BUNDLED, CLASSES, IDLE, KpiClassifier, KpiConfig, load_kpi
from classifier.kpi_features import COLUMNS, LONGEST, KpiRow, vectors
from classifier.kpi_shipping import make
from classifier.kpi_training import Training
from classifier.labels import UNKNOWN
from tests.classifier.kpi_logs import rows, traces


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return make(traces(), Training(rounds=8, smallest=5, bins=8), {}, "a test")


def row_of(values: np.ndarray) -> KpiRow:
    return KpiRow(*(None if np.isnan(value) else float(value) for value in values))


def run(classifier: KpiClassifier, table: np.ndarray, ue: Any = 1, step: float = 0.25,
        start: float = 100.0) -> list[Any]:
    return [classifier.update(ue, row_of(values), start + step * number)
            for number, values in enumerate(table)]


def test_a_stream_is_labelled_as_the_whole_is(bundle: Bundle) -> None:
    table = rows("urllc", 3 * LONGEST, 50)
    found = run(KpiClassifier(bundle), table)
    assert found[:3] == [None] * 3
    whole = bundle.predict(None, vectors(table))
    for place in range(3, len(table)):
        assert found[place].probabilities == pytest.approx(whole.probabilities[place], abs=1e-6)
        assert found[place].at == 100.0 + 0.25 * place
    assert found[-1].label == "urllc"
    assert found[-1].rows == LONGEST


def test_a_silent_ue_is_idle_and_another_is_not_disturbed(bundle: Bundle) -> None:
    classifier = KpiClassifier(bundle)
    busy, silent = rows("embb", 60, 51), rows("null", 60, 1)
    for number in range(60):
        one = classifier.update("busy", row_of(busy[number]), number * 0.25)
        two = classifier.update("silent", row_of(silent[number]), number * 0.25)
    assert one is not None
    assert two is not None
    assert one.label == "embb"
    assert (two.label, two.confidence) == (IDLE, 1.0)


def test_after_a_pause_a_ue_starts_anew(bundle: Bundle) -> None:
    classifier = KpiClassifier(bundle)
    run(classifier, rows("embb", 30, 52))
    later = run(classifier, rows("urllc", 8, 53), start=500.0)
    assert later[2] is None
    assert later[3].rows == 4


def test_reports_that_never_came_are_gaps_and_not_zeros(bundle: Bundle) -> None:
    classifier = KpiClassifier(bundle)
    run(classifier, rows("urllc", 20, 54))
    found = classifier.update(1, row_of(rows("urllc", 1, 55)[0]), 100.0 + 19 * 0.25 + 1.0)
    assert found is not None
    assert found.rows == 24


@pytest.mark.parametrize("now", [104.75, 104.0, 0.0])
def test_a_report_from_before_is_left_out(bundle: Bundle, now: float) -> None:
    classifier = KpiClassifier(bundle)
    run(classifier, rows("urllc", 20, 54))  # up to 104.75
    assert classifier.update(1, KpiRow(downlink_mbps=1.0), now) is None
    found = classifier.update(1, KpiRow(downlink_mbps=1.0), 105.0)
    assert found is not None
    assert found.rows == 21


def test_reports_of_a_second_are_four_rows(bundle: Bundle) -> None:
    table = rows("urllc", 40, 56)
    slow = table.reshape(10, 4, -1).mean(axis=1)
    slow[:, [1, 3, 6]] *= 4
    found = run(KpiClassifier(bundle, KpiConfig(period=1.0)), slow, step=1.0)
    assert found[0].rows == 4
    assert found[-1].rows == 40
    assert found[-1].label == "urllc"
    slow[:, [1, 3, 6]] /= 4
    whole = bundle.predict(None, vectors(np.repeat(slow.astype(np.float32), 4, axis=0)))
    assert found[-1].probabilities == pytest.approx(whole.probabilities[-1], abs=1e-4)


def test_short_reports_become_one_row_together(bundle: Bundle) -> None:
    table = rows("urllc", 12, 57)
    quick = np.repeat(table, 5, axis=0)
    quick[:, [1, 3, 6]] /= 5
    found = run(KpiClassifier(bundle, KpiConfig(period=0.05)), quick, step=0.05)
    said = [place for place, label in enumerate(found) if label is not None]
    assert said == [19, 24, 29, 34, 39, 44, 49, 54, 59]
    whole = bundle.predict(None, vectors(table))
    assert found[-1].probabilities == pytest.approx(whole.probabilities[-1], abs=1e-4)


def test_the_ue_not_heard_of_for_longest_is_forgotten_first(bundle: Bundle) -> None:
    classifier = KpiClassifier(bundle, KpiConfig(ues=2))
    row = row_of(rows("urllc", 1, 1)[0])
    for ue, now in (("a", 0.0), ("b", 0.1), ("a", 0.25), ("c", 0.3)):
        classifier.update(ue, row, now)
    assert len(classifier) == 2
    for now in (0.5, 0.75):
        found = classifier.update("a", row, now)
    assert found is not None
    assert found.rows == 4
    classifier.forget("a")
    assert len(classifier) == 1


def test_values_that_cannot_be_never_break_it(bundle: Bundle) -> None:
    classifier = KpiClassifier(bundle)
    random = np.random.default_rng(1)
    odd = [float("nan"), float("inf"), -5.0, 1e300, 0.0, None, 1e-320]
    for number in range(300):
        row = KpiRow(*(odd[int(random.integers(len(odd)))] for _ in COLUMNS))
        found = classifier.update(0, row, number * 0.25)
    assert found is not None
    assert 0 <= found.confidence <= 1


def test_too_little_belief_or_knowledge_is_unknown(bundle: Bundle) -> None:
    sure = run(KpiClassifier(bundle, KpiConfig(least=1.01)), rows("urllc", 20, 58))
    assert {label.label for label in sure[3:]} == {UNKNOWN}
    classifier = KpiClassifier(bundle)
    run(classifier, rows("urllc", 20, 58))
    found = classifier.update(1, KpiRow(), 105.0)
    assert found is not None
    assert found.label == UNKNOWN


def test_a_configuration_that_cannot_be_is_refused() -> None:
    for bad in ({"period": 0.0}, {"period": 100.0}, {"first": 0}, {"ues": 0}):
        with pytest.raises(ValueError, match="least"):
            KpiConfig(**bad)


def test_a_bundle_of_flows_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    save(bundle, tmp_path)
    assert load_kpi(tmp_path).classes == bundle.classes
    with pytest.raises(OtherSchema, match="kpi"):
        load(tmp_path)


def test_the_shipped_bundle_is_small_and_labels() -> None:
    assert sum(path.stat().st_size for path in BUNDLED.iterdir()) < 2 << 20
    shipped = load_kpi()
    assert shipped.classes == CLASSES
    assert "unseen_trial" in shipped.metrics
    found = run(KpiClassifier(shipped), rows("urllc", 100, 59))
    assert found[-1].label in (*CLASSES, UNKNOWN)


@pytest.mark.slow
@pytest.mark.skipif("AIRSPLIT_KPI_DATA" not in os.environ, reason="needs AIRSPLIT_KPI_DATA")
def test_the_shipped_bundle_still_fits_the_real_logs() -> None:
    """On what it learnt from: only whether reading and features are still those of then."""
    from classifier.kpi_data import read_folder
    from classifier.kpi_evaluation import report
    from classifier.kpi_shipping import fingerprint
    from classifier.kpi_training import examples

    real = read_folder(os.environ["AIRSPLIT_KPI_DATA"])
    shipped = load_kpi()
    assert shipped.data["traces"] == fingerprint(real)
    known = examples(real)
    shares = shipped.predict(None, known.vectors).probabilities.astype(float)
    assert report(known, shares, [trace.trial for trace in real])["accuracy"] > 0.9
