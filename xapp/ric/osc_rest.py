"""Calls to the services of an OSC RIC: one thread makes them, in order, and hands on the answers.

    rest = Rest(seconds, lambda call, answer: ...)       # called in the thread
    rest.ask(call)

What is asked of one service must come in order: a deletion before the same question again. Every
answer is capped and has a deadline; no proxy is used.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable

import httpx

from xapp.errors import TransportError
from xapp.ric.osc_messages import Answer, Call

MOST_ANSWER = 8 << 20  # octets; a base station's definitions in hexadecimal have some 100 KiB
MOST_WAITING = 4096  # calls; as many as there may be subscriptions, and then some
_HEADERS = {"accept": "application/json", "content-type": "application/json"}


class Rest:
    """Calls to one service."""

    def __init__(self, seconds: float, answered: Callable[[Call, Answer], None],
                 name: str) -> None:
        self._seconds, self._answered = seconds, answered
        self._calls: queue.Queue[Call | threading.Event | None] = queue.Queue(MOST_WAITING)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def ask(self, call: Call) -> None:
        """Make it when those before it are answered."""
        try:
            self._calls.put_nowait(call)
        except queue.Full:
            raise TransportError(f"{MOST_WAITING} calls wait for the RIC already.",
                                 "Look whether its services still answer.") from None

    def made(self, seconds: float) -> bool:
        """Wait for those that were asked until now; whether all were answered in `seconds`."""
        deadline = time.monotonic() + seconds
        answered = threading.Event()
        try:
            self._calls.put(answered, timeout=seconds)
        except queue.Full:
            return False
        return answered.wait(max(0.0, deadline - time.monotonic()))

    def close(self, seconds: float) -> bool:
        """Make those that wait, within `seconds`; whether all were made."""
        deadline = time.monotonic() + seconds
        try:
            self._calls.put(None, timeout=seconds)
        except queue.Full:
            return False
        self._thread.join(max(0.0, deadline - time.monotonic()))
        return not self._thread.is_alive()

    def _run(self) -> None:
        limits = httpx.Timeout(self._seconds)
        with httpx.Client(timeout=limits, trust_env=False, follow_redirects=False) as client:
            while (call := self._calls.get()) is not None:
                if isinstance(call, threading.Event):
                    call.set()
                else:
                    self._answered(call, self._answer(client, call))

    def _answer(self, client: httpx.Client, call: Call) -> Answer:
        deadline = time.monotonic() + self._seconds
        body = b""
        try:
            with client.stream(call.method, call.url, content=call.body,
                               headers=_HEADERS) as response:
                for piece in response.iter_bytes():
                    body += piece
                    if len(body) > MOST_ANSWER:
                        return Answer(0, b"", f"more than {MOST_ANSWER >> 20} MiB came")
                    if time.monotonic() > deadline:
                        return Answer(0, b"", f"no whole answer in {self._seconds:g} s")
                return Answer(response.status_code, body)
        except httpx.TimeoutException:
            return Answer(0, b"", f"no answer in {self._seconds:g} s")
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            return Answer(0, b"", str(error) or type(error).__name__)
