"""What every association does alike: bounded queues, ends with a reason, and admission.

A transport adds how a message is written, how reading goes on and how an end is told to the peer.
What a socket is, is not known here.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Callable

from xapp.errors import MessageTooLarge, TransportError
from xapp.ric.transport import Limits, Message

MESSAGE_COST = 128  # bytes that a queued message takes beside its payload
MAX_PPID = (1 << 32) - 1


class QueuedAssociation(ABC):
    """The queues between a transport and who uses it.

    It is open, then closing (what is unsent goes out, what comes is dropped), then gone.
    """

    def __init__(self, peer: str, host: str, limits: Limits) -> None:
        self.peer, self.host = peer, host
        self.ended: str | None = None
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._inbox: deque[Message] = deque()
        self._outbox: deque[tuple[bytes, int]] = deque()
        self._parts: list[bytes] = []  # of a message that is not all here
        self._unread = self._unsent = self._partial = 0  # bytes in them
        self._paused = False  # reading is, until some of the inbox was taken
        self._gone = False  # the transport is
        self._waiter: asyncio.Future[None] | None = None
        self._silence: asyncio.TimerHandle | None = None
        self._closing: asyncio.TimerHandle | None = None
        self._everything_gone: asyncio.Future[None] = self._loop.create_future()
        self._at_end: list[Callable[[], None]] = []
        self._succeeded: Callable[[], None] | None = None

    # What a transport adds.

    @abstractmethod
    def _write(self, payload: bytes, ppid: int) -> bool:
        """Whether the transport took the message; it calls `_writable` when it may take more."""

    @abstractmethod
    def _read_on(self) -> None:
        """Goes on reading after a pause; the transport pauses by itself where `_paused` is set."""

    @abstractmethod
    def _shut_down(self) -> None:
        """Tell the peer of the end after all that was written; `_lost` is called when it knows."""

    @abstractmethod
    def _cut(self) -> None:
        """End it now: the peer is told if it is still there, and nothing is left open."""

    @abstractmethod
    def _leave(self) -> None:
        """Let go of what carried it, which goes on with a successor."""

    # What users call.

    @property
    def waiting(self) -> int:
        """Messages that came and were not received."""
        return len(self._inbox)

    async def receive(self) -> Message | None:
        """The next message; None when there will be none."""
        while not self._inbox:
            if self.ended is not None:
                return None
            assert self._waiter is None, f"two receive from {self.peer} at the same time"
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        message = self._inbox.popleft()
        self._unread -= len(message.payload) + MESSAGE_COST
        if self._paused and self._unread <= self._limits.unread_bytes // 2:
            self._paused = False
            if not self._gone:
                self._read_on()
        return message

    def send(self, payload: bytes, ppid: int) -> None:
        """Write a message, or queue it."""
        if self.ended is not None:
            raise TransportError(f"The association with {self.peer} has ended: {self.ended}.",
                                 "Wait until the node is back.")
        self._check(payload, ppid)
        try:
            if not self._outbox and self._write(payload, ppid):
                return
        except OSError as error:
            self._lost(reason_of(error))
            raise TransportError(f"The association with {self.peer} has ended: {self.ended}.",
                                 "Wait until the node is back.") from error
        self._unsent += len(payload) + MESSAGE_COST
        if self._unsent > self._limits.unsent_bytes:
            self.abort(f"it does not take what it is sent: {len(self._outbox):,} messages wait")
            raise TransportError(f"The association with {self.peer} has ended: {self.ended}.",
                                 "Look whether that node, or the way to it, is overloaded.")
        self._outbox.append((payload, ppid))

    def _check(self, payload: bytes, ppid: int) -> None:
        if len(payload) > self._limits.message_bytes:
            raise MessageTooLarge(
                f"A message of {len(payload):,} bytes is too large for {self.peer}: "
                f"{self._limits.message_bytes:,} are sent at most.", "Ask for less at a time.")
        if not payload or not 0 <= ppid <= MAX_PPID:
            raise TransportError(f"A message of {len(payload)} bytes with identifier {ppid} cannot "
                                 "be sent: SCTP has no empty ones, and identifiers of 32 bits.",
                                 "Send a whole PDU with identifier 70, 71 or 72.")

    def close(self) -> None:
        """Deliver what is unsent, then end; an abort where that takes too long."""
        if self.ended is not None:
            return
        self._end("closed here")
        self._forget_unread()
        self._closing = self._loop.call_later(self._limits.close_seconds, self._remove)
        if self._paused:
            self._paused = False
            self._read_on()  # the peer's end comes behind what it sent before
        if not self._outbox and not self._gone:
            self._shut_down()

    def abort(self, reason: str = "aborted here") -> None:
        """End it now, also where it is closing already."""
        self._forget_unread()
        self._lost(reason)

    async def wait_closed(self) -> None:
        """Until the transport is gone."""
        await asyncio.shield(self._everything_gone)

    # What a transport calls.

    def expect_message(self) -> None:
        """The peer has to say something soon."""
        self._silence = self._loop.call_later(
            self._limits.first_message_seconds, self.abort,
            f"it said nothing for {self._limits.first_message_seconds:g} s")

    def at_end(self, callback: Callable[[], None]) -> None:
        """Call it when nothing of the association is left."""
        self._at_end.append(callback)

    def succeeded(self, callback: Callable[[], None]) -> None:
        """Call it when the peer starts anew, to make another association of what carried this."""
        self._succeeded = callback

    def _arrived(self, payload: bytes, ppid: int) -> None:
        """A message came."""
        if self._silence is not None:
            self._silence.cancel()
            self._silence = None
        if self.ended is not None:
            return  # closing: nobody asks for it any more
        self._inbox.append(Message(ppid, payload))
        self._unread += len(payload) + MESSAGE_COST
        self._paused = self._unread > self._limits.unread_bytes
        self._wake()

    def _part(self, data: bytes, ppid: int, last: bool) -> None:
        """Some of a message came, or all of it."""
        self._partial += len(data)
        if self._partial > self._limits.message_bytes:
            self.too_large()
            return
        if self._parts or not last:
            self._parts.append(data)
            if not last:
                return
            data = b"".join(self._parts)
            self._parts.clear()
        self._partial = 0
        self._arrived(data, ppid)

    def too_large(self) -> None:
        """The peer sends more than a message may have."""
        self.abort(f"it sent a message of more than {self._limits.message_bytes:,} bytes")

    def _writable(self) -> None:
        """The transport may take more."""
        try:
            while self._outbox and self._write(*self._outbox[0]):
                self._unsent -= len(self._outbox.popleft()[0]) + MESSAGE_COST
        except OSError as error:
            self._lost(reason_of(error))
            return
        if self.ended is not None and not self._outbox and not self._gone:
            self._shut_down()

    def _lost(self, reason: str) -> None:
        """The peer is gone, or will be now; what it sent before can still be received."""
        self._end(reason)
        self._remove()

    def _restarted(self) -> None:
        """The peer came back without an end (RFC 9260, section 5.2).

        It knows nothing of what was said before, so that it counts as another association.
        """
        successor, closing = self._succeeded, self.ended is not None
        self._end("its peer started anew")
        if successor is None or closing:
            self._remove()
        else:
            self._remove(self._leave)
            successor()

    def _end(self, reason: str) -> None:
        if self.ended is None:
            self.ended = reason
            self._wake()
        if self._silence is not None:
            self._silence.cancel()
            self._silence = None

    def _remove(self, how: Callable[[], None] | None = None) -> None:
        if self._gone:
            return
        self._gone = True
        if self._closing is not None:
            self._closing.cancel()
        self._outbox.clear()
        self._parts.clear()
        self._unsent = self._partial = 0
        (how or self._cut)()
        if not self._everything_gone.done():  # it is where the loop is being torn down
            self._everything_gone.set_result(None)
        for callback in self._at_end:
            callback()

    def _forget_unread(self) -> None:
        self._inbox.clear()
        self._unread = 0

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def reason_of(error: OSError) -> str:
    """What an operating system's error says of the peer, in words."""
    if isinstance(error, ConnectionResetError):
        return "aborted by its peer"
    if isinstance(error, ConnectionAbortedError):  # by the SCTP of this side, which says no more
        return "its peer does not answer any more, or breaks the protocol"
    return (error.strerror or str(error)).lower()


class Admission:
    """Counts associations of a listener, and turns away those beyond its limits."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._of_address: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()

    def objection(self, host: str) -> str | None:
        """Why one more of that host is not taken."""
        reason = None
        if self._of_address.total() >= self._limits.associations:
            reason = "associations"
        elif self._of_address[host] >= self._limits.of_address:
            reason = "associations_of_address"
        if reason is not None:
            self.refused[reason] += 1
        return reason

    def taken(self, association: QueuedAssociation) -> None:
        """It counts until its end, and has to speak first."""
        self._of_address[association.host] += 1
        association.at_end(lambda: self._released(association.host))
        association.expect_message()

    def _released(self, host: str) -> None:
        self._of_address[host] -= 1
        if not self._of_address[host]:
            del self._of_address[host]
