"""Sessions of phones on one edge: what each may ask, and the work its frames turn into.

Sans-IO: frames and `now` come in, `Job`s and frames go out, and `SessionError` or `FrameError` says
what a phone may not do. A session outlives its connections: when one breaks, the session is parked,
and the phone that comes back within the grace time takes it up where it was. Every frame names
session, epoch and absolute position, so a frame that comes twice, late or early does no harm:
behind what the edge holds means going back, ahead of it makes the edge ask for what is missing.

It knows no sockets, threads or clocks; `worker` runs the jobs, `connection` moves the bytes.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from edge_server.config import EdgeConfig
from edge_server.encodings.encoding import Encoding
from edge_server.encodings.registry import by_code
from edge_server.encodings.wire import unpack
from edge_server.engine.sampling import Sampler
from edge_server.engine.tensors import TORCH_TYPES, WIRE_TYPES
from edge_server.errors import FrameError, SessionError
from edge_server.frame import EPOCHS, Dtype, Frame, FrameType, drafts_of, newer, tokens_of
from edge_server.messages import (
    SECRET_BYTES,
    ErrorCode,
    ErrorNotice,
    Hello,
    Mode,
    Start,
    Welcome,
)
from edge_server.session import ALLOWED, Event, Job, Owner, Serving, Session, State

LONGEST_PAUSE = 60.0  # seconds that a phone is told to wait
CACHE_BLOCK = 64  # tokens that a session's cache grows by


@dataclass(frozen=True)
class Admission:
    """How a HELLO was met."""

    session: Session
    resumed: bool  # with all that the edge holds of it
    welcome: Welcome


class Sessions:
    """All sessions of one edge."""

    def __init__(
        self, config: EdgeConfig, serving: Serving,
        ignored: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`ignored` is told why a frame was not acted on."""
        self._config = config
        self.serving = serving
        self._ignored = ignored
        self._free = list(range(config.engine.slots))
        self._open: dict[int, Session] = {}
        self._evicted: list[Session] = []
        self.draining = False  # shutting down: nobody is admitted

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[Session]:
        return iter(list(self._open.values()))

    def admit(self, hello: Hello, owner: Owner, now: float) -> Admission:
        """Give a phone its session, new or the one it had, or say why not."""
        if self.draining:
            raise moved()
        self._check(hello)
        session = self._open.get(hello.session)
        if session is not None and _may_resume(session, hello, owner):
            session.happens(Event.RESUMED)
            welcome = self._welcome(session)
            session.epoch = (session.epoch + 1) % EPOCHS
            session.connection += 1
            session.seen, session.asked = now, False
            return Admission(session, True, welcome)
        self._make_room(owner, now)
        session = Session(secrets.randbits(63) + 1, secrets.token_bytes(SECRET_BYTES), owner,
                          self._free.pop(), hello.layers, hello.mode, hello.dtype, now, now,
                          back=_back(hello))
        self._open[session.number] = session
        return Admission(session, False, self._welcome(session))

    def lost(self, session: Session, connection: int, now: float) -> bool:
        """That connection broke; False where another carries the session by now."""
        if session.state is not State.ATTACHED or session.connection != connection:
            return False
        session.happens(Event.LOST)
        session.seen = now
        return True

    def close(self, session: Session, event: Event) -> bool:
        """End a session; its slot is free once it was cleared. False if it was over before."""
        if session.state is State.CLOSED:
            return False
        session.happens(event)
        del self._open[session.number]
        self._free.append(session.slot)
        return True

    def take_evicted(self) -> list[Session]:
        """Sessions that had to make room since this was last asked; they are closed."""
        evicted, self._evicted = self._evicted, []
        return evicted

    def overdue(self, now: float) -> list[Session]:
        """Sessions whose time is over: idle ones, and parked ones nobody came back for."""
        limits = {State.ATTACHED: self._config.idle_timeout, State.PARKED: self._config.grace}
        return [session for session in self if session.quiet(now) > limits[session.state]]

    def cache_bytes(self) -> int:
        """Memory of all caches, as far as they are filled."""
        blocks = sum(-(-session.length // CACHE_BLOCK) for session in self)
        return blocks * CACHE_BLOCK * self.serving.token_bytes

    def _welcome(self, session: Session) -> Welcome:
        return Welcome(session.number, self._config.engine.capacity, self._config.max_rows,
                       session.secret, session.length, session.epoch,
                       int(self._config.grace * 1000))

    def _make_room(self, owner: Owner, now: float) -> None:
        """A free slot for `owner`: a session that nobody uses has to go for it, or nobody does."""
        own = [session for session in self if session.owner.name == owner.name]
        if owner.sessions is not None and len(own) >= owner.sessions:
            self._evict(own, now, f"This token may have {owner.sessions} sessions at a time")
        elif not self._free:
            self._evict(list(self), now, "This edge already serves its limit of "
                                         f"{self._config.engine.slots} sessions")

    def _evict(self, candidates: list[Session], now: float, limit: str) -> None:
        idle = [session for session in candidates
                if session.state is State.PARKED
                or session.quiet(now) > self._config.yield_after]
        if not idle:
            raise SessionError(ErrorCode.TOO_MANY_SESSIONS, f"{limit}.",
                               "Try again shortly, or another edge.", retry_after=2.0)
        # Whoever lost the connection first, then whoever has been silent for longest.
        victim = min(idle, key=lambda session: (session.state is State.ATTACHED, session.seen))
        self.close(victim, Event.EVICTED)
        self._evicted.append(victim)

    def _check(self, hello: Hello) -> None:
        serving = self.serving
        if hello.identity != serving.identity:
            raise SessionError(
                ErrorCode.WRONG_MODEL,
                f"The phone's model ({hello.identity[:12]}…) is not the edge's "
                f"({serving.identity[:12]}…).",
                "Give both sides parts of the same model: split it once, and copy both folders.")
        last = serving.total_layers
        if hello.mode is Mode.TOKENS and (hello.layers.end != last or not serving.has_output):
            raise SessionError(
                ErrorCode.WRONG_LAYERS, f"Layers {hello.layers} of {last} end before the output.",
                "Use --private with a phone folder that holds the last layers, or a whole tail.")
        if hello.layers.start < serving.held.start or hello.layers.end > serving.held.end:
            raise SessionError(
                ErrorCode.WRONG_LAYERS,
                f"The phone needs layers {hello.layers}; this edge holds {serving.held}.",
                f"Use --split {serving.held.start} with a model that holds the layers before.")
        if TORCH_TYPES.get(hello.dtype) is not serving.row_type:
            raise SessionError(
                ErrorCode.WRONG_DTYPE,
                f"The phone sends {hello.dtype.name} rows; this edge takes "
                f"{WIRE_TYPES[serving.row_type].name}.",
                "Start both sides with the same --dtype (int8 uses bf16 rows).")
        _back(hello)

    def accept(self, session: Session, connection: int, frame: Frame, now: float
               ) -> Job | Frame | None:
        """What a frame that came on `connection` asks for: work, an answer at once, or nothing.

        State changes happen here, computation does not. A frame of an earlier connection or answer
        means nothing any more; one of a later answer says that its START is missing.
        """
        if frame.session != session.number or frame.type not in ALLOWED[session.state]:
            raise SessionError(ErrorCode.BAD_FRAME,
                               f"A {frame.type.name} frame is not expected here.",
                               "Open the session again.")
        if connection != session.connection:
            self._ignored("earlier_connection")
            return None
        session.seen = now
        if frame.type is FrameType.START:
            if newer(frame.epoch, session.epoch):
                self._start(session, frame)
            else:
                self._ignored("earlier_epoch")
        elif frame.epoch != session.epoch:
            later = newer(frame.epoch, session.epoch)
            self._ignored("start_missing" if later else "earlier_epoch")
            return self._missing(session) if later else None
        elif frame.type is FrameType.CANCEL:
            session.cancel(frame.position)
            return Frame(FrameType.CANCEL, session.number, session.epoch, frame.position)
        elif frame.type is FrameType.GOODBYE:
            self.close(session, Event.ENDED)
        else:
            return self._rows(session, frame)
        return None

    def _missing(self, session: Session) -> Frame | None:
        """The request for rows that are missing; None where the phone has it already."""
        if session.asked:
            return None
        session.asked = True
        return Frame(FrameType.RESEND, session.number, session.epoch, session.length)

    def would_take(self, session: Session, frame: Frame) -> bool:
        """Whether the frame brings rows that are not to be ignored, and so count for the rate."""
        return (frame.type is FrameType.ROWS and frame.epoch == session.epoch
                and frame.position <= session.length)

    def too_fast(self, session: Session, wait: float) -> Frame | None:
        """The refusal of rows that came too fast; None where the phone has it already."""
        self._ignored("too_fast")
        if session.asked:
            return None
        session.asked = True
        notice = ErrorNotice(ErrorCode.TOO_FAST, "This token's rows come too fast.",
                             "Go on after a pause.", int(min(wait, LONGEST_PAUSE) * 1000) + 1)
        return Frame(FrameType.ERROR, session.number, session.epoch, session.length,
                     payload=notice.pack())

    def _start(self, session: Session, frame: Frame) -> None:
        start = Start.unpack(frame.payload)
        vocabulary = self.serving.vocabulary
        if start.first + len(start.chosen) > self._config.engine.capacity or any(
                token >= vocabulary for token in start.chosen):
            raise SessionError(ErrorCode.BAD_FRAME,
                               f"START holds {len(start.chosen)} tokens that cannot stand at "
                               f"{start.first}.", "Open the session again.")
        session.epoch = frame.epoch
        session.length, session.asked = min(session.length, frame.position), False
        if not session.sampler.continues(start.sampling, start.first, start.chosen):
            session.sampler = Sampler(start.sampling, start.first, start.chosen)

    def _rows(self, session: Session, frame: Frame) -> Job | Frame | None:
        if frame.dtype not in (session.dtype, Dtype.CODED) or frame.columns != self.serving.hidden:
            raise SessionError(
                ErrorCode.WRONG_DTYPE,
                f"Rows of {frame.columns} {frame.dtype.name} came; this session takes "
                f"{self.serving.hidden} {session.dtype.name}.")
        if frame.rows > self._config.max_rows:
            raise SessionError(ErrorCode.TOO_LARGE,
                               f"{frame.rows} rows came; a frame may carry "
                               f"{self._config.max_rows}.", "Send smaller chunks.")
        drafts, payload = drafts_of(frame)
        self._check_drafts(session, drafts)
        end = frame.position + frame.rows
        if end > self._config.engine.capacity:
            raise SessionError(ErrorCode.TOO_LONG,
                               f"The conversation would reach {end} tokens; the edge keeps "
                               f"{self._config.engine.capacity}.", "Start a new conversation.")
        if frame.position > session.length:
            self._ignored("gap")
            return self._missing(session)
        rows = self._decoded(session, frame, payload)
        self._check_memory(session, end)
        session.length, session.asked = end, False
        return Job(session, frame.epoch, session.answer, frame.position, rows, frame.flags,
                   session.sampler, drafts)

    def verified(self, job: Job, answer: Frame) -> None:
        """The drafts of `job` were gone through: rows after the first wrong one are void."""
        session = job.session
        current = session.epoch == job.epoch and not job.given_up
        if job.drafts and current and session.length == job.end:
            session.length = job.position + len(tokens_of(answer))

    def _check_drafts(self, session: Session, drafts: tuple[int, ...]) -> None:
        if drafts and session.mode is not Mode.TOKENS:
            raise SessionError(ErrorCode.BAD_FRAME, "Drafts came in private mode, where the phone "
                               "alone chooses the tokens.", "Open the session again.")
        if any(token >= self.serving.vocabulary for token in drafts):
            raise SessionError(ErrorCode.BAD_FRAME, f"Drafts came with an id that is not among "
                               f"the {self.serving.vocabulary} of the model.",
                               "Open the session again.")

    def _decoded(self, session: Session, frame: Frame, payload: memoryview) -> torch.Tensor:
        """The rows of `frame`; behind this nothing knows how they were sent."""
        rows = unpack(payload, frame.dtype, self.serving.row_type, frame.rows, frame.columns,
                      session.chain.before(frame.position, frame.epoch))
        session.chain.keep(frame.position + frame.rows, rows, frame.epoch)
        return rows

    def _check_memory(self, session: Session, end: int) -> None:
        limit = self._config.cache_bytes
        grown = -(-end // CACHE_BLOCK) > -(-session.length // CACHE_BLOCK)
        if not limit or not grown:
            return
        before, session.length = session.length, end
        for parked in sorted((other for other in self
                              if other.state is State.PARKED and other.length),
                             key=lambda other: other.seen):
            if self.cache_bytes() <= limit:
                break
            self.close(parked, Event.EVICTED)
            self._evicted.append(parked)
        needed, session.length = self.cache_bytes(), before
        if needed > limit:
            raise SessionError(
                ErrorCode.OUT_OF_MEMORY,
                f"The caches of this edge's sessions would take {needed / 2**20:,.1f} MiB; "
                f"its limit is {limit / 2**20:,.1f} MiB.",
                "Try again shortly, or another edge.", retry_after=2.0)


def _may_resume(session: Session, hello: Hello, owner: Owner) -> bool:
    """A session number that was guessed or overheard opens nothing without its secret and token."""
    back = session.back
    return (hmac.compare_digest(session.secret, hello.secret)
            and session.owner.name == owner.name
            and (session.layers, session.mode, session.dtype, back.code, back.parameter)
            == (hello.layers, hello.mode, hello.dtype, hello.back, hello.back_parameter))


def _back(hello: Hello) -> Encoding:
    """How rows go back to the phone; each by itself, for they may be asked for again."""
    try:
        encoding = by_code(hello.back, hello.back_parameter)
    except FrameError as error:
        raise SessionError(ErrorCode.WRONG_DTYPE, error.problem, error.remedy) from error
    if encoding.chained:
        raise SessionError(ErrorCode.WRONG_DTYPE,
                           f"Rows do not come back in the encoding {encoding.name}.",
                           "Ask for one whose rows stand by themselves, as int8.")
    return encoding


def moved() -> SessionError:
    """What phones are told by an edge that is shutting down."""
    return SessionError(ErrorCode.MOVED, "This edge is shutting down.",
                        "Go on at another edge, or try again here later.", retry_after=2.0)
