"""A draft model: guesses are those of the model itself, however it got to where it stands."""

from __future__ import annotations

import json
import random
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.load import Engine, EngineOptions, open_engine
from edge_server.engine.sampling import Sampler
from edge_server.errors import ConfigurationError
from edge_server.messages import Sampling
from edge_server.split import LayerRange
from tests.conftest import MakeCheckpoint
from tests.exactness import make_prompt
from tests.models import LAYERS, VOCABULARY
from ue_app.drafts.model import ModelDrafter, open_model_drafter

CAPACITY = 64
CHOICES = (Sampling(), Sampling(temperature=0.9, top_k=30, repetition_penalty=1.2, seed=4))


@pytest.fixture(scope="module")
def engine(checkpoint_folder: MakeCheckpoint) -> Engine:
    return open_engine(Checkpoint.open(checkpoint_folder("gemma3")),
                       EngineOptions("auto", "fp32", 1, CAPACITY, 1))


def answer_of(engine: Engine, ids: list[int], sampling: Sampling, count: int) -> list[int]:
    """What the model itself goes on with, one token at a time."""
    stage, output, sampler = engine.stage(LayerRange(0, LAYERS)), engine.output(), Sampler(
        sampling, len(ids))
    text, position = list(ids), 0
    while len(text) < len(ids) + count:
        new = text[position:]
        rows = stage.forward([0] * len(new), range(position, len(text)),
                             engine.embedding().rows(new))
        position = len(text)
        text.append(sampler.choose(output.logits(rows[-1:])[0], position))
    return text[len(ids) :]


@pytest.mark.parametrize("sampling", CHOICES)
def test_it_guesses_what_its_model_says(sampling: Sampling, engine: Engine) -> None:
    ids = make_prompt(20)
    expected = answer_of(engine, ids, sampling, 30)
    drafter, order = ModelDrafter(engine, VOCABULARY), random.Random(2)
    drafter.start(sampling, len(ids))
    for _ in range(40):  # accepted, rejected and asked again, in any order
        known, count = order.randrange(24), order.randint(1, 6)
        if order.random() < 0.3:
            drafter.read(ids + expected[: order.randrange(known + 1)])
        assert drafter.draft(ids + expected[:known], count) == expected[known : known + count]
    assert drafter.draft(ids, 0) == []


def test_another_conversation(engine: Engine) -> None:
    drafter = ModelDrafter(engine, VOCABULARY)
    for length in (9, 5, 30, 30):
        ids = make_prompt(length)[::-1]
        drafter.start(Sampling(), length)
        assert drafter.draft(ids, 4) == answer_of(engine, ids, Sampling(), 4)


def test_it_stops_at_its_capacity(engine: Engine) -> None:
    drafter = ModelDrafter(engine, VOCABULARY)
    ids = [3] * (CAPACITY - 2)
    drafter.start(Sampling(), len(ids))
    assert len(drafter.draft(ids, 8)) == 3
    assert len(drafter.draft([3] * CAPACITY, 8)) == 1
    assert drafter.draft([3] * (CAPACITY + 1), 8) == []
    assert len(drafter.draft(ids[:5], 8)) == 8


def test_ids_it_does_not_know(engine: Engine) -> None:
    """A conversation with such a one cannot be followed; that is no error."""
    drafter = ModelDrafter(engine, VOCABULARY + 40)
    drafter.start(Sampling(), 3)
    assert drafter.draft([5, VOCABULARY + 3, 6], 4) == []
    assert drafter.draft([5, 7, 6], 4) == answer_of(engine, [5, 7, 6], Sampling(), 4)
    drafter = ModelDrafter(engine, 50)  # nor does it guess what the model does not know
    drafter.start(Sampling(temperature=2.0, seed=1), 2)
    assert max(drafter.draft([5, 6], 40)) < 50


def test_it_says_what_it_costs(engine: Engine) -> None:
    assert ModelDrafter(engine, VOCABULARY).bytes() > 100_000


def test_a_draft_model_shares_the_tokenizer(
    checkpoint_folder: MakeCheckpoint, tmp_path: Path
) -> None:
    folder = checkpoint_folder("gemma3")
    checkpoint = Checkpoint.open(folder)
    options = EngineOptions("auto", "auto", 1, CAPACITY, 1)
    other = shutil.copytree(checkpoint_folder("llama"), tmp_path / "other")
    assert open_model_drafter(other, folder, checkpoint, options).name == "model"
    document = json.loads((other / "tokenizer.json").read_text())
    vocabulary = document["model"]["vocab"]
    one, two = list(vocabulary)[-2:]
    vocabulary[one], vocabulary[two] = vocabulary[two], vocabulary[one]
    (other / "tokenizer.json").write_text(json.dumps(document))
    with pytest.raises(ConfigurationError, match=r"another tokenizer.*--draft-model"):
        open_model_drafter(other, folder, checkpoint, options)


def test_unusable_scores_are_guessed_from_all_the_same(engine: Engine) -> None:
    """A guess is never an error: the edge says what is wrong, if it is."""
    drafter = ModelDrafter(engine, VOCABULARY)
    drafter._output = Broken()
    for sampling in CHOICES:
        drafter.start(replace(sampling), 2)
        drafter.draft([5, 6], 3)


class Broken:
    """An output whose scores are none."""

    def logits(self, rows: torch.Tensor) -> torch.Tensor:
        return torch.full((len(rows), VOCABULARY), torch.nan)

    def likeliest(
        self, rows: torch.Tensor, wanted: object
    ) -> tuple[list[int | None], torch.Tensor]:
        raise NotImplementedError

    def bytes(self) -> int:
        return 0
