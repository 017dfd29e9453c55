"""`airsplit xapp-console` as a process: it says where it is, serves the page, and ends cleanly."""

from __future__ import annotations

import argparse
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from xapp.access import load_or_make_token
from xapp.console_command import check_url, configure, token_of
from xapp.errors import ConfigurationError

SECONDS = 60.0
PROGRAM = """
import argparse, sys
from xapp import console_command
parser = argparse.ArgumentParser()
console_command.configure(parser)
arguments = parser.parse_args()
sys.exit(arguments.run(arguments))
"""


def parsed(*options: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter)
    configure(parser)
    return parser.parse_args(options)


def run(*options: str) -> int:
    arguments = parsed(*options)
    status: int = arguments.run(arguments)
    return status


def test_where_the_token_comes_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert token_of(None, None) is None
    made = load_or_make_token(tmp_path / "airsplit" / "xapp-token")
    assert token_of(None, None) == made
    assert token_of(None, " from-the-variable \n") == "from-the-variable"
    other = load_or_make_token(tmp_path / "other")
    assert token_of(tmp_path / "other", "from-the-variable") == other
    with pytest.raises(ConfigurationError, match="Cannot read"):
        token_of(tmp_path / "none", None)


@pytest.mark.parametrize("url", ["", "127.0.0.1:8480", "ftp://x", "http://", "http://x:99999",
                                 "http://[", "http://x:0"])
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(ConfigurationError, match="no address of a REST API"):
        check_url(url)
    check_url("https://ric.example:8480/")


def test_options_that_cannot_be_meant(capsys: pytest.CaptureFixture[str]) -> None:
    for options, told in ((("--port", "99999"), "99999 is not a port"),
                          (("--refresh", "0.01"), "0.5 to 60 seconds")):
        with pytest.raises(SystemExit):
            parsed(*options)
        assert told in capsys.readouterr().err


def test_it_is_not_reachable_from_other_machines_unless_told_so() -> None:
    with pytest.raises(ConfigurationError, match="--allow-anyone"):
        run("--host", "0.0.0.0", "--port", "0")


def test_a_port_in_use_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, \
            pytest.raises(ConfigurationError, match="cannot listen"):
        run("--port", str(other.getsockname()[1]))


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_and_ends_cleanly(how: int, tmp_path: Path) -> None:
    token = tmp_path / "token"
    load_or_make_token(token)
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "--port", "0", "--api", "http://127.0.0.1:1",
         "--token-file", str(token)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("airsplit xapp-console: http://127.0.0.1:1 on http://127.0.0.1:")
    url = line.rsplit(" on ", 1)[1].strip()
    assert "<html" in httpx.get(url).text.lower()
    # A name that another site's page made up for this machine leads nowhere.
    assert httpx.get(url, headers={"Host": "evil.example"}).status_code == 400
    process.send_signal(how)
    assert process.wait(SECONDS) == 0
    process.stdout.close()


def test_nothing_heavy_is_loaded_to_show_the_options() -> None:
    program = ("import sys, xapp.console_command\n"
               "print(*[name for name in ('streamlit', 'fastapi', 'uvicorn', 'httpx', 'pydantic')"
               " if name in sys.modules])")
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True,
                            check=True, cwd=Path(__file__).parents[2])
    assert result.stdout.strip() == ""
