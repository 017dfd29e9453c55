"""`airsplit classifier` from captures to a bundle and back, and its errors in one line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from classifier.bundle import load
from classifier.dataset import collect, write_samples
from classifier.labels import CLASSES
from pcap_tools.flows import Sampled
from testbed.cli import main
from tests.classifier.traffic import capture


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Samples of eight captures."""
    path = tmp_path_factory.mktemp("samples") / "samples.npz"
    captures = [capture(f"capture {number}", "ab"[number % 2], number,
                        {"model": f"model {number % 3}", "link_profile": f"link {number % 4}"})
                for number in range(8)]
    write_samples(collect(captures, seed=1, variants=1, windows=True), path)
    return path


@pytest.fixture(scope="module")
def trained(kept: Path) -> Path:
    folder = kept.parent / "model"
    assert main(["classifier", "train", "--samples", str(kept), "--trees", "2",
                 "--no-evaluation", "--out", str(folder)]) == 0
    return folder


def test_a_trained_bundle_labels_what_it_learnt(trained: Path, kept: Path) -> None:
    bundle = load(trained)
    assert bundle.classes == ("llm_split", "realtime", "bulk")
    samples = collect([capture("new", "c", 99)], seed=1)
    whole = samples.where(samples.kinds == Sampled.WHOLE)
    said = bundle.predict(Sampled.WHOLE, whole.vectors)
    right = [bundle.classes[best] == CLASSES[code] for best, code in zip(
        said.best, whole.labels, strict=True)]
    assert np.mean(right) >= 0.8
    assert Sampled.WINDOW_1_S.name in bundle.decisions


def test_training_twice_gives_the_same_bundle(trained: Path, kept: Path, tmp_path: Path) -> None:
    assert main(["classifier", "train", "--samples", str(kept), "--trees", "2",
                 "--no-evaluation", "--out", str(tmp_path / "again")]) == 0
    assert load(trained).hash == load(tmp_path / "again").hash


def test_a_card_names_the_command_and_the_confounded(
    trained: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["classifier", "card", "--bundle", str(trained)]) == 0
    text = capsys.readouterr().out
    assert "airsplit classifier train" in text
    assert "llm_split" in text
    assert main(["classifier", "card", "--bundle", str(trained), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["data"]["captures"]) == 8


def test_a_bundle_is_judged_as_it_is(
    trained: Path, kept: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["classifier", "evaluate", "--bundle", str(trained), "--samples", str(kept),
                 "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["learnt_from"] == 8
    assert "says nothing" in captured.err


def test_split_sessions_alone_are_judged(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["classifier", "evaluate", "--samples", str(kept), "--only", "split-sessions",
                 "--trees", "2"]) == 0
    assert "models and links" in capsys.readouterr().out


def test_an_exported_bundle_still_loads(trained: Path, tmp_path: Path) -> None:
    assert main(["classifier", "export", "--bundle", str(trained), "--out",
                 str(tmp_path / "copy")]) == 0
    assert load(tmp_path / "copy").hash == load(trained).hash
    assert main(["classifier", "export", "--bundle", str(trained), "--out",
                 str(tmp_path / "model.zip")]) == 0
    assert (tmp_path / "model.zip").stat().st_size > 1000


@pytest.mark.parametrize(("options", "message"), [
    ([], "No data are named"), (["--captures", "here"], "SOURCE=PATH"),
    (["--captures", "own=/nowhere"], "labels.csv"), (["--samples", "{file}"], "holds no samples")])
def test_what_cannot_be_is_one_line(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file").write_bytes(b"none")
    given = [option.format(file=tmp_path / "file") for option in options]
    assert main(["classifier", "train", *given, "--out", str(tmp_path / "out")]) == 1
    assert message in capsys.readouterr().err


def test_the_shipped_bundle_loads_is_small_and_answers() -> None:
    from classifier.command import BUNDLED

    bundle = load(BUNDLED)
    assert set(bundle.classes) == set(CLASSES)
    assert sum(file.stat().st_size for file in BUNDLED.iterdir()) < 3_000_000
    assert bundle.metrics["difference_from_scikit_learn"] < 1e-6
    samples = collect([capture("new", "here", 5)], seed=1)
    for kind in np.unique(samples.kinds):
        rows = samples.kinds == kind
        labels = bundle.predict(Sampled(int(kind)), samples.vectors[rows])
        assert np.isfinite(labels.confidence).all()
        assert np.isfinite(labels.novelty).all()
    nothing = bundle.predict(Sampled.PACKETS_5,
                             np.full((1, samples.vectors.shape[1]), np.nan, np.float32))
    assert len(nothing.names()) == 1
