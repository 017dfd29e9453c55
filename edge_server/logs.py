"""One line an event, for people (`text`) or for a machine that collects them (`json`).

What varies is given as fields (`logger.info("session opened", extra={"layers": ...})`), so that an
event keeps its name. Fields never hold text, activations, token ids, bearer tokens or a session's
number; `alias` makes of the latter what a log may show. It knows no other module's events.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from typing import Any

# Whatever a record has besides was given with `extra`.
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message",
                                                     "taskName"}
# Below INFO the WebSocket library writes what it sends and receives: activations and tokens. At
# INFO the server writes addresses as they were called, which may hold what no address should.
_TALKATIVE = ("uvicorn", "uvicorn.error", "uvicorn.asgi", "websockets", "asyncio")


def configure(level: str, style: str, stream: Any = None) -> None:
    """Send every logger's records to `stream` (default: standard error)."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Json() if style == "json" else Text())
    logging.getLogger().addHandler(handler)
    logging.getLogger().setLevel(level.upper())
    quiet = max(logging.WARNING, logging.getLevelName(level.upper()))
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(quiet)


def alias(number: int) -> str:
    """A session's name in logs: always the same, and of no use to who wants the session."""
    return hashlib.blake2b(number.to_bytes(8, "big"), digest_size=4).hexdigest()


class Text(logging.Formatter):
    """`2026-03-01T12:30:00.123Z INFO edge_server: session opened layers=1:8 mode=tokens`"""

    def format(self, record: logging.LogRecord) -> str:
        fields = "".join(f" {key}={_plain(value)}" for key, value in _fields(record).items())
        line = f"{_time(record)} {record.levelname} {record.name}: {_line(record)}{fields}"
        return line + ("\n" + self.formatException(record.exc_info) if record.exc_info else "")


class Json(logging.Formatter):
    """One object a line."""

    def format(self, record: logging.LogRecord) -> str:
        event = {"time": _time(record), "level": record.levelname.lower(), "logger": record.name,
                 "event": record.getMessage()} | _fields(record)
        if record.exc_info:
            event["exception"] = self.formatException(record.exc_info)
        return json.dumps(event, default=str)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    return {key: value for key, value in vars(record).items() if key not in _OWN}


def _time(record: logging.LogRecord) -> str:
    seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    return f"{seconds}.{int(record.msecs):03d}Z"


def _line(record: logging.LogRecord) -> str:
    """A message that holds line breaks must not look like several events."""
    return record.getMessage().replace("\r", "\\r").replace("\n", "\\n")


def _plain(value: Any) -> str:
    text = str(value)
    return text if text and all(33 <= ord(letter) < 127 and letter not in '"=' for letter in text
                                ) else json.dumps(text)
