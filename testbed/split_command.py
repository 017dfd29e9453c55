"""`airsplit split` and `airsplit inspect`: options and printing; `engine.parts` does the work."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edge_server.engine.checkpoint import Checkpoint

SPLIT_EXAMPLES = """examples:
  airsplit split gemma-2-2b --at 1 --out parts        parts/head (layer 0) and parts/tail
  airsplit split gemma-2-2b --at middle --out parts   first, middle and last are places too
  airsplit split gemma-2-2b --at 1,13 --out parts     head, part-1 and tail
  airsplit split gemma-2-2b --at each --out parts     one folder a layer
  airsplit split gemma-2-2b --at 1,25 --private --out parts
                                                      parts/phone (both ends), parts/edge
"""
INSPECT_EXAMPLES = """examples:
  airsplit inspect gemma-2-2b
  airsplit inspect parts/head --verify
  airsplit inspect parts/tail --json
"""


def configure_split(parser: argparse.ArgumentParser) -> None:
    """Add the options of `airsplit split`."""
    parser.description = ("Cut a checkpoint folder into parts, each usable by itself. An exit head "
                          "in the folder goes with the phone's part, if it fits there.")
    parser.epilog = SPLIT_EXAMPLES
    parser.add_argument("model", type=Path, metavar="PATH", help="checkpoint folder")
    parser.add_argument("--at", required=True, metavar="WHERE",
                        help="layers before the cut, several with commas; or first, middle, last, "
                             "each")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR",
                        help="folder to write the parts into")
    parser.add_argument("--private", action="store_true",
                        help="two cuts: one folder for the phone with both ends, one for the edge")
    parser.add_argument("--force", action="store_true", help="replace parts that are there")
    parser.set_defaults(run=run_split)


def configure_inspect(parser: argparse.ArgumentParser, default_model: Path) -> None:
    """Add the options of `airsplit inspect`."""
    parser.description = "Explain a checkpoint folder or a part of one."
    parser.epilog = INSPECT_EXAMPLES
    parser.add_argument("model", type=Path, nargs="?", default=default_model, metavar="DIR",
                        help="folder (default: the bundled model)")
    parser.add_argument("--verify", action="store_true",
                        help="read every file and compare with the hashes of the split")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run_inspect)


def run_split(arguments: argparse.Namespace) -> int:
    """Write the parts, with a progress bar, and say what to do with them."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TransferSpeedColumn

    from edge_server.engine.checkpoint import Checkpoint
    from edge_server.engine.exit_parts import misfit
    from edge_server.engine.parts import parse_cuts, plan_parts, write_parts

    checkpoint = Checkpoint.open(arguments.model)
    layers = checkpoint.architecture.layers
    parts = plan_parts(parse_cuts(arguments.at, layers), layers, arguments.private)
    total = sum(part.bytes(checkpoint) for part in parts)
    with Progress("writing", BarColumn(), DownloadColumn(), TransferSpeedColumn(),
                  console=Console(stderr=True)) as progress:
        task = progress.add_task("writing", total=total)
        folders = write_parts(checkpoint, parts, arguments.out, arguments.force,
                              lambda count: progress.advance(task, count))
    for folder, part in zip(folders, parts, strict=True):
        written = Checkpoint.open(folder)
        assert written.manifest is not None  # it was written a moment ago
        print(f"{folder}: {written.manifest.describe()}, {part.bytes(checkpoint):,} B")
        _say_exit(folder, misfit(checkpoint, part, written.manifest.identity))
    if len(folders) == 2:
        phone, edge = folders
        print(f"\nserve:  airsplit edge --model {edge}\nask:    airsplit ue --model {phone} "
              "\"Once upon a time\"")
    return 0


def _say_exit(folder: Path, misfit: str | None) -> None:
    """What became of the model's exit head, where it has one and `folder` is the phone's."""
    from edge_server.engine.exit_note import EXIT_FOLDER

    if misfit:
        print(f"{folder}: without the model's exit head: {misfit}")
    elif misfit is not None:
        size = sum(file.stat().st_size for file in (folder / EXIT_FOLDER).iterdir())
        print(f"{folder / EXIT_FOLDER}: the model's exit head, which guesses for it "
              f"(airsplit ue --speculate), {size:,} B")


def run_inspect(arguments: argparse.Namespace) -> int:
    """Print what a folder is, holds and needs."""
    from edge_server.engine.checkpoint import Checkpoint
    from edge_server.engine.parts import verify

    checkpoint = Checkpoint.open(arguments.model)
    if arguments.verify:
        verify(checkpoint)
    facts = describe(checkpoint)
    if arguments.verify:
        facts["verified"] = checkpoint.manifest is not None
    if arguments.json:
        print(json.dumps(facts))
        return 0
    width = max(map(len, facts)) + 2
    for name, value in facts.items():
        shown = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else value
        print(f"{name.replace('_', ' '):<{width}}{shown}")
    return 0


def describe(checkpoint: Checkpoint) -> dict[str, Any]:
    """Facts about a folder, in the order a person asks for them."""
    from edge_server.engine.checkpoint import layer_of
    from edge_server.engine.identity import identity_of
    from edge_server.engine.parts import held

    architecture, part = checkpoint.architecture, held(checkpoint)
    names = part.tensors(checkpoint)
    sizes = {name: checkpoint.entry(name).size for name in names}
    in_layers = sum(size for name, size in sizes.items() if layer_of(name) is not None)
    return {
        "folder": str(checkpoint.folder),
        "family": str(architecture.family),
        "holds": checkpoint.manifest.describe() if checkpoint.manifest else
        f"the whole model: embedding, {architecture.layers} layers, output head",
        "layers": [[layers.start, layers.end] for layers in part.ranges],
        "total_layers": architecture.layers,
        "hidden": architecture.hidden,
        "vocabulary": architecture.vocabulary,
        "tied_embedding": architecture.tied,
        "dtype": checkpoint.dtype,
        "bytes": sum(sizes.values()),
        "bytes_in_layers": in_layers,
        "bytes_a_row_on_the_link": architecture.hidden * (4 if checkpoint.dtype == "F32" else 2),
        "identity": identity_of(checkpoint),
        "needs_beside_it": needs(checkpoint),
    }


def needs(checkpoint: Checkpoint) -> str:
    """What else it takes to answer a prompt."""
    from edge_server.engine.parts import held

    part, total = held(checkpoint), checkpoint.architecture.layers
    missing: list[str] = []
    if not part.embedding:
        missing.append("the part with the input embedding")
    reached = 0
    for layers in part.ranges:
        if layers.start > reached:
            missing.append(f"layers [{reached}, {layers.start})")
        reached = layers.end
    if reached < total:
        missing.append(f"layers [{reached}, {total})")
    if not part.output:
        missing.append("the output head")
    return " and ".join(missing) if missing else "nothing"
