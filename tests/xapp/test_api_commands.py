"""Commands on their way into another thread's event loop, and back."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from xapp.api_commands import answer, on_loop
from xapp.errors import Behind, Conflict

WAIT = 30.0


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop that runs in a thread of its own."""
    made = asyncio.new_event_loop()
    thread = threading.Thread(target=made.run_forever)
    thread.start()
    yield made
    made.call_soon_threadsafe(made.stop)
    thread.join(WAIT)
    made.close()


def test_a_command_runs_in_the_loop_and_its_result_comes_back(
    loop: asyncio.AbstractEventLoop
) -> None:
    async def command() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    assert asyncio.run(answer(on_loop(loop, command))) is loop


def test_an_error_of_a_command_comes_back(loop: asyncio.AbstractEventLoop) -> None:
    async def command() -> None:
        raise Conflict("It is taken.", "Take another.")

    with pytest.raises(Conflict, match="It is taken"):
        asyncio.run(answer(on_loop(loop, command)))


def test_a_command_that_nobody_waits_for_any_more_is_never_done(
    loop: asyncio.AbstractEventLoop
) -> None:
    held, done = threading.Event(), []
    loop.call_soon_threadsafe(held.wait, WAIT)  # the loop is busy

    async def command() -> None:
        done.append("it")

    with pytest.raises(Behind, match="nothing was done"):
        asyncio.run(answer(on_loop(loop, command), seconds=0.05))
    held.set()

    async def later() -> None: ...

    asyncio.run(answer(on_loop(loop, later)))  # the loop has come past it
    assert done == []


def test_a_command_that_has_begun_is_not_said_to_be_undone(
    loop: asyncio.AbstractEventLoop
) -> None:
    release = threading.Event()

    async def command() -> str:
        while not release.is_set():
            await asyncio.sleep(0.01)
        return "done"

    with pytest.raises(Behind, match="began"):
        asyncio.run(answer(on_loop(loop, command), seconds=0.05, begun_seconds=0.05))
    future = on_loop(loop, command)
    release.set()
    assert asyncio.run(answer(future)) == "done"


def test_a_closed_loop_is_told() -> None:
    closed = asyncio.new_event_loop()
    closed.close()

    async def command() -> None: ...

    with pytest.raises(Behind, match="ending"):
        on_loop(closed, command)


def test_a_future_that_is_done_already_is_answered_at_once() -> None:
    future: Future[int] = Future()
    future.set_result(3)
    assert asyncio.run(answer(future, seconds=0)) == 3
