"""The link that needs no network: the later layers in this process, through the real interface."""

from __future__ import annotations

import pytest
import torch

from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.load import Engine, EngineOptions, open_engine
from edge_server.frame import Flags
from edge_server.messages import Sampling
from edge_server.split import LayerRange
from tests.conftest import MakeCheckpoint
from tests.exactness import GREEDY, SAMPLED, ask_oracle, make_prompt
from tests.models import FAMILIES, LAYERS, load_model
from ue_app.link import LocalLink


@pytest.fixture(params=["reference", "fast"])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def open_link(folder: object, backend: str, split: int) -> tuple[Engine, LocalLink]:
    engine = open_engine(Checkpoint.open(str(folder)),
                         EngineOptions(backend, "fp32", 1, 64, 1))
    return engine, LocalLink(engine, LayerRange(split, LAYERS))


def rows_before(engine: Engine, split: int, ids: list[int]) -> torch.Tensor:
    return engine.stage(LayerRange(0, split)).forward(
        [0] * len(ids), range(len(ids)), engine.embedding().rows(ids))


@pytest.mark.parametrize("sampling", [GREEDY, SAMPLED], ids=["greedy", "sampled"])
@pytest.mark.parametrize("family", FAMILIES)
def test_tokens_are_generates(
    family: str, sampling: Sampling, backend: str, checkpoint_folder: MakeCheckpoint
) -> None:
    folder = checkpoint_folder(family)
    oracle = ask_oracle(load_model(folder, torch.float32), make_prompt(), sampling)
    engine, link = open_link(folder, backend, 2)
    ids = make_prompt()
    link.start(sampling, 0, len(ids))
    link.send(0, rows_before(engine, 2, ids)[:7], Flags.NONE)
    link.send(7, rows_before(engine, 2, ids)[7:], Flags.RESULT_WANTED)
    tokens = [link.receive()]
    for _ in range(5):
        last = tokens[-1]
        assert isinstance(last, int)
        ids.append(last)
        link.send(len(ids) - 1, rows_before(engine, 2, ids)[-1:], Flags.RESULT_WANTED)
        tokens.append(link.receive())
    assert tokens == oracle.tokens[:6]
    assert link.traffic is None  # nothing is sent, which is not zero bytes


def test_results_come_in_order_and_only_where_asked(
    backend: str, checkpoint_folder: MakeCheckpoint
) -> None:
    engine, link = open_link(checkpoint_folder("gemma"), backend, 0)
    ids = make_prompt(6)
    rows = engine.embedding().rows(ids)
    for at, row in enumerate(rows):
        link.send(at, row[None], Flags.RESULT_WANTED if at % 2 else Flags.NONE)
    got = [link.receive() for _ in range(3)]
    whole, output = engine.stage(LayerRange(0, LAYERS)), engine.output()
    out = torch.cat([whole.forward([0], [at], row[None]) for at, row in enumerate(rows)])
    assert got == [int(output.logits(out[at : at + 1]).argmax()) for at in (1, 3, 5)]
    with pytest.raises(IndexError):
        link.receive()


def test_cancel_drops_what_is_due_and_says_what_is_held(
    backend: str, checkpoint_folder: MakeCheckpoint
) -> None:
    engine, link = open_link(checkpoint_folder("gemma"), backend, 1)
    rows, others = (rows_before(engine, 1, make_prompt(9, seed)) for seed in (3, 4))
    link.send(0, others, Flags.RESULT_WANTED)
    dropped = link.receive()
    link.send(0, rows, Flags.RESULT_WANTED)
    expected = link.receive()
    assert dropped != expected
    link.send(0, torch.cat([rows[:4], others[4:]]), Flags.RESULT_WANTED)
    assert link.cancel(4) == 4
    link.send(4, rows[4:], Flags.RESULT_WANTED)
    assert link.receive() == expected
    assert link.cancel(99) == 9
    link.close()
    assert link.cancel(5) == 0
