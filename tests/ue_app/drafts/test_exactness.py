"""Drafting changes nothing: every answer is, token for token, the one without drafts.

Over real edges and links that break, with drafters that are always right, never, and now and then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from edge_server.engine.load import EngineOptions
from edge_server.messages import Sampling
from tests.conftest import MakeCheckpoint, RunEdge
from tests.faults import Cut, How, Relay, Way, boundaries
from tests.models import save_model
from tests.ue_app.drafts.guessing import Oracle
from ue_app.drafts import registry
from ue_app.drafts.registry import DraftConfig
from ue_app.generate import Answer
from ue_app.phone import Phone, PhoneConfig, open_phone
from ue_app.prompt import Turn
from ue_app.wire import LinkConfig

GREEDY = Sampling()
SAMPLED = Sampling(temperature=0.9, top_k=40, top_p=0.95, repetition_penalty=1.2, seed=11)
PENALISED = Sampling(repetition_penalty=1.3)
TEXT = "the old king said to his son: go out into the world, who are you? it was dark"
TOKENS = 12
# No pings of its own accord: a recorded stream is then the same every time.
LINK = LinkConfig("", probe_interval=1e6, dead_after=20.0, patience=20.0)
OPTIONS = EngineOptions("auto", "auto", 1, 256, 1)
MODES = [None, 1, 0]  # the edge chooses; the phone has a last layer; the phone has the head alone
MakePhone = Callable[..., Phone]


@pytest.fixture
def phone() -> Iterator[MakePhone]:
    """`phone(folder, url, drafts=...)`; without a URL every layer runs in it."""
    opened: list[Phone] = []

    def make(folder: Path, *urls: str, tail: int | None = None,
             drafts: DraftConfig | None = None, tokens: int = TOKENS) -> Phone:
        link = replace(LINK, url=urls[0], others=urls[1:]) if urls else None
        opened.append(open_phone(PhoneConfig(
            (folder,), link, OPTIONS, split=1, tail=tail, max_new_tokens=tokens, chunk=8,
            drafts=drafts)))
        return opened[-1]

    yield make
    for each in opened:
        each.link.close()


@pytest.fixture
def oracle(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Oracle, DraftConfig]]:
    """`oracle(errs)`: a drafter as the registry opens it, and how to ask for it."""
    def make(errs: float, longest: int = 4) -> tuple[Oracle, DraftConfig]:
        made = Oracle(errs)
        monkeypatch.setattr(registry, "DRAFTERS", {"oracle": lambda _: made})
        return made, DraftConfig("oracle", longest, steady=True)

    return make


def ask(phone: Phone, sampling: Sampling = SAMPLED, text: str = TEXT,
        each: Callable[[int], None] = lambda _: None) -> Answer:
    ids = phone.prompter.encode_turns([Turn("user", text)])
    for _ in phone.conversation.ask(ids, sampling, phone.prompter.stream()):
        assert phone.conversation.answer is not None
        each(len(phone.conversation.answer.ids))
    answer = phone.conversation.answer
    assert answer is not None
    return answer


@pytest.mark.parametrize("tail", MODES)
@pytest.mark.parametrize("errs", [0.0, 0.4, 1.0])
def test_the_answer_is_the_same(
    errs: float, tail: int | None, checkpoint_folder: MakeCheckpoint, running_edge: RunEdge,
    phone: MakePhone, oracle: Callable[..., tuple[Oracle, DraftConfig]],
) -> None:
    """Greedy, penalised and sampled with many seeds."""
    folder = checkpoint_folder("gemma3")
    edge = running_edge(folder, "--sessions", 4)
    drafter, config = oracle(errs)
    mine, whole = phone(folder, edge.url, tail=tail, drafts=config), phone(folder)
    for sampling in (GREEDY, PENALISED, *(replace(SAMPLED, seed=seed) for seed in range(12))):
        drafter.coming = ask(whole, sampling).ids
        answer = ask(mine, sampling)
        assert answer.ids == drafter.coming
        assert answer.finish == whole.conversation.answer.finish  # type: ignore[union-attr]
        assert len(answer.ids) == 1 + answer.trips + answer.accepted
        if errs in (0.0, 1.0):
            assert answer.accepted == (0 if errs else answer.drafted)
    assert drafter.guessed
    assert (mine.link.status.resumed, mine.link.status.rebuilt) == (0, 0)


def test_drafts_save_round_trips_and_rows_of_wrong_ones_do_no_harm(
    checkpoint_folder: MakeCheckpoint, running_edge: RunEdge, phone: MakePhone,
    oracle: Callable[..., tuple[Oracle, DraftConfig]],
) -> None:
    """Over several turns of one conversation: what both sides hold is what was accepted."""
    folder = checkpoint_folder("gemma3")
    edge = running_edge(folder)
    drafter, config = oracle(0.3)
    mine, whole = phone(folder, edge.url, drafts=config), phone(folder)
    turns: list[Turn] = []
    trips = steps = 0
    for text in ("who are you?", "go on", "and then it was dark"):
        turns.append(Turn("user", text))
        ids = whole.prompter.encode_turns(turns)
        for _ in whole.conversation.ask(ids, SAMPLED, whole.prompter.stream()):
            pass
        assert whole.conversation.answer is not None
        drafter.coming = whole.conversation.answer.ids
        for _ in mine.conversation.ask(ids, SAMPLED, mine.prompter.stream()):
            pass
        answer = mine.conversation.answer
        assert answer is not None
        assert answer.ids == drafter.coming
        turns.append(Turn("assistant", answer.text))
        trips, steps = trips + answer.trips, steps + len(answer.ids) - 1
    assert trips < 0.7 * steps


@pytest.mark.parametrize("tail", [None, 1])
@pytest.mark.parametrize("way", list(Way))
def test_a_cut_at_every_frame(
    way: Way, tail: int | None, checkpoint_folder: MakeCheckpoint, running_edge: RunEdge,
    phone: MakePhone, oracle: Callable[..., tuple[Oracle, DraftConfig]],
) -> None:
    """Drafts that were sent, and answers that were lost: taken up, the answer is the same."""
    folder = checkpoint_folder("gemma3")
    edge = running_edge(folder, "--sessions", 4)
    expected = ask(phone(folder)).ids
    drafter, config = oracle(0.4)
    drafter.coming = expected
    with Relay(edge.port) as relay:
        assert ask(phone(folder, relay.url, tail=tail, drafts=config)).ids == expected
        stream = bytes(getattr(relay.connections[0], way.value))
    ends = boundaries(stream)
    for number, place in enumerate(end - 3 * (turn % 2) for turn, end in enumerate(ends[2:])):
        how = (How.RESET, How.CLOSE)[number % 2]
        with Relay(edge.port, (Cut(way, place, how),)) as relay:
            mine = phone(folder, relay.url, tail=tail, drafts=config)
            assert ask(mine).ids == expected, place
            assert mine.link.status.rebuilt == 0, place
            mine.link.close()
    assert httpx.get(f"{edge.url}/readyz", timeout=30.0).status_code == 200


@pytest.mark.parametrize("tail", [None, 1])
def test_another_edge_steps_in_between_drafts(
    tail: int | None, checkpoint_folder: MakeCheckpoint, running_edge: RunEdge, phone: MakePhone,
    oracle: Callable[..., tuple[Oracle, DraftConfig]],
) -> None:
    """It is sent the rows that stand, and none of those that were guessed wrong."""
    folder = checkpoint_folder("gemma3")
    one, other = running_edge(folder), running_edge(folder)
    drafter, config = oracle(0.5)
    drafter.coming = ask(phone(folder)).ids
    with Relay(one.port, (None, *(Cut(Way.UP, 0),) * 100)) as relay:
        mine = phone(folder, relay.url, other.url, tail=tail, drafts=config)
        answer = ask(mine, each=lambda count: relay.sever() if count == 5 else None)
        assert answer.ids == drafter.coming
        assert mine.link.status.rebuilt == 1


def test_given_up_between_drafts(
    checkpoint_folder: MakeCheckpoint, running_edge: RunEdge, phone: MakePhone,
    oracle: Callable[..., tuple[Oracle, DraftConfig]],
) -> None:
    folder = checkpoint_folder("gemma3")
    edge = running_edge(folder)
    drafter, config = oracle(0.3)
    drafter.coming = ask(phone(folder)).ids
    mine = phone(folder, edge.url, drafts=config)
    ids = mine.prompter.encode_turns([Turn("user", TEXT)])
    for stop_after in range(1, 5):
        pieces = mine.conversation.ask(ids, SAMPLED, mine.prompter.stream())
        for _ in range(stop_after):
            next(pieces)
        pieces.close()
        mine.conversation.cancel()
        assert ask(mine).ids == drafter.coming
    assert (mine.link.status.resumed, mine.link.status.rebuilt) == (0, 0)


def test_many_phones_in_one_step(
    checkpoint_folder: MakeCheckpoint, running_edge: RunEdge, phone: MakePhone,
    oracle: Callable[..., tuple[Oracle, DraftConfig]],
) -> None:
    """Those that draft and those that do not are served together, and none is disturbed."""
    import threading

    folder = checkpoint_folder("gemma3")
    edge = running_edge(folder, "--sessions", 6)
    drafter, config = oracle(0.0)
    drafter.coming = ask(phone(folder)).ids
    phones = [phone(folder, edge.url, drafts=config if number % 2 else None)
              for number in range(6)]
    answers: dict[int, list[int]] = {}

    def run(number: int) -> None:
        for _ in range(3):
            answers[number] = ask(phones[number]).ids

    threads = [threading.Thread(target=run, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(answers.values()) == [drafter.coming] * 6


def test_a_draft_model_that_is_the_model_is_always_right(
    checkpoint_folder: MakeCheckpoint, running_edge: RunEdge, phone: MakePhone,
) -> None:
    """Also when tokens are drawn: it draws with the edge's own random numbers."""
    folder = checkpoint_folder("gemma3")
    edge = running_edge(folder)
    mine = phone(folder, edge.url, drafts=DraftConfig("model", 5, folder, steady=True))
    whole = phone(folder)
    for seed in range(6):
        sampling = replace(SAMPLED, seed=seed)
        answer = ask(mine, sampling)
        assert answer.ids == ask(whole, sampling).ids
        assert answer.accepted == answer.drafted > 0


