"""The door through which a running cell is told of events: a Unix socket that its owner can open.

    async with served(path, take): ...                    # take(document) -> what was done
    tell(path, {"kind": "outage", "seconds": 5})          # from anywhere else on this machine

A line of JSON goes in, an event as a cell's file has it; a line comes back, {"done": ...} or
{"error": ...}. It is no port: neither another machine nor a page in a browser can reach it.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from testbed.errors import LinkFailure
from testbed.ran.plane.leftovers import FOLDER
from xapp.errors import ConfigurationError

MOST_BYTES = 1 << 16  # of a line
MOST_PATH = 107  # bytes, of a Unix socket's name
QUIET_SECONDS = 60.0  # after which somebody who says nothing is not waited for any more
ANSWER_SECONDS = 30.0  # a UE with many sessions takes its time to come back
MOST_CLIENTS = 16
Take = Callable[[Mapping[str, Any]], Awaitable[str]]


def door_of(name: str) -> Path:
    """Where the cell of a name listens, if nothing else was said."""
    return FOLDER / f"{name}.control"


def tell(path: Path, event: Mapping[str, Any]) -> str:
    """Have an event happen in the cell that listens there; what was done, in words."""
    try:
        with socket.socket(socket.AF_UNIX) as end:
            end.settimeout(ANSWER_SECONDS)
            end.connect(str(path))
            end.sendall(json.dumps(dict(event)).encode() + b"\n")
            with end.makefile("rb") as answers:
                answer = json.loads(answers.readline(MOST_BYTES))
    except OSError as error:
        raise LinkFailure(f"No cell answers at {path}: {error.strerror or error}.",
                          "Is `airsplit ran` running, with backend slots (htb takes no events), "
                          "and is this its socket?") from error
    except ValueError as error:
        raise LinkFailure(f"What listens at {path} is no cell: {error}.") from error
    if not isinstance(answer, dict) or "done" not in answer:
        problem = answer.get("error") if isinstance(answer, dict) else answer
        raise ConfigurationError(str(problem))
    return str(answer["done"])


@asynccontextmanager
async def served(path: Path, take: Take) -> AsyncIterator[None]:
    """Take events until the block ends."""
    clients: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # it runs in one
        clients.add(task)
        try:
            if len(clients) <= MOST_CLIENTS:
                await _converse(reader, writer, take)
        except (OSError, TimeoutError, asyncio.CancelledError):
            pass  # it went, fell silent, or the cell ends: there is nobody left to tell
        finally:
            clients.discard(task)
            writer.close()

    server = await _listen(path, serve)
    try:
        yield
    finally:
        server.close()
        waiting = set(clients)
        for one in waiting:
            one.cancel()
        if waiting:
            await asyncio.wait(waiting)
        await server.wait_closed()
        path.unlink(missing_ok=True)


async def _listen(path: Path, serve: Callable[
        [asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]) -> asyncio.Server:
    if len(os.fsencode(path)) > MOST_PATH:
        raise ConfigurationError(f"{path} is too long for a socket's name.",
                                 f"It may have {MOST_PATH} bytes.")
    if _answers(path):
        raise ConfigurationError(f"Another cell listens at {path}.", "End it, or name another.")
    mask = os.umask(0o077)  # nobody else may open it
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)  # of a run that was killed
        return await asyncio.start_unix_server(serve, path, limit=MOST_BYTES)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be listened at: {error.strerror}.",
                                 "Choose another --control.") from error
    finally:
        os.umask(mask)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as end, suppress(OSError):
        end.connect(str(path))
        return True
    return False


async def _converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter,
                    take: Take) -> None:
    while True:
        try:
            async with asyncio.timeout(QUIET_SECONDS):
                line = await reader.readline()
        except ValueError:  # longer than a line may be: where the next begins, nobody knows
            answer, line = {"error": f"A line has at most {MOST_BYTES} bytes."}, b""
        else:
            if not line:
                return
            answer = await _answer(line, take)
        writer.write(json.dumps(answer).encode() + b"\n")
        await writer.drain()
        if not line:
            return


async def _answer(line: bytes, take: Take) -> dict[str, str]:
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        return {"error": "This is no JSON."}
    if not isinstance(document, dict):
        return {"error": "An event is an object, such as {\"kind\": \"outage\"}."}
    try:
        return {"done": await take(document)}
    except (ConfigurationError, LinkFailure) as error:
        return {"error": str(error)}
