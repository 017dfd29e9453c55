"""Keeps the testbed up in the background: `python -m testbed.bed.keeper FOLDER`.

It does what the order in FOLDER says, tells how that stands in a document beside it, and ends in
order on SIGTERM, or with an error as soon as one part ends. As an ordinary user it starts itself
again inside a user namespace; the outer one keeps the record and the doors to pages.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from dataclasses import replace
from pathlib import Path

from testbed.bed.layout import (
    ENDING,
    FAILED,
    INSIDE,
    NAME,
    PARTS,
    READY,
    BedOrder,
    News,
    PartNews,
    read_order,
    write_news,
)
from testbed.bed.modes import Mode
from testbed.bed.record import Record, process_of
from testbed.errors import TestbedFailure
from testbed.loop.grounds import PHONE
from testbed.loop.ordinary import OPTION, Outside, at_home
from testbed.loop.programs import Programs
from testbed.loop.settings import Load

LOOK_SECONDS = 0.5


class Ended(BaseException):
    """Somebody asked for the end."""


class BedPrograms(Programs):
    """The loop's programs without its scripted phone: whoever uses the testbed is the phone."""

    def _start_phone(self) -> None:
        self.ground.route(PHONE, self.settings.phone_address)


class Keeper:
    """One testbed, and what is told of it."""

    def __init__(self, folder: Path, order: BedOrder) -> None:
        self._folder, self._order = folder, order
        self._news = News()
        self._tell()

    def keep(self, record: Record) -> None:
        """Up, until asked to end; raises where a part ends by itself."""
        order, parts = self._order, self._folder / PARTS
        parts.mkdir(exist_ok=True)
        settings = replace(order.settings, mode=order.mode)
        with BedPrograms(settings, parts, order.model, self._said, record) as programs:
            try:
                self._start(programs)
                while True:
                    programs.check()
                    _pause(LOOK_SECONDS)
            finally:
                signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it ends already: do so in order
                self._change(state=ENDING)

    def _start(self, programs: Programs) -> None:
        self._programs = programs
        programs.start()
        # The loop's capture is for its figures; here it would only grow.
        programs.ground.end_capture()
        programs.capture.unlink(missing_ok=True)
        if self._order.settings.load is not Load.NONE:
            programs.crowd.order("start")
        # Namespaces inside a user's are not to be entered from out here.
        hint = ({} if self._order.mode is Mode.USER
                else {"the edge, as the phone": programs.ground.hint()})
        self._change(state=READY, waiting_for="", addresses=programs.addresses | hint,
                     parts=_parts(programs))

    def _said(self, text: str) -> None:
        self._change(waiting_for=text.removeprefix("waiting for "), parts=_parts(self._programs))

    def failed(self, problem: str) -> None:
        self._change(state=FAILED, error=problem)

    def _change(self, **changes: object) -> None:
        self._news = replace(self._news, **changes)  # type: ignore[arg-type]  # its own fields
        self._tell()

    def _tell(self) -> None:
        write_news(self._folder, self._news)


def _parts(programs: Programs) -> tuple[PartNews, ...]:
    return tuple(PartNews(name, process_of(part.process.pid), str(part.log))
                 for name, part in programs.parts.items())


def _pause(seconds: float) -> None:
    """A signal's handler runs at once, and may raise."""
    threading.Event().wait(seconds)


def main() -> int:
    parser = argparse.ArgumentParser(prog="keeper")
    parser.add_argument("folder", type=Path)
    parser.add_argument(OPTION, default=None)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, _ended)
    folder, order = arguments.folder, read_order(arguments.folder)
    try:
        if arguments.inside is not None:
            settings = at_home(order.settings, arguments.inside)
            with Record.open(INSIDE) as record:
                return keep(folder, replace(order, settings=settings), record)
        with Record.open(NAME) as record:
            record.about(mode=order.mode, why=order.why)
            if order.mode is Mode.USER:
                return _outside(folder, order, record)
            return keep(folder, order, record)
    except Ended:  # before there was anything to end
        return 0
    except (TestbedFailure, OSError) as error:
        print(f"testbed: {error}", file=sys.stderr, flush=True)
        return 1


def _outside(folder: Path, order: BedOrder, record: Record) -> int:
    with Outside(order.settings, record) as outside:
        return outside.run([sys.executable, "-m", "testbed.bed.keeper", str(folder)])


def keep(folder: Path, order: BedOrder, record: Record) -> int:
    """0 after the end that somebody asked for."""
    keeper = Keeper(folder, order)
    try:
        keeper.keep(record)
    except Ended:
        return 0
    except (TestbedFailure, OSError) as error:
        keeper.failed(str(error))
        print(f"testbed: {error}", file=sys.stderr, flush=True)
        return 1
    return 0


def _ended(number: int, frame: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough
    raise Ended


if __name__ == "__main__":
    sys.exit(main())
