"""The modes' server goes on where the system has no descriptor to give for a moment."""

from __future__ import annotations

import errno
import logging
import os
import threading
from types import SimpleNamespace
from typing import Any, cast

import pytest

from testbed.modes import server
from testbed.modes.server import ModesServer, ServerConfig
from testbed.modes.serving import Served


def test_a_connection_that_cannot_be_taken_does_not_end_it(
        monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(server, "AGAIN_SECONDS", 0.0)
    one = ModesServer(cast(Served, SimpleNamespace()), ServerConfig())
    tries, closed = [], threading.Event()

    class Listener:
        """Refuses, twice, and then is closed."""

        def accept(self) -> Any:
            tries.append(1)
            if len(tries) == 3:
                one._closing = True
                closed.set()
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    real = one._listener
    monkeypatch.setattr(one, "_listener", Listener())
    with caplog.at_level(logging.WARNING):
        serving = threading.Thread(target=one.serve)
        serving.start()
        assert closed.wait(10)
        serving.join(10)
    real.close()
    assert not serving.is_alive()
    assert [one.message for one in caplog.records] == [
        "no connection can be taken just now: [Errno 24] Too many open files"] * 2
