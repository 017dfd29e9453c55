"""The peers' benchmark: its options, what it says of who is missing, and its two targets."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from testbed import namespaces
from testbed.modes.settings import LinkKind
from tests.benchmarks import bench_peers
from tests.benchmarks.peers import OTHERS

FIGURES: dict[str, Any] = {
    "tokens_per_second": 40.0, "token_ms": 25.0, "first_token_ms": 50.0, "ids": [1, 2, 3],
    "up_per_token": 604.0, "down_per_token": 90.0, "cpu_client_ms": 1.0, "cpu_server_ms": None}


@pytest.mark.parametrize(("words", "said"), [
    (["--tokens", "2"], "--tokens has to be more than 2"),
    (["--rounds", "0"], "have to be 1 or more"),
    (["--prompt", "0"], "have to be 1 or more"),
    (["--prompt", "1000", "--tokens", "64"], "at most 1024"),
    (["--others", "gradio"], "invalid choice: 'gradio'"),
    (["--links", "cell"], "invalid choice"),
    (["--shape", "gpt5"], "invalid choice: 'gpt5'")])
def test_wrong_options_are_refused_with_the_reason(
        words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        bench_peers.arguments(words)
    assert said in capsys.readouterr().err


def test_without_root_a_shaped_link_is_refused_and_else_left_out(
        monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(namespaces, "available", lambda: False)
    assert bench_peers.arguments(["--quick"]).links == [LinkKind.LOOPBACK]
    with pytest.raises(SystemExit):
        bench_peers.arguments(["--links", "shaped"])
    assert "use --links loopback" in capsys.readouterr().err


def test_all_peers_are_usual_and_quick_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(namespaces, "available", lambda: True)
    quick, full = bench_peers.arguments(["--quick"]), bench_peers.arguments([])
    assert quick.others == full.others == list(OTHERS)
    assert (quick.shape, quick.rounds, quick.tokens) == ("tiny", 1, 20)
    assert (full.shape, full.rounds, full.tokens) == ("gemma3-270m", 5, 64)
    assert quick.links == [LinkKind.SHAPED]
    assert full.links == [LinkKind.LOOPBACK, LinkKind.SHAPED]


def test_who_is_not_installed_is_a_row_with_the_reason_and_without_figures(tmp_path: Path) -> None:
    options = bench_peers.arguments(
        ["--quick", "--links", "loopback", "--others", "rpc-stateful", "petals", "--petals-python",
         str(tmp_path / "python")])
    found, missing = bench_peers.prepared(tmp_path / "tiny-0", tmp_path, options)
    assert list(found) == ["rpc-stateful"]
    assert [set(row) for row in missing] == [{"link", "peer", "reason"}]
    assert missing[0]["peer"] == "petals"
    assert "--petals-python" in missing[0]["reason"]


def test_the_table_has_who_was_measured_and_the_reasons_of_the_others(
        capsys: pytest.CaptureFixture[str]) -> None:
    options = bench_peers.arguments(["--quick", "--links", "loopback"])
    rows: list[dict[str, Any]] = [
        {"link": "loopback", "peer": "llama-rpc"} | FIGURES | {"same": 3},
        {"link": None, "peer": "petals", "reason": "It is not installed: no petals."}]
    judged = bench_peers.judge(LinkKind.LOOPBACK, {}, 256, None)
    bench_peers.show(rows, [judged], options)
    printed = capsys.readouterr().out
    table, after = printed.split("not measured: ", 1)
    assert "llama-rpc" in table
    assert "petals" not in table
    assert after.startswith("petals. It is not installed: no petals.")
    assert "split sends ? x the minimum (not measured, " in after
    assert OTHERS["llama-rpc"].note in after
    assert OTHERS["petals"].note not in after
    last = json.loads(printed.strip().splitlines()[-1])
    assert last["results"]["rows"][0]["cpu_server_ms"] is None
    (target,) = last["results"]["targets"]
    assert target["bytes_met"] is None
    assert target["time_met"] is None


def test_the_targets_are_one_row_with_its_heads_and_one_round_trip() -> None:
    found = {"local": {"token_ms": 5.0}, "split": {"token_ms": 25.5, "up_per_token": 604.0}}
    judged = bench_peers.judge(LinkKind.SHAPED, found, 256, 0.020)
    assert judged["minimum"] == 256 * 2 + 32 + 8 + 52
    assert judged["bytes_ratio"] == 1.0
    assert judged["bytes_met"]
    assert judged["time_ratio"] == pytest.approx(1.02)
    assert judged["time_met"]
    missed = bench_peers.judge(LinkKind.SHAPED, found | {"split": {
        "token_ms": 27.0, "up_per_token": 700.0}}, 256, 0.020)
    assert missed["bytes_met"] is False
    assert missed["time_met"] is False


def test_tokens_are_compared_up_to_the_first_that_differs() -> None:
    assert bench_peers.same([1, 2, 3], [1, 2, 3]) == 3
    assert bench_peers.same([1, 9, 3], [1, 2, 3]) == 1
    assert bench_peers.same([1, 2], None) is None
    assert bench_peers.comparable("split")
    assert bench_peers.comparable("llama-rpc")
    assert not bench_peers.comparable("petals")


def test_a_figure_that_no_round_has_stays_unknown() -> None:
    rounds = [FIGURES, FIGURES | {"token_ms": 35.0}, FIGURES | {"token_ms": 26.0, "ids": [9]}]
    found = bench_peers.middles(rounds)
    assert found["token_ms"] == 26.0
    assert found["cpu_server_ms"] is None
    assert found["ids"] == [1, 2, 3]


def test_the_lock_is_held_during_the_rounds_and_free_afterwards(tmp_path: Path) -> None:
    lock = tmp_path / "quiet.lock"

    def free() -> bool:
        return subprocess.run(["flock", "--nonblock", str(lock), "true"], check=False
                              ).returncode == 0

    with bench_peers.undisturbed(lock):
        assert not free()
    assert free()
    with bench_peers.undisturbed(None):
        assert free()
