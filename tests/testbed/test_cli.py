"""`airsplit` as one program: help, errors, and the commands together as real processes."""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from testbed.cli import build_parser, main
from tests.conftest import MakeCheckpoint

COMMANDS = ("demo", "edge", "ue", "gateway", "split", "inspect", "testbed")
PROGRAM = (sys.executable, "-m", "testbed.cli")
WAIT = 100.0
TEXT = "the old king said to his son"


def help_of(capsys: pytest.CaptureFixture[str], *command: str) -> str:
    with pytest.raises(SystemExit) as left:
        main([*command, "--help"])
    assert left.value.code == 0
    return capsys.readouterr().out


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    text = help_of(capsys)
    assert [name for name in COMMANDS if re.search(rf"^    {name} ", text, re.MULTILINE)] == [
        *COMMANDS]
    assert "examples:" in text


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_examples_that_parse(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = help_of(capsys, command)
    lines = text.partition("\nexamples:\n")[2].splitlines()
    examples = [line.strip() for line in lines if line.startswith("  airsplit ")]
    assert len(examples) >= 3
    for example in examples:
        words = shlex.split(re.split(r" {2,}", example)[0])
        assert words[:2] == ["airsplit", command]
        assert build_parser().parse_args(words[1:]).command == command


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_explained(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One without help is listed by its name alone."""
    help_of(capsys, command)
    subparsers = build_parser()._subparsers
    assert subparsers is not None
    parser = subparsers._group_actions[0].choices[command]  # type: ignore[index]  # it is a dict
    unexplained = [action.dest for action in parser._actions
                   if not action.help and not action.choices]
    assert unexplained == []


def test_no_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main([])
    assert left.value.code == 2
    assert "COMMAND" in capsys.readouterr().err


def test_ctrl_c_anywhere(
    checkpoint_folder: MakeCheckpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("edge_server.engine.checkpoint.Checkpoint.open", interrupted)
    assert main(["inspect", str(checkpoint_folder("gemma"))]) == 130


@contextmanager
def started(*command: object) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen([*PROGRAM, *map(str, command)], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def done(*command: object) -> tuple[int, str, str]:
    process = subprocess.run([*PROGRAM, *map(str, command)], capture_output=True, text=True,
                             timeout=WAIT, check=False)
    return process.returncode, process.stdout, process.stderr


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def test_split_then_edge_then_ue(checkpoint_folder: MakeCheckpoint, tmp_path: Path) -> None:
    """As a user does it: each side with its own folder; Ctrl-C; the edge serves on and ends."""
    folder = checkpoint_folder("gemma3")
    status, out, _ = done("split", folder, "--at", "1", "--out", tmp_path)
    assert status == 0
    head, tail = tmp_path / "head", tmp_path / "tail"
    assert f"airsplit edge --model {tail}" in out
    small = ("--threads", "1", "--context", "20000")
    with started("edge", "--model", tail, "--port", "0", *small) as edge:
        url = line_of(edge).split()[-1]
        ask = ("ue", "--edge", url, "--model", head, *small)
        status, out, err = done(*ask, "--json", "--max-new-tokens", "8", TEXT)
        assert (status, err) == (0, "")
        record = json.loads(out)
        assert (record["mode"], record["split"], record["tokens"]) == ("split", 1, 8)

        with started(*ask, "--max-new-tokens", "19000", TEXT) as phone:
            assert phone.stdout is not None
            assert phone.stdout.read(1)  # the answer has begun
            phone.send_signal(signal.SIGINT)
            _, err = phone.communicate(timeout=WAIT)
            assert phone.returncode == 130
        assert "cancelled]" in err
        assert "Traceback" not in err

        status, out, _ = done(*ask, "--quiet", "--max-new-tokens", "8", TEXT)
        assert (status, out) == (0, record["text"] + "\n")
        edge.send_signal(signal.SIGTERM)
        assert edge.wait(timeout=9) == 0
        assert edge.stderr is not None
        assert edge.stderr.read() == ""
    status, out, _ = done("ue", "--local", "--model", folder, "--json", "--threads", "1",
                          "--max-new-tokens", "8", TEXT)
    assert json.loads(out)["token_ids"] == record["token_ids"]


def test_a_reader_that_leaves(checkpoint_folder: MakeCheckpoint) -> None:
    """`airsplit ue ... | head -c 1`: no complaint, and the status that says why."""
    with started("ue", "--local", "--model", checkpoint_folder("gemma3"), "--threads", "1",
                 "--quiet", "--context", "20000", "--max-new-tokens", "19000", TEXT) as phone:
        assert phone.stdout is not None
        assert phone.stderr is not None
        assert phone.stdout.read(1)
        phone.stdout.close()
        assert phone.wait(timeout=WAIT) == 141
        assert phone.stderr.read() == ""


def test_help_does_not_wait_for_heavy_libraries() -> None:
    code = ("import sys; from testbed.cli import build_parser; build_parser(); "
            "print([name for name in ('torch', 'transformers', 'fastapi') if name in sys.modules])")
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                             timeout=WAIT, check=True)
    assert process.stdout == "[]\n"
