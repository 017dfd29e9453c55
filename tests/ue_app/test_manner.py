"""Another manner between two answers: same tokens, same session, nothing loaded twice."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.load import EngineOptions
from edge_server.errors import ConfigurationError
from edge_server.messages import Sampling
from tests.conftest import MakeCheckpoint, RunEdge
from tests.ue_app.drafts.guessing import Oracle
from ue_app.client import EdgeLink
from ue_app.drafts import registry
from ue_app.drafts.registry import DraftConfig
from ue_app.generate import Answer
from ue_app.manner import Equipment, Manner
from ue_app.phone import Phone, PhoneConfig, open_phone
from ue_app.prompt import Turn
from ue_app.service import Question, Service
from ue_app.wire import LinkConfig

OPTIONS = EngineOptions("auto", "auto", 1, 256, 1)
SAMPLED = Sampling(temperature=0.9, top_k=40, seed=11)
TEXT = "the old king said to his son: who are you?"
LOOKUP = Manner(drafts=DraftConfig("lookup", 4, steady=True))
OpenPhone = Callable[..., Phone]


@pytest.fixture
def phone() -> Iterator[OpenPhone]:
    opened: list[Phone] = []

    def make(folder: Path, url: str | None, **options: object) -> Phone:
        opened.append(open_phone(config_of(folder, url, **options)))
        return opened[-1]

    yield make
    for each in opened:
        each.link.close()


def config_of(folder: Path, url: str | None, **options: object) -> PhoneConfig:
    link = None if url is None else LinkConfig(url, patience=0.0)
    return replace(PhoneConfig((folder,), link, OPTIONS, split=1, max_new_tokens=10), **options)  # type: ignore[arg-type]  # whatever a test sets


def ask(phone: Phone) -> Answer:
    ids = phone.prompter.encode_turns([Turn("user", TEXT)])
    for _ in phone.conversation.ask(ids, SAMPLED, phone.prompter.stream()):
        pass
    assert phone.conversation.answer is not None
    return phone.conversation.answer


def test_switched_between_answers_in_one_session(
    checkpoint_folder: MakeCheckpoint, running_edge: RunEdge, phone: OpenPhone
) -> None:
    """Rows written in ever other ways, with guesses and without: the edge follows."""
    folder = checkpoint_folder("gemma3", torch.bfloat16)
    edge = running_edge(folder)
    mine = phone(folder, edge.url)
    assert isinstance(mine.link, EdgeLink)
    session, expected = mine.link.welcome.session, ask(mine).ids
    coded = {}
    for name in ("int8", "delta"):
        assert mine.adapt(Manner(name))
        coded[name] = ask(mine).ids
    guessing = Manner(drafts=DraftConfig("model", 4, folder, steady=True))
    for manner, ids in (
            (guessing, expected), (Manner(), expected), (Manner("lossless"), expected),
            (replace(guessing, encoding="delta"), coded["delta"]),
            (replace(guessing, encoding="int8"), coded["int8"]), (guessing, expected)):
        assert mine.adapt(manner)
        answer = ask(mine)
        assert answer.ids == ids, manner
        assert (answer.drafted > 0) == (manner.drafts is not None), manner
        assert mine.link.status.encoding == manner.encoding
    assert mine.link.welcome.session == session
    assert (mine.link.status.resumed, mine.link.status.rebuilt) == (0, 0)


def test_a_drafter_is_opened_once(
    checkpoint_folder: MakeCheckpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Oracle] = []

    def open_one(_: object) -> Oracle:
        opened.append(Oracle())
        return opened[-1]

    monkeypatch.setattr(registry, "DRAFTERS", {"one": open_one, "other": open_one})
    folder = checkpoint_folder("gemma3")
    equipment = Equipment(Checkpoint.open(folder), (folder,), OPTIONS, 1, torch.float32, Manner())
    one, other = DraftConfig("one"), DraftConfig("other")
    first = equipment.speculation(one, 256)
    assert first is not None
    assert equipment.speculation(None, 256) is None
    assert equipment.speculation(one, 256) is first  # with what its pace has learned
    assert len(opened) == 1
    assert equipment.speculation(one, 4) is not first  # another edge takes fewer
    assert equipment.speculation(other, 256) is not first
    assert len(opened) == 2


def test_what_cannot_be_changes_nothing(
    checkpoint_folder: MakeCheckpoint, phone: OpenPhone
) -> None:
    whole = phone(checkpoint_folder("gemma3"), None)
    expected = ask(whole).ids
    for manner, said in (
            (Manner("int8"), "--local sends no rows"), (Manner("int9"), "--local sends no rows"),
            (replace(LOOKUP, drafts=DraftConfig("exit")), "has no exit head"),
            (replace(LOOKUP, drafts=DraftConfig("nobody")), "no drafter 'nobody'")):
        with pytest.raises(ConfigurationError, match=said):
            whole.adapt(manner)
    assert ask(whole).ids == expected
    assert whole.adapt(LOOKUP)
    assert ask(whole).ids == expected


def test_an_edge_that_takes_single_rows_is_told_of_at_once(
    checkpoint_folder: MakeCheckpoint, phone: OpenPhone
) -> None:
    equipment = phone(checkpoint_folder("gemma3"), None).equipment
    with pytest.raises(ConfigurationError, match=r"takes 1 row at a time.*Switch guessing off"):
        equipment.speculation(LOOKUP.drafts, 1)


def test_private_mode_writes_otherwise_in_a_session_of_its_own(
    checkpoint_folder: MakeCheckpoint, running_edge: RunEdge
) -> None:
    """Rows come back as the session was opened for; guesses stay here and can be switched."""
    folder = checkpoint_folder("gemma3")
    edge = running_edge(folder)
    service = Service(config_of(folder, edge.url, tail=1))
    phone = service.open()
    assert phone.adapt(LOOKUP)
    assert not phone.adapt(Manner("int8"))
    service.prefer(Manner("int8"))
    question = Question((Turn("user", TEXT),))
    for _ in service.ask(question, threading.Event()):
        pass
    assert service.phone is not None
    assert service.phone is not phone
    assert service.phone.link.status.encoding == "int8"
    service.close()
