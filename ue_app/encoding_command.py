"""`airsplit encodings`: which there are, what they cost on a model, and how that is measured.

Only options and printing; heavy libraries load when a command runs.
"""

from __future__ import annotations

import argparse
import functools
import gzip
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edge_server.encodings.registry import NAMES, RAW
from edge_server.engine.options import BACKENDS, PRECISIONS, positive
from edge_server.errors import ConfigurationError

if TYPE_CHECKING:
    from rich.progress import Progress

    from edge_server.engine.checkpoint import Checkpoint
    from edge_server.engine.load import Engine
    from ue_app.encoding_table import Greedy, Quality, Table

EXAMPLES = """examples:
  airsplit encodings list                           which there are, and the bundled model's table
  airsplit encodings list --model gemma-2-2b/head
  airsplit encodings measure --model gemma-2-2b --text stories.txt
  airsplit encodings measure --model gemma-2-2b     on text that the model writes itself
"""
LENGTH = 512  # tokens of a piece of text
SAMPLED_ROWS = 32  # that say how long a compressed row is
OPENING = 16  # tokens of a piece that a greedy answer goes on from
MOST_TEXT = 4 << 20  # bytes of a text that are looked at; a measurement needs a fraction
Text = tuple[str, list[list[int]]]  # what it is, in words, and its pieces


def configure(parser: argparse.ArgumentParser, default_model: Path) -> None:
    """Add this command's subcommands to `parser`."""
    parser.description = "Encodings of activation rows: which there are, and what each costs."
    parser.epilog = EXAMPLES
    commands = parser.add_subparsers(dest="encodings_command", required=True, metavar="COMMAND")
    listing = commands.add_parser("list", help="every encoding, with a model's figures, and what "
                                               "a row takes on this machine",
                                  formatter_class=argparse.RawDescriptionHelpFormatter)
    measuring = commands.add_parser("measure", help="measure what each costs on a model",
                                    formatter_class=argparse.RawDescriptionHelpFormatter)
    for each in (listing, measuring):
        each.add_argument("--model", type=Path, default=default_model, metavar="DIR",
                          help="checkpoint folder (default: the bundled model)")
    listing.set_defaults(run=run_list)
    _configure_measuring(measuring)
    measuring.set_defaults(run=run_measure)


def _configure_measuring(parser: argparse.ArgumentParser) -> None:
    parser.description = ("Run a whole model on a text, with its rows as they are and in each "
                          "encoding, and keep what that does to its perplexity: `--encoding auto` "
                          "chooses by it.")
    parser.add_argument("--text", type=Path, metavar="FILE",
                        help="UTF-8 text of the kind the model is for, .gz or not (default: what "
                             "the model itself writes)")
    parser.add_argument("--pieces", type=_several, default=24, metavar="N",
                        help="pieces of the text (default: %(default)s)")
    parser.add_argument("--length", type=positive, default=LENGTH, metavar="TOKENS",
                        help="of a piece (default: %(default)s)")
    parser.add_argument("--splits", metavar="K,K",
                        help="layers before the cut (default: the first, the middle and the last "
                             "place)")
    parser.add_argument("--answers", type=_not_negative, default=4, metavar="N",
                        help="greedy answers to beginnings of pieces that are compared with those "
                             "of raw rows, 0 for none (default: %(default)s)")
    parser.add_argument("--answer-tokens", type=positive, default=64, metavar="N",
                        help="of such an answer (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of what the model writes (default: 0)")
    parser.add_argument("--out", type=Path, metavar="FILE",
                        help="where the table goes (default: encodings.json in the model's folder, "
                             "or the cache where that takes no files)")
    parser.add_argument("--backend", choices=BACKENDS, default="auto")
    parser.add_argument("--dtype", choices=PRECISIONS, default="auto",
                        help="precision of weights (default: as stored)")
    parser.add_argument("--threads", type=positive, default=0, metavar="N",
                        help="processor threads (default: all)")


def _not_negative(text: str) -> int:
    """A whole number from 0 on, for argparse."""
    return 0 if text == "0" else positive(text)


