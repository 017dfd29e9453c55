"""The loop's priority: taken, told, lost by a loop that spins, taken again, given back at last."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pcap_tools.scheduling import priority_of, put_ahead, put_back
from xapp import urgency
from xapp.errors import ConfigurationError
from xapp.events import Event
from xapp.urgency import SchedulingConfig, Urgency

ROOT = Path(__file__).resolve().parents[2]
HANG_SECONDS = 60.0
# In a process of its own, whose main thread it is; it says what became of it.
SCRIPT = """
import asyncio, logging, os, signal, sys, time
from pcap_tools.scheduling import priority_of
from xapp import urgency
from xapp.urgency import SchedulingConfig, Urgency

urgency.AGAIN_SECONDS = 0.1
logging.basicConfig(level="INFO", stream=sys.stdout, format="%(message)s")

async def scene():
    told = asyncio.Queue()
    one = Urgency(SchedulingConfig(priority=4, longest=0.05), asyncio.get_running_loop(),
                  told.put_nowait)
    one.take(())
    print("took", one.got.priority, priority_of())
    if sys.argv[1] == "spin":
        until = time.monotonic() + 30
        while one.got.priority and time.monotonic() < until:
            pass
        print("spun", one.got.priority, priority_of())
        print((await told.get()).code.value)
        print((await told.get()).code.value)
        print("again", one.got.priority, priority_of())
    one.close()
    print("closed", priority_of(), signal.getsignal(signal.SIGXCPU) is signal.SIG_DFL)

asyncio.run(scene())
"""


def permitted() -> bool:
    got = put_ahead(1)
    put_back()
    return got.priority == 1


needs_permission = pytest.mark.skipif(
    not permitted(), reason="no real-time priority is permitted here")


def scene(*words: str, before: tuple[str, ...] = ()) -> list[str]:
    done = subprocess.run([*before, sys.executable, "-c", SCRIPT, *words], cwd=ROOT,
                          capture_output=True, text=True, timeout=HANG_SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@needs_permission
def test_it_is_taken_told_and_given_back() -> None:
    assert scene("calm") == ["The loop has a real-time priority of 4.", "took 4 4",
                             "closed 0 True"]


@needs_permission
def test_a_loop_that_spins_loses_it_for_a_while() -> None:
    assert scene("spin")[1:] == ["took 4 4", "spun 0 0", "spun", "urgent", "again 4 4",
                                 "closed 0 True"]


@needs_permission
def test_what_was_given_from_outside_is_kept() -> None:
    lines = scene("calm", before=("chrt", "-f", "7"))
    assert lines == ["The loop keeps the real-time priority that it was given, 7.", "took 7 7",
                     "closed 7 True"]


def told_by(config: SchedulingConfig) -> tuple[Urgency, list[Event]]:
    async def take() -> tuple[Urgency, list[Event]]:
        events: list[Event] = []
        one = Urgency(config, asyncio.get_running_loop(), events.append)
        one.take(())
        one.close()
        return one, events

    return asyncio.run(take())


def test_who_wants_none_asks_for_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(*_: object) -> None:
        raise AssertionError("it asks")

    monkeypatch.setattr(urgency, "put_ahead", asked)
    one, events = told_by(SchedulingConfig(real_time=False))
    assert (one.got.priority, events, priority_of()) == (0, [], 0)


def test_a_refusal_is_told_and_it_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    with caplog.at_level("INFO", "xapp"):
        one, _ = told_by(SchedulingConfig())
    assert one.got.priority == 0
    assert "no real-time priority: SCHED_FIFO needs root" in caplog.text


@pytest.mark.parametrize("wrong", [
    {"priority": 0}, {"priority": 99}, {"longest": 0.0}])
def test_what_cannot_be_is_one_error(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigurationError):
        SchedulingConfig(**wrong)  # type: ignore[arg-type]  # named fields


