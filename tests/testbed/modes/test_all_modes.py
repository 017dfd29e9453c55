"""The first thing about the modes: they give the same tokens, whatever is where."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.load import EngineOptions, open_engine
from testbed.modes.errors import BadMessage, ModesError, Refused
from testbed.modes.opening import ModeConfig, open_mode
from testbed.modes.policies import BY_EDGE, BY_SERVER, Mode
from testbed.modes.server import ModesServer, ServerConfig
from testbed.modes.serving import Served
from testbed.modes.wire import Kind, Message
from tests.conftest import MakeCheckpoint, RunEdge
from tests.models import ALL_FAMILIES

PROMPT = [11, 40, 7, 93, 12, 55, 31, 8, 77, 20, 64, 9]
TOKENS = 6
OPTIONS = EngineOptions("reference", "fp32", 4, 60, 1)


class Serving:
    """A server in a thread."""

    def __init__(self, folder: Path, config: ServerConfig = ServerConfig()) -> None:  # noqa: B008
        self.served = Served(open_engine(Checkpoint.open(folder), OPTIONS), folder)
        self.server = ModesServer(self.served, config)
        self.thread = threading.Thread(target=self.server.serve)
        self.thread.start()

    def close(self) -> None:
        self.server.close()
        self.thread.join(20)
        assert not self.thread.is_alive()

    def config(self, mode: Mode, folder: Path, edge: str | None = None, likeliest: int = 0
               ) -> ModeConfig:
        return ModeConfig(mode, folder, OPTIONS, edge=edge, likeliest=likeliest, timeout=20.0,
                          server=("127.0.0.1", self.server.port))


@pytest.fixture(params=["gemma3"])
def folder(request: pytest.FixtureRequest, checkpoint_folder: MakeCheckpoint) -> Path:
    return checkpoint_folder(request.param)


@pytest.fixture
def serving(folder: Path) -> Iterator[Serving]:
    made = Serving(folder)
    yield made
    made.close()


@pytest.mark.parametrize("folder", ALL_FAMILIES, indirect=True)
def test_all_modes_give_the_same_tokens(folder: Path, serving: Serving, running_edge: RunEdge
                                        ) -> None:
    edge = running_edge(folder, "--backend", "reference", "--dtype", "fp32", "--context", 60)
    found = {}
    for mode in Mode:
        with open_mode(serving.config(mode, folder, edge.url)) as opened:
            answers = [tuple(opened.ask(PROMPT, TOKENS).ids)]
            answers.append(tuple(opened.ask([*PROMPT, *answers[0], 44, 45], TOKENS).ids))
            found[mode] = answers
            assert len(opened.steps.done) == TOKENS
    lossy = found.pop(Mode.SPLIT_COMPRESSED)
    assert len(lossy[0]) == TOKENS  # other tokens, perhaps; as many
    assert {tuple(one) for one in found.values()} == {tuple(found[Mode.LOCAL])}


def test_the_likeliest_scores_choose_the_same_token(folder: Path, serving: Serving) -> None:
    with open_mode(serving.config(Mode.LOCAL, folder)) as local, \
            open_mode(serving.config(Mode.SEMANTIC, folder, likeliest=5)) as semantic:
        assert semantic.ask(PROMPT, TOKENS).ids == local.ask(PROMPT, TOKENS).ids
        assert semantic.link.scored


def test_what_each_mode_sends(folder: Path, serving: Serving) -> None:
    """In order: everything, tensors, ids; and a prefix that the server has is not sent again."""
    sent, received, again = {}, {}, {}
    for mode in BY_SERVER:
        with open_mode(serving.config(mode, folder)) as opened:
            answer = opened.ask(PROMPT, TOKENS)
            step = opened.steps.done[-1]
            sent[mode], received[mode] = step.sent or 0, step.received or 0
            opened.ask([*PROMPT, *answer.ids, 44], TOKENS)
            again[mode] = opened.steps.done[0].rows
    assert sent[Mode.NAIVE] > 100_000 > sent[Mode.REMOTE_CACHE] > sent[Mode.HANDLE]
    assert sent[Mode.HANDLE] == sent[Mode.SEMANTIC] < 100
    assert received[Mode.HANDLE] > 160 * 4 > 100 > received[Mode.SEMANTIC]
    assert again[Mode.SEMANTIC] == 2  # the last token has no row yet, and the new one
    assert again[Mode.HANDLE] == len(PROMPT) + TOKENS + 1


def test_both_sides_count_the_same(folder: Path, serving: Serving) -> None:
    with open_mode(serving.config(Mode.HANDLE, folder)) as opened:
        opened.ask(PROMPT, TOKENS)
        channel = opened.channel
        assert channel is not None
        received = channel.received
        channel.send(Message(Kind.ACCOUNT))
        sent = channel.sent
        account = channel.expect(Kind.ACCOUNT).meta
        assert (account["received"], account["sent"]) == (sent, received)


def test_times_are_of_the_servers_clock(folder: Path, serving: Serving) -> None:
    with open_mode(serving.config(Mode.SEMANTIC, folder)) as opened:
        opened.ask(PROMPT, TOKENS)
        assert opened.offset is not None
        assert abs(opened.offset.seconds) <= 1.0  # one machine, one clock
        assert opened.load_seconds > 0
        for step in opened.steps.done:
            assert step.reported is not None
            assert step.computed is not None
            assert step.server is not None
            assert 0 < step.computed <= step.server + 1e-5 <= step.exchange + 2e-5
            assert abs(step.seconds - step.client - step.exchange) < 1e-6


def test_another_model_is_refused(folder: Path, serving: Serving,
                                  checkpoint_folder: MakeCheckpoint) -> None:
    other = checkpoint_folder("llama")
    with pytest.raises(Refused, match="another model"), \
            open_mode(serving.config(Mode.HANDLE, other)):
        pass


def test_more_conversations_than_slots_are_refused(folder: Path, serving: Serving) -> None:
    from contextlib import ExitStack

    with ExitStack() as stack:
        for _ in range(OPTIONS.slots):
            stack.enter_context(open_mode(serving.config(Mode.HANDLE, folder)))
        with pytest.raises(Refused, match="taken"):
            stack.enter_context(open_mode(serving.config(Mode.HANDLE, folder)))


@pytest.mark.parametrize("mode", [Mode.NAIVE, Mode.HANDLE])
def test_steps_that_make_no_sense_end_that_conversation_alone(folder: Path, serving: Serving,
                                                              mode: Mode) -> None:
    import torch

    for meta, tensors in (({}, []), ({"position": 0}, []),
                          ({"position": 50}, [torch.tensor([1], dtype=torch.int32)]),
                          ({"position": 0}, [torch.tensor([9999], dtype=torch.int64)]),
                          ({"position": 0, "weights": ["x"]}, [torch.ones(1)])):
        with open_mode(serving.config(mode, folder)) as opened:
            channel = opened.channel
            assert channel is not None
            channel.send(Message(Kind.STEP, meta, tensors))
            with pytest.raises((Refused, BadMessage)):
                channel.expect(Kind.RESULT)
    with open_mode(serving.config(mode, folder)) as opened:
        assert len(opened.ask(PROMPT, 2).ids) == 2


def test_nobody_there(folder: Path) -> None:
    with pytest.raises(ModesError, match="airsplit modes serve"), open_mode(
            ModeConfig(Mode.HANDLE, folder, OPTIONS, server=("127.0.0.1", 1))):
        pass
    for mode in (*BY_EDGE, *BY_SERVER):
        with pytest.raises(Exception, match="needs"), open_mode(ModeConfig(mode, folder, OPTIONS)):
            pass
