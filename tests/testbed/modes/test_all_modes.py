"""The first thing about the modes: they give the same tokens, whatever is where."""

from __future__ import annotations

import socket
import struct
import threading
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.load import EngineOptions, open_engine
from testbed.modes import opening, together_opening
from testbed.modes.channel import Channel
from testbed.modes.errors import BadMessage, ModesError, Refused, ServerGone
from testbed.modes.opening import ModeConfig, Offset, Opened, open_mode
from testbed.modes.policies import BY_EDGE, BY_SERVER, Mode, SemanticLink
from testbed.modes.server import ModesServer, ServerConfig
from testbed.modes.serving import Served
from testbed.modes.together_opening import OpenedTogether, open_together
from testbed.modes.whole import Whole
from testbed.modes.wire import HEAD_BYTES, Kind, Message, pack
from tests.conftest import MakeCheckpoint, RunEdge
from tests.models import ALL_FAMILIES

PROMPT = [11, 40, 7, 93, 12, 55, 31, 8, 77, 20, 64, 9]
TOKENS = 6
OPTIONS = EngineOptions("reference", "fp32", 4, 60, 1)


class Serving:
    """A server in a thread."""

    def __init__(self, folder: Path, config: ServerConfig = ServerConfig(),  # noqa: B008
                 options: EngineOptions = OPTIONS) -> None:
        self.served = Served(open_engine(Checkpoint.open(folder), options), folder)
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
    with open_mode(replace(serving.config(Mode.SPLIT_COMPRESSED, folder, edge.url),
                           encoding="lossless")) as opened:
        assert tuple(opened.ask(PROMPT, TOKENS).ids) == found[Mode.LOCAL][0]
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


