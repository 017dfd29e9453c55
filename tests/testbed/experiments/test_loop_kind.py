"""A trial of the loop as a row: with a stand-in for the loop, and, slow, with the real one."""

from __future__ import annotations

import json
import re
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from testbed import namespaces
from testbed.cli import main
from testbed.errors import NotRoot, TestbedFailure
from testbed.experiments.design import name_of
from testbed.experiments.errors import BadScenario
from testbed.experiments.kind import Say
from testbed.experiments.loop_kind import LOOP, Loop
from testbed.experiments.report import report_of
from testbed.experiments.results import Results
from testbed.experiments.scenario import find, load
from testbed.experiments.verdicts import Outcome
from testbed.loop.outcome import LoopResult
from testbed.loop.settings import LLM, PHASES, LoopSettings
from testbed.loop.slices import SliceFigures
from testbed.loop.story import Token, phase_figures
from tests.testbed.loop.recordings import traced

DOCS = Path(__file__).resolve().parents[3] / "docs"


def stand_in(settings: LoopSettings, folder: Path, model: Path, say: Say) -> LoopResult:
    """Tokens every 50 ms in the calm, and every 150 ms from then on."""
    say("calm")
    tokens, at, number = [], 0.0, 0
    while at < settings.seconds:
        tokens.append(Token(0, number, 0.0, at))
        at += 0.05 if at < settings.ends[0] else 0.15
        number += 1
    ends = (0.0, *settings.ends)
    return LoopResult(
        settings, [phase_figures(name, tokens, ends[place], ends[place + 1])
                   for place, name in enumerate(PHASES)], tokens, [{"state": "confirmed"}], None,
        cell_quotas=[(-3.0, {LLM: {"minimum": 0}}), (20.0, {LLM: {"minimum": 15}})],
        congestion_at=15.0, allowed_at=35.0)


def test_a_result_becomes_a_row(tmp_path: Path) -> None:
    said: list[str] = []
    figures = Loop(stand_in).run({"crowd": 5, "load": "phones"}, 9, tmp_path, said.append)
    assert said == ["calm"]
    assert figures["p95_ms"] == pytest.approx(150, abs=1)
    assert figures["calm_p95_ms"] == pytest.approx(50, abs=1)
    assert figures["p95_times_calm"] == pytest.approx(3, abs=0.1)
    assert figures["congestion_to_quota_s"] == pytest.approx(5.0)
    assert figures["guarantee"] == 15
    assert figures["label_seconds"] is None  # nobody looked at labels
    assert figures["others_down_mbps"] is None
    assert figures["floor_violated"] is None
    assert '"crowd": 5' in (tmp_path / "summary.json").read_text()
    assert '"seed": 9' in (tmp_path / "summary.json").read_text()
    assert (tmp_path / "loop.png").stat().st_size > 1000


@pytest.mark.parametrize(("load", "sent", "greedy", "fails"), [
    ("saturation", 0, None, True), ("phones", None, {"up": 0}, True), ("none", 0, None, False),
    ("saturation", 5, None, False), ("phones", None, {"down": 0, "up": 5}, False)])
def test_a_trial_whose_crowd_sent_nothing_is_none(
    tmp_path: Path, load: str, sent: int | None, greedy: dict[str, int] | None, fails: bool
) -> None:
    def run(settings: LoopSettings, folder: Path, model: Path, say: Say) -> LoopResult:
        account = {"sent": None if sent is None else {"bytes": {"down": sent, "up": 0}},
                   "greedy_bytes": greedy}
        return replace(stand_in(settings, folder, model, say), crowd=account)

    with pytest.raises(TestbedFailure, match="sent nothing") if fails else nullcontext():
        assert Loop(run).run({"load": load}, 1, tmp_path, lambda text: None)


def test_a_machine_that_kept_the_cell_from_running_shows(tmp_path: Path) -> None:
    def run(settings: LoopSettings, folder: Path, model: Path, say: Say) -> LoopResult:
        return replace(stand_in(settings, folder, model, say),
                       cell={"account": {"slots": 46450, "slots_skipped": 1544}})

    assert Loop(run).run({}, 1, tmp_path, lambda text: None)["slots_missed"] == 1544
    assert Loop(stand_in).run({}, 1, tmp_path, lambda text: None)["slots_missed"] is None


def test_other_slices_are_added_up_and_each_ones_floor_counts(tmp_path: Path) -> None:
    def run(settings: LoopSettings, folder: Path, model: Path, say: Say) -> LoopResult:
        return replace(stand_in(settings, folder, model, say), slices=[
            SliceFigures(name, phase, down, 1.0, 50.0, 50.0, delay, floor, 3, broken)
            for phase, broken in (("steered", name_broken), ("calm", None))
            for name, down, delay, floor in (
                ("1", 4.0, 20.0, 10), ("1-000002", 2.5, 80.0, 10), (LLM, 0.5, 9.0, None))])

    slices = [{"slice": "1"}, {"slice": LLM}, {"slice": "1-000002"}]
    for name_broken in (True, False):
        figures = Loop(run).run({"slices": slices}, 1, tmp_path, lambda text: None)
        assert (figures["others_down_mbps"], figures["others_up_mbps"]) == (6.5, 2.0)
        assert (figures["others_down_delay_ms"], figures["llm_down_mbps"]) == (80.0, 0.5)
        assert figures["floor_violated"] is name_broken


