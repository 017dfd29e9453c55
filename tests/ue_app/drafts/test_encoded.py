"""Guesses beside encodings: what is drafted changes no bit of what the edge ends with.

With every encoding there is, an answer that was guessed ahead is the one without guesses in that
encoding, and so are the rows that the edge computes on: rows of wrong guesses leave no trace in
those that follow, whatever a row is written as a difference to, and however the link breaks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from edge_server.encodings.registry import NAMES
from edge_server.encodings.wire import CHAIN_ROWS, Chain
from edge_server.engine.load import EngineOptions
from edge_server.messages import Sampling
from tests.conftest import MakeCheckpoint, RunEdge
from tests.faults import Cut, How, Relay, Way, boundaries
from tests.ue_app.drafts.guessing import Oracle
from tests.ue_app.test_encoding import Rows
from ue_app.drafts import registry
from ue_app.drafts.registry import DraftConfig
from ue_app.generate import Answer
from ue_app.phone import Phone, PhoneConfig, open_phone
from ue_app.prompt import Turn
from ue_app.wire import LinkConfig

WRITTEN = [*NAMES, "delta:int4", "topk:9"]
TEXT = "the old king said to his son: who are you? it was dark"
TOKENS = 14
GREEDY = Sampling()
SAMPLED = Sampling(temperature=0.9, top_k=40, top_p=0.95, repetition_penalty=1.2, seed=11)
LINK = LinkConfig("", probe_interval=1e6, dead_after=20.0, patience=20.0)
DRAFTS = DraftConfig("oracle", 4, steady=True)
MakePhone = Callable[..., Phone]


@pytest.fixture
def phone() -> Iterator[MakePhone]:
    """`phone(folder, url, encoding, drafts)`."""
    opened: list[Phone] = []

    def make(folder: Path, url: str, encoding: str, drafts: DraftConfig | None = None,
             tail: int | None = None) -> Phone:
        opened.append(open_phone(PhoneConfig(
            (folder,), replace(LINK, url=url, piece=3), EngineOptions("auto", "auto", 1, 256, 1),
            split=1, tail=tail, max_new_tokens=TOKENS, chunk=8, encoding=encoding,
            drafts=drafts)))
        return opened[-1]

    yield make
    for each in opened:
        each.link.close()


@pytest.fixture
def oracle(monkeypatch: pytest.MonkeyPatch) -> Oracle:
    """Wrong two times in five: blocks are taken whole, in part and not at all."""
    made = Oracle(0.4)
    monkeypatch.setattr(registry, "DRAFTERS", {"oracle": lambda _: made})
    return made


def ask(phone: Phone, sampling: Sampling) -> Answer:
    ids = phone.prompter.encode_turns([Turn("user", TEXT)])
    for _ in phone.conversation.ask(ids, sampling, phone.prompter.stream()):
        pass
    assert phone.conversation.answer is not None
    return phone.conversation.answer


@pytest.mark.parametrize(("tail", "names"), [(None, WRITTEN), (1, ["delta"])])
def test_the_answer_and_every_row_are_those_without_guesses(
    tail: int | None, names: list[str], checkpoint_folder: MakeCheckpoint, running_edge: RunEdge,
    phone: MakePhone, oracle: Oracle,
) -> None:
    """Where the edge chooses the tokens, and in private mode."""
    folder = checkpoint_folder("gemma3", torch.bfloat16)
    edge = running_edge(folder)
    rows = Rows(edge)
    for name in names:
        plain = phone(folder, edge.url, name, tail=tail)
        guessing = phone(folder, edge.url, name, DRAFTS, tail)
        for sampling in (GREEDY, SAMPLED):
            oracle.coming = ask(plain, sampling).ids
            expected = taken(rows)
            answer = ask(guessing, sampling)
            assert answer.ids == oracle.coming, name
            assert_same(taken(rows), expected)
            assert 0 < answer.accepted < answer.drafted
            assert guessing.link.status.encoding == name
        for each in (plain, guessing):
            assert (each.link.status.resumed, each.link.status.rebuilt) == (0, 0)
            each.link.close()


def taken(rows: Rows) -> dict[int, torch.Tensor]:
    """The edge's rows by position, as they stood in the end."""
    found, rows.by_position = rows.by_position, {}
    return found


def assert_same(rows: dict[int, torch.Tensor], expected: dict[int, torch.Tensor]) -> None:
    """Bit for bit; beyond the answer's own rows stand those of guesses that went too far."""
    for position, row in expected.items():
        assert torch.equal(rows[position].view(torch.int16), row.view(torch.int16)), position


@pytest.mark.parametrize("name", ["delta"])  # the one that looks back; the rest is as in raw
def test_a_link_that_breaks_inside_a_block(
    name: str, checkpoint_folder: MakeCheckpoint, running_edge: RunEdge, phone: MakePhone,
    oracle: Oracle,
) -> None:
    """Guesses that were half sent, answers that were lost; and an edge that knows nothing."""
    folder = checkpoint_folder("gemma3", torch.bfloat16)
    first, second = running_edge(folder), running_edge(folder)
    rows, others = Rows(first), Rows(second)
    oracle.coming = ask(phone(folder, first.url, name), SAMPLED).ids
    undisturbed = taken(rows)
    with Relay(first.port) as relay:
        ask(phone(folder, relay.url, name, DRAFTS), SAMPLED)
        up, down = (boundaries(bytes(getattr(relay.connections[0], way.value))) for way in Way)
    rows.by_position.clear()
    cuts = [Cut(Way.UP, up[-3] - 5, How.RESET), Cut(Way.UP, up[-3], How.CLOSE),
            Cut(Way.DOWN, down[-3] - 5, How.RESET)]
    for cut in cuts:
        oracle.restart()
        with Relay(first.port, (cut,)) as relay:
            mine = phone(folder, relay.url, name, DRAFTS)
            assert ask(mine, SAMPLED).ids == oracle.coming, cut
            assert (mine.link.status.resumed, mine.link.status.rebuilt) == (1, 0), cut
            assert_same(taken(rows), undisturbed)
            mine.link.close()
    oracle.restart()
    with Relay(first.port, (cuts[-1],)) as relay:
        mine = phone(folder, relay.url, name, DRAFTS)
        relay.port = second.port  # of every connection after the first
        assert ask(mine, SAMPLED).ids == oracle.coming
        assert (mine.link.status.resumed, mine.link.status.rebuilt) == (0, 1)
    assert_same(taken(others), undisturbed)


def test_any_row_of_a_block_may_be_followed_and_no_more_are_kept() -> None:
    rows = torch.arange(30.0).view(30, 1)
    chain = Chain()
    chain.keep(40, rows, epoch=1)
    for position in range(41 - CHAIN_ROWS, 41):
        before = chain.before(position, epoch=1)
        assert before is not None
        assert float(before) == position - 11
    for position in (40 - CHAIN_ROWS, 41, 0):
        assert chain.before(position, epoch=1) is None
    assert chain.before(40, epoch=2) is None
