"""The link to an edge: a session that outlives its connections.

When a connection breaks, the link comes back and takes the session up where it was; if the edge no
longer has it, or another edge has to step in, the link sends its rows again from the `ledger`. The
caller sees a pause. It knows frames and sessions, not tokens' meaning or text.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import torch

from edge_server.encodings.registry import RAW
from edge_server.encodings.wire import Packed, pack_again, unpack
from edge_server.engine.tensors import TORCH_TYPES
from edge_server.errors import FrameError, SessionError
from edge_server.frame import EPOCHS, Flags, Frame, FrameType, drafted, newer, tokens_of
from edge_server.messages import ErrorCode, Hello, Mode, Sampling, Start, Welcome
from ue_app.encoding import RowEncoder
from ue_app.errors import EdgeUnreachable, Interrupted, LinkError, LinkLost, LinkTimeout
from ue_app.ledger import Ledger, Sent
from ue_app.link import LinkState, LinkStatus, Result, Traffic
from ue_app.wire import LinkConfig, Wire

logger = logging.getLogger("ue_app.client")
# Refusals after which the same rows may well be taken: at once, later, or by another edge.
PASSING = frozenset({
    ErrorCode.TOO_MANY_SESSIONS, ErrorCode.IDLE, ErrorCode.MOVED, ErrorCode.TAKEN_OVER,
    ErrorCode.OUT_OF_MEMORY, ErrorCode.TOO_FAST})
# Refusals that damaged bytes or a fault of the edge's would explain; they may not come for ever.
FAULTS = frozenset({ErrorCode.BAD_FRAME, ErrorCode.BAD_POSITION, ErrorCode.INTERNAL})
# Refusals of a frame that is well formed and not known, or more than is taken.
REFUSALS = frozenset({ErrorCode.BAD_FRAME, ErrorCode.TOO_LARGE})
MAX_FAULTS = 3  # without a result in between
MAX_RESENDS = 32  # without a result in between
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0  # seconds between attempts


@dataclass
class _Answer:
    """What the edge has to know of the answer being written."""

    sampling: Sampling
    first: int  # position of its first token
    chosen: list[int] = field(default_factory=list)


class EdgeLink:
    """A session on an edge."""

    scored = False  # the edge sends tokens, not their scores
    logits: torch.Tensor | None = None

    def __init__(
        self, config: LinkConfig, hello: Hello, clock: Callable[[], float] = time.monotonic,
        encoder: RowEncoder | None = None,
    ) -> None:
        """`encoder` says how rows are written; without one they go as they are."""
        self._config, self._hello, self._clock = config, hello, clock
        self.traffic: Traffic | None = Traffic()
        self._counter = self.traffic
        self.status = LinkStatus(LinkState.CLOSED, config.url)
        self.interrupted = threading.Event()
        self._encoder = encoder or RowEncoder()
        self._ledger = Ledger()
        self._unseen: list[tuple[int, int]] = []  # STARTs that the edge may not know: epoch, kept
        self._answer: _Answer | None = None
        self._secret, self._number = hello.secret, hello.session
        self._turn = 0  # which of the addresses is in use
        self._trouble: float | None = None  # since when nothing came of it
        self._faults = self._resends = 0
        self._reached = 0  # how far the edge has let this answer's rows come
        self._wire = self._first_wire()

    def write_with(self, encoder: RowEncoder) -> None:
        """From the next answer on rows are written so; what was sent stays as it went."""
        self._encoder = encoder

    def start(self, sampling: Sampling, kept: int, first: int) -> None:
        self._ledger.truncate(kept)
        self._encoder.begin()
        if self._hello.mode is Mode.PRIVATE:
            sampling = Sampling()  # the choice is this side's alone
        self._answer = _Answer(sampling, first)
        self._trouble, self._faults, self._reached, self._resends = None, 0, 0, 0
        start = self._next_start(kept)
        given_up = self.status.state is LinkState.CLOSED
        if given_up:  # now it works at once or not at all
            self._return_by(self._first_wire)
        try:
            if given_up:
                self._send_again(self.welcome.length, self.welcome.seen)
            else:
                self._wire.poll()
                self._wire.send(start)
        except (LinkError, SessionError, FrameError) as error:
            self._recover(error)

    def send(
        self, position: int, rows: torch.Tensor, flags: Flags, drafts: Sequence[int] = ()
    ) -> None:
        packed = self._encoder.encode(position, rows)
        self.status.encoding = self._encoder.name
        self._ledger.record(position, packed.rows, flags, packed.again, drafts)
        if self._encoder.adaptive:
            self._encoder.sending(rows.shape[0], self._wire.progress())
        try:
            self._send_rows(position, packed, flags, drafts)
        except (LinkError, SessionError, FrameError) as error:
            self._recover(error)

    def receive(self) -> Result:
        while True:
            try:
                result = self._result(self._wire.receive())
            except (LinkError, SessionError, FrameError) as error:
                self._recover(error)
                continue
            if result is not None:
                self._trouble, self._faults, self._resends = None, 0, 0
                if self._encoder.adaptive:
                    self._encoder.answered(self._wire.progress())
                return result

    def cancel(self, kept: int) -> int:
        self.interrupted = threading.Event()  # what was given up is over
        self._ledger.truncate(kept)
        self._answer = None
        try:
            self._wire.send(self._frame(FrameType.CANCEL, position=kept))
            while self._wire.receive().type is not FrameType.CANCEL:
                pass  # a result of the answer that was given up
        except (LinkError, SessionError, FrameError):
            # A connection that was torn in the middle of a frame, or broke: the next answer opens
            # another, on which nothing of this one comes.
            self._wire.drop()
        return kept

    def close(self) -> None:
        """Say goodbye; a link that is already broken closes silently."""
        try:
            self._wire.send(self._frame(FrameType.GOODBYE))
        except (LinkError, SessionError):
            pass  # there is nobody to say it to
        finally:
            self._wire.close()
            self.status.state = LinkState.CLOSED

    def _result(self, frame: Frame) -> Result | None:
        """What was waited for; None for a frame that is something else, or came twice."""
        if frame.type is FrameType.RESEND:
            self._resends += 1
            if self._resends > MAX_RESENDS:
                raise FrameError("The edge asks for the same rows again and again.",
                                 "Install the same version on both sides.")
            self._send_again(frame.position, frame.epoch)
            return None
        mine = frame.session == self.welcome.session and frame.epoch == self._epoch
        due = self._ledger.due[0] if self._ledger.due else None
        if not mine or due is None:
            return None
        self._unseen.clear()
        if self._hello.mode is Mode.TOKENS:
            return self._tokens(frame, due)
        if frame.type is not FrameType.HIDDEN:  # a token above all: the phone chooses them
            raise FrameError(f"Hidden rows were expected, and a {frame.type.name} frame came.")
        if frame.columns != self._ledger.columns:
            raise FrameError(f"Rows of {frame.columns} channels came back for those of "
                             f"{self._ledger.columns}.", "Install the same version on both sides.")
        if frame.position != due.needed_from or frame.rows != due.end - due.needed_from:
            return None
        self._ledger.settle(0)
        return unpack(memoryview(frame.payload), frame.dtype, TORCH_TYPES[self._hello.dtype],
                      frame.rows, frame.columns)

    def _tokens(self, frame: Frame, due: Sent) -> Result | None:
        """What stands after the rows of `due`."""
        if frame.position != due.end - len(due.drafts):
            return None
        tokens = tokens_of(frame)
        if len(tokens) > 1 + len(due.drafts) or tokens[:-1] != due.drafts[: len(tokens) - 1]:
            raise FrameError(f"The edge answered {len(due.drafts)} drafts with {len(tokens)} "
                             "tokens that do not follow from them.",
                             "Install the same version on both sides.")
        self._ledger.settle(len(tokens))
        if self._answer is not None:
            self._answer.chosen += tokens
        return tokens if due.drafts else tokens[0]

    def _first_wire(self) -> Wire:
        """A connection to the first edge that takes us; if none does, why the first did not."""
        failure: Exception | None = None
        tries = 1 + MAX_FAULTS if self._config.patience else 1
        for turn in range(len(self._config.urls)):
            self._turn = turn
            for _ in range(tries):
                try:
                    return self._open()
                except LinkLost as error:  # an edge is there, but the link to it broke
                    failure = failure or error
                except (LinkError, SessionError, FrameError) as error:
                    failure = failure or error
                    break
        assert failure is not None  # there is at least one address
        raise failure

    def _open(self) -> Wire:
        """Connect to the edge whose turn it is, and agree on a session: the last one, if it can."""
        url = self._config.urls[self._turn % len(self._config.urls)]
        began = self._clock()
        wire = self._connect(url)
        try:
            asked = replace(self._hello, session=self._number, secret=self._secret,
                            token=self._config.token)
            wire.send(Frame(FrameType.HELLO, payload=asked.pack()))
            answer = wire.receive()
            if answer.type is not FrameType.WELCOME:
                raise FrameError(f"The edge answered HELLO with {answer.type.name}.")
            welcome = Welcome.unpack(answer.payload)
            self._check_room(welcome, url)
        except BaseException:
            wire.drop()
            raise
        self.welcome, self._epoch = welcome, answer.epoch
        if welcome.session != self._number:
            self._unseen.clear()  # it holds nothing, which is right
        self._number, self._secret = welcome.session, welcome.secret
        self.status.edge, self.status.state = url, LinkState.CONNECTED
        if self.status.round_trip is None:
            self.status.round_trip = self._clock() - began
        return wire

    def _connect(self, url: str) -> Wire:
        try:
            return Wire(url, self._config, self._counter, self.status,
                        lambda: self.interrupted.is_set(), self._clock)
        except LinkTimeout as error:  # here it is no reason to give up the other edges
            raise EdgeUnreachable(f"{url} did not answer in time. {error.problem}",
                                  "Check the link, and that the edge is up.") from error

    def _check_room(self, welcome: Welcome, url: str) -> None:
        """An edge that steps in has to take what the last one took."""
        if self._ledger.end > welcome.capacity:
            raise SessionError(ErrorCode.TOO_LONG,
                               f"The conversation has {self._ledger.end} tokens; {url} keeps "
                               f"{welcome.capacity}.", "Start a new conversation.")

    def _recover(self, error: Exception) -> None:
        """Bring the session back after `error`, or raise it where that cannot help."""
        try:
            self._try_again(error)
        except BaseException:
            if self.status.state is LinkState.RECONNECTING:
                self.status.state = LinkState.CLOSED  # nobody tries any more
            raise

    def _try_again(self, error: Exception) -> None:
        if self._trouble is None:
            self._trouble = self._clock()
        pause = FIRST_PAUSE
        while True:
            self._check_recoverable(error)
            if isinstance(error, SessionError) and error.code == ErrorCode.TOO_FAST:
                self._reach(error.position)
                self._wait(error.retry_after)  # the connection stands: only wait
            else:
                if self.status.state is LinkState.CONNECTED:
                    logger.warning("%s Trying again.", error)
                    if self._reach(self.welcome.length):  # connections break, and get us further
                        pause = FIRST_PAUSE
                self._wire.drop()
                self.status.state = LinkState.RECONNECTING
                if not isinstance(error, LinkLost) or pause > FIRST_PAUSE:
                    self._wait(max(pause, self._advice(error)) * random.uniform(0.5, 1.0))
            pause = min(2 * pause, LONGEST_PAUSE)
            try:
                self._reconnect(error)
                return
            except (LinkError, SessionError, FrameError) as again:
                error = again

    def _reach(self, position: int) -> bool:
        """Whether the edge holds more of the answer's rows than before; patience begins anew."""
        if position <= self._reached:
            return False
        self._reached, self._trouble = position, self._clock()
        return True

    def _reconnect(self, error: Exception) -> None:
        if self.status.state is LinkState.RECONNECTING:
            if not isinstance(error, LinkLost):
                self._turn += 1  # this edge would say the same again, another may not
            self._return_by(self._open)
            self._send_again(self.welcome.length, self.welcome.seen)
        else:
            assert isinstance(error, SessionError)
            self._send_again(error.position, self._epoch)

    def _return_by(self, way: Callable[[], Wire]) -> None:
        before = self._number
        self._wire = way()
        if self.welcome.session == before:
            self.status.resumed += 1
        else:
            self.status.rebuilt += 1

    def _send_again(self, held: int, seen: int) -> None:
        """Bring an edge that held `held` rows in epoch `seen` to where this side is.

        Of those rows it may hold some that a later START, which it never saw, had made void, and
        some of drafts that were wrong.
        """
        void = [kept for epoch, kept in self._unseen if newer(epoch, seen)]
        held = min([held, self._ledger.end, *void])
        if self._answer is not None:
            self._wire.send(self._next_start(held))
        end = self._ledger.end
        if self._encoder.builds_on(end):
            held = min(held, end - 1)  # a new connection or epoch has no row before
        for sent in self._ledger.plan(held, min(self._config.piece, self.welcome.max_rows)):
            packed = pack_again(self._ledger.rows(sent), sent.encoding)
            self._send_rows(sent.position, packed, sent.flags, sent.drafts)

    def _next_start(self, kept: int) -> Frame:
        """The frame that begins the answer, or goes on with it, where `kept` rows stand."""
        answer = self._answer
        assert answer is not None
        self._epoch = (self._epoch + 1) % EPOCHS
        self._unseen.append((self._epoch, kept))
        start = Start(answer.sampling, answer.first, tuple(answer.chosen))
        return self._frame(FrameType.START, kept, start.pack())

    def _send_rows(
        self, position: int, packed: Packed, flags: Flags, drafts: Sequence[int]
    ) -> None:
        self._wire.send(Frame(FrameType.ROWS, self.welcome.session, self._epoch, position,
                              packed.dtype, packed.rows.shape[0], packed.rows.shape[1],
                              flags | Flags.DRAFTED if drafts else flags,
                              drafted(drafts, packed.payload)))

    def _check_recoverable(self, error: Exception) -> None:
        """Raise `error` where another attempt cannot help, or patience is over."""
        assert self._trouble is not None
        if isinstance(error, Interrupted | LinkTimeout):
            raise error
        fault = isinstance(error, FrameError)
        if isinstance(error, SessionError):
            fault = error.code in FAULTS
            elsewhere = len(self._config.urls) > 1 and error.code != ErrorCode.TOO_LONG
            if not fault and error.code not in PASSING and not elsewhere:
                raise self._blamed(error)
        self._faults += fault
        if self._faults > MAX_FAULTS or self._clock() - self._trouble >= self._config.patience:
            self.status.state = LinkState.CLOSED
            raise self._blamed(error)

    def _blamed(self, error: Exception) -> Exception:
        """A refusal of what not every edge may take, with what to do about it."""
        if not isinstance(error, SessionError) or error.code not in REFUSALS:
            return error
        due = self._ledger.due[0] if self._ledger.due else None
        if due is not None and due.drafts:
            what, instead = "guesses", "Switch guessing off (--speculate)"
        elif self.status.encoding not in (None, RAW):
            what = f"rows in {self.status.encoding}"
            instead = "Send rows as they are (--encoding raw)"
        else:
            return error
        return SessionError(error.code, f"The edge does not take {what}: {error.problem}",
                            f"{instead}, or install the same version on both sides.")

    def _advice(self, error: Exception) -> float:
        """Seconds that the edge asked for, unless there is another to go to."""
        alone = len(self._config.urls) == 1
        return error.retry_after if isinstance(error, SessionError) and alone else 0.0

    def _wait(self, seconds: float) -> None:
        if self.interrupted.wait(seconds):
            raise Interrupted("The answer was stopped.")

    def _frame(self, kind: FrameType, position: int = 0, payload: bytes = b"") -> Frame:
        return Frame(kind, self.welcome.session, self._epoch, position, payload=payload)
