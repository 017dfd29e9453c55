"""What a run notes of what it is told, and that it is on record: reports once, quotas as they
change, missed looks; what a killed one left is taken away."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import testbed.loop.run as module
from testbed.bed.record import AlreadyRunning, Record, running
from testbed.loop.programs import Programs
from testbed.loop.report import rows, sentences
from testbed.loop.run import Run, run_loop
from testbed.loop.settings import LLM, LoopSettings
from testbed.loop.slices import SliceSample
from tests.testbed.loop.killed import left_by_a_killed_run


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


def sample(at: float, slice_: str = LLM, cell: str = "a", prbs: float = 1.0) -> SliceSample:
    return SliceSample(at, slice_, 1000.0, 1.0, prbs, prbs, 200.0, 1.0, cell)


def test_a_report_is_noted_once(run: Run) -> None:
    for one in (sample(1.0), sample(1.01), sample(1.5), sample(1.5, "1"), sample(1.5, "1", "b")):
        run._note(one)
    assert [(one.at, one.slice, one.cell) for one in run.samples] == [
        (1.0, LLM, "a"), (1.5, LLM, "a"), (1.5, "1", "a"), (1.5, "1", "b")]


def test_of_several_cells_the_one_counts_in_which_the_slice_is_guaranteed_most(
        run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cell that is named last need not be the phone's."""
    def told(now: float, *minimums: int) -> None:
        load = {name: None if name == "at" else 1.0 for name in (
            "at", "down_kbps", "up_kbps", "down_prbs", "up_prbs", "down_delay_ms", "up_delay_ms")}
        shares = [{"minimum": one, "maximum": 100, "dedicated": 0} for one in minimums]
        found: dict[str, dict[str, Any]] = {
            "slices": {"items": [{"snssai": LLM, "cell": "gnb/a", "quota": None, "load": load},
                                 *({"snssai": LLM, "cell": "gnb/b", "quota": one, "load": load}
                                   for one in shares)]},
            "flows": {"items": []}, "decisions": {"items": []},
            "state": {"slices": [{"slice": LLM, "cell": name, **one}
                                 for name, one in zip("ab", shares, strict=True)]}}
        monkeypatch.setattr(module, "ask", lambda url: found[url.rsplit("/", 1)[1]])
        run._look(now)

    told(0.0, 0, 0)
    told(1.0, 12, 0)
    told(2.0, 0, 0)
    assert [(at, shares[LLM]["minimum"]) for at, shares in run.cell_quotas] == [
        (0.0, 0), (1.0, 12), (2.0, 0)]
    assert [shares[LLM]["minimum"] for _, shares in run.quotas] == [0, 12, 0]


def test_each_other_slice_has_its_figures(tmp_path: Path) -> None:
    settings = LoopSettings(slices=({"slice": "1"}, {"slice": LLM}, {"slice": "1-00000A"}))
    with Programs(settings, tmp_path, Path("model"), lambda text: None) as programs:
        run = Run(programs)
        (tmp_path / "tokens.jsonl").write_text(
            '{"answer": 0, "token": 0, "asked": 0.5, "at": 1.0}\n')
        run.samples = [sample(20 + number / 2, name, "a", prbs) for number in range(9)
                       for name, prbs in (("1", 60.0), ("1-00000a", 3.0))]
        found = run.result()
    assert found.verdict()["floor_violated"] is True
    assert {(one.slice, one.floor) for one in found.slices} == {
        ("1", 10), (LLM, None), ("1-00000a", 10)}
    assert "The floor was BROKEN of slice 1-00000a (10 %)." in sentences(found)
    congested = next(row for row in rows(found) if row[0] == "congested")
    assert congested[-1] == "2.0"  # of both other slices


@pytest.fixture
def on_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Record]:
    """Those of the loops that are run; nothing is started, and records are in a place of ours."""
    found: list[Record] = []

    class Recorded(Programs):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            assert isinstance(given[-1], Record)
            found.append(given[-1])

    done = SimpleNamespace(start=lambda: None, phases=lambda: None, rest=lambda: None,
                           result=lambda: None)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(module, "require", lambda settings: None)
    monkeypatch.setattr(module, "Programs", Recorded)
    monkeypatch.setattr(module, "Run", lambda programs: done)
    return found


def test_a_loop_takes_away_what_a_killed_one_of_its_name_left(
        tmp_path: Path, on_record: list[Record]) -> None:
    folder = left_by_a_killed_run("airsplit-loop", tmp_path / "airsplit-old")
    told: list[str] = []
    run_loop(LoopSettings(), tmp_path / "report", Path("model"), told.append)
    assert not folder.exists()
    assert [f"a run that was killed had left folder {folder}: removed"] == told


def test_all_that_a_loop_makes_is_on_record_until_it_ends(
        tmp_path: Path, on_record: list[Record]) -> None:
    for _ in range(2):  # as trials are run: one after another, in one process
        run_loop(LoopSettings(crowd=1), tmp_path / "report", Path("model"), print)
    for one in on_record:
        assert one.made.namespaces == tuple(
            f"airsplit-loop-{name}" for name in ("n6", "phone", "crowd1"))
        sockets, = map(Path, one.made.folders)
        assert sockets.name.startswith("airsplit-")
        assert not sockets.exists()
    assert len(on_record) == 2
    assert running("airsplit-loop") is None


def test_loops_of_other_names_run_beside_it_and_those_of_its_own_do_not(
        tmp_path: Path, on_record: list[Record]) -> None:
    with Record.open("airsplit-demo"), Record.open("airsplit-trial"):
        run_loop(LoopSettings(), tmp_path / "report", Path("model"), print)
        with pytest.raises(AlreadyRunning, match="'airsplit-trial' runs already"):
            run_loop(LoopSettings(name="airsplit-trial"), tmp_path / "two", Path("model"), print)
    assert len(on_record) == 1
