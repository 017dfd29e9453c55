"""What a run notes of what it is told: reports once, quotas as they change, and missed looks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import testbed.loop.run as module
from testbed.loop.programs import Programs
from testbed.loop.run import Run
from testbed.loop.settings import LLM, LoopSettings
from testbed.loop.slices import SliceSample


@pytest.fixture
def run(tmp_path: Path) -> Any:
    with Programs(LoopSettings(), tmp_path, Path("model"), lambda text: None) as programs:
        yield Run(programs)


def answers(minimum: int) -> dict[str, Any]:
    load = {"at": None, "down_kbps": None, "up_kbps": None, "down_prbs": None, "up_prbs": None,
            "down_delay_ms": None, "up_delay_ms": None}
    quota = {"minimum": minimum, "maximum": 100, "dedicated": 0}
    return {"slices": {"items": [{"snssai": LLM, "quota": quota, "load": load}]},
            "flows": {"items": [{"label": "llm_split", "address": "10.46.0.2"}]},
            "decisions": {"items": [{"state": "confirmed"}]},
            "state": {"slices": [{"slice": LLM, **quota}]}}


def test_a_look_notes_what_changed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for now, minimum in ((0.0, 0), (1.0, 0), (2.0, 9)):
        found = answers(minimum)
        monkeypatch.setattr(module, "ask", lambda url, found=found: found[url.rsplit("/", 1)[1]])
        run._look(now)
    assert [at for at, _ in run.quotas] == [at for at, _ in run.cell_quotas] == [0.0, 2.0]
    assert run.cell_quotas[-1][1][LLM]["minimum"] == 9
    assert run.flow is not None
    assert run.decisions == [{"state": "confirmed"}]
    assert (run.samples, run.missed) == ([], 0)


def test_no_answer_is_counted_and_changes_nothing(
        run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ask", lambda url: None)
    run._look(1.0)
    assert run.missed == 4
    assert (run.quotas, run.cell_quotas, run.flow) == ([], [], None)


def test_a_report_is_noted_once(run: Run) -> None:
    def sample(at: float, slice_: str = LLM) -> SliceSample:
        return SliceSample(at, slice_, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)

    for one in (sample(1.0), sample(1.01), sample(1.5), sample(1.5, "1")):
        run._note(one)
    assert [(one.at, one.slice) for one in run.samples] == [(1.0, LLM), (1.5, LLM), (1.5, "1")]
