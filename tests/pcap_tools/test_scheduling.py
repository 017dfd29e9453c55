"""Priority: taken where it is permitted, told where it is not, given back; children have none."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import TypeVar

import pytest

from pcap_tools.scheduling import Scheduled, bound_spinning, priority_of, put_ahead, put_back

T = TypeVar("T")


def in_a_thread(work: Callable[[], T]) -> T:
    found: list[T] = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    thread.join()
    return found[0]



def test_what_it_says_is_what_it_is() -> None:
    def work() -> tuple[Scheduled, int, int]:
        got = put_ahead(5)
        had = priority_of()
        put_back()
        return got, had, priority_of()

    got, had, after = in_a_thread(work)
    assert got.priority == had
    assert after == 0
    assert (had == 5) == (not got.why)
    assert priority_of() == 0  # this thread's own


def test_another_thread_is_put_ahead_by_its_id() -> None:
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    try:
        assert thread.native_id is not None
        got = put_ahead(3, thread.native_id)
        assert priority_of(thread.native_id) == got.priority
        assert priority_of() == 0
    finally:
        over.set()
        thread.join()


def test_processes_and_threads_of_it_are_ordinary_ones() -> None:
    script = "import os; print(os.sched_getscheduler(0))"

    def work() -> tuple[str, int]:
        put_ahead(5)
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True,
                              check=True)
        return done.stdout, in_a_thread(priority_of)

    assert in_a_thread(work) == (f"{os.SCHED_OTHER}\n", 0)


def test_refusal_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    got = put_ahead(5)
    assert got.priority == 0
    assert str(got).startswith("no real-time priority: SCHED_FIFO needs")


def test_it_is_told_in_words() -> None:
    assert str(Scheduled(7)) == "a real-time priority of 7"


def test_the_bound_is_set_below_what_was_given_and_taken_away() -> None:
    before = resource.getrlimit(resource.RLIMIT_RTTIME)
    try:
        bound_spinning(0.25)
        assert resource.getrlimit(resource.RLIMIT_RTTIME) == (250_000, before[1])
        bound_spinning(None)
        assert resource.getrlimit(resource.RLIMIT_RTTIME)[0] == before[1]
    finally:
        resource.setrlimit(resource.RLIMIT_RTTIME, before)
