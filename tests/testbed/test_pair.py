"""`airsplit testbed pair`: both programs as processes, the table, an edge that does not start."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from testbed import pair
from testbed.cli import main
from testbed.pair import PairError, edge_process, figures, phone_run
from tests.conftest import MakeCheckpoint

ROWS = ("time to first token", "tokens a second", "bytes up a token", "bytes down a token",
        "bytes up in all", "bytes down in all")


def cells(text: str) -> dict[str, list[str]]:
    """The table's rows by their name."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        parts = [part.strip() for part in re.split("[│┃]", line)]
        if len(parts) >= 4:
            found[parts[1]] = parts[2:-1]
    return found


def test_one_run(checkpoint_folder: MakeCheckpoint, capfd: pytest.CaptureFixture[str]) -> None:
    status = main(["testbed", "pair", "--model", str(checkpoint_folder("gemma3")), "--rounds", "1",
                   "--max-new-tokens", "8", "--prompt", "the old king said", "--split", "2"])
    out, err = capfd.readouterr()
    assert status == 0
    assert err == ""
    assert "The split answer is the unsplit one, token for token." in out
    assert re.search(r"edge ready at http://127\.0\.0\.1:\d+\n", out)
    table = cells(out)
    assert table[""] == ["split at 2 of 4", "unsplit"]
    assert set(ROWS) <= set(table)
    for name in ROWS[:2]:
        for cell in table[name]:
            assert float(cell.split()[0].replace(",", "")) > 0
    for name in ROWS[2:]:
        split, whole = table[name]
        assert int(split.split()[0].replace(",", "")) > 0
        assert whole == "-"
    assert table["bytes up a token"][0] == f"{32 + 4 * 64 + 8} B"
    assert table["bytes down a token"][0] == f"{32 + 4 + 2} B"
    assert out.index("phone asks: the old king said") < out.index("split at 2 of 4")


def record(**changes: Any) -> dict[str, Any]:
    return {"backend": "fast", "dtype": "fp32", "tokens": 5, "split": 1, "layers": 4,
            "time_to_first_token": 0.25, "tokens_per_second": 4.0, "bytes_up_per_token": 100.0,
            "bytes_down_per_token": 38.0, "bytes_up": 1500, "bytes_down": 300} | changes


def shown(split: list[dict[str, Any]], whole: list[dict[str, Any]]) -> dict[str, list[str]]:
    console = Console(width=100, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    with console.file:
        console.print(figures(split, whole))
    return cells(console.export_text())


def test_medians_and_what_was_not_measured() -> None:
    unsent: dict[str, Any] = {name: None for name in (
        "bytes_up_per_token", "bytes_down_per_token", "bytes_up", "bytes_down")}
    table = shown([record(time_to_first_token=seconds) for seconds in (0.1, 9.0, 0.2)],
                  [record(**unsent, tokens_per_second=None)])
    assert table["time to first token"] == ["200.0 ms", "250.0 ms"]
    assert table["tokens a second"] == ["4.0", "-"]
    assert table["bytes up in all"] == ["1,500 B", "-"]


def test_an_answer_that_differs_is_told(
    checkpoint_folder: MakeCheckpoint, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def run(options: list[str], shown: bool) -> dict[str, Any]:
        return record(token_ids=[1, 2] if "--local" in options else [1, 3])

    monkeypatch.setattr(pair, "phone_run", run)
    status = main(["testbed", "pair", "--model", str(checkpoint_folder("gemma3")), "--rounds", "1"])
    assert status == 1
    assert "The split answer differs from the unsplit one." in capsys.readouterr().out


def test_an_edge_that_cannot_start(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    status = main(["testbed", "pair", "--model", str(tmp_path / "nowhere")])
    _, err = capfd.readouterr()
    assert status == 1
    edge, own = err.splitlines()
    assert edge.startswith("airsplit edge: ")
    assert "nowhere is not a folder" in edge
    assert own.startswith("airsplit testbed: The edge did not start; it says why above.")
    assert "airsplit edge --port 0" in own


def test_a_phone_that_fails(
    checkpoint_folder: MakeCheckpoint, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(PairError, match=r"ended with status 1.*Try it by itself: airsplit ue"):
        phone_run(["--model", str(checkpoint_folder("gemma3")), "--edge", "http://127.0.0.1:1",
                   "hello"], shown=False)
    assert "airsplit ue: No edge answers" in capfd.readouterr().err


def test_the_edge_ends_with_its_block(checkpoint_folder: MakeCheckpoint) -> None:
    import httpx

    with edge_process(["--model", str(checkpoint_folder("gemma3")), "--threads", "1"]) as url:
        assert httpx.get(f"{url}/healthz").json() == {"status": "ok"}
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/healthz")


@pytest.mark.parametrize("options", [["--rounds", "0"], ["--rounds", "-1"], ["--split", "x"],
                                     ["--max-new-tokens", "0"], ["--threads", "0"]], ids=" ".join)
def test_options_that_cannot_be(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["testbed", "pair", *options])
    assert left.value.code == 2
    assert options[0] in capsys.readouterr().err
