"""Drafts at the worker: answered with what would come one by one, bit for bit."""

from __future__ import annotations

import pytest
import torch

from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.load import EngineOptions, open_engine
from edge_server.engine.tensors import to_bytes
from edge_server.frame import Dtype, Flags, Frame, FrameType, drafted, token_of, tokens_of
from edge_server.messages import Sampling, Start
from edge_server.session import Job, Session
from edge_server.split import LayerRange
from tests.conftest import MakeCheckpoint
from tests.edge_server.worker_scene import Desk, frame_of
from tests.exactness import make_prompt
from tests.models import LAYERS


def ask_drafted(desk: Desk, session: Session, ids: list[int], guesses: list[int]) -> Frame:
    """The answer to the last of `ids` and what the phone guesses after it."""
    position = len(ids) - 1
    rows = desk.rows(ids + guesses, position)
    job = desk.accept(session, Frame(
        FrameType.ROWS, session.number, session.epoch, position, Dtype.F32, rows.shape[0],
        rows.shape[1], Flags.RESULT_WANTED | Flags.DRAFTED, drafted(guesses, to_bytes(rows))))
    assert isinstance(job, Job)
    desk.submit(job)
    frame = frame_of(desk.reply()[1], FrameType.TOKEN)
    desk.sessions.verified(job, frame)
    return frame


@pytest.mark.parametrize("right", [0, 1, 2, 3])
@pytest.mark.parametrize("choice", [
    Sampling(), Sampling(0.9, 40, 0.9, repetition_penalty=1.3, seed=6)])
def test_drafts_are_answered_with_what_would_come_one_by_one(
    choice: Sampling, right: int, desk: Desk
) -> None:
    """And the cache ends where the drafts were wrong, however the answer goes on."""
    ids, sessions = make_prompt(9), [desk.open(), desk.open()]
    for session in sessions:
        desk.accept(session, Frame(
            FrameType.START, session.number, session.epoch + 1, 0,
            payload=Start(choice, 9).pack()))
    text = list(ids)
    for end in range(9, 15):
        frame = frame_of(desk.ask(sessions[0], desk.rows(text, 0 if end == 9 else end - 1),
                                  0 if end == 9 else end - 1), FrameType.TOKEN)
        text.append(token_of(frame))
    desk.ask(sessions[1], desk.rows(ids))
    guesses = [token if index < right else (token + 1) % 160
               for index, token in enumerate(text[10:13])]
    frame = ask_drafted(desk, sessions[1], text[:10], guesses)
    assert (frame.position, tokens_of(frame)) == (10, tuple(text[10 : 11 + right]))
    assert sessions[1].length == 10 + right
    held = desk.worker._view(sessions[1].layers).length(sessions[1].slot)
    assert held == 10 + right
    frame = ask_drafted(desk, sessions[1], text[: 11 + right], [(text[11 + right] + 1) % 160])
    assert tokens_of(frame) == (text[11 + right],)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8"])
def test_rows_of_a_draft_are_those_of_single_rows_bit_for_bit(
    precision: str, checkpoint_folder: MakeCheckpoint
) -> None:
    """What drafting rests on: neither layers nor output see that rows came together."""
    engine = open_engine(Checkpoint.open(checkpoint_folder("gemma3")),
                         EngineOptions("fast", precision, 2, 64, threads=2))
    stage, output = engine.stage(LayerRange(0, LAYERS)), engine.output()
    ids = make_prompt(30)
    stage.forward([0] * 13 + [1] * 13, [*range(13)] * 2, engine.embedding().rows(ids[:13] * 2))
    together = stage.forward([0] * 17, range(13, 30), engine.embedding().rows(ids[13:]))
    alone = torch.cat([stage.forward([1], [at], engine.embedding().rows([ids[at]]))
                       for at in range(13, 30)])
    assert torch.equal(together, alone)
    logits = output.logits(together).clone()
    for row in range(17):
        assert torch.equal(output.logits(alone[row : row + 1])[0], logits[row])
