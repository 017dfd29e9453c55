"""Priority: taken where it is permitted, told where it is not."""

from __future__ import annotations

import os
import threading

import pytest

from testbed.ran.plane.scheduling import ordinary, urgent


def in_a_thread(priority: int) -> tuple[str, int]:
    found: list[tuple[str, int]] = []
    thread = threading.Thread(
        target=lambda: found.append((urgent(priority), os.sched_getscheduler(0))))
    thread.start()
    thread.join()
    return found[0]


def test_what_it_says_is_what_it_is() -> None:
    told, policy = in_a_thread(5)
    assert (told == "SCHED_FIFO 5") == (policy == os.SCHED_FIFO | os.SCHED_RESET_ON_FORK)
    # This thread's own; whoever had a priority for a while keeps the mark that children have none.
    assert os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK == os.SCHED_OTHER


def test_refusal_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    assert in_a_thread(5)[0].startswith("ordinary: SCHED_FIFO needs")
    assert ordinary() == "ordinary: as configured"
