"""One phone that several callers may ask, one after another: what a server or a page builds on.

It opens the phone when first asked, opens it again after the link broke, and lets one question run
at a time. Answers come as pieces of text with the record of the answer so far. It knows no HTTP and
no widgets.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace

from edge_server.errors import EdgeError, SessionError
from edge_server.messages import Sampling
from ue_app.errors import Interrupted, LinkError
from ue_app.generate import Answer, Finish
from ue_app.manner import Manner
from ue_app.phone import Phone, PhoneConfig, open_phone
from ue_app.prompt import Turn


@dataclass(frozen=True)
class Question:
    """What to answer, and how."""

    turns: tuple[Turn, ...] | None  # a conversation; None where `text` is to be continued
    text: str = ""
    sampling: Sampling = field(default_factory=Sampling)
    stop: tuple[str, ...] = ()
    max_new_tokens: int | None = None  # None: the phone's own limit
    likeliest: int | None = None  # log-probabilities of so many tokens beside the chosen one


@dataclass(frozen=True)
class Piece:
    """Some more text of an answer, and the answer so far."""

    text: str
    answer: Answer


class Service:
    """A phone behind a lock."""

    def __init__(self, config: PhoneConfig | Callable[[], PhoneConfig]) -> None:
        self._config = config  # a function is called at each opening: the edge may have moved
        self._lock = threading.Lock()
        self._phone: Phone | None = None
        self._over = False
        self._manner: Manner | None = None  # None: as the configuration says
        self.opening = False  # read by whoever shows how the phone is doing, from any thread

    @property
    def phone(self) -> Phone | None:
        """The phone, where it is open."""
        return self._phone

    def open(self) -> Phone:
        """The phone, opened now unless it is; raises what keeps it from opening."""
        if self._phone is None:
            self.opening = True
            try:
                self._phone = open_phone(self._now())
            finally:
                self.opening = False
            if self._over:  # it ended while the phone opened
                self.close()
                raise Interrupted("The app closed the phone.")
        return self._phone

    def prefer(self, manner: Manner) -> None:
        """Fetch answers so from the next on; one under way goes on as it began."""
        self._manner = manner

    def warm(self) -> None:
        """Open the phone before it is asked, in turn with questions."""
        with self._lock:
            self._ready()

    def retire(self) -> None:
        """Close for good once the answer under way has ended: another phone takes over."""
        self._over = True
        with self._lock:
            self.close()

    def end(self) -> None:
        """Close for good, whatever is under way."""
        self._over = True
        self.close()

    def ask(
        self, question: Question, cancelled: threading.Event
    ) -> Generator[Piece, None, Answer]:
        """Answer `question` once it is its turn; `cancelled` ends it early, on both sides."""
        with self._lock:
            phone = self._ready()
            if cancelled.is_set():  # while others were answered, or the phone opened
                return Answer(0, 0, 0.0, None, finish=Finish.CANCELLED)
            ids = (phone.prompter.encode_raw(question.text) if question.turns is None
                   else phone.prompter.encode_turns(question.turns))
            phone.link.interrupted = cancelled
            pieces = phone.conversation.ask(
                ids, question.sampling, phone.prompter.stream(question.stop),
                question.max_new_tokens, question.likeliest)
            try:
                for text in pieces:
                    answer = phone.conversation.answer
                    assert answer is not None  # `ask` has begun
                    yield Piece(text, answer)
                    if cancelled.is_set():
                        break
            except (LinkError, SessionError):
                raise  # the link comes back by itself with the next question, if it can
            except EdgeError:
                self.close()
                raise
            finally:
                pieces.close()
                self._settle(phone)
            answer = phone.conversation.answer
            assert answer is not None
            return replace(answer)

    def _ready(self) -> Phone:
        """The phone, open and in the manner that is preferred."""
        phone = self.open()
        if self._manner is None or phone.adapt(self._manner):
            return phone
        self.close()
        return self.open()

    def _now(self) -> PhoneConfig:
        config = self._config if isinstance(self._config, PhoneConfig) else self._config()
        return config if self._manner is None else replace(config, **vars(self._manner))

    def _settle(self, phone: Phone) -> None:
        """Tell the other side of an answer that was given up."""
        answer = phone.conversation.answer
        if self._phone is None or answer is None or answer.finish != "cancelled":
            return
        try:
            phone.conversation.cancel()
        except (LinkError, EdgeError):
            self.close()

    def close(self) -> None:
        """Let go of the link; the next question opens it again."""
        if self._phone is not None:
            self._phone.link.close()
            self._phone = None
