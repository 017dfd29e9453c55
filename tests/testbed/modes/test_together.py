"""A batch in step: every sequence gets the tokens that it gets alone, in all modes."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from edge_server.engine.load import EngineOptions
from edge_server.errors import ConfigurationError, EdgeError
from edge_server.messages import Sampling
from testbed.modes.errors import BadMessage, Refused
from testbed.modes.opening import open_mode
from testbed.modes.policies import BY_SERVER, Mode
from testbed.modes.together import common_prefix
from testbed.modes.together_opening import OpenedTogether, open_together
from testbed.modes.together_ways import HandleWay, PrivateWay, SemanticWay
from testbed.modes.wire import Kind, Message
from tests.conftest import MakeCheckpoint
from tests.models import VOCABULARY
from tests.testbed.modes.test_all_modes import Serving

# A closed connection's places are free a moment later: more than two batches fit.
OPTIONS = EngineOptions("reference", "fp32", 12, 60, 1)
TOKENS = 5
LENGTHS = (12, 5, 9)
LOSSLESS = [mode for mode in Mode if mode is not Mode.SPLIT_COMPRESSED]


def prompts(lengths: Sequence[int]) -> list[list[int]]:
    draw = random.Random(5)
    return [[draw.randrange(8, VOCABULARY) for _ in range(length)] for length in lengths]


@pytest.fixture(params=["gemma3"], scope="module")
def folder(request: pytest.FixtureRequest, checkpoint_folder: MakeCheckpoint) -> Path:
    return checkpoint_folder(request.param)


@pytest.fixture(scope="module")
def serving(folder: Path) -> Iterator[Serving]:
    made = Serving(folder, options=OPTIONS)
    yield made
    made.close()


def until_free(serving: Serving) -> None:
    """The server sees a moment later that a connection is closed."""
    deadline = time.monotonic() + 60
    while len(serving.served._free) < OPTIONS.slots:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def alone(serving: Serving, folder: Path, asked: Sequence[Sequence[int]],
          sampling: Sampling = Sampling()) -> list[list[int]]:  # noqa: B008 - frozen
    """What the product's own loop answers, one conversation after the other."""
    with open_mode(serving.config(Mode.LOCAL, folder)) as opened:
        return [list(opened.ask(one, TOKENS, sampling).ids) for one in asked]


def answers(opened: OpenedTogether, asked: Sequence[Sequence[int]],
            sampling: Sampling = Sampling()) -> list[list[int]]:  # noqa: B008 - frozen
    return [one.ids for one in opened.ask(asked, TOKENS, sampling)]


def test_a_batch_gives_the_tokens_of_batch_1(folder: Path, serving: Serving) -> None:
    """Two questions: the second has all that was said before in front."""
    asked = prompts([10] * 3)
    first = alone(serving, folder, asked)
    again = [[*one, *said, 44, 45] for one, said in zip(asked, first, strict=True)]
    second = alone(serving, folder, again)
    for mode in LOSSLESS:
        with open_together(serving.config(mode, folder), 3) as opened:
            assert answers(opened, asked) == first, mode
            assert answers(opened, again) == second, mode


@pytest.mark.parametrize("folder", ["llama", "gpt2"], indirect=True)
def test_so_it_does_in_other_families(folder: Path, serving: Serving) -> None:
    asked = prompts([10] * 2)
    wanted = alone(serving, folder, asked)
    for mode in (Mode.NAIVE, Mode.PRIVATE):
        with open_together(serving.config(mode, folder), 2) as opened:
            assert answers(opened, asked) == wanted, mode


@pytest.mark.parametrize("mode", [Mode.REMOTE_CACHE, Mode.SEMANTIC, Mode.SPLIT, Mode.PRIVATE])
def test_prompts_may_differ_in_length(folder: Path, serving: Serving, mode: Mode) -> None:
    asked = prompts(LENGTHS)
    with open_together(serving.config(mode, folder), 3) as opened:
        assert answers(opened, asked) == alone(serving, folder, asked)


def test_the_compiled_kernels_take_a_batch_in_one_pass(folder: Path, serving: Serving) -> None:
    asked = prompts(LENGTHS)
    config = serving.config(Mode.LOCAL, folder)
    config = replace(config, engine=replace(config.engine, backend="fast"))
    with open_together(config, 3) as opened, open_mode(config) as one:
        assert answers(opened, asked) == [list(one.ask(ids, TOKENS).ids) for ids in asked]


@pytest.mark.parametrize("encoding", ["int8", "delta"])
def test_encoded_rows_are_those_of_a_sequence_alone(folder: Path, serving: Serving, encoding: str
                                                    ) -> None:
    """A chained encoding builds on the sequence's own rows, and on nobody else's."""
    asked = prompts(LENGTHS)
    config = replace(serving.config(Mode.SPLIT_COMPRESSED, folder), encoding=encoding)
    with open_together(config, 1) as one:
        wanted = [answers(one, [ids])[0] for ids in asked]
    with open_together(config, 3) as opened:
        assert answers(opened, asked) == wanted
        coded = opened.ask(asked, TOKENS)[0].steps[-1].sent
    with open_together(serving.config(Mode.SPLIT, folder), 3) as opened:
        plain = opened.ask(asked, TOKENS)[0].steps[-1].sent
    assert coded is not None
    assert plain is not None
    assert coded < plain