@pytest.mark.parametrize("open_", [open_mode, partial(open_together, sequences=2)])
def test_asking_for_the_servers_clock_is_no_part_of_connecting(
        folder: Path, serving: Serving, monkeypatch: pytest.MonkeyPatch,
        open_: Callable[..., AbstractContextManager[Opened | OpenedTogether]]) -> None:
    """Eight exchanges over a long way would be most of it; an edge is not asked at all."""
    now = [100.0]

    def slow(*_: object) -> Offset:
        now[0] += 50
        return Offset(0.5, 0.25)

    for module in (opening, together_opening):
        monkeypatch.setattr(module, "estimate_offset", slow)
    with open_(serving.config(Mode.SEMANTIC, folder), clock=lambda: now[0]) as opened:
        assert (opened.connect_seconds, opened.offset) == (0.0, Offset(0.5, 0.25))
    assert now == [150.0]


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
    for meta, tensors in (({}, []), ({"position": 0}, []), ({"position": 0, "weights": []}, []),
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


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        near = socket.create_connection(listener.getsockname())
        far, _ = listener.accept()
    return near, far


def _naive(channel: Channel, folder: Path, tensors: list[torch.Tensor], position: int) -> None:
    """A step with the true weights, and whatever else."""
    whole = Whole(folder, torch.float32)
    whole.load()
    weights = whole.weights()
    channel.send(Message(Kind.STEP, {"weights": list(weights), "position": position},
                         [tensors[0], *weights.values(), *tensors[1:]]))


def test_naive_computes_with_the_weights_of_the_step(folder: Path, serving: Serving) -> None:
    """With the model's own it would give the same tokens, whatever it is sent."""
    whole, ids = Whole(folder, torch.float32), torch.tensor([5, 6, 7])
    whole.load()
    weights = {name: one / 2 for name, one in whole.weights().items()}
    with open_mode(serving.config(Mode.NAIVE, folder)) as opened:
        assert opened.channel is not None
        opened.channel.send(Message(Kind.STEP, {"weights": list(weights), "position": 0},
                                    [ids, *weights.values()]))
        scores = opened.channel.expect(Kind.RESULT).tensors[0]
    own, _ = whole.run(ids, 0, [])
    whole.take(weights)
    assert torch.allclose(scores, whole.run(ids, 0, [])[0], atol=1e-5)
    assert not torch.allclose(scores, own, atol=1e-2)


@pytest.mark.parametrize("change", ["heads", "channels", "length", "type", "position"])
def test_a_cache_of_other_shapes_is_refused(folder: Path, serving: Serving, change: str) -> None:
    whole = Whole(folder, torch.float32)
    whole.load()
    held = 3
    _, cache = whole.run(torch.tensor([5, 6, 7]), 0, [])
    if change == "heads":
        cache = [torch.cat([one, one], 1) for one in cache]
    elif change == "channels":
        cache = [one[..., :3].contiguous() for one in cache]
    elif change == "length":
        cache[:2] = [one[:, :, :1].contiguous() for one in cache[:2]]
    elif change == "type":
        cache = [one.to(torch.bfloat16) for one in cache]
    else:
        held = OPTIONS.capacity
    with open_mode(serving.config(Mode.NAIVE, folder)) as opened:
        assert opened.channel is not None
        _naive(opened.channel, folder, [torch.tensor([8]), *cache], held)
        with pytest.raises(Refused):
            opened.channel.expect(Kind.RESULT)


def test_a_length_that_is_only_claimed_takes_no_memory() -> None:
    near, far = tcp_pair()
    channel = Channel(far, timeout=20.0)
    with near:
        head = struct.pack(">2sBBIQ", b"aM", 1, Kind.STEP, 2, 256 << 20)
        near.sendall(head + struct.pack(">I", zlib.crc32(b"{}", zlib.crc32(head))) + b"{}")
        near.shutdown(socket.SHUT_WR)
        tracemalloc.start()
        try:
            with pytest.raises(ServerGone):
                channel.receive()
            assert tracemalloc.get_traced_memory()[1] < 8 << 20
        finally:
            tracemalloc.stop()
            channel.close()


def test_tensors_are_taken_only_of_those_who_said_what_they_want(serving: Serving) -> None:
    connection = socket.create_connection(("127.0.0.1", serving.server.port))
    channel = Channel(connection, timeout=20.0)
    head, *_ = pack(Message(Kind.HELLO, {"mode": "handle"}, [torch.zeros(4)]))
    connection.sendall(head[:HEAD_BYTES])  # more would meet a connection that is closed by then
    with pytest.raises(Refused, match="more than is taken"):
        channel.receive()
    channel.close()


def test_who_sends_too_much_hears_why(folder: Path) -> None:
    """Whether the server hangs up while it is still being sent or after."""
    serving = Serving(folder, ServerConfig(most_bytes=1000))
    try:
        for _ in range(3):
            with open_mode(serving.config(Mode.NAIVE, folder)) as opened, \
                    pytest.raises(Refused, match="more than is taken") as caught:
                opened.ask(PROMPT, 1)
            assert "--most-mib" in caught.value.remedy
    finally:
        serving.close()


def test_a_broken_pipe_says_what_came_before_it() -> None:
    near, far = tcp_pair()
    channel, other = Channel(near, timeout=20.0), Channel(far, timeout=20.0)
    other.send(Message(Kind.ERROR, {"problem": "No.", "remedy": "Ask others."}))
    other.close()

    def send() -> None:
        for _ in range(1000):  # the first may still be taken by the system
            channel.send(Message(Kind.STEP, {}, [torch.zeros(1000)]))

    with pytest.raises(Refused, match=r"No\. Ask others\."):
        send()
    with pytest.raises(ServerGone):
        channel.send(Message(Kind.STEP))
    channel.close()


def test_close_wakes_those_that_wait(folder: Path, serving: Serving) -> None:
    with open_mode(serving.config(Mode.HANDLE, folder)) as opened:
        waiting = list(serving.server._open.values())
        assert [one.is_alive() for one in waiting] == [True]
        serving.server.close()
        assert not any(one.is_alive() for one in waiting)
        with pytest.raises(ServerGone):
            opened.ask(PROMPT, 2)


@pytest.mark.parametrize("tensors", [
    [], [torch.zeros(2)], [torch.zeros(2), torch.zeros(2)],
    [torch.zeros(2), torch.tensor([1, 1 << 20], dtype=torch.int32)],
    [torch.zeros(2), torch.tensor([1], dtype=torch.int32)],
    [torch.zeros(0), torch.zeros(0, dtype=torch.int32)]])
def test_a_server_that_sends_no_scores(tensors: list[torch.Tensor]) -> None:
    near, far = tcp_pair()
    link, server = SemanticLink(Channel(near, timeout=20.0), 256, likeliest=2), Channel(far)
    server.send(Message(Kind.RESULT, {"at": [0, 1, 1]}, tensors))
    with pytest.raises(BadMessage):
        link.receive()
    link.close()
    server.close()


def test_nobody_there(folder: Path) -> None:
    with pytest.raises(ModesError, match="airsplit modes serve"), open_mode(
            ModeConfig(Mode.HANDLE, folder, OPTIONS, server=("127.0.0.1", 1))):
        pass
    for mode in (*BY_EDGE, *BY_SERVER):
        with pytest.raises(Exception, match="needs"), open_mode(ModeConfig(mode, folder, OPTIONS)):
            pass
