"""Log lines written aside: all of them come, and a console that does not read holds up nobody."""

from __future__ import annotations

import io
import logging
import threading

from xapp import log_aside
from xapp.log_aside import logging_aside

PATIENCE = 20.0  # seconds for a thread on a busy machine


def test_lines_come_from_their_level_on_and_the_root_is_left_as_it_was() -> None:
    root, out = logging.getLogger(), io.StringIO()
    before = (root.level, list(root.handlers))
    with logging_aside("warning", out):
        logging.getLogger("xapp").info("not this")
        logging.getLogger("xapp").warning("but %s", "this")
    assert "WARNING xapp: but this" in out.getvalue()
    assert "not this" not in out.getvalue()
    assert (root.level, list(root.handlers)) == before


class Stuck(io.StringIO):
    """A console that takes nothing until it is let go on."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.on = threading.Event(), threading.Event()

    def write(self, text: str) -> int:
        self.asked.set()
        assert self.on.wait(PATIENCE)
        return super().write(text)


def test_lines_beyond_what_waits_are_left_out() -> None:
    out, lines = Stuck(), log_aside.MOST_LINES + 100
    with logging_aside("info", out):
        try:
            logging.getLogger("xapp").info("first")
            assert out.asked.wait(PATIENCE)
            for number in range(lines):
                logging.getLogger("xapp").info("line %d", number)  # returns, whoever reads
        finally:
            out.on.set()
    found = out.getvalue().splitlines()
    assert len(found) <= log_aside.MOST_LINES + 1
    assert found[-1].endswith(f"line {log_aside.MOST_LINES - 1}")
