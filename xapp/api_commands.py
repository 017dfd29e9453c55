"""The way of a command from whoever serves the API to the xApp's event loop, and back.

A caller that waited long enough takes its command back: what it is told was not done never is. It
knows no command, and no HTTP.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from xapp.errors import Behind

T = TypeVar("T")
# One that the loop has not begun by then finds an operator who has tried again.
COMMAND_SECONDS = 5.0
# One that the loop has begun may wait for a base station that does not answer.
BEGUN_SECONDS = 30.0
_running: set[asyncio.Task[None]] = set()  # a loop itself keeps no hold of its tasks


def on_loop(
    loop: asyncio.AbstractEventLoop, command: Callable[[], Coroutine[Any, Any, T]]
) -> Future[T]:
    """Run `command` in `loop`, from any thread; what it returns or raises is the future's."""
    future: Future[T] = Future()

    async def run() -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            future.set_result(await command())
        except BaseException as error:  # whatever it is: the caller's to explain, not the loop's
            future.set_exception(error)

    def start() -> None:
        task = loop.create_task(run())
        _running.add(task)
        task.add_done_callback(_running.discard)

    try:
        loop.call_soon_threadsafe(start)
    except RuntimeError as error:  # closed
        raise Behind("The xApp is ending.", "Start it again: airsplit xapp.") from error
    return future


async def answer(
    future: Future[T], seconds: float = COMMAND_SECONDS, begun_seconds: float = BEGUN_SECONDS
) -> T:
    """What a command came to; `Behind` where nothing began to do it within `seconds`."""
    waiting = asyncio.wrap_future(future)
    done, _ = await asyncio.wait([waiting], timeout=seconds)
    if not done and future.cancel():
        raise Behind(f"The xApp did not get to it within {seconds:g} s; nothing was done.",
                     "Try again; if this stays so, the machine or its disk is too slow.")
    done, _ = await asyncio.wait([waiting], timeout=begun_seconds)
    if not done:
        raise Behind(f"The xApp began to do it and has not ended after {begun_seconds:g} s.",
                     "See its events and decisions for what came of it.")
    return waiting.result()
