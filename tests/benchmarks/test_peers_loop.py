"""Both ends of a peer answer line by line, count all of their processor time, and end when told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest

from tests.benchmarks import peers_loop, report
from tests.benchmarks.peers_petals import llama_shape
from tests.benchmarks.shapes import SHAPES

DEADLINE = 20.0  # seconds, of what takes milliseconds


def test_an_answer_goes_on_from_its_own_tokens() -> None:
    asked: list[tuple[list[int], int]] = []

    def step(new: list[int], position: int) -> int:
        asked.append((new, position))
        return 40 + len(asked)

    found = peers_loop.answer(step, [7, 8, 9], 3)
    assert found["ids"] == [41, 42, 43]
    assert asked == [([7, 8, 9], 0), ([41], 3), ([42], 4)]
    times = found["times"]
    assert isinstance(times, list)
    assert times == sorted(times)
    assert len(times) == 3


def test_a_family_is_a_process_and_what_it_started() -> None:
    child = subprocess.Popen(["sleep", "60"])
    try:
        assert {os.getpid(), child.pid} <= set(peers_loop.family(os.getpid()))
    finally:
        child.kill()
        child.wait()
    assert child.pid not in peers_loop.family(os.getpid())


def test_no_process_has_used_nothing_that_is_known() -> None:
    assert peers_loop.family_seconds(None) is None
    used = peers_loop.family_seconds(os.getpid())
    assert used is not None
    assert used > 0


def test_a_serving_end_ends_with_its_stdin_and_takes_along_what_it_started() -> None:
    program = ("import subprocess, time\nfrom tests.benchmarks import peers_loop\n"
               "child = subprocess.Popen(['sleep', '60'])\npeers_loop.end_with_stdin()\n"
               "peers_loop.say_ready(str(child.pid))\ntime.sleep(60)\n")
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, text=True,
                          stdout=subprocess.PIPE, cwd=report.ROOT, start_new_session=True) as one:
        assert one.stdin is not None
        assert one.stdout is not None
        words = [line.split() for line in (one.stdout.readline(), one.stdout.readline())]
        assert words[0] == []  # a line of its own, whatever was written before
        child = int(words[1][1])
        one.stdin.close()
        one.wait(DEADLINE)
    assert _ends(child)


def test_an_asking_end_that_waits_for_its_server_ends_with_the_benchmark() -> None:
    asking = ("import argparse, time\nfrom tests.benchmarks import peers_loop\n"
              "peers_loop.PARENT_SECONDS = 0.02\n"
              "peers_loop.run(argparse.Namespace(role='ask'), {'ask': lambda _: time.sleep(60)})")
    parent = (f"import subprocess, sys\none = subprocess.Popen([sys.executable, '-c', {asking!r}],"
              " start_new_session=True)\nprint(one.pid, flush=True)\nsys.stdin.read()")
    with subprocess.Popen([sys.executable, "-c", parent], stdin=subprocess.PIPE, text=True,
                          stdout=subprocess.PIPE, cwd=report.ROOT) as one:
        assert one.stdout is not None
        asked = int(one.stdout.readline())
        _loaded(asked)
        one.kill()
    assert _ends(asked)


def _loaded(process: int) -> None:
    """Until it has its watching thread: before that, it would take the wrong parent for its own."""
    until = time.monotonic() + DEADLINE
    while time.monotonic() < until:
        if len(os.listdir(f"/proc/{process}/task")) > 1:
            return
        time.sleep(0.02)
    raise AssertionError("it did not start")


def _ends(process: int) -> bool:
    until = time.monotonic() + DEADLINE
    while time.monotonic() < until:
        try:
            with open(f"/proc/{process}/stat") as stat:
                if stat.read().rpartition(")")[2].split()[0] == "Z":
                    return True  # its new parent has yet to hear of it
        except OSError:
            return True
        time.sleep(0.02)
    return False


def test_the_words_of_an_end_are_checked(monkeypatch: pytest.MonkeyPatch,
                                         capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["x", "serve", "llama-rpc", "m.gguf", "127.0.0.1", "many"])
    with pytest.raises(SystemExit):
        peers_loop.options("What it is.")
    assert "invalid int value: 'many'" in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", ["x", "ask", "llama-rpc", "m", "::1", "9", "--lend", "4"])
    found = peers_loop.options("What it is.")
    assert (found.role, found.port, found.lend, found.join) == ("ask", 9, 4, None)


def test_a_llama_takes_over_the_measures_of_a_gemma() -> None:
    found = llama_shape(SHAPES["gemma3-270m"])
    assert found["hidden_size"] == 640
    assert found["vocab_size"] == 262_144
    assert "head_dim" not in found  # Llama's heads share the width
    assert json.dumps(found)
