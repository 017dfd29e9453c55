"""The generation loop over a scripted link of the real interface: every way an answer ends."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models

from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.load import EngineOptions, open_engine
from edge_server.errors import ConfigurationError
from edge_server.frame import Flags
from edge_server.messages import Sampling
from tests.conftest import MakeCheckpoint
from tests.models import LAYERS
from ue_app.errors import Interrupted, LinkLost
from ue_app.generate import Conversation, Finish, Limits
from ue_app.head import Head, place
from ue_app.link import Link, LinkState, LinkStatus, Result, Traffic
from ue_app.prompt import TextStream

EOS = 1
SAMPLING = Sampling(temperature=0.5, seed=9)


def tokenizer() -> Tokenizer:
    """Token 10 is "a", 11 is "b" and so on; the others are letters too, so that all is text."""
    made = Tokenizer(models.WordLevel({chr(87 + token): token for token in range(10, 36)},
                                      unk_token="a"))
    made.decoder = decoders.Fuse()
    return made


TOKENIZER = tokenizer()


@dataclass
class ScriptedLink:
    """Gives the script's tokens; remembers what it was sent."""

    script: list[int | BaseException]
    traffic: Traffic | None = field(default_factory=Traffic)
    status: LinkStatus = field(default_factory=lambda: LinkStatus(LinkState.LOCAL))
    sent: list[tuple[int, int, Flags]] = field(default_factory=list)
    started: list[tuple[Sampling, int, int]] = field(default_factory=list)
    interrupted: threading.Event = field(default_factory=threading.Event)
    scored: bool = False
    logits: torch.Tensor | None = None
    kept: list[int] = field(default_factory=list)
    rebuilt: bool = False
    due: deque[int] = field(default_factory=deque)
    drafts: tuple[int, ...] = ()

    def start(self, sampling: Sampling, kept: int, first: int) -> None:
        self.started.append((sampling, kept, first))

    def send(
        self, position: int, rows: torch.Tensor, flags: Flags, drafts: Sequence[int] = ()
    ) -> None:
        self.drafts = tuple(drafts)
        self.sent.append((position, rows.shape[0], flags))
        if self.traffic is not None:
            self.traffic.sent += 100 * rows.shape[0]
        if flags & Flags.RESULT_WANTED:
            self.due.append(position)

    def receive(self) -> Result:
        self.due.popleft()
        if self.traffic is not None:
            self.traffic.received += 10
        token = self.script.pop(0)
        if isinstance(token, BaseException):
            raise token
        if not self.drafts:
            return token
        tokens = [token]
        while len(tokens) <= len(self.drafts) and tokens[-1] == self.drafts[len(tokens) - 1]:
            following = self.script.pop(0)
            assert isinstance(following, int)
            tokens.append(following)
        return tuple(tokens)

    def cancel(self, kept: int) -> int:
        self.kept.append(kept)
        self.due.clear()
        return 0 if self.rebuilt else kept

    def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def head(checkpoint_folder: MakeCheckpoint) -> Head:
    engine = open_engine(Checkpoint.open(checkpoint_folder("gemma")),
                         EngineOptions("reference", "fp32", 1, 64, 1))
    return Head(engine, place(0, LAYERS, None))


def converse(head: Head, script: list[int | BaseException], **limits: object
             ) -> tuple[Conversation, ScriptedLink]:
    link = ScriptedLink(list(script))
    as_link: Link = link  # the type checker sees that the fake has the interface
    settled = Limits(**({"stop_ids": frozenset({EOS})} | limits))  # type: ignore[arg-type]
    ticks: Iterator[int] = count(100)
    return Conversation(head, as_link, settled, lambda: float(next(ticks))), link


def ask(conversation: Conversation, ids: list[int], stop: tuple[str, ...] = (),
        max_new_tokens: int | None = None) -> list[str]:
    return list(conversation.ask(ids, SAMPLING, TextStream(TOKENIZER, stop), max_new_tokens))


def test_the_interface_is_the_real_one(head: Head) -> None:
    """A fake that drifts from `Link` would test nothing."""
    names = {name for name in vars(Link) if not name.startswith("_")}
    assert names <= set(dir(ScriptedLink([])))


def test_an_answer_ends_at_eos(head: Head) -> None:
    conversation, link = converse(head, [10, 11, EOS, 12])
    assert ask(conversation, [5, 6, 7]) == ["a", "b"]
    answer = conversation.answer
    assert answer is not None
    assert (answer.finish, answer.text, answer.ids) == (Finish.EOS, "ab", [10, 11, EOS])
    assert link.script == [12]
    assert link.sent == [(0, 3, Flags.RESULT_WANTED), (3, 1, Flags.RESULT_WANTED),
                         (4, 1, Flags.RESULT_WANTED)]
    assert link.started == [(SAMPLING, 0, 3)]
    assert not link.due