def test_every_figure_has_a_column(tmp_path: Path) -> None:
    figures = Loop(stand_in).run({}, 1, tmp_path, lambda text: None)
    assert set(figures) == {one.name for one in LOOP.columns}


def test_what_is_said_of_the_cell_is_checked_by_the_cells_own_reader(tmp_path: Path) -> None:
    own = {"load": "mix", "channel": "trace", "channel_trace": str(traced(tmp_path / "walk.csv")),
           "cells": [{"bandwidth_mhz": 10}], "mac": {"pattern": "FDD"},
           "slices": [{"slice": 1, "minimum": 10}, {"slice": LLM}],
           "crowd_groups": [{"name": "near", "count": 4}],
           "traffic": [{"kind": "phones"}, {"kind": "split-llm", "ues": ["near"]}]}
    Loop().check(own)
    for wrong, said in (
            ({"cells": [{"bandwidth_mhz": 7}]}, r"settings: cells\[0\]"),
            ({"cells": [7]}, r"settings: settings\.cells\[0\] is a mapping"),
            ({"crowd": 24}, "`crowd_groups` and `crowd`"),
            ({"load": "none"}, "without `load: mix`"),
            ({"channel_trace": str(tmp_path / "none.csv")}, r"channel_trace: .*none\.csv"),
            ({"traffic": [{"kind": "replay", "file": "none.pcap"}]}, r"none\.pcap")):
        with pytest.raises(BadScenario, match=said):
            Loop().check({**own, **wrong})


def test_the_guides_own_cell_is_taken_and_a_mistake_in_it_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    guide = (DOCS / "guides" / "researcher.md").read_text(encoding="utf-8")
    files = dict(re.findall(r"^cat > (\S+) <<'END'\n(.*?)^END$", guide, re.DOTALL | re.MULTILINE))
    (tmp_path / "docs").symlink_to(DOCS)
    monkeypatch.chdir(tmp_path)
    for name in ("walk.csv", "own-cell.yaml"):
        Path(name).write_text(files[name])
    assert main(["experiment", "run", "own-cell.yaml", "--plan"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 12
    for right, wrong, said in (("bandwidth_mhz: 10", "bandwidth_mhz: 11", "cells[0]"),
                               ("ues: [near]", "ues: [far]", "no UE 'far'"),
                               ("walk.csv", "run.csv", "run.csv cannot be read"),
                               ("00044-video", "00044-none", "00044-none")):
        Path("own-cell.yaml").write_text(files["own-cell.yaml"].replace(right, wrong))
        assert main(["experiment", "run", "own-cell.yaml", "--plan"]) == 1
        told = capsys.readouterr().err
        assert said in told
        assert len(told.splitlines()) == 1


def test_what_was_said_of_the_cell_is_in_the_trials_summary(tmp_path: Path) -> None:
    groups = [{"name": "near", "count": 4, "traffic": [{"kind": "poisson"}]}]
    Loop(stand_in).run({"load": "mix", "crowd_groups": groups}, 9, tmp_path, lambda text: None)
    settings = json.loads((tmp_path / "summary.json").read_text())["settings"]
    assert settings["crowd_groups"] == groups


@pytest.mark.slow
@pytest.mark.timeout(1800)  # fifteen trials of some forty seconds
@pytest.mark.skipif(not namespaces.available(), reason="no network namespaces here")
def test_real_trials_tell_the_controls_apart(tmp_path: Path) -> None:
    """Three repetitions of all arms, with real packets: two pairs leave an interval too wide."""
    out = tmp_path / "out"
    assert main(["experiment", "run", "controls", "--repetitions", "3", "--out", str(out)]) == 0
    rows = Results(out).rows()
    assert len(rows) == 15
    assert all(row.done for row in rows), [row.error for row in rows]
    kept = out / "trials" / name_of(0, {"arm": "true"})
    assert all((kept / name).exists() for name in ("xapp.db", "edge.pcap", "summary.json"))
    verdicts = report_of(load(find("controls")), rows, LOOP.columns).controls
    found = {one.says: one.outcome for one in verdicts}
    assert found["arm true against none"] is Outcome.GAINS, verdicts
    for arm in ("shuffled_labels", "wrong_slice", "dry_run"):
        assert found[f"arm {arm} against none"] is Outcome.NO_GAIN, verdicts
        assert found[f"arm true against the control {arm}"] is Outcome.GAINS, verdicts
    assert verdicts[-1].outcome is Outcome.APART, verdicts


def test_a_split_that_the_model_has_not_is_refused() -> None:
    kind = Loop()
    for split in (1, 7):
        kind.check({"split": split})
    for split in (0, 8, 100):
        with pytest.raises(BadScenario, match=r"split|layers"):
            kind.check({"split": split})


def test_a_folder_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadScenario, match=r"settings\.model"):
        Loop().check({"model": str(tmp_path)})


def test_a_mode_that_no_trial_would_run_in_is_refused() -> None:
    with pytest.raises(BadScenario, match="enters no user namespace"):
        Loop().check({"mode": "user"})


def test_only_trials_in_namespaces_need_a_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(namespaces, "available", lambda: False)
    kind = Loop()
    kind.check({"mode": "relay"})
    kind.prepare()
    kind.check({"mode": "root"})
    with pytest.raises(NotRoot):
        kind.prepare()
