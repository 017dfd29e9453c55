"""What the loop's run comes to: figures of each phase, from token times and the xApp's records.

Pure: it is given all that happened and when the phases began and ended. A token that has not come
by a phase's end, or never, counts as a wait until then, and so does an answer that broke off and a
prompt that got no token: a phase in which all stood still is one long wait, not one without any.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

STALL_SECONDS = 0.5
ENDED = ("confirmed", "unproven")  # states of decisions that stand


@dataclass(frozen=True, slots=True)
class Token:
    """One token at the phone."""

    answer: int
    number: int  # in its answer
    asked: float  # seconds, as `at`
    at: float


@dataclass(frozen=True, slots=True)
class Question:
    """What the phone asked."""

    answer: int
    asked: float  # seconds, as a token's
    ended: float | None  # None: its answer broke off, or never came to its end


@dataclass(frozen=True)
class PhaseFigures:
    """One phase; None is what was not measured."""

    name: str
    seconds: float
    tokens: int
    tokens_per_second: float
    first_token_ms: float | None  # median over answers, and a prompt that waits for its own
    p50_ms: float | None  # between tokens of an answer
    p95_ms: float | None
    p99_ms: float | None
    stalls: int  # waits over half a second
    longest_ms: float | None


def heard(lines: Iterable[Mapping[str, Any]],
          origin: float) -> tuple[list[Token], list[Question]]:
    """Tokens and questions of what the phone said, by seconds since `origin`.

    Older phones told of tokens alone; then all answers but the last one are taken to have ended.
    """
    tokens, asked, ended = [], {}, {}
    for one in lines:
        if "token" in one:
            tokens.append(Token(one["answer"], one["token"], one["asked"] - origin,
                                one["at"] - origin))
        elif "asked" in one:
            asked[one["answer"]] = one["asked"] - origin
        elif "ended" in one:
            ended[one["answer"]] = one["at"] - origin
    return tokens, [Question(answer, at, ended.get(answer)) for answer, at in asked.items()] or (
        questions_of(tokens))


def questions_of(tokens: Sequence[Token]) -> list[Question]:
    """Those that tokens tell of: the phone asks the next one when an answer has ended."""
    last = {one.answer: one for one in tokens}
    return [Question(answer, one.asked, None if one is tokens[-1] else one.at)
            for answer, one in last.items()]


def waits(tokens: Sequence[Token], begin: float, end: float,
          questions: Sequence[Question] | None = None) -> list[float]:
    """Seconds between tokens that came in [begin, end), and of waits open at its end."""
    found = []
    for since, until in _spans(tokens, questions_of(tokens) if questions is None else questions):
        if begin <= until < end:
            found.append(until - since)
        elif since < end <= until:
            found.append(end - max(since, begin))
    if not found and tokens and tokens[0].at < begin and not any(
            begin <= one.at < end for one in tokens):
        found.append(end - begin)  # for a first token, or for a connection
    return found


def _spans(tokens: Sequence[Token],
           questions: Sequence[Question]) -> list[tuple[float, float]]:
    """From when to when the phone waited in the midst of answers, or in vain; inf: no end."""
    ended = {one.answer: one.ended for one in questions}
    answered = {one.answer for one in tokens}
    in_vain = [one.asked for one in questions if one.ended is None and one.answer not in answered]
    if not tokens:
        return [(in_vain[0], math.inf)] if in_vain else []
    found = []
    for before, after in pairwise((*tokens, None)):
        assert before is not None  # only the last is none
        until, end = math.inf if after is None else after.at, ended.get(before.answer)
        if end is None or (after is not None and after.answer == before.answer):
            found.append((before.at, until))
            continue
        if end - before.at > STALL_SECONDS:  # for the word that it was the last
            found.append((before.at, end))
        if (asked := next((at for at in in_vain if before.at <= at < until), None)) is not None:
            found.append((asked, until))
    return found


def phase_figures(name: str, tokens: Sequence[Token], begin: float, end: float,
                  questions: Sequence[Question] | None = None) -> PhaseFigures:
    """What one phase came to."""
    questions = questions_of(tokens) if questions is None else questions
    inside = [one for one in tokens if begin <= one.at < end]
    between = sorted(waits(tokens, begin, end, questions))
    first = _firsts(tokens, begin, end, questions)
    return PhaseFigures(
        name, end - begin, len(inside), len(inside) / (end - begin),
        1000 * statistics.median(first) if first else None,
        _quantile(between, 0.5), _quantile(between, 0.95), _quantile(between, 0.99),
        sum(one > STALL_SECONDS for one in between),
        1000 * between[-1] if between else None)


def _firsts(tokens: Sequence[Token], begin: float, end: float,
            questions: Sequence[Question]) -> list[float]:
    """Seconds from prompts to first tokens in a phase, and the age of one that waits at its end.

    That age is less than the wait will be. So it counts only where it is a stall already, and
    longer than what others took: it cannot make a phase look better.
    """
    first = [one for one in tokens if one.number == 0]
    found = [one.at - one.asked for one in first if begin <= one.at < end]
    answered = {one.answer for one in tokens}
    before = max((one.at for one in tokens if one.at < end), default=-math.inf)
    open_ = [one.asked for one in first if one.asked < end <= one.at]
    open_ += [one.asked for one in questions if one.ended is None and one.answer not in answered
              and before <= one.asked < end]
    age = end - min(open_, default=end)
    if age > max([STALL_SECONDS, *([statistics.median(found)] if found else [])]):
        found.append(age)
    return found


def _quantile(ordered: Sequence[float], share: float) -> float | None:
    """Milliseconds."""
    if not ordered:
        return None
    return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def ratio(value: float | None, base: float | None) -> float | None:
    return value / base if value is not None and base else None


def verdict(phases: Sequence[PhaseFigures],
            decisions: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What congestion did, what steering did, and what was undone."""
    calm, congested, steered, after = phases
    return {
        "decisions": len(decisions),
        "standing": sum(one.get("state") in ENDED for one in decisions),
        "congested_times_calm_p95": ratio(congested.p95_ms, calm.p95_ms),
        "steered_times_calm_p95": ratio(steered.p95_ms, calm.p95_ms),
        "after_times_calm_p95": ratio(after.p95_ms, calm.p95_ms),
        "stalls": {one.name: one.stalls for one in phases}}