@pytest.mark.parametrize("mode", [Mode.LOCAL, Mode.HANDLE, Mode.SEMANTIC, Mode.PRIVATE])
def test_sampling_draws_for_each_sequence_as_alone(folder: Path, serving: Serving, mode: Mode
                                                   ) -> None:
    asked, sampling = prompts(LENGTHS), Sampling(0.8, 20, seed=7)
    with open_together(serving.config(mode, folder), 3) as opened:
        assert answers(opened, asked, sampling) == alone(serving, folder, asked, sampling)


def test_the_likeliest_scores_choose_the_same_tokens(folder: Path, serving: Serving) -> None:
    asked = prompts(LENGTHS)
    with open_together(serving.config(Mode.SEMANTIC, folder, likeliest=5), 3) as opened:
        assert answers(opened, asked) == alone(serving, folder, asked)


@pytest.mark.parametrize("mode", [Mode.NAIVE, Mode.HANDLE, Mode.SEMANTIC, Mode.PRIVATE])
def test_a_sequence_that_ends_leaves_the_batch(folder: Path, serving: Serving, mode: Mode) -> None:
    asked = prompts([8] * 3)
    wanted = alone(serving, folder, asked)
    stop = wanted[1][1]  # the second sequence's, after two tokens
    cut = [ids[: ids.index(stop) + 1] if stop in ids else ids for ids in wanted]
    assert len(cut[1]) < TOKENS
    with open_together(serving.config(mode, folder), 3, stop_ids=frozenset([stop])) as opened:
        lines = opened.ask(asked, TOKENS)
        assert [one.ids for one in lines] == cut
        counts = [len(one.steps) for one in lines]
        assert counts == [len(one) for one in cut]
        longest = max(lines, key=lambda one: len(one.steps))
        assert [step.sequences for step in longest.steps] == [
            sum(place < count for count in counts) for place in range(max(counts))]


@pytest.mark.parametrize("mode", sorted(BY_SERVER))
def test_shares_are_all_that_crossed(folder: Path, serving: Serving, mode: Mode) -> None:
    with open_together(serving.config(mode, folder), 3) as opened:
        traffic = opened.link.traffic
        assert traffic is not None
        lines = opened.ask(prompts([8] * 3), TOKENS)
        after = opened.link.traffic
        assert after is not None
        steps = [step for one in lines for step in one.steps]
        assert sum(step.sent or 0 for step in steps) == pytest.approx(after.sent - traffic.sent)
        assert sum(step.received or 0 for step in steps) == pytest.approx(
            after.received - traffic.received)
        for step in steps:
            assert step.server is not None
            assert 0 < step.server <= step.exchange + 1e-5 <= step.seconds + 2e-5


def test_where_nothing_is_sent_all_of_a_step_is_the_clients(folder: Path, serving: Serving
                                                            ) -> None:
    with open_together(serving.config(Mode.LOCAL, folder), 2) as opened:
        for line in opened.ask(prompts([8] * 2), TOKENS):
            for step in line.steps:
                assert (step.sent, step.server, step.packing, step.exchange) == (None,) * 3 + (0,)
                assert step.computed is not None
                assert 0 < step.computed <= step.client == step.seconds


def test_a_prefix_is_used_again_where_the_mode_says_so(folder: Path, serving: Serving) -> None:
    for mode, rows in ((Mode.SEMANTIC, 2), (Mode.HANDLE, 14)):
        asked = prompts([8] * 2)
        with open_together(serving.config(mode, folder), 2) as opened:
            said = answers(opened, asked)
            longer = [[*one, *more, 44] for one, more in zip(asked, said, strict=True)]
            assert [one.steps[0].rows for one in opened.ask(longer, 2)] == [rows] * 2


def test_naive_takes_prompts_of_one_length_alone(folder: Path, serving: Serving) -> None:
    with open_together(serving.config(Mode.NAIVE, folder), 3) as opened, \
            pytest.raises(ConfigurationError, match="length"):
        opened.ask(prompts(LENGTHS), TOKENS)


def test_what_does_not_fit_is_refused(folder: Path, serving: Serving) -> None:
    with open_together(serving.config(Mode.LOCAL, folder), 1) as opened:
        wrongs: list[list[list[int]]] = [[[]], prompts([OPTIONS.capacity])]
        for wrong in wrongs:
            with pytest.raises(ConfigurationError, match="fit"):
                opened.ask(wrong, TOKENS)
    with pytest.raises(Refused, match="free"), \
            open_together(serving.config(Mode.HANDLE, folder), OPTIONS.slots + 1):
        pass
    until_free(serving)
    with open_together(serving.config(Mode.HANDLE, folder), OPTIONS.slots) as opened:
        assert len(answers(opened, prompts([4] * OPTIONS.slots))) == OPTIONS.slots


ONE = [[0, 0, 1]]
IDS = torch.tensor([5], dtype=torch.int32)


