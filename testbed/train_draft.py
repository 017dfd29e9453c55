"""Train the exit head that drafts for a model: `python -m testbed.train_draft --help`.

Does: read the command line, set up the process, run, and turn bad input into one line.
Does not know: how training works; that is in testbed/training.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from testbed.training.draft_settings import DraftSettings
from testbed.training.errors import BadTrainingInput

EXAMPLES = """\
examples:
  train the bundled model's exit head, stop with Ctrl-C, go on later with the same command:
    python -m testbed.train_draft --data stories --out draft-state
  write it elsewhere, with one layer instead of two:
    python -m testbed.train_draft --data stories --out one --sources 7 --export exit-of-one-layer

The data folder is that of testbed.train_demo: train.txt.gz and valid.txt.gz, UTF-8 text, one
paragraph a line, a blank line between stories."""
BUNDLED = Path(__file__).parent / "models" / "story-gemma3"


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m testbed.train_draft",
        description="Train a few layers that guess what a whole model says, for --speculate.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    defaults = DraftSettings()
    add = parser.add_argument
    add("--data", type=Path, required=True, metavar="FOLDER", help="the stories")
    add("--out", type=Path, required=True, metavar="FOLDER", help="training state, made if missing")
    add("--model", type=Path, default=BUNDLED, metavar="DIR",
        help="the model, a Gemma 3 checkpoint (default: the bundled one)")
    add("--export", type=Path, metavar="FOLDER",
        help="where to write the exit head (default: the folder exit of the model)")
    add("--steps", type=int, default=defaults.steps, help="default %(default)s")
    add("--cooldown-steps", type=int, default=defaults.cooldown_steps,
        help="last steps, learning rate falling (default %(default)s)")
    add("--after", type=int, default=defaults.after, metavar="LAYERS",
        help="layers of the model before the exit (default %(default)s)")
    add("--sources", type=_layers, default=defaults.sources, metavar="LAYERS",
        help="layers of the model that the exit's begin as, with commas (default "
             f"{','.join(map(str, defaults.sources))})")
    add("--seed", type=int, default=defaults.seed, help="default %(default)s")
    add("--threads", type=int, default=os.cpu_count() or 1,
        help="CPU threads (default %(default)s)")
    add("--no-compile", action="store_true",
        help="no torch.compile (needs no C++ compiler; slower)")
    add("--quick", action="store_true", help="a few steps on few rows, to see that it works")
    return parser


def _layers(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.split(","))


def settings_from(options: argparse.Namespace) -> DraftSettings:
    """The settings that the options ask for."""
    settings = DraftSettings(
        after=options.after, sources=options.sources, seed=options.seed, steps=options.steps,
        cooldown_steps=options.cooldown_steps)
    if not options.quick:
        return settings
    return replace(settings, story_limit=8, own_rows=16, own_tokens=24, sequence_length=64,
                   rows_per_step=4, steps=6, cooldown_steps=2)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; 0 when done, 1 when stopped early, 2 on bad input."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    options = build_parser().parse_args(words)
    console = Console()
    # Compiled layers bring a second OpenMP runtime; two that spin while waiting halve the speed.
    # It is read when torch loads, hence the import below.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from edge_server.errors import EdgeError
    from testbed.training.draft_run import DraftRequest, run_draft

    try:
        if options.threads < 1:
            raise BadTrainingInput(f"--threads is {options.threads}; give 1 or more.")
        request = DraftRequest(
            data=options.data, out=options.out, model=options.model,
            export=options.export or options.model / "exit", threads=options.threads,
            compiled=not options.no_compile,
            resume_command=shlex.join(["python", "-m", "testbed.train_draft", *words]),
            card_command="python -m testbed.train_draft --data FOLDER --out STATE")
        return 0 if run_draft(request, settings_from(options), console) else 1
    except (BadTrainingInput, EdgeError) as error:
        console.print(f"error: {error}", soft_wrap=True, highlight=False, markup=False)
        return 2
    except KeyboardInterrupt:  # outside the training steps, where nothing needs saving
        console.print("Stopped; the same command goes on.")
        return 1


if __name__ == "__main__":
    sys.exit(main())
