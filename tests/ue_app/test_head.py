"""Where layers run, and the phone's share of them."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.load import Engine, EngineOptions, open_engine
from edge_server.engine.sampling import Sampler
from edge_server.errors import ConfigurationError, EdgeError
from edge_server.frame import Flags
from edge_server.messages import Sampling
from edge_server.split import LayerRange
from tests.conftest import MakeCheckpoint
from tests.exactness import make_prompt
from tests.models import FAMILIES, LAYERS
from ue_app.head import Head, place


@given(st.integers(-2, 8), st.integers(1, 6), st.none() | st.integers(-2, 8))
def test_a_placement_covers_every_layer_or_is_refused(
    split: int, total: int, tail: int | None
) -> None:
    try:
        placement = place(split, total, tail)
    except EdgeError:
        assert split < 0 or split > total or (
            tail is not None and (tail < 0 or split + tail > total))
        return
    last = placement.last or LayerRange(total, total)
    assert (placement.first.start, last.end) == (0, total)
    assert placement.first.end == placement.remote.start == split
    assert placement.remote.end == last.start
    assert placement.private == (tail is not None)
    assert len(last) == (tail or 0)


@pytest.mark.parametrize(("split", "tail", "said"), [
    (5, None, "cannot be split at 5.*--split from 0 to 4"),
    (-1, None, "cannot be split at -1.*--split from 0 to 4"),
    (3, 2, "with its last 2 on the phone.*--split from 0 to 2"),
    (0, 5, "--tail"), (1, -1, "--tail"), (1, 99, "--tail")])
def test_the_remedy_names_what_to_change(split: int, tail: int | None, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        place(split, 4, tail)


@pytest.fixture(params=["reference", "fast"])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def engine_of(folder: object, backend: str) -> Engine:
    return open_engine(Checkpoint.open(str(folder)), EngineOptions(backend, "fp32", 1, 64, 1))


def whole(engine: Engine, ids: list[int]) -> torch.Tensor:
    return engine.stage(LayerRange(0, LAYERS)).forward(
        [0] * len(ids), range(len(ids)), engine.embedding().rows(ids))


@pytest.mark.parametrize("family", FAMILIES)
def test_both_ends_of_a_model(
    family: str, backend: str, checkpoint_folder: MakeCheckpoint
) -> None:
    """First layers, somebody else's middle, last layers and choice: the whole model's token."""
    engine = engine_of(checkpoint_folder(family), backend)
    head = Head(engine, place(1, LAYERS, 1))
    middle = engine.stage(LayerRange(1, 3))
    ids = make_prompt(20)
    hidden = middle.forward([0] * 20, range(20), head.rows(ids, 0))
    out = head.absorb(hidden, 0)
    expected = whole(engine, ids)
    assert torch.equal(out, expected)
    sampling = Sampling(temperature=1.0, seed=4)
    logits = engine.output().logits(expected[-1:])[0]
    assert Sampler(sampling).choose(head.logits(out), 20) == Sampler(sampling).choose(logits, 20)


@pytest.mark.parametrize("split", range(LAYERS + 1))
def test_the_first_layers(split: int, backend: str, checkpoint_folder: MakeCheckpoint) -> None:
    engine = engine_of(checkpoint_folder("gemma3"), backend)
    head = Head(engine, place(split, LAYERS, None))
    ids = make_prompt(12)
    rows = torch.cat([head.rows(ids[:12], 0)])
    expected = engine.stage(LayerRange(0, split)).forward(
        [0] * 12, range(12), engine.embedding().rows(ids))
    assert torch.equal(rows, expected)
    again = head.rows(ids[-1:], 11)  # after going back
    assert float((again - expected[-1:]).abs().max()) <= 1e-4 * float(expected.abs().max())


@pytest.mark.parametrize(("split", "tail", "chunk", "step"), [
    (1, None, Flags.NONE, Flags.RESULT_WANTED),
    (1, 1, Flags.ALL_ROWS, Flags.ALL_ROWS | Flags.RESULT_WANTED),
    (1, 0, Flags.NONE, Flags.RESULT_WANTED)])
def test_what_is_asked_back(
    split: int, tail: int | None, chunk: Flags, step: Flags, checkpoint_folder: MakeCheckpoint
) -> None:
    """All rows only where the phone has last layers whose cache needs them."""
    head = Head(engine_of(checkpoint_folder("gemma"), "reference"), place(split, LAYERS, tail))
    assert (head.chunk_flags, head.step_flags) == (chunk, step)


def test_memory_is_what_is_held_here(backend: str, checkpoint_folder: MakeCheckpoint) -> None:
    engine = engine_of(checkpoint_folder("gemma"), backend)
    small = Head(engine, place(0, LAYERS, None)).bytes()
    one = Head(engine, place(1, LAYERS, None)).bytes()
    ends = Head(engine, place(1, LAYERS, 1)).bytes()
    assert small == 0  # the embedding stays in its file
    assert 0 < one < ends
    assert ends > engine.output().bytes()