@pytest.mark.parametrize(("stop", "text", "tokens"), [
    (("c",), "ab", 3), (("bc",), "a", 3), (("abcd",), "", 4), (("x", "b"), "a", 2),
    (("cde", "d"), "abc", 4)])
def test_an_answer_ends_before_a_stop_string(
    stop: tuple[str, ...], text: str, tokens: int, head: Head
) -> None:
    conversation, link = converse(head, [10, 11, 12, 13, 14, 15])
    assert "".join(ask(conversation, [5], stop)) == text
    answer = conversation.answer
    assert answer is not None
    assert (answer.finish, answer.text, len(answer.ids)) == (Finish.STOP, text, tokens)
    assert len(link.sent) == tokens


def test_what_was_held_back_comes_at_the_end(head: Head) -> None:
    """The beginning of a stop string that never came is text."""
    for script, limit, finish in (([10, 11, EOS], 9, Finish.EOS), ([10, 11], 2, Finish.LENGTH)):
        conversation, _ = converse(head, list(script), max_new_tokens=limit)
        assert ask(conversation, [5], ("abc",)) == ["ab"]
        assert conversation.answer is not None
        assert conversation.answer.finish is finish


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_an_answer_ends_at_its_length(limit: int, head: Head) -> None:
    conversation, link = converse(head, [10] * 9, max_new_tokens=limit)
    assert "".join(ask(conversation, [5, 6])) == "a" * limit
    assert conversation.answer is not None
    assert conversation.answer.finish is Finish.LENGTH
    assert len(link.sent) == limit  # the last token's rows are nobody's business


def test_one_answer_may_have_a_limit_of_its_own(head: Head) -> None:
    conversation, _ = converse(head, [10] * 9, max_new_tokens=5)
    assert ask(conversation, [5], max_new_tokens=2) == ["a", "a"]
    assert len(ask(conversation, [5])) == 5


@pytest.mark.parametrize("prompt", [1, 6, 7])
def test_an_answer_ends_with_the_context(prompt: int, head: Head) -> None:
    conversation, link = converse(head, [10] * 20, capacity=8)
    ask(conversation, [5] * prompt)
    answer = conversation.answer
    assert answer is not None
    assert answer.finish is Finish.CONTEXT
    assert len(answer.ids) == 8 - prompt + 1  # the last one needs no room
    assert max(position + rows for position, rows, _ in link.sent) == 8


@pytest.mark.parametrize("length", [8, 9, 100])
def test_a_prompt_that_does_not_fit(length: int, head: Head) -> None:
    conversation, link = converse(head, [10], capacity=8)
    with pytest.raises(ConfigurationError, match=rf"has {length} tokens; 8 fit.*--context"):
        ask(conversation, [5] * length)
    assert link.sent == []
    assert link.started == []


@pytest.mark.parametrize(("length", "chunk"), [(1, 4), (4, 4), (5, 4), (9, 4), (3, 1)])
def test_a_prompt_goes_in_chunks(length: int, chunk: int, head: Head) -> None:
    conversation, link = converse(head, [EOS], chunk=chunk)
    ask(conversation, list(range(5, 5 + length)))
    assert [sent[:2] for sent in link.sent] == [
        (at, min(chunk, length - at)) for at in range(0, length, chunk)]
    flags = [sent[2] for sent in link.sent]
    assert flags == [Flags.NONE] * (len(flags) - 1) + [Flags.RESULT_WANTED]


def test_the_next_turn_sends_only_what_is_new(head: Head) -> None:
    conversation, link = converse(head, [10, 11, EOS, 12, EOS])
    ask(conversation, [5, 6, 7])
    link.sent.clear()
    ask(conversation, [5, 6, 7, 10, 11, EOS, 8, 9])
    answer = conversation.answer
    assert answer is not None
    assert answer.reused_tokens == 5  # the end mark was chosen, and never run
    assert answer.prompt_tokens == 8
    assert [sent[:2] for sent in link.sent] == [(5, 3), (8, 1)]


@pytest.mark.parametrize(("following", "reused"), [
    ([5, 6, 7], 2), ([5, 6], 1), ([5], 0), ([9, 6, 7], 0), ([5, 6, 9, 9], 2), ([5, 6, 7, 9], 3)])
def test_what_can_be_reused(following: list[int], reused: int, head: Head) -> None:
    """At least one row has to be sent, for its token to come back."""
    conversation, link = converse(head, [EOS, EOS])
    ask(conversation, [5, 6, 7])
    link.sent.clear()
    ask(conversation, following)
    assert conversation.answer is not None
    assert conversation.answer.reused_tokens == reused
    assert link.sent[0][:2] == (reused, len(following) - reused)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.lists(st.integers(5, 7), min_size=1, max_size=6),
                          st.integers(1, 4)), min_size=1, max_size=5))
