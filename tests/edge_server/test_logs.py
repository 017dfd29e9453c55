"""Log lines: fields, both styles, and what must not be in them."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from edge_server.logs import alias, configure


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """What is configured here must not stay."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    named = [logging.getLogger(name) for name in ("uvicorn", "uvicorn.error", "uvicorn.asgi",
                                                  "websockets", "asyncio")]
    levels = [logger.level for logger in named]
    root.handlers = []
    yield
    root.handlers = handlers
    root.setLevel(level)
    for logger, before in zip(named, levels, strict=True):
        logger.setLevel(before)


def logged(style: str, message: str, level: str = "info", **fields: object) -> str:
    stream = io.StringIO()
    configure(level, style, stream)
    logging.getLogger("edge_server").info(message, extra=fields)
    return stream.getvalue()


def test_text() -> None:
    line = logged("text", "session opened", layers="[1, 8)", mode="tokens", empty="", odd="a=b")
    when, rest = line.split(" ", 1)
    assert len(when) == len("2026-03-01T12:30:00.123Z")
    assert rest == ('INFO edge_server: session opened layers="[1, 8)" mode=tokens empty="" '
                    'odd="a=b"\n')


def test_json() -> None:
    event = json.loads(logged("json", "session opened", layers="[1, 8)", length=5))
    assert event.pop("time").endswith("Z")
    assert event == {"level": "info", "logger": "edge_server", "event": "session opened",
                     "layers": "[1, 8)", "length": 5}


@pytest.mark.parametrize("style", ["text", "json"])
def test_one_line_whatever_comes(style: str) -> None:
    line = logged(style, "two\nlines\r", field="x\nINFO edge_server: forged \u2028 é")
    assert line.count("\n") == 1
    assert line.isascii()
    assert "\r" not in line


@pytest.mark.parametrize("style", ["text", "json"])
def test_an_exception_comes_with_its_trace(style: str) -> None:
    stream = io.StringIO()
    configure("info", style, stream)
    try:
        raise ZeroDivisionError("why")
    except ZeroDivisionError:
        logging.getLogger("edge_server").exception("failed")
    written = stream.getvalue()
    assert "ZeroDivisionError: why" in written
    if style == "json":
        assert json.loads(written)["event"] == "failed"


def test_levels() -> None:
    assert logged("text", "quiet", level="warning") == ""
    assert logged("text", "loud", level="debug") != ""


def test_libraries_that_log_what_they_carry_stay_quiet_at_debug() -> None:
    stream = io.StringIO()
    configure("debug", "text", stream)
    for name in ("uvicorn.error", "websockets.server", "asyncio"):
        assert not logging.getLogger(name).isEnabledFor(logging.INFO)
    assert logging.getLogger("edge_server").isEnabledFor(logging.DEBUG)


def test_aliases() -> None:
    numbers = [1, 2, 2**63, 2**64 - 1]
    assert len({alias(number) for number in numbers}) == 4
    assert alias(5) == alias(5)
    assert all(len(alias(number)) == 8 for number in numbers)
