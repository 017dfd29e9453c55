"""The process of the REST API, as the xApp's loop has it: started, fed, heard, started again.

    api = ApiProcess(operations, settings, now, tell)
    await api.start()                    # once it answers requests
    api.show(picture)                    # never waits: a process that does not read misses some

The listening socket is the xApp's and outlives the process: who connects while it starts again
waits for a moment. Commands that come over the link are run in the loop, unless their caller has
given them up. What the process does with all this is in `api_worker`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from xapp.access import listen, url
from xapp.api_link import MOST_TO_API, MOST_TO_XAPP, Unpacker, pack, picture_document
from xapp.api_remote import error_document
from xapp.errors import Behind, TransportError, XappError
from xapp.events import Code, Event, info, warning
from xapp.operations import Document, Picture, PolicyView

START_SECONDS = 180.0  # until it answers: Python and its libraries, on a machine that is busy
STOP_SECONDS = 8.0  # for running answers to end; then it is killed
AGAIN_SECONDS = (0.2, 30.0)  # before it is started again: at first, and at most
LONG_SECONDS = 60.0  # after which it is well, and the next start does not wait for long
MOST_UNREAD = 128 << 20  # bytes that it does not read: then it is ended, and started again
READ_BYTES = 1 << 16
# What it may ask for, with what each of the arguments is.
COMMANDS: Mapping[str, tuple[type, ...]] = {
    "create_policy_type": (int, dict), "delete_policy_type": (int,),
    "put_policy": (int, str, dict, str), "delete_policy": (int, str, str),
    "set_dry_run": (bool, str), "pull_kill_switch": (str, str), "release_kill_switch": (str,)}


class Commanded(Protocol):
    """What of `Operations` this needs."""

    def picture(self) -> Picture: ...

    def limits(self) -> Document: ...

    def policy_types(self) -> Mapping[int, Document]: ...

    def policies(self, type_id: int | None) -> Sequence[PolicyView]: ...


@dataclass(frozen=True)
class ApiSettings:
    """What the process is told at its start."""

    store: Path
    token: str | None
    host: str = "127.0.0.1"
    port: int = 8480  # 0: a free one
    log_level: str = "INFO"


class ApiProcess:
    """One process after another, from `start` to `stop`."""

    def __init__(self, operations: Commanded, settings: ApiSettings, now: Callable[[], float],
                 tell: Callable[[Event], None]) -> None:
        """Listens at once, so that a port that is taken is told before anything else starts."""
        self._operations, self._settings = operations, settings
        self._now, self._tell = now, tell
        self._listening = listen(
            settings.host, settings.port, "The REST API", settings.token is not None,
            "Keep to 127.0.0.1, or give it a token with --token-file FILE.")
        self.url = url(settings.host, self._listening.getsockname()[1])
        self.process: asyncio.subprocess.Process | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._told: object = None  # the policies that it was told of last
        self._ready = asyncio.Event()
        self._ending = False
        self._task: asyncio.Task[None] | None = None

    # Its life.

    async def start(self) -> None:
        """Returns once requests are answered."""
        self._task = asyncio.get_running_loop().create_task(self._keep())
        ready = asyncio.get_running_loop().create_task(self._ready.wait())
        done, _ = await asyncio.wait({ready, self._task}, timeout=START_SECONDS,
                                     return_when=asyncio.FIRST_COMPLETED)
        if ready in done:
            self._task.add_done_callback(self._lost)
            return
        ready.cancel()
        if self._task in done:
            self._task.result()  # raises why
        raise TransportError(f"The REST API did not answer within {START_SECONDS:g} s.",
                             "See what it wrote above.")

    def _lost(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (fault := task.exception()) is not None:
            self._tell(warning(Code.FAULT, f"The REST API is not kept running: {fault!r}"))

    async def stop(self) -> None:
        """It ends with its link; running answers get a moment."""
        self._ending = True
        self._listening.close()
        if self._task is None:
            return
        if self._writer is not None:
            self._writer.close()
        elif self.process is None:
            self._task.cancel()  # it waits before another start
        if not (await asyncio.wait({self._task}, timeout=STOP_SECONDS))[0]:
            self._kill()
        await asyncio.gather(self._task, return_exceptions=True)

    def _kill(self) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()

    async def _keep(self) -> None:
        """Have one running."""
        pause, most = AGAIN_SECONDS
        while True:
            began = self._now()
            why = await self._one()
            if self._ending:
                return
            if not self._ready.is_set():
                raise TransportError(f"The REST API ended while it started: {why}.",
                                     "See what it wrote above.")
            if self._now() - began > LONG_SECONDS:
                pause = AGAIN_SECONDS[0]
            self._tell(warning(Code.API_DOWN, f"The process of the REST API ended ({why}); it is "
                               f"started again in {pause:g} s. Steering goes on."))
            await asyncio.sleep(pause)
            pause = min(2 * pause, most)

    async def _one(self) -> str:
        """One process, from its start to its end; why it ended."""
        ours, its = socket.socketpair()
        try:
            self.process = await self._spawn(its)
        except BaseException as error:
            ours.close()
            if isinstance(error, OSError):
                return str(error)
            raise
        finally:
            its.close()
        reader, self._writer = await asyncio.open_connection(sock=ours)
        why = ""
        try:
            self._begin()
            await self._hear(reader)
        except OSError:
            why = ""  # it ended while something was said to it: its status tells more
        except TransportError as error:
            why = str(error)
        finally:
            writer, self._writer = self._writer, None
            writer.close()
            with contextlib.suppress(OSError):  # it is over anyhow
                await writer.wait_closed()
        code = await self._ended()
        return why or (f"signal {-code}" if code < 0 else f"exit status {code}")

    async def _ended(self) -> int:
        assert self.process is not None
        try:
            return await asyncio.wait_for(self.process.wait(), STOP_SECONDS)
        except TimeoutError:
            self._kill()
            return await self.process.wait()
        finally:
            self.process = None

    async def _spawn(self, link: socket.socket) -> asyncio.subprocess.Process:
        here = str(Path(__file__).resolve().parents[1])
        path = os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "xapp.api_worker", str(link.fileno()),
            str(self._listening.fileno()), stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL, env=os.environ | {"PYTHONPATH": path},
            pass_fds=(link.fileno(), self._listening.fileno()))

    # What it is told.

    def _begin(self) -> None:
        settings = self._settings
        self._send({"kind": "start", "store": str(settings.store.resolve()),
                    "limits": self._operations.limits(), "token": settings.token,
                    "host": settings.host, "log_level": settings.log_level})
        self._told = None
        self.show(self._operations.picture(), must=True)

    def show(self, picture: Picture, must: bool = False) -> None:
        """How things stand; left out where the process has not read what came before."""
        writer = self._writer
        if writer is None or (not must and writer.transport.get_write_buffer_size()):
            return
        types = self._operations.policy_types()
        policies = [one for number in (None, *types) for one in self._operations.policies(number)]
        if (told := (list(types), policies)) != self._told:
            self._told = told
            self._send({"kind": "policies", "types": list(types.values()), "policies": policies})
        self._send({"kind": "picture", "picture": picture_document(picture)})

    def _send(self, message: Mapping[str, Any]) -> None:
        if self._writer is None or self._writer.is_closing():
            return
        self._writer.write(pack(message, MOST_TO_API))
        if self._writer.transport.get_write_buffer_size() > MOST_UNREAD:
            self._kill()

    # What it says.

    async def _hear(self, reader: asyncio.StreamReader) -> None:
        unpacker = Unpacker(MOST_TO_XAPP)
        while data := await reader.read(READ_BYTES):
            for message in unpacker.feed(data):
                if message["kind"] == "ready":
                    if self._ready.is_set():
                        self._tell(info(Code.API_UP, "The REST API answers again."))
                    self._ready.set()
                elif message["kind"] == "command":
                    self._command(message)

    def _command(self, message: Mapping[str, Any]) -> None:
        number = message.get("number")
        try:
            future = self._begun(message)
        except XappError as error:
            self._answer(number, error)
        else:
            loop = asyncio.get_running_loop()
            future.add_done_callback(
                lambda done: loop.call_soon(self._answer, number, done.exception()))

    def _begun(self, message: Mapping[str, Any]) -> Future[None]:
        name, arguments, by = (message.get(one) for one in ("name", "arguments", "by"))
        kinds = COMMANDS.get(str(name))
        if (kinds is None or not isinstance(arguments, list) or not isinstance(by, float)
                or len(arguments) != len(kinds)
                or not all(map(isinstance, arguments, kinds))):
            raise TransportError("The API asks for what nobody knows.", "See the log.")
        if self._now() > by:
            raise Behind("The xApp did not get to it in time; nothing was done.", "Try again.")
        future: Future[None] = getattr(self._operations, str(name))(*arguments)
        return future

    def _answer(self, number: object, error: BaseException | None) -> None:
        """After the picture that shows it."""
        self.show(self._operations.picture(), must=True)
        document = None if error is None else error_document(
            error if isinstance(error, Exception) else RuntimeError(str(error)))
        self._send({"kind": "answer", "number": number, "error": document})
