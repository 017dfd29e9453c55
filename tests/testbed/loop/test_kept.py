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
from testbed.loop.story import phase_figures
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


def test_phases_stay_as_they_were_measured() -> None:
    assert result_of(kept()).phases[0] == phase_figures("calm", result().tokens, 0.0, 15.0)


@pytest.mark.parametrize("spoiled", [
    {"phases": [{"name": "calm"}]}, {"settings": {"wings": 2}}, {"settings": 5}, {"labels": {}},
    {"verdict": {}}, {"story": [{"at": 1, "what": "a miracle", "text": ""}]}, {"quotas": [5]},
    {"quotas": None}])
def test_what_other_code_wrote_is_refused(spoiled: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "summary.json"
    file.write_text(json.dumps(kept() | spoiled))
    with pytest.raises(TestbedFailure, match="no document of a run that this code can read"):
        read(file)


@pytest.mark.parametrize("text", ["", "[]", "{}", "5", "{\"settings\":", "\x00"])
def test_no_document_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "summary.json"
    with pytest.raises(TestbedFailure, match="No such file"):
        read(file)
    file.write_text(text)
    with pytest.raises(TestbedFailure, match=r"summary\.json"):
        read(file)
