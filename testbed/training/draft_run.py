"""One call of the draft training, from its options to its last message.

Does: prepare the rows, train with progress, export, measure; say how to go on after a stop.
Does not know: how options are spelled on the command line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import torch
from rich.console import Console
from transformers import Gemma3ForCausalLM
from transformers.utils.logging import disable_progress_bar

from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.identity import identity_of
from testbed.training.checkpoint import History
from testbed.training.data import encode_stories, read_stories
from testbed.training.distil import DraftOptions, train_draft
from testbed.training.draft_export import (
    DraftFacts,
    Foresight,
    foresight,
    write_card,
    write_exit,
)
from testbed.training.draft_rows import DraftRows, prepare_rows, write_texts
from testbed.training.draft_settings import DraftSettings, check_draft_settings
from testbed.training.errors import BadTrainingInput
from testbed.training.progress import TrainingProgress
from testbed.training.run import compiler_found, make_folder, stop_on_signals
from testbed.training.tokenizer import BOS_ID, load_tokenizer

JUDGED_ROWS = 48  # of each kind
JUDGED_OPENING = 32  # tokens
SAVE_EVERY = 100  # steps


@dataclass(frozen=True)
class DraftRequest:
    """What the user asked for."""

    data: Path  # folder with train.txt.gz and valid.txt.gz
    out: Path  # folder of the training state
    model: Path  # the model that is drafted for
    export: Path  # folder of the exit head
    threads: int  # CPU threads
    compiled: bool  # compile the layers
    resume_command: str  # what to type to go on
    card_command: str  # how the command that makes such an exit head begins


def run_draft(request: DraftRequest, settings: DraftSettings, console: Console) -> bool:
    """Do what was asked; False when stopped before the last step."""
    disable_progress_bar()  # type: ignore[no-untyped-call]  # untyped in transformers
    checkpoint = Checkpoint.open(request.model)
    if checkpoint.config.get("model_type") != "gemma3_text":
        raise BadTrainingInput(f"{request.model} is no Gemma 3 text model; others are not trained"
                               " for.")
    check_draft_settings(settings, checkpoint.architecture.layers)
    make_folder(request.out, "--out")
    make_folder(request.export, "--export")
    torch.set_num_threads(request.threads)
    rows = _rows(request, checkpoint, settings, console)
    torch.set_num_threads(request.threads)  # the engine computes on threads of its own
    teacher = Gemma3ForCausalLM.from_pretrained(request.model, dtype=torch.float32)
    student, step, history = _train(request, teacher, rows, settings, console)
    if step < settings.steps:
        console.print(f"Stopped after step {step}, saved in {request.out}. Go on with:",
                      soft_wrap=True, highlight=False)
        console.print(request.resume_command, soft_wrap=True, highlight=False)
        return False
    identity = identity_of(checkpoint)
    write_exit(student, identity, settings, request.export)
    console.print(f"Written to {request.export}; measuring ...", soft_wrap=True, highlight=False)
    stories, own = _judge(request, checkpoint, teacher, student, settings)
    weights = request.export / "model.safetensors"
    facts = DraftFacts(
        identity, sum(value.numel() for value in student.parameters() if value.requires_grad),
        weights.stat().st_size, len(rows.stories), len(rows.own), step, history.seconds,
        request.threads, request.card_command, stories, own)
    write_card(settings, facts, history, request.export)
    for name, seen in (("validation stories", stories), ("the model's own texts", own)):
        console.print(f"On {name}: same token {seen.same:.1%}, shared probability "
                      f"{seen.overlap:.1%}, divergence {seen.divergence:.3f}.",
                      soft_wrap=True, highlight=False)
    return True


def _rows(
    request: DraftRequest, checkpoint: Checkpoint, settings: DraftSettings, console: Console
) -> DraftRows:
    with console.status("Letting the model write texts to learn from ...") as status:
        def written(count: int) -> None:
            status.update(f"Letting the model write: {count} of {settings.own_rows} texts")

        return prepare_rows(request.data, request.out, checkpoint, settings, written)


def _train(
    request: DraftRequest, teacher: Gemma3ForCausalLM, rows: DraftRows, settings: DraftSettings,
    console: Console,
) -> tuple[Gemma3ForCausalLM, int, History]:
    options = DraftOptions(request.out, request.compiled and compiler_found(), SAVE_EVERY)
    with stop_on_signals() as flag, TrainingProgress(console, settings.steps) as progress:
        return train_draft(
            teacher, rows, settings, options,
            lambda report, _: progress.step_done(
                report.step, report.loss, None, report.tokens_per_second),
            lambda: flag.asked)


def _judge(
    request: DraftRequest, checkpoint: Checkpoint, teacher: Gemma3ForCausalLM,
    student: Gemma3ForCausalLM, settings: DraftSettings,
) -> tuple[Foresight, Foresight]:
    """On validation stories, and on what the model writes after openings of theirs."""
    tokenizer = load_tokenizer(checkpoint.folder / "tokenizer.json")
    stream = encode_stories(tokenizer, read_stories(request.data, "valid"))
    random = Random(settings.seed)
    length = settings.sequence_length
    starts = [random.randrange(max(1, len(stream) - length)) for _ in range(JUDGED_ROWS)]
    stories = [[int(token) for token in stream[start : start + length]] for start in starts]
    openings = [[BOS_ID, *story[:JUDGED_OPENING]] for story in stories]
    own = write_texts(checkpoint, openings, settings, lambda _: None)

    def judged(texts: Sequence[list[int]], skipped: int) -> Foresight:
        return foresight(teacher, student, texts, [skipped] * len(texts), settings.temperature)

    return judged(stories, length // 4), judged(own, JUDGED_OPENING)