@pytest.mark.parametrize(("mode", "at", "tensors", "more"), [
    (Mode.HANDLE, None, [IDS], {}), (Mode.HANDLE, [], [IDS], {}),
    (Mode.HANDLE, [[0, 0]], [IDS], {}), (Mode.HANDLE, [[0, 0, True]], [IDS], {}),
    (Mode.HANDLE, [[2, 0, 1]], [IDS], {}), (Mode.HANDLE, [[0, 0, 61]], [IDS], {}),
    (Mode.HANDLE, [[0, 0, 1], [0, 1, 1]], [IDS], {}), (Mode.HANDLE, [[0, 9, 1]], [IDS], {}),
    (Mode.HANDLE, ONE, [], {}), (Mode.HANDLE, ONE, [torch.ones(1)], {}),
    (Mode.HANDLE, [[0, 0, 2]], [IDS], {}), (Mode.HANDLE, ONE, [IDS + 9999], {}),
    (Mode.SPLIT, ONE, [IDS], {}), (Mode.SPLIT, ONE, [torch.ones(2, 64)], {}),
    (Mode.SPLIT, ONE, [torch.ones(1, 64)] * 2, {}),
    (Mode.SPLIT, ONE, [torch.zeros(4, dtype=torch.uint8)], {"parts": [[1, 5, 9]]}),
    (Mode.SPLIT, ONE, [torch.zeros(4, dtype=torch.uint8)], {"parts": [[1, 5, -4]]}),
    (Mode.SPLIT, ONE, [torch.zeros(4, dtype=torch.uint8)], {"parts": [[2, 5, 4]]}),
    (Mode.SPLIT, ONE, [torch.zeros(4, dtype=torch.uint8)], {"parts": [[1, 99, 4]]}),
    (Mode.SPLIT, ONE, [torch.zeros(4, dtype=torch.uint8)], {"parts": [[1, 5, 3]]}),
    (Mode.SPLIT, ONE, [torch.zeros(0, dtype=torch.uint8)], {"parts": [[1, 5, 0]]}),
    (Mode.SPLIT, ONE, [torch.full((9,), 255, dtype=torch.uint8)], {"parts": [[1, 5, 9]]}),
    (Mode.SPLIT, ONE, [torch.zeros(4, dtype=torch.uint8)], {"parts": 3})])
def test_steps_that_make_no_sense(folder: Path, serving: Serving, mode: Mode, at: object,
                                  tensors: list[torch.Tensor], more: dict[str, object]) -> None:
    with open_together(serving.config(mode, folder), 2) as opened:
        assert opened.channel is not None
        opened.channel.send(Message(Kind.STEP, {"at": at} | more, tensors))
        with pytest.raises(EdgeError):
            opened.channel.expect(Kind.RESULT)


@pytest.mark.parametrize("hello", [
    {"sequences": 0}, {"sequences": 257}, {"sequences": "2"}, {"split": 9}, {"split": 2, "tail": 3},
    {"likeliest": -1}])
def test_a_batch_that_cannot_be(folder: Path, serving: Serving, hello: dict[str, object]) -> None:
    import socket

    from testbed.modes.channel import Channel

    until_free(serving)
    channel = Channel(socket.create_connection(("127.0.0.1", serving.server.port)), timeout=20.0)
    whole = {"mode": "private", "identity": serving.served.identity, "likeliest": 0,
             "sequences": 1, "split": 1, "tail": 1}
    channel.send(Message(Kind.HELLO, whole | hello))
    with pytest.raises(Refused):
        channel.expect(Kind.READY)
    channel.close()
    assert len(serving.served._free) == OPTIONS.slots


def test_a_server_that_sends_something_else(folder: Path) -> None:
    from testbed.modes.pieces import piece_of

    two = [piece_of(0, 0, [5]), piece_of(1, 0, [6])]
    for way in (HandleWay(VOCABULARY), SemanticWay(VOCABULARY), SemanticWay(VOCABULARY, 3)):
        for meta, tensors in (
                ({}, []), ({"tokens": [1]}, [torch.zeros(2, 3)]), ({"tokens": [1, VOCABULARY]}, []),
                ({"tokens": [1, True]}, [torch.zeros(2, 3), torch.full((2, 3), 9999,
                                                                       dtype=torch.int32)])):
            with pytest.raises(BadMessage):
                way.tokens(two, Message(Kind.RESULT, meta, tensors))
    from edge_server.engine.checkpoint import Checkpoint
    from edge_server.engine.load import open_engine
    from edge_server.split import LayerRange

    engine = open_engine(Checkpoint.open(folder), replace(OPTIONS, slots=2))
    private = PrivateWay(engine, LayerRange(0, 1), LayerRange(3, 4), 2, "raw")
    rows = torch.zeros(2, 64)
    for tensors in ([], [rows[:1]], [rows.half()], [rows, rows]):
        with pytest.raises(BadMessage):
            private.tokens(two, Message(Kind.RESULT, {}, tensors))


def test_what_two_begin_with() -> None:
    assert common_prefix([], [1]) == 0
    assert common_prefix([1, 2], [1, 2, 3]) == 2
    assert common_prefix([1, 2, 4], [1, 2, 3]) == 2
