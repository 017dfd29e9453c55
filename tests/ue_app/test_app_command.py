"""`airsplit app` as a process: it says where it is, serves the page, and leaves nothing behind."""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil  # type: ignore[import-untyped]  # it has no types
import pytest

from edge_server.errors import ConfigurationError
from testbed.cli import BUNDLED_MODEL, EDGE_COMMAND, build_parser, main
from tests.conftest import START_SECONDS
from ue_app.app_command import app_config
from ue_app.settings import Settings

Start = Callable[..., tuple[subprocess.Popen[str], str]]


def parsed(*options: str) -> argparse.Namespace:
    return build_parser().parse_args(["app", *options])


def test_options_given_stand_above_what_was_kept(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("secret\n")
    config = app_config(parsed("--data", str(tmp_path), "--edge", "http://a:1", "--edge",
                               "http://b:2", "--model", "head", "--private", "--dtype", "int8",
                               "--split", "0", "--token-file", str(token), "--encoding",
                               "auto", "--max-ppl-increase", "2", "--speculate"))
    assert config.overrides == {"edges": ("http://a:1", "http://b:2"), "models": ("head",),
                                "private": True, "precision": "int8", "split": 0, "token": "secret",
                                "encoding": "auto", "max_ppl_increase": 2.0,
                                "speculate": "auto"}
    assert config.settings_file == tmp_path / "settings.json"
    assert config.edge_command == EDGE_COMMAND
    assert config.default_model == BUNDLED_MODEL


def test_nothing_given_changes_nothing() -> None:
    config = app_config(parsed())
    assert config.overrides == {}
    assert config.data.name == config.settings_file.parent.name == "airsplit"
    assert Settings(**config.overrides) == Settings()


def test_it_is_not_reachable_from_other_machines_unless_told_so(
    capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["app", "--host", "0.0.0.0", "--port", "0"]) == 1
    assert "asks for no password" in capsys.readouterr().err


def test_an_address_that_is_none_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed("--port", "99999")
    assert "99999 is not a port" in capsys.readouterr().err
    arguments = parsed("--host", "no.such.host.invalid")
    with pytest.raises(ConfigurationError):
        arguments.run(arguments)


def test_a_port_in_use_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        arguments = parsed("--port", str(other.getsockname()[1]))
        with pytest.raises(ConfigurationError, match="Cannot listen"):
            arguments.run(arguments)


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """`start("--edge", url)` is the app as a process, and its address."""

    def run(*options: str) -> tuple[subprocess.Popen[str], str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "testbed.cli", "app", "--port", "0", "--data", str(tmp_path),
             *options], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert " on http://" in line
        return process, line.rsplit(" on ", 1)[1].strip()

    return run


def ended(process: subprocess.Popen[str], how: int) -> int:
    process.send_signal(how)
    status = process.wait(START_SECONDS)
    assert process.stdout is not None
    process.stdout.close()
    return status


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_and_ends_cleanly(start: Start, how: int) -> None:
    process, url = start("--edge", "http://127.0.0.1:1", "--model", str(BUNDLED_MODEL))
    assert "<html" in httpx.get(url).text.lower()
    state = httpx.get(url + "/live").json()
    assert set(state) == {"strip", "answer", "pause", "mark"}
    assert httpx.get(url + "/live?chat=x").status_code == 200
    # A name that another site's page made up for this machine leads nowhere.
    assert httpx.get(url + "/live", headers={"Host": "evil.example"}).status_code == 400
    assert ended(process, how) == 0


@pytest.mark.parametrize(("how", "status"), [(signal.SIGTERM, 0), (signal.SIGKILL, -9)])
def test_its_own_edge_ends_with_it(start: Start, how: int, status: int) -> None:
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", 8470)) == 0:
            pytest.skip("an edge runs on this machine's default port already")
    process, url = start()
    # The page waits for the edge to start; then its mark changes, and the strip says whose it is.
    with httpx.Client(timeout=START_SECONDS) as client:
        while "started by this app" not in client.get(url + "/live").json()["strip"]:
            assert process.poll() is None
    children = psutil.Process(process.pid).children()
    assert any("edge" in child.cmdline() for child in children)
    assert ended(process, how) == status
    _, alive = psutil.wait_procs(children, START_SECONDS)
    assert alive == []


def test_a_bug_in_the_page_is_told_in_its_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    from ue_app import app_command

    shown: list[str] = []
    monkeypatch.setattr("streamlit.html", shown.append)
    assert app_command._say_sorry(ZeroDivisionError("secret"))
    assert "log says why" in shown[0]
    assert "secret" not in shown[0]


def test_help_names_everything(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["app", "--help"])
    text = capsys.readouterr().out
    for option in ("--edge", "--model", "--split", "--private", "--port", "--data", "examples:"):
        assert option in text
    assert json.dumps(os.environ.get("STREAMLIT_SERVER_PORT")) == "null"  # nothing leaks into it
