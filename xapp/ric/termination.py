"""Our own E2 termination: base stations' associations with `Nodes` behind them, in one event loop.

A thin shell. Messages and ends of associations go to `Nodes`, what it answers goes out, and all
else that it tells goes to `hear`, together with what came with it. It does not know what the
messages are about.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from xapp.e2.capture import Capture, CapturedAssociation
from xapp.e2.capture_packets import Endpoint
from xapp.e2.nodes import Drop, NodeEvent, Nodes, ToPeer
from xapp.errors import TransportError
from xapp.ric.address import Address
from xapp.ric.transport import Association, Limits, Listener, Message, listen

Hear = Callable[[Sequence[NodeEvent]], None]
END_SECONDS = 3.0  # for associations to end when the xApp does


class Termination:
    """Listens for base stations until it is closed."""

    def __init__(self, nodes: Nodes, hear: Hear, now: Callable[[], float],
                 capture: Capture | None = None) -> None:
        self._nodes, self._hear, self._now, self._capture = nodes, hear, now, capture
        self.arrived: float | None = None  # when the message that is taken in came
        self.more = False  # another is taken in right after it
        self._listeners: list[Listener] = []
        self._associations: dict[int, Association] = {}
        self._captured: dict[int, CapturedAssociation] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._closing = False

    async def listen(self, address: Address, limits: Limits | None = None) -> Listener:
        """Take associations at `address` from now on; raises where that is not possible."""
        listener = await listen(address, self._opened, limits)
        self._listeners.append(listener)
        return listener

    @property
    def listeners(self) -> tuple[Listener, ...]:
        return tuple(self._listeners)

    def peer(self, association: int) -> str:
        """The address of an association's other end."""
        found = self._associations.get(association)
        return "" if found is None else found.peer

    def apply(self, events: Sequence[NodeEvent]) -> None:
        """Do what `Nodes` answered to a command of ours, and tell the rest."""
        told: list[NodeEvent] = []
        for event in events:
            if isinstance(event, ToPeer):
                self._send(event)
            else:
                if isinstance(event, Drop):
                    self._drop(event)
                told.append(event)
        if told:
            self._hear(told)
        self._set_timer()

    async def close(self) -> None:
        """End every association in order."""
        self._closing = True
        if self._timer is not None:
            self._timer.cancel()
        for listener in self._listeners:
            listener.close()
        associations = list(self._associations.values())
        for association in associations:
            association.close()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=END_SECONDS)
        for association in associations:
            if association.ended is None:
                association.abort("the xApp ends")
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for association in associations:
            await association.wait_closed()
        for listener in self._listeners:
            await listener.wait_closed()

    def _opened(self, association: Association) -> None:
        if self._closing:
            association.abort("the xApp ends")
            return
        try:
            number = self._nodes.opened(self._now())
        except TransportError as error:
            association.abort(error.problem)
            return
        self._associations[number] = association
        if self._capture is not None:
            self._captured[number] = self._capture.association(
                _endpoint(str(self._listeners[0].address)), _endpoint(association.peer))
        task = asyncio.get_running_loop().create_task(self._receive(number, association))
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        self._set_timer()

    async def _receive(self, number: int, association: Association) -> None:
        while (message := await association.receive()) is not None:
            self.more = association.waiting > 0
            self._take(number, message)
        self._associations.pop(number, None)
        self._captured.pop(number, None)
        self.apply(self._nodes.closed(number, self._now(), association.ended or "it ended"))

    def _take(self, number: int, message: Message) -> None:
        captured = self._captured.get(number)
        if captured is not None:
            captured.received(message.payload, message.ppid)
        self.arrived = self._now()
        try:
            self.apply(self._nodes.receive(number, message.payload, message.ppid, self.arrived))
        finally:
            self.arrived = None

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # A fault of ours: the loop's handler tells it, and the base station comes again.
            task.get_loop().call_exception_handler(
                {"message": "an association's messages were not taken", "exception": error})

    def _send(self, event: ToPeer) -> None:
        association = self._associations.get(event.association)
        if association is None or association.ended is not None:
            return  # its end is on the way to `Nodes`
        try:
            association.send(event.data, event.ppid)
        except TransportError as error:
            association.abort(error.problem)
            return
        captured = self._captured.get(event.association)
        if captured is not None:
            captured.sent(event.data, event.ppid)

    def _drop(self, event: Drop) -> None:
        association = self._associations.get(event.association)
        if association is not None:
            association.abort(event.why)

    def _set_timer(self) -> None:
        """Wake when `Nodes` has something to do; to wake too early does no harm."""
        due = self._nodes.next_deadline()
        if due is None or self._closing:
            return
        loop = asyncio.get_running_loop()
        when = loop.time() + max(due - self._now(), 0.0)
        if self._timer is None or when < self._timer.when():
            if self._timer is not None:
                self._timer.cancel()
            self._timer = loop.call_at(when, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self.apply(self._nodes.tick(self._now()))


def _endpoint(text: str) -> Endpoint:
    address = Address.parse(text)
    return Endpoint(address.host, address.port)
