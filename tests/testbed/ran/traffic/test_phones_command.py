"""`airsplit testbed phones` makes models of recordings, and tells of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.cli import main
from testbed.ran.traffic.phone_model import read_models
from tests.testbed.ran.traffic.test_phone_model import recording


def test_the_bundled_models_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["testbed", "phones"]) == 0
    said = capsys.readouterr().out
    assert "embb" in said
    assert "silent" in said


def test_models_are_made_of_recordings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed in (1, 2):
        recording(tmp_path, seed)
    out = tmp_path / "phones.json"
    assert main(["testbed", "phones", "--use", f"a={tmp_path}/phone-1.csv",
                 "--use", f"a={tmp_path}/phone-2.csv", "--use", f"b={tmp_path}/phone-2.csv",
                 "--out", str(out), "--source", "mine"]) == 0
    models = read_models(out)
    assert set(models) == {"a", "b"}
    assert models["a"].seconds > 1.9 * models["b"].seconds
    capsys.readouterr()
    assert main(["testbed", "phones", str(out)]) == 0
    assert "a " in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [
    ["--use", "a=b"], ["--out", "x"], ["--use", "a", "--out", "x"], ["nowhere.json"],
    ["--use", "a=nowhere.pcap", "--out", "x"], ["--bin", "0"]])
def test_bad_options_are_one_error(arguments: list[str], tmp_path: Path,
                                   monkeypatch: pytest.MonkeyPatch,
                                   capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["testbed", "phones", *arguments]) == 1
    assert capsys.readouterr().err.count("\n") == 1
