"""One call of the training program, from its options to its last message.

Does: prepare the data, train with progress, draw the curve, export; say how to go on after a
stop.
Does not know: how options are spelled on the command line.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import torch
from rich.console import Console
from tokenizers import Tokenizer

from testbed.training.checkpoint import CHECKPOINT_NAME, History
from testbed.training.curve import draw_curve
from testbed.training.data import Corpus, chosen_stories, prepare_corpus, read_stories
from testbed.training.errors import BadTrainingInput
from testbed.training.export import Finished, Origin, Stories, write_export
from testbed.training.loop import RunOptions, StepReport, pick_device, train
from testbed.training.progress import TrainingProgress
from testbed.training.settings import TrainingSettings, check_settings

CURVE_NAME = "training_curve.png"


@dataclass(frozen=True)
class Request:
    """What the user asked for."""

    data: Path  # folder with train.txt.gz and valid.txt.gz
    out: Path  # folder of the training state
    export: Path | None  # folder of the shippable model
    threads: int  # CPU threads
    compiled: bool  # compile the layers
    save_every: int  # steps
    valid_every: int  # steps
    resume_command: str  # what to type to go on
    card_command: str  # how the command that makes such a model begins


class StopFlag:
    """Set by the first Ctrl-C or SIGTERM; the step at hand is finished then."""

    def __init__(self) -> None:
        self.asked = False

    def ask(self, number: int, frame: FrameType | None) -> None:
        """The signal handler."""
        self.asked = True


def compiler_found() -> bool:
    """Whether torch.compile will find a C++ compiler for the CPU."""
    names = (os.environ.get("CXX"), "g++", "clang++", "c++")
    return any(name is not None and shutil.which(name) is not None for name in names)


@contextmanager
def stop_on_signals() -> Iterator[StopFlag]:
    """Catch Ctrl-C and SIGTERM inside the with statement."""
    flag = StopFlag()
    numbers = (signal.SIGINT, signal.SIGTERM)
    earlier = [signal.signal(number, flag.ask) for number in numbers]
    try:
        yield flag
    finally:
        for number, handler in zip(numbers, earlier, strict=True):
            signal.signal(number, handler)


def make_folder(path: Path, option: str) -> None:
    """Make an output folder before any work is done for it."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadTrainingInput(
            f"{option} {path} cannot be made a folder ({error.strerror}); choose another place."
        ) from error


def run(request: Request, settings: TrainingSettings, console: Console) -> bool:
    """Do what was asked; False when stopped before the last step."""
    check_settings(settings)
    if settings.steps == 0 and not (request.out / CHECKPOINT_NAME).is_file():
        raise BadTrainingInput(
            f"No {request.out / CHECKPOINT_NAME} to export; give --steps 1 or more to train first."
        )
    make_folder(request.out, "--out")
    if request.export is not None:
        make_folder(request.export, "--export")
    torch.set_num_threads(request.threads)

    def notice(text: str) -> None:
        console.print(text, soft_wrap=True, highlight=False)

    tokenizer, corpus = prepare_corpus(request.data, request.out / "tokens", settings, notice)
    compiled = request.compiled and compiler_found()
    if compiled is not request.compiled:
        notice("No C++ compiler found: training without torch.compile, which is slower.")
    options = RunOptions(request.out, compiled, request.save_every, request.valid_every)
    finished = _train(settings, corpus, tokenizer, options, console)
    if finished.step < settings.steps:
        notice(f"Stopped after step {finished.step}, saved in {request.out}. Go on with:")
        notice(request.resume_command)
        return False
    notice(f"{finished.step} steps done, saved in {request.out}.")
    if request.export is not None:
        stories = Stories(
            chosen_stories(request.data, settings), read_stories(request.data, "valid")
        )
        origin = Origin(request.card_command, pick_device().type)
        write_export(finished, settings, stories, origin, request.export, notice)
    return True


def _train(
    settings: TrainingSettings,
    corpus: Corpus,
    tokenizer: Tokenizer,
    options: RunOptions,
    console: Console,
) -> Finished:
    curve = options.folder / CURVE_NAME
    with stop_on_signals() as flag, TrainingProgress(console, settings.steps) as progress:

        def listen(report: StepReport, history: History) -> None:
            progress.step_done(
                report.step, report.loss, report.valid_loss, report.tokens_per_second
            )
            if report.valid_loss is not None:
                draw_curve(history, settings.tokens_per_step(), curve)

        model, step, history = train(
            settings, corpus, tokenizer.get_vocab_size(), options, listen, lambda: flag.asked
        )
    return Finished(model, tokenizer, step, history, len(corpus.train))
