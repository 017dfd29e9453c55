"""Processes that do tasks: order, deaths at any moment, faults, and an end that leaves nothing."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pcap_tools.errors import PcapError
from pcap_tools.workers import Moved, Progress, Workers


def double(task: int, moved: Moved) -> int:
    time.sleep(0.02 * (task % 3))  # so that they end in another order than they began
    moved(task)
    return 2 * task


def wait_for_ever(task: int, moved: Moved) -> int:
    while True:
        signal.pause()


def until_told(task: int, moved: Moved) -> int:
    while moved(1):
        time.sleep(0.001)
    return task


def die(task: int, moved: Moved) -> int:
    if task == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return task


def fail(task: int, moved: Moved) -> int:
    raise ValueError("a fault")


@contextmanager
def running(work: object, tasks: int, count: int) -> Iterator[tuple[Workers[int, int], Progress]]:
    progress = Progress(count)
    workers: Workers[int, int] = Workers(work, range(tasks), count, progress)  # type: ignore[arg-type]  # any of the above
    try:
        yield workers, progress
    finally:
        workers.close()
        assert multiprocessing.active_children() == []


@pytest.mark.parametrize("count", [1, 2, 5])
def test_results_come_in_the_order_of_the_tasks(count: int) -> None:
    with running(double, 7, count) as (workers, progress):
        assert list(workers) == [0, 2, 4, 6, 8, 10, 12]
        assert progress.position == 21


@pytest.mark.parametrize("alive", [1, 2, 3])
def test_a_process_killed_at_any_moment_is_an_error_and_no_hang(alive: int) -> None:
    """Also while the next one is being started, where the standard library's pool hangs."""
    def kill() -> None:
        while len(children := multiprocessing.active_children()) < alive:
            time.sleep(0.0001)
        for child in children:
            child.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    with running(wait_for_ever, 3, 3) as (workers, _), pytest.raises(PcapError, match="was killed"):
        list(workers)
    killer.join()


def test_what_was_done_before_a_death_is_delivered() -> None:
    got: list[int] = []
    with running(die, 5, 1) as (workers, _), pytest.raises(PcapError, match="was killed"):
        got.extend(iter(workers))
    assert got == [0, 1, 2]


def test_a_fault_in_a_task_is_told_and_printed(capfd: pytest.CaptureFixture[str]) -> None:
    with running(fail, 2, 2) as (workers, _), pytest.raises(PcapError, match=r"exit code 1"):
        list(workers)
    assert "ValueError: a fault" in capfd.readouterr().err


def test_it_ends_early_whatever_they_do() -> None:
    for work in (wait_for_ever, until_told):
        with running(work, 4, 2):
            pass
