"""A peer's processes are waited for, asked and ended; what is not installed is said with a way."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from edge_server.errors import EdgeError
from tests.benchmarks import peers

SAY = "import sys, time; print('a library says hello'); print('ready at /ip4/x', flush=True)\n"


def test_what_is_said_beside_being_ready_comes_back_and_remarks_do_not() -> None:
    program = SAY + ("for line in sys.stdin:\n    print('a remark')\n"
                     "    print('{\"ids\": [3], \"times\": [0.5], \"cpu\": 0.1}', flush=True)\n")
    with peers.worker(None, [sys.executable, "-c", program]) as one:
        assert one.until_ready() == "at /ip4/x"
        assert one.order({"ids": [1], "tokens": 1}) == {"ids": [3], "times": [0.5], "cpu": 0.1}
    assert one.process.poll() is not None


@pytest.mark.parametrize("program", ["import sys; sys.exit('no room for it')",
                                     "raise ValueError('no room for it')"])
def test_an_end_that_does_not_start_says_why(program: str) -> None:
    with (peers.worker(None, [sys.executable, "-c", program]) as one,
          pytest.raises(EdgeError, match=r"did not start: .*no room for it")):
        one.until_ready()


def test_an_end_that_ends_before_its_answer_says_why() -> None:
    program = SAY + "sys.stdin.readline(); sys.exit('the swarm is gone')"
    with peers.worker(None, [sys.executable, "-c", program]) as one:
        one.until_ready()
        with pytest.raises(EdgeError, match="before its answer: the swarm is gone"):
            one.order({"ids": [1], "tokens": 1})
        with pytest.raises(EdgeError, match="before its answer"):
            one.order({"ids": [1], "tokens": 1})


def test_an_end_that_is_late_is_ended_with_all_that_it_started(
        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "READY_SECONDS", 0.5)
    program = "import subprocess; subprocess.run(['sleep', '60'])"  # which holds the pipes
    with (peers.worker(None, [sys.executable, "-c", program]) as one,
          pytest.raises(EdgeError, match="did not start: it said nothing, or was late")):
        one.until_ready()


@pytest.mark.parametrize("peer", ["llama-rpc", "petals"])
def test_what_is_not_installed_is_said_with_a_way_to_get_it(peer: str, tmp_path: Path) -> None:
    with pytest.raises(EdgeError, match=r"not installed: .*No such file.*--(llama|petals)-python"):
        peers.model_for(peer, str(tmp_path / "python"), tmp_path, tmp_path)


def test_an_interpreter_without_the_library_is_named(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "bare")],
                   check=True)
    with pytest.raises(EdgeError, match=r"petals is not installed for .*bare"):
        peers.model_for("petals", str(tmp_path / "bare/bin/python"), tmp_path, tmp_path)


def test_a_form_that_is_there_is_not_made_again(tmp_path: Path,
                                                monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []

    def run(words: list[str]) -> None:
        ran.append(words[3])
        if words[3] == "prepare":
            Path(words[5]).write_bytes(b"weights")

    monkeypatch.setattr(peers, "_run", run)
    first = peers.model_for("llama-rpc", "python", tmp_path / "tiny-0", tmp_path)
    assert first == peers.model_for("llama-rpc-sampling", "python", tmp_path / "tiny-0", tmp_path)
    assert first.name == "tiny-0.llama"
    assert ran == ["check", "prepare", "check"]
    assert peers.model_for("rpc-stateful", "python", tmp_path / "tiny-0", tmp_path) \
        == tmp_path / "tiny-0"
