"""The commands as a user types them, and a trial over loopback as an experiment runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from testbed.cli import main
from testbed.experiments.errors import BadScenario
from testbed.experiments.modes_kind import Modes
from testbed.modes.errors import ModesError
from testbed.modes.modes_command import _servers, run_serve
from testbed.modes.places import Ends, Place
from testbed.modes.policies import Mode
from testbed.modes.programs import Server
from testbed.modes.settings import BUNDLED_MODEL, LinkKind, ModesSettings
from tests.conftest import MakeCheckpoint

END_SECONDS = 60.0  # on a machine where much else runs


def test_one_answer_and_what_it_cost(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["modes", "ask", "--mode", "local", "--steps", "3"]) == 0
    out = capsys.readouterr().out
    assert "local: 3 tokens" in out
    assert "time, ms" in out


def test_a_mode_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["modes", "ask", "--mode", "magic"]) == 1
    assert "semantic" in capsys.readouterr().err


@pytest.mark.parametrize(("mode", "words", "told"), [
    ("local", ["--split", "2"], "local has no use for --split"),
    ("handle", ["--likeliest", "5"], "choose of semantic."),
    ("split", ["--tail", "2"], "choose of private."),
    ("split", ["--encoding", "int4"], "choose of split_compressed."),
    ("semantic", ["--edge", "http://127.0.0.1:1"], "of split, split_compressed, private."),
    ("private", ["--server", "127.0.0.1:1"], "naive, remote_cache, handle, semantic."),
    ("local", ["--ssh", "me@edge.example"], "local has no use for --ssh")])
def test_an_option_that_a_mode_does_not_use_is_not_ignored(
        mode: str, words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["modes", "ask", "--mode", mode, *words]) == 1
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(("words", "told"), [
    (["ask", "--mode", "local", "--steps", "0"], "0 is not above 0"),
    (["ask", "--mode", "local", "--steps", "-3"], "-3 is not above 0"),
    (["ask", "--mode", "local", "--threads", "0"], "0 is not above 0"),
    (["serve", "--port", "99999"], "99999 is not a port"),
    (["serve", "--slots", "0"], "0 is not above 0"),
    (["serve", "--most-mib", "-1"], "-1 is not above 0")])
def test_numbers_that_cannot_be(words: list[str], told: str, capsys: pytest.CaptureFixture[str]
                                ) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["modes", *words])
    assert told in capsys.readouterr().err


def test_a_server_without_a_password_stays_here() -> None:
    from argparse import Namespace

    with pytest.raises(ModesError, match="password"):
        run_serve(Namespace(host="0.0.0.0", allow_anyone=False))


def test_a_trial_with_a_server_of_its_own(tmp_path: Path, checkpoint_folder: MakeCheckpoint
                                          ) -> None:
    """The server stays for the next trial, and ends with the kind."""
    kind = Modes()
    settings = {"model": str(checkpoint_folder("llama")), "backend": "reference", "steps": 4,
                "prompt_tokens": 6, "context": 64, "mode": "semantic", "batch": 2}
    kind.check(settings)
    try:
        first = kind.run(settings, 1, tmp_path, print)
        assert first["same_tokens"] is True
        assert first["tokens"] == 8
        assert first["bytes_agree"] in (True, None)  # None where no capture was permitted or whole
        assert str(first["counted_by"]).startswith("both sides")
        assert (tmp_path / "steps.parquet").exists()
        places = kind._places
        assert places is not None
        (server,) = places._servers.values()
        kind.run(settings | {"mode": "handle"}, 1, tmp_path, print)
        together = kind.run(settings | {"mode": "split", "batching": "together"}, 1, tmp_path,
                            print)
        assert together["same_tokens"] is True
        assert together["bytes_agree"] is not False
        assert str(together["counted_by"]).startswith("both sides")
        assert together["tokens"] == 8
        assert list(places._servers.values()) == [server]  # it served the batch as well
    finally:
        kind.close()
    assert server.process is not None
    assert not Path(f"/proc/{server.process}").exists()


def test_asking_over_ssh_starts_what_the_mode_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    from argparse import Namespace

    seen: list[ModesSettings] = []

    class Started:
        def place(self, settings: ModesSettings) -> Place:
            seen.append(settings)
            server = Server("::1", 81, None)
            return Place(Ends(), server if settings.needs_server else None,
                         server if settings.needs_edge else None)

        def close(self) -> None:
            seen.clear()

    monkeypatch.setattr("testbed.modes.places.Places", Started)
    arguments = Namespace(ssh="me@far", ssh_command="nice airsplit", ssh_model="/m", server="h:1",
                          edge="http://h:2", model=BUNDLED_MODEL, backend="auto", dtype="auto",
                          threads=1, context=64)
    for mode, wanted in ((Mode.SEMANTIC, (("::1", 81), None)),
                         (Mode.SPLIT, (None, "http://[::1]:81"))):
        with _servers(arguments, mode) as found:
            assert found == wanted
            (one,) = seen
            assert (one.link, one.ssh, one.ssh_command, one.ssh_model) == (
                LinkKind.HOST, "me@far", "nice airsplit", "/m")
        assert not seen
    arguments.ssh = None
    with _servers(arguments, Mode.SEMANTIC) as found:
        assert found == (("h", 1), "http://h:2")


def test_settings_that_cannot_be() -> None:
    for wrong in ({"mode": "magic"}, {"steps": 0}, {"model": "/nowhere"}, {"stepz": 3}):
        with pytest.raises(BadScenario):
            Modes().check(wrong)


def test_a_server_ends_with_a_signal(checkpoint_folder: MakeCheckpoint) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "testbed.cli", "modes", "serve", "--port", "0", "--backend",
         "reference", "--model", str(checkpoint_folder("llama"))], stdout=subprocess.PIPE,
        text=True)
    assert process.stdout is not None
    try:
        with process.stdout:
            assert " on 127.0.0.1:" in process.stdout.readline()
            process.terminate()
            assert process.wait(END_SECONDS) == 0
    finally:
        process.kill()
        process.wait(END_SECONDS)
