"""SIGTERM ends a block once, in order, and is what it was before afterwards."""

from __future__ import annotations

import os
import signal
import threading
from typing import NoReturn

import pytest

from testbed.loop.ending import ending_in_order


def test_sigterm_ends_it_in_order_and_a_second_one_does_not_disturb() -> None:
    before = signal.getsignal(signal.SIGTERM)
    ended: list[str] = []

    def runs() -> NoReturn:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            pytest.fail("it goes on")
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            ended.append("all of it")

    with pytest.raises(SystemExit) as caught, ending_in_order():
        runs()
    assert caught.value.code == 143
    assert ended == ["all of it"]
    assert signal.getsignal(signal.SIGTERM) is before


def test_what_was_before_comes_back_where_nothing_happened() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with ending_in_order():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def test_in_a_thread_no_handler_is_set() -> None:
    before, found = signal.getsignal(signal.SIGTERM), []

    def run() -> None:
        with ending_in_order():
            found.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found == [before]
