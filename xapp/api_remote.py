"""`Operations` in the process that serves the REST API: what the xApp tells it, and commands back.

What is so now is the last picture that came; lists and histories come from the store, which this
process reads by itself. A command goes over the link and is answered there; one that comes too late
is not begun. It has no sockets: `send` is the link's.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import replace
from pathlib import Path
from typing import Any

from xapp import errors
from xapp.api_commands import COMMAND_SECONDS
from xapp.api_link import MOST_TO_XAPP, pack, picture_of, policies_of
from xapp.errors import Behind, TransportError, XappError
from xapp.operations import Clock, Document, Health, Picture, PolicyView
from xapp.recorded import Recorded

# One that the xApp has not begun by then is not begun any more: its caller waits for longer, so
# that the answer of one that was begun at the last moment still comes.
BEGIN_SECONDS = COMMAND_SECONDS / 2
SILENT_SECONDS = 5.0  # the xApp's loop shows a new picture at least every second


class RemoteOperations(Recorded):
    """`Operations` of an xApp in another process."""

    def __init__(self, store: Path, limits: Document, send: Callable[[bytes], None],
                 now: Callable[[], float], wall: Callable[[], float]) -> None:
        super().__init__(store, lambda: Clock(now(), wall()))
        self._limits, self._send, self._now, self._wall = limits, send, now, wall
        self._picture = Picture(Clock(now(), wall()), now(), Health(False))
        self._came = now()
        self._types: Mapping[int, Document] = {}
        self._policies: Sequence[PolicyView] = ()
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._waiting: dict[int, Future[None]] = {}

    # What comes over the link, in the thread that reads it.

    def take(self, message: Mapping[str, Any]) -> None:
        """A message of the xApp's."""
        kind = message["kind"]
        if kind == "picture":
            self._picture, self._came = picture_of(message.get("picture")), self._now()
        elif kind == "policies":
            try:
                self._types = {int(one["policy_type_id"]): one for one in message["types"]}
            except (KeyError, TypeError, ValueError) as error:
                raise TransportError("Policy types are not as they should be.",
                                     "See the log.") from error
            self._policies = policies_of(message.get("policies"))
        elif kind == "answer":
            self._answered(message)

    def _answered(self, message: Mapping[str, Any]) -> None:
        number = message.get("number")
        with self._lock:
            future = self._waiting.pop(number, None) if isinstance(number, int) else None
        # Nobody waits for one that was given up.
        if future is None or not future.set_running_or_notify_cancel():
            return
        problem = message.get("error")
        if problem is None:
            future.set_result(None)
        else:
            future.set_exception(error_of(problem))

    def closed(self) -> None:
        """The link is closed: nothing is answered any more."""
        with self._lock:
            waiting, self._waiting = list(self._waiting.values()), {}
        for future in waiting:
            try:
                future.set_exception(Behind("The xApp ended before it answered.",
                                            "See its events for what came of it."))
            except InvalidStateError:
                continue  # given up already

    # What the API asks.

    def picture(self) -> Picture:
        silence = self._now() - self._came
        if silence < SILENT_SECONDS:
            return self._picture
        return replace(self._picture, clock=Clock(self._now(), self._wall()), health=Health(
            False, (f"The xApp's loop has shown nothing for {silence:.0f} s.",)))

    def limits(self) -> Document:
        return self._limits

    def policy_types(self) -> Mapping[int, Document]:
        return self._types

    def policies(self, type_id: int | None) -> Sequence[PolicyView]:
        return [one for one in self._policies if one.type_id == type_id]

    def create_policy_type(self, type_id: int, document: Document) -> Future[None]:
        return self._command("create_policy_type", type_id, document)

    def delete_policy_type(self, type_id: int) -> Future[None]:
        return self._command("delete_policy_type", type_id)

    def put_policy(self, type_id: int, instance: str, body: Document, who: str) -> Future[None]:
        return self._command("put_policy", type_id, instance, body, who)

    def delete_policy(self, type_id: int, instance: str, who: str) -> Future[None]:
        return self._command("delete_policy", type_id, instance, who)

    def set_dry_run(self, on: bool, who: str) -> Future[None]:
        return self._command("set_dry_run", on, who)

    def pull_kill_switch(self, reason: str, who: str) -> Future[None]:
        return self._command("pull_kill_switch", reason, who)

    def release_kill_switch(self, who: str) -> Future[None]:
        return self._command("release_kill_switch", who)

    def _command(self, name: str, *arguments: Any) -> Future[None]:
        number, future = next(self._numbers), Future[None]()
        try:
            data = pack({"kind": "command", "number": number, "name": name,
                         "arguments": arguments, "by": self._now() + BEGIN_SECONDS}, MOST_TO_XAPP)
        except TransportError as error:
            raise errors.PolicyError(error.problem, error.remedy) from error
        with self._lock:
            self._waiting[number] = future
        future.add_done_callback(lambda _: self._forget(number))
        try:
            self._send(data)
        except XappError:
            self._forget(number)
            raise
        return future

    def _forget(self, number: int) -> None:
        with self._lock:
            self._waiting.pop(number, None)


def error_document(error: Exception) -> dict[str, str]:
    """An error for the link."""
    if isinstance(error, XappError):
        return {"type": type(error).__name__, "problem": error.problem, "remedy": error.remedy}
    return {"type": "XappError", "problem": f"The xApp failed to do it: {error!r}",
            "remedy": "Report it with the log."}


def error_of(document: Any) -> XappError:
    """The inverse: an error of the package's own tree, whatever is said."""
    if not isinstance(document, Mapping):
        document = {}
    kind = getattr(errors, str(document.get("type")), XappError)
    if not (isinstance(kind, type) and issubclass(kind, XappError)):
        kind = XappError
    return kind(str(document.get("problem")), str(document.get("remedy")))
