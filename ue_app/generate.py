"""The generation loop: ids in, tokens out, over whatever link it is handed.

One loop for every mode: split, unsplit and private differ by link and placement alone. The
conversation's ids are remembered as far as both sides hold their rows, so the next turn sends only
what is new; what is asked again after a cancel starts where both are sure. It reads time from the
clock it is given and knows no text beyond the stop strings' stream.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import torch

from edge_server.engine.sampling import Sampler
from edge_server.errors import ConfigurationError
from edge_server.frame import Flags
from edge_server.messages import Sampling
from ue_app.drafts.speculation import Speculation
from ue_app.errors import Interrupted
from ue_app.head import Head
from ue_app.link import Link, Traffic
from ue_app.prompt import TextStream
from ue_app.scores import TokenScores, scores_of

Pieces = Generator[str, None, None]
PRIVATE_CHUNKS_AHEAD = 2  # chunks sent before their rows are read; fewer than the edge queues


class Finish(StrEnum):
    """Why an answer ended."""

    EOS = "eos"
    STOP = "stop"
    LENGTH = "length"
    CONTEXT = "context"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Limits:
    """When an answer ends."""

    max_new_tokens: int = 256
    stop_ids: frozenset[int] = frozenset()
    capacity: int = 2048  # tokens the conversation may hold, on either side
    chunk: int = 32  # prompt rows a frame


@dataclass
class Answer:
    """One answer as it grows, and what it cost."""

    prompt_tokens: int
    reused_tokens: int  # of the prompt, held by both sides already
    started: float  # by the loop's clock, seconds
    traffic_before: Traffic | None
    ids: list[int] = field(default_factory=list)
    text: str = ""
    times: list[float] = field(default_factory=list)  # when each token came, seconds
    traffic_after_prompt: Traffic | None = None
    traffic_after: Traffic | None = None
    finish: Finish | None = None
    scores: list[TokenScores] = field(default_factory=list)  # of each token, where asked for
    trips: int = 0  # results waited for after the first token
    drafted: int = 0  # tokens guessed, and how many of them came true
    accepted: int = 0


class Conversation:
    """The loop, and how far both sides agree on what was said."""

    def __init__(
        self, head: Head, link: Link, limits: Limits, clock: Callable[[], float],
        speculation: Speculation | None = None,
    ) -> None:
        """With `speculation` tokens are guessed, and several may come for one round trip."""
        self._speculation = speculation
        self._head, self._link, self._limits, self._clock = head, link, limits, clock
        self._held: list[int] = []  # ids whose rows both sides are sure to hold
        self._sampler = Sampler(Sampling())
        self._likeliest: int | None = None
        self.answer: Answer | None = None

    def guess_with(self, speculation: Speculation | None) -> None:
        """From the next answer on tokens are guessed so, or not at all."""
        self._speculation = speculation

    @property
    def has_scores(self) -> bool:
        """Whether tokens are chosen on this side."""
        return self._head.placement.private or self._link.scored

    def ask(
        self, ids: Sequence[int], sampling: Sampling, stream: TextStream,
        max_new_tokens: int | None = None, likeliest: int | None = None,
    ) -> Pieces:
        """Answer `ids`, the whole conversation so far; yields text as it becomes certain.

        With `likeliest` each token's log-probability is kept, and those of so many others: only
        where the scores are on this side.

        An iterator that is closed or interrupted before its end, or ends because the link was told
        to give up, leaves the answer cancelled here; `cancel` then tells the other side.
        """
        if len(ids) >= self._limits.capacity:
            raise ConfigurationError(
                f"The conversation has {len(ids)} tokens; {self._limits.capacity} fit.",
                "Start a new one, shorten the prompt, or raise --context on both sides.")
        if likeliest is not None and not self.has_scores:
            raise ConfigurationError(
                "The edge chooses the tokens here, and keeps their log-probabilities.",
                "Run with --private or --local to have them.")
        self._likeliest = likeliest
        reused = min(_common_prefix(self._held, ids), len(ids) - 1)
        answer = self.answer = Answer(len(ids), reused, self._clock(), self._snapshot())
        self._held = self._held[:reused]
        self._sampler = Sampler(sampling)
        if self._speculation is not None:
            self._speculation.start(sampling, len(ids))
        try:
            self._link.start(sampling, reused, len(ids))
            token = self._prefill(ids, reused)
            answer.traffic_after_prompt = self._snapshot()
            yield from self._continue(
                answer, token, stream, max_new_tokens or self._limits.max_new_tokens)
        except (GeneratorExit, KeyboardInterrupt):
            answer.finish = answer.finish or Finish.CANCELLED
            raise
        except Interrupted:
            answer.finish = Finish.CANCELLED
        finally:
            answer.traffic_after = self._snapshot()

    def cancel(self) -> None:
        """After an interrupted `ask`: tell the other side, keep what both are sure of."""
        del self._held[self._link.cancel(len(self._held)):]

    def _prefill(self, ids: Sequence[int], start: int) -> int:
        """Send the prompt in chunks while earlier ones are computed; returns the first token."""
        waiting: deque[int] = deque()  # positions of chunks whose rows are to come back
        for at in range(start, len(ids), self._limits.chunk):
            chunk = ids[at : at + self._limits.chunk]
            last = at + len(chunk) == len(ids)
            flags = self._head.step_flags if last else self._head.chunk_flags
            self._link.send(at, self._head.rows(chunk, at), flags)
            if flags & Flags.ALL_ROWS and not last:
                waiting.append(at)
                if len(waiting) >= PRIVATE_CHUNKS_AHEAD:
                    self._absorb(waiting.popleft())
        while waiting:
            self._absorb(waiting.popleft())
        if self._speculation is not None:
            self._speculation.read(ids)
        (token,) = self._result(at, len(ids), [])
        self._held = list(ids)
        return token

    def _continue(
        self, answer: Answer, token: int, stream: TextStream, max_new_tokens: int
    ) -> Pieces:
        tokens = [token]
        while True:
            for token in tokens:
                text = self._take(answer, token, stream, max_new_tokens)
                if text:
                    yield text
                if answer.finish is not None:
                    return
            tokens = self._step(answer, max_new_tokens)

    def _take(
        self, answer: Answer, token: int, stream: TextStream, max_new_tokens: int
    ) -> str:
        """Put `token` into the answer; returns the text that it makes certain."""
        answer.times.append(self._clock())
        answer.ids.append(token)
        stopped = token in self._limits.stop_ids
        text = "" if stopped else stream.push(token)
        answer.finish = self._finished(answer, stopped, stream, max_new_tokens)
        if answer.finish not in (None, Finish.STOP):
            text += stream.finish()
        answer.text += text
        return text

    def _step(self, answer: Answer, max_new_tokens: int) -> list[int]:
        """One round trip: the last token's row and those of drafts, if any; what follows it."""
        position, token = len(self._held), answer.ids[-1]
        drafts = self._drafts(answer, max_new_tokens)
        ids = [token, *drafts]
        # In private mode the guesses stay here: the edge must not learn them.
        flags, told = self._head.step_flags, drafts
        if drafts and self._head.placement.private:
            flags, told = flags | Flags.ALL_ROWS, []
        self._link.send(position, self._head.rows(ids, position), flags, told)
        tokens = self._result(position, position + 1, drafts)
        answer.trips += 1
        answer.drafted += len(drafts)
        answer.accepted += len(tokens) - 1
        if self._speculation is not None:
            self._speculation.came(len(drafts), len(tokens) - 1)
        self._held += ids[: len(tokens)]
        return tokens

    def _drafts(self, answer: Answer, max_new_tokens: int) -> list[int]:
        if self._speculation is None or self._likeliest is not None:
            return []  # scores are kept of single rows
        room = min(max_new_tokens - len(answer.ids), self._limits.capacity - len(self._held)) - 1
        return self._speculation.draft([*self._held, answer.ids[-1]], room)

    def _finished(
        self, answer: Answer, stopped: bool, stream: TextStream, max_new_tokens: int
    ) -> Finish | None:
        if stopped:
            return Finish.EOS
        if stream.stopped:
            return Finish.STOP
        if len(answer.ids) >= max_new_tokens:
            return Finish.LENGTH
        # Its own row would stand where the conversation ended before it.
        full = answer.prompt_tokens + len(answer.ids) - 1 >= self._limits.capacity
        return Finish.CONTEXT if full else None

    def _absorb(self, position: int) -> None:
        hidden = self._link.receive()
        assert isinstance(hidden, torch.Tensor)  # agreed on when the session opened
        self._head.absorb(hidden, position)

    def _result(self, position: int, end: int, drafts: Sequence[int]) -> list[int]:
        """What stands from `end` on, after the rows sent last, which stand from `position` on."""
        result = self._link.receive()
        if isinstance(result, tuple):
            return list(result)
        if isinstance(result, int):
            token, logits = result, self._link.logits
        else:
            rows = result
            if self._head.step_flags & Flags.ALL_ROWS:
                rows = self._head.absorb(result, position)
            if drafts:
                return self._head.verify(rows, self._sampler, end, drafts)
            logits = self._head.logits(rows)
            token = self._sampler.choose(logits, end)
        if self._likeliest is not None and self.answer is not None:
            assert logits is not None  # `ask` saw that they are on this side
            self.answer.scores.append(scores_of(logits, token, self._likeliest))
        return [token]

    def _snapshot(self) -> Traffic | None:
        traffic = self._link.traffic
        return None if traffic is None else Traffic(traffic.sent, traffic.received)


def _common_prefix(left: Sequence[int], right: Sequence[int]) -> int:
    """How many ids `left` and `right` begin with alike."""
    count = 0
    for one, other in zip(left, right, strict=False):
        if one != other:
            break
        count += 1
    return count
