"""`airsplit xapp`: its options over the file, its check, and what it says when it is ready."""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from xapp.app import XappServer
from xapp.config import TapSource, XappConfig
from xapp.errors import ConfigurationError, XappError
from xapp.ric.address import Address
from xapp.xapp_command import EXAMPLES, _config, _ready, configure


def parsed(*options: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter)
    configure(parser)
    return parser.parse_args(options)


def test_nothing_said_is_the_default() -> None:
    assert _config(parsed()) == XappConfig()


def test_options_go_above_the_file(tmp_path: Path) -> None:
    file = tmp_path / "xapp.yaml"
    file.write_text("plmn: 00102\nlisten: ['tcp://127.0.0.1:1']\nstore: other.db\n"
                    "api: {host: '::1', port: 9}\nsteering: {undo_attempts: 7}\n")
    config = _config(parsed(
        "--config", str(file), "--listen", "tcp://127.0.0.1:0", "--listen",
        "usrsctp://127.0.0.1:36421?udp=9899", "--tap", "tcp://10.0.0.5:5556", "--store", "my.db",
        "--api-port", "0", "--token-file", "token", "--dry-run"))
    assert config.plmn == "00102"
    assert config.listen == (Address("tcp", "127.0.0.1", 0),
                             Address("usrsctp", "127.0.0.1", 36421, 9899))
    assert config.taps == (TapSource("tcp://10.0.0.5:5556"),)
    assert config.store == Path("my.db")
    assert (config.api.host, config.api.port, config.api.token_file) == ("::1", 0, Path("token"))
    assert (config.steering.dry_run, config.steering.undo_attempts) == (True, 7)


@pytest.mark.parametrize("options", [
    ("--api-port", "65536"), ("--api-port", "-1"), ("--listen", "http://127.0.0.1:1"),
    ("--config", "/no/such/file.yaml")])
def test_what_cannot_work_is_one_error(options: tuple[str, ...]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        _config(parsed(*options))
    assert caught.value.remedy


def test_a_check_prints_all_of_it_and_ends(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "xapp.db"
    arguments = parsed("--check", "--dry-run", "--store", str(store), "--token-file", "/my/token")
    assert arguments.run(arguments) == 0
    shown = json.loads(capsys.readouterr().out)
    assert set(shown) == set(XappConfig.__dataclass_fields__)
    assert shown["steering"]["dry_run"] is True
    assert shown["api"]["token_file"] == "set"
    assert not store.exists()


@pytest.mark.parametrize(("text", "said"), [
    ("policies: [{name: llm, inter_token_ms: -5}]", "-5 ms"),
    ("policies: [{name: a, floors: {'1': 95}}]", "95 %"),
    ("policies: [{name: a}, {name: a}]", "Two policies"),
    ("policies: [{name: a, strategy: magic}]", "magic"),
    ("ue_map: {smf: 'ftp://127.0.0.4'}", "ftp://127.0.0.4"),
    ("ue_map: {file: /no/such/map.yaml}", "/no/such/map.yaml"),
    ("taps: [{address: phone}]", "'phone'"), ("taps: [{address: 'tcp://phone'}]", "tcp://phone")])
def test_a_check_finds_what_a_start_would(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "xapp.yaml"
    file.write_text(text)
    arguments = parsed("--check", "--config", str(file))
    with pytest.raises(XappError, match=re.escape(said)) as caught:
        arguments.run(arguments)
    assert caught.value.remedy


def test_a_check_looks_at_a_token_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("short")
    (tmp_path / "token").chmod(0o600)
    arguments = parsed("--check", "--token-file", str(tmp_path / "token"))
    with pytest.raises(XappError, match="holds no token"):
        arguments.run(arguments)


def test_a_check_shows_what_is_promised_for_a_token(capsys: pytest.CaptureFixture[str]) -> None:
    """Names with "token" in them are of a secret, or of what the xApp is there for."""
    arguments = parsed("--check")
    assert arguments.run(arguments) == 0
    (policy,) = json.loads(capsys.readouterr().out)["policies"]
    assert policy["inter_token_ms"] == XappConfig().policies[0].inter_token_ms


@pytest.mark.parametrize("dry", [False, True])
def test_who_waits_for_it_is_told_where_it_is(
    dry: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    server = SimpleNamespace(
        termination=SimpleNamespace(listeners=[
            SimpleNamespace(address=Address("tcp", "127.0.0.1", 4711))]),
        api=None if dry else SimpleNamespace(url="http://127.0.0.1:8480"),
        core=SimpleNamespace(steering=SimpleNamespace(dry_run=dry)))
    _ready(cast(XappServer, server))
    assert capsys.readouterr().out == (
        "airsplit xapp: base stations connect to tcp://127.0.0.1:4711" + (
            " (dry run)\n" if dry else "; REST API at http://127.0.0.1:8480\n"))


def test_help_has_examples_whose_options_are_there(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed("--help")
    assert EXAMPLES in capsys.readouterr().out
    for line in EXAMPLES.splitlines():
        words = line.split("   ")[0].split() if line.startswith("  airsplit xapp ") else []
        if "audit" not in words and "decode" not in words:
            parsed(*words[2:])


def test_subcommands_are_there() -> None:
    assert parsed("audit", "xapp.db").xapp_command == "audit"
    assert parsed("decode", "00").xapp_command == "decode"


def test_nothing_heavy_loads_for_its_help() -> None:
    program = ("import argparse, sys; from xapp import xapp_command;"
               "xapp_command.configure(argparse.ArgumentParser());"
               "print([one for one in ('fastapi', 'uvicorn', 'zmq', 'torch', 'numpy', 'xapp.app')"
               " if one in sys.modules])")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True,
                          check=True, timeout=60)
    assert done.stdout == "[]\n"