def test_a_draft_model_that_knows_nothing(
    checkpoint_folder: MakeCheckpoint, running_edge: RunEdge, phone: MakePhone, tmp_path: Path,
) -> None:
    folder = checkpoint_folder("gemma3")
    save_model(tmp_path, "llama", seed=5)
    edge = running_edge(folder)
    mine = phone(folder, edge.url, drafts=DraftConfig("model", 5, tmp_path, steady=True))
    whole = phone(folder)
    for sampling in (GREEDY, SAMPLED):
        answer = ask(mine, sampling)
        assert answer.ids == ask(whole, sampling).ids
        assert answer.drafted > 0


@pytest.mark.parametrize("tail", [None, 1])
def test_the_context_and_the_length_end_it_where_they_would(
    tail: int | None, checkpoint_folder: MakeCheckpoint, running_edge: RunEdge, phone: MakePhone,
    oracle: Callable[..., tuple[Oracle, DraftConfig]],
) -> None:
    folder = checkpoint_folder("gemma3")
    edge = running_edge(folder, "--context", 64)
    drafter, config = oracle(0.2)
    mine = phone(folder, edge.url, tail=tail, drafts=config, tokens=100)
    plain = phone(folder, edge.url, tail=tail, tokens=100)
    for limit in (100, 1, 2, 7):
        ids = mine.prompter.encode_turns([Turn("user", TEXT)])
        answers = []
        for each in (plain, mine):
            for _ in each.conversation.ask(ids, SAMPLED, each.prompter.stream(), limit):
                pass
            assert each.conversation.answer is not None
            answers.append(each.conversation.answer)
            drafter.coming = answers[0].ids
        assert answers[0].ids == answers[1].ids
        assert answers[0].finish == answers[1].finish
