"""What the console's pages share: the client, and what was last read, asked for once by all.

Several browsers and several parts of a page want the same figures at the same time; the xApp is
asked once. It knows no widgets.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from xapp.console_client import Client
from xapp.errors import ConfigurationError, XappError

T = TypeVar("T")
MAX_KEPT = 256  # answers; a page asks for some ten


@dataclass(frozen=True)
class ConsoleConfig:
    """How the console looks at its xApp."""

    refresh: float = 2.0  # seconds between looks
    read_only: bool = False  # nothing can be changed from here


@dataclass(frozen=True)
class _Kept:
    until: float
    value: Any
    error: XappError | None


class Console:
    """One xApp as pages see it."""

    def __init__(
        self, client: Client, config: ConsoleConfig, monotonic: Callable[[], float]
    ) -> None:
        self.client, self.config = client, config
        self._now = monotonic
        self._lock = threading.Lock()
        self._kept: dict[Any, _Kept] = {}
        self._asking: dict[Any, threading.Lock] = {}

    @property
    def may_change(self) -> bool:
        return self.client.may_change and not self.config.read_only

    def read(self, ask: Callable[..., T], *arguments: Any) -> T:
        """What `ask` answers, or answered less than half a refresh ago; its error likewise.

        What was long in coming is kept as long: else, where the xApp takes a call and does not
        answer, every page and every part of it would wait in turn.
        """
        key = (ask.__name__, *arguments)
        with self._lock:
            asking = self._asking.setdefault(key, threading.Lock())
        with asking:  # whoever comes meanwhile waits for the same answer
            kept = self._kept.get(key)
            if kept is None or self._now() > kept.until:
                kept = self._ask(ask, arguments)
                with self._lock:
                    if len(self._kept) >= MAX_KEPT:
                        self._kept.clear()
                        self._asking.clear()
                    self._kept[key] = kept
        if kept.error is not None:
            raise type(kept.error)(kept.error.problem, kept.error.remedy)
        value: T = kept.value
        return value

    def _ask(self, ask: Callable[..., Any], arguments: tuple[Any, ...]) -> _Kept:
        begun, value, failed = self._now(), None, None
        try:
            value = ask(*arguments)
        except XappError as error:
            failed = error
        came = self._now()
        return _Kept(came + max(self.config.refresh / 2, came - begun), value, failed)

    def changed(self) -> None:
        """Something was done: what was read before it is old."""
        with self._lock:
            self._kept.clear()


_installed: Console | None = None


def install(console: Console) -> None:
    """Make `console` the one that the pages of this process show."""
    global _installed  # Streamlit runs the script anew for each visitor and hands it nothing
    _installed = console


def current() -> Console:
    if _installed is None:
        raise ConfigurationError("The console has no xApp.", "Start it: airsplit xapp-console.")
    return _installed