def _several(text: str) -> int:
    """At least two, for argparse: an interval comes from how pieces differ."""
    value = int(text)
    if value < 2:
        raise argparse.ArgumentTypeError(f"{text} is not above 1")
    return value


def run_list(arguments: argparse.Namespace) -> int:
    """Print the registry, and the model's table where there is one."""
    import torch
    from rich.console import Console

    from edge_server.engine.checkpoint import Checkpoint
    from ue_app.encoding_show import show_encodings, show_quality
    from ue_app.encoding_table import find
    from ue_app.encoding_times import row_times, sample_row

    console, checkpoint = Console(), Checkpoint.open(arguments.model)
    channels = checkpoint.architecture.hidden
    times = row_times(sample_row(channels, torch.bfloat16), NAMES, time.perf_counter)
    try:
        table = find(checkpoint, [arguments.model])
    except ConfigurationError as error:
        show_encodings(console, None, times, channels)
        console.print(str(error), highlight=False)
        return 0
    show_encodings(console, table, times, channels)
    show_quality(console, table)
    return 0


def run_measure(arguments: argparse.Namespace) -> int:
    """Measure, print and keep the table."""
    from rich.console import Console

    from edge_server.engine.load import EngineOptions, open_engine
    from edge_server.engine.parts import held, open_folders
    from ue_app.encoding_show import show_encodings, show_quality
    from ue_app.encoding_times import row_times, sample_row

    checkpoint = open_folders([arguments.model])
    part = held(checkpoint)
    if not (part.embedding and part.output and len(part.ranges) == 1):
        raise ConfigurationError(f"{arguments.model} holds a part of a model.",
                                 "Give the whole checkpoint; the table counts for its parts too.")
    engine = open_engine(checkpoint, EngineOptions(
        arguments.backend, arguments.dtype, 1, _context(arguments), arguments.threads))
    table = measure(checkpoint, engine, arguments)
    channels = checkpoint.architecture.hidden
    times = row_times(sample_row(channels, engine.row_type), NAMES, time.perf_counter)
    console = Console()
    show_encodings(console, table, times, channels)
    show_quality(console, table)
    print(f"Kept in {_keep(table, checkpoint, arguments)}.")
    return 0


def _context(arguments: argparse.Namespace) -> int:
    """Positions that the longest of what is run takes."""
    answer = OPENING + arguments.answer_tokens if arguments.answers else 0
    longest: int = max(arguments.length, answer, SAMPLED_ROWS)
    return longest + 1


def measure(checkpoint: Checkpoint, engine: Engine, arguments: argparse.Namespace) -> Table:
    """The table of the model that `engine` runs, with a progress bar."""
    from rich.progress import Progress

    from edge_server.engine.identity import identity_of
    from ue_app.encoding_quality import CutModel, carried, qualities
    from ue_app.encoding_table import Table

    places = splits_of(arguments.splits, checkpoint.architecture.layers)
    sizes = row_bytes(checkpoint, engine)
    with Progress(transient=True) as bar:
        said, pieces = _text(arguments, engine, bar)
        task = bar.add_task("measuring", total=len(places) * len(pieces) * len(NAMES))
        figures: dict[int, dict[str, Quality]] = {}
        for split in places:
            figures[split] = qualities(
                CutModel(engine, split), pieces,
                {name: functools.partial(carried, name) for name in NAMES}, sizes,
                lambda: bar.advance(task))
        greedy = _greedy(arguments, engine, places, pieces, bar) if arguments.answers else None
    return Table(identity_of(checkpoint), engine.precision, said,
                 sum(len(piece) - 1 for piece in pieces), figures, greedy)


def _greedy(
    arguments: argparse.Namespace, engine: Engine, places: Sequence[int],
    pieces: Sequence[Sequence[int]], bar: Progress,
) -> Greedy:
    """Where greedy answers part; each goes on from the beginning of one of `pieces`."""
    from ue_app.encoding_quality import CutModel, carried, continuation, parting
    from ue_app.encoding_table import Greedy, Parting

    openings = [piece[:OPENING] for piece in pieces[: arguments.answers]]
    others = [name for name in NAMES if name != RAW]
    task = bar.add_task("answering", total=len(places) * (1 + len(others)))
    found: dict[int, dict[str, Parting]] = {}
    for split in places:
        model = CutModel(engine, split)
        answers = [continuation(model, opening, arguments.answer_tokens) for opening in openings]
        bar.advance(task)
        found[split] = {RAW: Parting(0, arguments.answer_tokens)}  # these are its own
        for name in others:
            found[split][name] = parting(model, openings, functools.partial(carried, name), answers)
            bar.advance(task)
    return Greedy(len(openings), arguments.answer_tokens, found)


