"""`airsplit edge token`: adding, listing and revoking, as they are typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge_server.tokens import PREFIX, TokenStore, default_path
from testbed.cli import build_parser, main


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tokens.json"


def test_add_list_revoke(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    of_file = ["--tokens", str(file)]
    assert main(["edge", "token", "add", "alice", *of_file]) == 0
    token = capsys.readouterr().out.strip()
    assert token.startswith(PREFIX)
    assert main(["edge", "token", "add", "ops", "--operator", "--rate", "12.5", "--sessions", "3",
                 *of_file]) == 0
    capsys.readouterr()
    assert TokenStore(file).check(token) is not None
    assert main(["edge", "token", "list", *of_file]) == 0
    head, alice, ops = capsys.readouterr().out.splitlines()
    assert head.split() == ["NAME", "CREATED", "ROLE", "ROWS/S", "SESSIONS"]
    assert [alice.split()[index] for index in (0, 2, 3, 4)] == ["alice", "phone", "-", "-"]
    assert [ops.split()[index] for index in (0, 2, 3, 4)] == ["ops", "operator", "12.5", "3"]
    assert main(["edge", "token", "revoke", "alice", *of_file]) == 0
    assert capsys.readouterr().out == "Revoked alice.\n"
    assert TokenStore(file).check(token) is None
    assert [entry["name"] for entry in json.loads(file.read_text())["tokens"]] == ["ops"]


def test_the_file_may_be_named_before_or_after(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["edge", "--tokens", str(file), "token", "add", "alice"]) == 0
    assert main(["edge", "token", "add", "bob", "--tokens", str(file)]) == 0
    assert [entry.name for entry in TokenStore(file).entries()] == ["alice", "bob"]


def test_without_a_name_it_is_the_users_own_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert main(["edge", "token", "list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1
    assert not default_path().exists()
    assert main(["edge", "token", "add", "alice"]) == 0
    assert default_path().is_relative_to(tmp_path)
    assert default_path().exists()


@pytest.mark.parametrize("arguments", [
    ["add", "a b"], ["add", ""], ["revoke", "nobody"]])
def test_one_line_says_what_is_wrong(
    arguments: list[str], file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["edge", "token", *arguments, "--tokens", str(file)]) == 1
    output = capsys.readouterr()
    assert output.err.startswith("airsplit edge: ")
    assert output.err.count("\n") == 1
    assert output.out == ""


@pytest.mark.parametrize("arguments", [
    [], ["add"], ["revoke"], ["forget"], ["add", "a", "--rate", "0"], ["add", "a", "--rate", "x"],
    ["add", "a", "--rate", "inf"], ["add", "a", "--rate", "nan"], ["add", "a", "--sessions", "0"]])
def test_arguments_that_cannot_be(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["edge", "token", *arguments])
    assert left.value.code == 2


def test_the_edge_itself_still_starts_without_a_command() -> None:
    arguments = build_parser().parse_args(["edge", "--sessions", "7", "--tokens", "file"])
    assert arguments.run.__module__ == "edge_server.command"
    assert (arguments.sessions, arguments.tokens) == (7, Path("file"))


def test_help_shows_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["edge", "token", "--help"])
    assert "airsplit edge token revoke alice" in capsys.readouterr().out