def test_rows_never_leave_a_gap(head: Head, turns: list[tuple[list[int], int]]) -> None:
    """Whatever is asked in turn, the other side can follow: it holds every row before."""
    conversation, link = converse(head, [10] * 40)
    held: list[int] = []
    for ids, limit in turns:
        link.sent.clear()
        ask(conversation, ids, max_new_tokens=limit)
        answer = conversation.answer
        assert answer is not None
        text = ids + answer.ids
        assert held[: answer.reused_tokens] == ids[: answer.reused_tokens]
        length = answer.reused_tokens
        for position, rows, _ in link.sent:
            assert position == length
            length += rows
        held = text[:length]


def test_left_early(head: Head) -> None:
    conversation, link = converse(head, [10, 11, 12, 10, EOS])
    pieces = conversation.ask([5, 6], SAMPLING, TextStream(TOKENIZER, ()))
    assert [next(pieces), next(pieces)] == ["a", "b"]
    pieces.close()
    answer = conversation.answer
    assert answer is not None
    assert (answer.finish, answer.text) == (Finish.CANCELLED, "ab")
    conversation.cancel()
    assert link.kept == [3]  # the prompt, and the token whose successor came
    ask(conversation, [5, 6, 10, 9])
    assert conversation.answer is not None
    assert conversation.answer.reused_tokens == 3


def test_interrupted_while_waiting(head: Head) -> None:
    conversation, link = converse(head, [10, KeyboardInterrupt(), EOS])
    pieces = conversation.ask([5, 6], SAMPLING, TextStream(TOKENIZER, ()))
    assert next(pieces) == "a"
    with pytest.raises(KeyboardInterrupt):
        next(pieces)
    answer = conversation.answer
    assert answer is not None
    assert answer.finish is Finish.CANCELLED
    conversation.cancel()
    assert link.kept == [2]  # whether the row after it was taken is not known
    link.sent.clear()
    ask(conversation, [5, 6, 10])
    assert link.sent[0][:2] == (2, 1)


def test_interrupted_in_the_prompt(head: Head) -> None:
    conversation, link = converse(head, [EOS, KeyboardInterrupt(), EOS], chunk=2)
    ask(conversation, [5, 6, 7])
    with pytest.raises(KeyboardInterrupt):
        ask(conversation, [5, 6, 9, 9, 9, 9])
    conversation.cancel()
    assert link.kept == [2]
    assert conversation.answer is not None
    assert conversation.answer.finish is Finish.CANCELLED
    assert conversation.answer.traffic_after_prompt is None


def test_a_link_that_was_rebuilt_is_sent_everything(head: Head) -> None:
    conversation, link = converse(head, [10, KeyboardInterrupt(), EOS])
    with pytest.raises(KeyboardInterrupt):
        ask(conversation, [5, 6, 7])
    link.rebuilt = True
    conversation.cancel()
    link.sent.clear()
    ask(conversation, [5, 6, 7])
    assert conversation.answer is not None
    assert conversation.answer.reused_tokens == 0
    assert link.sent[0][:2] == (0, 3)


def test_an_error_of_the_link_is_not_a_cancel(head: Head) -> None:
    conversation, _ = converse(head, [10, LinkLost("It broke.")])
    with pytest.raises(LinkLost):
        ask(conversation, [5, 6])
    answer = conversation.answer
    assert answer is not None
    assert answer.finish is None
    assert (answer.text, answer.ids) == ("a", [10])
    assert answer.traffic_after is not None


def test_told_to_give_up(head: Head) -> None:
    """Whoever set the link's event waits no longer: the answer ends, and is no error."""
    conversation, link = converse(head, [10, Interrupted("Stopped."), EOS])
    assert ask(conversation, [5, 6]) == ["a"]
    answer = conversation.answer
    assert answer is not None
    assert (answer.finish, answer.ids) == (Finish.CANCELLED, [10])
    assert answer.traffic_after is not None
    conversation.cancel()
    assert link.kept == [2]
    ask(conversation, [5, 6, 10])
    assert link.started[-1] == (SAMPLING, 2, 3)  # the row after the prompt is void


def test_times_are_the_clocks(head: Head) -> None:
    conversation, _ = converse(head, [10, 11, EOS])
    ask(conversation, [5])
    answer = conversation.answer
    assert answer is not None
    assert (answer.started, answer.times) == (100.0, [101.0, 102.0, 103.0])


def test_traffic_is_taken_before_after_the_prompt_and_at_the_end(head: Head) -> None:
    conversation, link = converse(head, [10, 11, EOS])
    link.traffic = Traffic(1000, 1000)
    ask(conversation, [5, 6])
    answer = conversation.answer
    assert answer is not None
    assert (answer.traffic_before, answer.traffic_after_prompt, answer.traffic_after) == (
        Traffic(1000, 1000), Traffic(1200, 1010), Traffic(1400, 1030))


def test_no_traffic_is_none(head: Head) -> None:
    conversation, link = converse(head, [EOS])
    link.traffic = None
    ask(conversation, [5, 6])
    assert conversation.answer is not None
    assert conversation.answer.traffic_before is None
    assert conversation.answer.traffic_after is None