def splits_of(text: str | None, layers: int) -> list[int]:
    """The layer numbers to cut at."""
    if text is None:
        return sorted({1, max(1, layers // 2), max(1, layers - 1)})
    try:
        places = sorted({int(word) for word in text.split(",")})
    except ValueError:
        places = []
    if not places or not 0 <= places[0] <= places[-1] <= layers:
        raise ConfigurationError(f"--splits {text!r} does not cut a model of {layers} layers.",
                                 "Give layer numbers such as 1 or 1,4.")
    return places


def row_bytes(checkpoint: Checkpoint, engine: Engine) -> dict[str, float]:
    """Payload of a row that is sent alone, by encoding; what is compressed, by a typical row."""
    from edge_server.encodings.registry import by_name
    from edge_server.encodings.wire import pack
    from ue_app.encoding_quality import CutModel

    model = CutModel(engine, min(1, checkpoint.architecture.layers))
    some = range(2, 2 + SAMPLED_ROWS)
    rows = model.rows([token % checkpoint.architecture.vocabulary for token in some])
    return {name: statistics.fmean(len(pack(rows[at : at + 1], by_name(name)).payload)
                                   for at in range(len(rows))) for name in NAMES}


def _text(arguments: argparse.Namespace, engine: Engine, bar: Progress) -> Text:
    from ue_app.prompt import Prompter

    prompter = Prompter(arguments.model)
    if arguments.text is None:
        return _own_text(arguments, engine, prompter.encode_raw(" ")[:1], bar)
    ids = prompter.encode_raw(read_text(arguments.text))
    return arguments.text.name, cut_text(ids, arguments.pieces, arguments.length, arguments.text)


def _own_text(
    arguments: argparse.Namespace, engine: Engine, first: list[int], bar: Progress
) -> Text:
    from edge_server.messages import Sampling
    from ue_app.encoding_quality import CutModel, continuation

    model = CutModel(engine, 1)
    numbers = bar.track(range(arguments.pieces), description="writing a text")
    pieces = [first + continuation(model, first, arguments.length - 1,
                                   Sampling(1.0, seed=arguments.seed + number))
              for number in numbers]
    return f"written by the model itself, seed {arguments.seed}", pieces


def read_text(file: Path) -> str:
    """The beginning of a text file, compressed or not."""
    try:
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as stream:
            return stream.read(MOST_TEXT).decode("utf-8", errors="replace")
    except (OSError, EOFError) as error:
        raise ConfigurationError(f"--text {file}: {getattr(error, 'strerror', None) or error}.",
                                 "Give a text file.") from error


def cut_text(ids: Sequence[int], pieces: int, length: int, file: Path) -> list[list[int]]:
    """Pieces evenly over the text; raises where it is too short."""
    from ue_app.encoding_quality import windows

    try:
        return windows(ids, pieces, length)
    except ValueError as error:
        raise ConfigurationError(f"{file}: {error}.",
                                 "Give a longer text, or smaller --pieces or --length.") from error


def _keep(table: Table, checkpoint: Checkpoint, arguments: argparse.Namespace) -> Path:
    """Write the table where it was asked for, else beside the model, else into the cache."""
    from ue_app.encoding_table import TABLE_NAME, save, table_file

    places = [arguments.out] if arguments.out else [arguments.model / TABLE_NAME,
                                                    table_file(checkpoint)]
    for file in places[:-1]:
        try:
            save(table, file)
            return Path(file)
        except OSError:
            pass  # a model that others own: the cache is ours
    try:
        save(table, places[-1])
    except OSError as error:
        raise ConfigurationError(f"{places[-1]}: {error.strerror}.",
                                 "Name a file that can be written with --out.") from error
    return Path(places[-1])
