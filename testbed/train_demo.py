"""Train the small bundled story model: `python -m testbed.train_demo --help`.

Does: read the command line, set up the process, run, and turn bad input into one line.
Does not know: how training works; that is in testbed/training.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from testbed.training.errors import BadTrainingInput
from testbed.training.settings import QUICK_CHANGES, TrainingSettings

EXAMPLES = """\
examples:
  see that everything works, in about a minute:
    python -m testbed.train_demo --data stories --out /tmp/quick --quick --export /tmp/quick/model
  train, stop with Ctrl-C whenever you like, go on later with the same command:
    python -m testbed.train_demo --data stories --out train-state --steps 4000
  stopped at step 2500 and out of time? cool down from there in 600 more steps:
    python -m testbed.train_demo --data stories --out train-state --steps 3100 --cooldown-steps 600
  write the model of the last checkpoint without training:
    python -m testbed.train_demo --data stories --out train-state --steps 0 --export model

The data folder holds train.txt.gz and valid.txt.gz: UTF-8 text, one paragraph a line, a blank
line between stories. Data order and initial weights depend on --seed alone. A CUDA GPU is used
when there is one (untested)."""
DEFAULT_COOLDOWN_SHARE = 0.28  # of the steps


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m testbed.train_demo",
        description="Train a small Gemma-3-architecture model on stories, with its own tokenizer.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    defaults = TrainingSettings()
    add = parser.add_argument
    add("--data", type=Path, required=True, metavar="FOLDER", help="the stories")
    add("--out", type=Path, required=True, metavar="FOLDER", help="training state, made if missing")
    add("--export", type=Path, metavar="FOLDER", help="write the finished model there")
    add("--steps", type=int, help=f"steps in all, cool-down included (default {defaults.steps})")
    add(
        "--cooldown-steps",
        type=int,
        help=f"last steps, learning rate falling (default {DEFAULT_COOLDOWN_SHARE:.0%}% of all)",
    )
    add("--seed", type=int, default=defaults.seed, help="default %(default)s")
    add(
        "--threads", type=int, default=os.cpu_count() or 1, help="CPU threads (default %(default)s)"
    )
    add("--save-every", type=int, default=100, metavar="STEPS", help="default %(default)s")
    add("--valid-every", type=int, default=100, metavar="STEPS", help="default %(default)s")
    add(
        "--no-compile", action="store_true", help="no torch.compile (needs no C++ compiler; slower)"
    )
    add("--quick", action="store_true", help="a toy model on a few stories, to try things out")
    return parser


def settings_from(options: argparse.Namespace) -> TrainingSettings:
    """The settings that the options ask for."""
    settings = TrainingSettings(seed=options.seed)
    if options.quick:
        settings = dataclasses.replace(settings, **QUICK_CHANGES)
    steps = settings.steps if options.steps is None else options.steps
    cooldown = options.cooldown_steps
    if cooldown is None:
        cooldown = round(steps * DEFAULT_COOLDOWN_SHARE)
    return dataclasses.replace(settings, steps=steps, cooldown_steps=cooldown)


def check_counts(options: argparse.Namespace) -> None:
    """Refuse counts below one."""
    for name in ("threads", "save_every", "valid_every"):
        value = getattr(options, name)
        if value < 1:
            raise BadTrainingInput(f"--{name.replace('_', '-')} is {value}; give 1 or more.")


def card_command(options: argparse.Namespace) -> str:
    """How the command begins that makes such a model from nothing."""
    quick = " --quick" if options.quick else ""
    return f"python -m testbed.train_demo --data FOLDER --out STATE{quick}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; 0 when done, 1 when stopped early, 2 on bad input."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    options = build_parser().parse_args(words)
    console = Console()
    # Compiled layers bring a second OpenMP runtime; two that spin while waiting halve the speed.
    # It is read when torch loads, hence the import below.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from testbed.training.run import Request, run

    try:
        check_counts(options)
        request = Request(
            data=options.data,
            out=options.out,
            export=options.export,
            threads=options.threads,
            compiled=not options.no_compile,
            save_every=options.save_every,
            valid_every=options.valid_every,
            resume_command=shlex.join(["python", "-m", "testbed.train_demo", *words]),
            card_command=card_command(options),
        )
        return 0 if run(request, settings_from(options), console) else 1
    except BadTrainingInput as error:
        console.print(f"error: {error}", soft_wrap=True, highlight=False, markup=False)
        return 2
    except KeyboardInterrupt:  # outside the training steps, where nothing needs saving
        console.print("Stopped; the same command goes on.")
        return 1


if __name__ == "__main__":
    sys.exit(main())
