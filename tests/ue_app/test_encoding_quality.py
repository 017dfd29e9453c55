"""What an encoding costs in quality, measured on small models whose answer is known."""

from __future__ import annotations

import functools
import math
from itertools import pairwise

import pytest
import torch

from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.load import Engine, EngineOptions, open_engine
from edge_server.messages import Sampling
from tests.conftest import MakeCheckpoint
from tests.models import LAYERS, VOCABULARY, load_model
from ue_app.encoding_quality import (
    CutModel,
    carried,
    continuation,
    first_difference,
    neighbours_apart,
    parting,
    qualities,
    windows,
)
from ue_app.encoding_table import Parting

NAMES = ("raw", "lossless", "int8", "int4", "delta")
TEXTS = [[2, *((7 * seed + 5 * at * at) % (VOCABULARY - 6) + 6 for at in range(23))]
         for seed in range(3)]


@pytest.fixture
def engine(checkpoint_folder: MakeCheckpoint) -> Engine:
    return open_engine(Checkpoint.open(checkpoint_folder("gemma3")),
                       EngineOptions("auto", "auto", 1, 64, 1))


def test_figures(engine: Engine, checkpoint_folder: MakeCheckpoint) -> None:
    steps: list[None] = []
    found = qualities(CutModel(engine, 2), TEXTS,
                      {name: functools.partial(carried, name) for name in NAMES},
                      dict.fromkeys(NAMES, 64.0), lambda: steps.append(None))
    assert len(steps) == len(TEXTS) * len(NAMES)
    raw = found["raw"]
    assert (raw.error, raw.divergence, raw.increase, raw.margin) == (0.0, 0.0, 0.0, 0.0)
    assert found["lossless"] == raw
    original = load_model(checkpoint_folder("gemma3"), torch.float32)
    ids = torch.tensor(TEXTS)
    with torch.no_grad():
        scores = torch.log_softmax(original(ids[:, :-1]).logits.float(), dim=-1)
    nats = -scores.gather(2, ids[:, 1:, None]).mean().item()
    assert raw.perplexity == pytest.approx(math.exp(nats), rel=1e-3)
    assert 0.0 < found["int8"].error < 0.02 < found["int4"].error < 0.2
    assert 0.0 < found["int8"].divergence < found["int4"].divergence
    for one in found.values():
        assert one.increase == pytest.approx(100 * (one.perplexity / raw.perplexity - 1), abs=1e-6)


def test_a_chained_encoding_goes_through_text_as_over_a_link(engine: Engine) -> None:
    """In one piece or row by row: the rows that arrive are the same."""
    rows = CutModel(engine, 2).rows(TEXTS[0])
    whole, single = carried("delta")(rows), carried("delta")
    apart = torch.cat([single(rows[at : at + 1]) for at in range(len(rows))])
    assert torch.equal(whole, apart)


def test_where_greedy_answers_part(engine: Engine) -> None:
    model, prompt = CutModel(engine, 2), TEXTS[0][:8]
    expected = continuation(model, prompt, 12)
    assert len(expected) == 12
    assert first_difference(model, prompt, functools.partial(carried, "raw"), expected) is None
    assert first_difference(model, prompt, functools.partial(carried, "lossless"),
                            expected) is None
    changed = [*expected[:5], (expected[5] + 1) % VOCABULARY, *expected[6:]]
    assert first_difference(model, prompt, functools.partial(carried, "raw"), changed) == 5
    assert first_difference(model, prompt, functools.partial(carried, "topk:1"), expected) == 0


def test_how_far_answers_go(engine: Engine) -> None:
    model, prompts = CutModel(engine, 2), [text[:8] for text in TEXTS]
    expected = [continuation(model, prompt, 6) for prompt in prompts]
    raw = functools.partial(carried, "raw")
    assert parting(model, prompts, raw, expected) == Parting(0, 6)
    expected[0][2] = (expected[0][2] + 1) % VOCABULARY
    assert parting(model, prompts, raw, expected) == Parting(1, 6)  # the middle one stays
    expected[1][4] = (expected[1][4] + 1) % VOCABULARY
    assert parting(model, prompts, raw, expected) == Parting(2, 4)


def test_how_much_rows_differ_from_their_neighbours() -> None:
    assert neighbours_apart(torch.ones(5, 8)) == 0.0
    assert neighbours_apart(torch.tensor([[1.0], [-1.0], [1.0]])) == 2.0
    noise = torch.randn(400, 64, generator=torch.Generator().manual_seed(0))
    assert neighbours_apart(noise) == pytest.approx(2**0.5, rel=0.02)


def test_text_that_the_model_writes_is_the_seeds(engine: Engine) -> None:
    model = CutModel(engine, LAYERS)
    one, same, other = (continuation(model, [2], 8, Sampling(1.0, seed=seed))
                        for seed in (3, 3, 4))
    assert one == same != other


def test_pieces_of_a_text() -> None:
    ids = list(range(100, 200))
    pieces = windows(ids, 4, 10)
    assert [len(piece) for piece in pieces] == [10] * 4
    assert all(piece[0] == 100 for piece in pieces)
    assert len({tuple(piece) for piece in pieces}) == 4
    assert all(later[1] > earlier[-1] for earlier, later in pairwise(pieces))
    with pytest.raises(ValueError, match="too few"):
        windows(ids, 4, 98)
