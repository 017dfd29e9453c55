"""A kept run: reading inverts writing, and a document of other code is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from testbed.errors import TestbedFailure
from testbed.loop.kept import read, result_of
from testbed.loop.slices import SliceFigures, SliceSample
from testbed.loop.story import Token, phase_figures
from tests.testbed.loop.test_loop import result


def kept() -> dict[str, Any]:
    one = replace(
        result(), samples=[SliceSample(1.5, "1", 10.0, None, 3.0, None, 55.0, None)],
        slices=[SliceFigures("1", "calm", 0.01, None, 3.0, None, 55.0, 10, 1, False)],
        crowd={"sent": 3}, cell={"account": {"slots": 5}}, missed_looks=2, put_away_at=71.0)
    found = json.loads(json.dumps(one.document()))
    assert isinstance(found, dict)
    return found


def test_reading_inverts_writing() -> None:
    document = kept()
    assert json.loads(json.dumps(result_of(document).document())) == document
    assert result_of(document | {"labels": None}).labels is None


def said(folder: Path, tokens: list[Token], origin: float) -> None:
    """As the phone does."""
    (folder / "tokens.jsonl").write_text("".join(
        json.dumps({"answer": one.answer, "token": one.number, "asked": one.asked + origin,
                    "at": one.at + origin}) + "\n" for one in tokens) + '{"answer": 9')


def test_phases_without_their_tokens_stay_as_they_were_measured(tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text(json.dumps(kept()))
    one = read(tmp_path)
    assert one.phases[0] == phase_figures("calm", result().tokens, 0.0, 15.0)
    said(tmp_path, result().tokens[:100], 5000.0)
    assert read(tmp_path).phases == one.phases  # the clock's time of the first is not known


@pytest.mark.parametrize("older", [False, True])
def test_phases_are_computed_again_from_tokens(older: bool, tmp_path: Path) -> None:
    """Older runs kept the clock's time of the crowd's begin alone."""
    document = kept() | ({} if older else {"clock_origin": 5000.0})
    document["phases"][1]["stalls"] = 0
    if older:
        del document["clock_origin"]
        (tmp_path / "crowd.jsonl").write_text('{"ready": true}\n{"started": 5015.0}\n')
    (tmp_path / "summary.json").write_text(json.dumps(document))
    said(tmp_path, [one for one in result().tokens if one.at < 5], 5000.0)
    calm, congested, *_ = read(tmp_path).phases
    assert calm.stalls == congested.stalls == 1
    assert calm.longest_ms == pytest.approx(10_000, abs=100)
    assert (congested.tokens, congested.p95_ms) == (0, 1000 * congested.seconds)


@pytest.mark.parametrize("spoiled", [
    {"phases": [{"name": "calm"}]}, {"settings": {"wings": 2}}, {"settings": 5}, {"labels": {}},
    {"verdict": {}}, {"story": [{"at": 1, "what": "a miracle", "text": ""}]}, {"quotas": [5]},
    {"quotas": None}])
def test_what_other_code_wrote_is_refused(spoiled: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text(json.dumps(kept() | spoiled))
    with pytest.raises(TestbedFailure, match="no document of a run that this code can read"):
        read(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{}", "5", "{\"settings\":", "\x00"])
def test_no_document_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "summary.json"
    with pytest.raises(TestbedFailure, match="No such file"):
        read(tmp_path)
    file.write_text(text)
    with pytest.raises(TestbedFailure, match=r"summary\.json"):
        read(tmp_path)
