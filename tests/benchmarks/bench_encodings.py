"""What each encoding of activation rows costs: bytes, time, and quality on two models.

Bytes and times are of rows as wide as the bundled model's and eight times as wide. Quality is
measured on the bundled model, cut after its first, middle and last but one layer, and on a small
seeded model with planted massive channels (`massive`), cut in its middle: error of the rows, of
all channels and of those that are not planted; divergence to raw rows; perplexity; and after how
many greedy tokens an answer first differs, over several prompts. Beside the encodings on offer
stand `int8-per-token`, one scale a row, which is a trap where channels are massive, and two with
error feedback, where what a row lost is added to the next; beside zstd, which `lossless` uses,
stand other compressors. A table's title says by how much rows of neighbouring tokens differ.

Text comes from `--stories FOLDER` (its valid.txt.gz, one paragraph a line, a blank line between
stories) where it is given, else from the model itself.
Two seeded random models say nothing about large trained ones: `airsplit encodings measure` does.

    python -m tests.benchmarks.bench_encodings --quick
    python -m tests.benchmarks.bench_encodings --stories FOLDER --pieces 40
"""

from __future__ import annotations

import argparse
import functools
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from edge_server.encodings.registry import NAMES
from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.load import EngineOptions, open_engine
from edge_server.messages import Sampling
from tests.benchmarks import encoding_costs, massive, report, stories
from tests.benchmarks.report import Figures
from ue_app.encoding_command import cut_text, read_text
from ue_app.encoding_quality import (
    Carry,
    CutModel,
    MakeCarry,
    carried,
    continuation,
    neighbours_apart,
    parting,
    qualities,
)
from ue_app.prompt import Prompter, Turn

BUNDLED = report.ROOT / "testbed" / "models" / "story-gemma3"
OFFERED = (*NAMES, "topk:128", "delta:int4")
PROMPTS = ("Once upon a time there was an old fisherman", "Tell me a story about a king.",
           "Tell me a story.", "The ship had been three days out of port when the storm came.",
           "Who lives in the forest?", "Go on: The door opened, and nobody was there.",
           "Tell me of a girl and her horse.", "The winter was long that year.")
QUALITY_COLUMNS = ["", "error", "of others", "KL, nats", "perplexity", "increase %", "+-",
                   "greedy parts at", "parted"]


def main() -> None:
    options = arguments()
    torch.set_num_threads(1)
    results: dict[str, list[Figures]] = {"costs": [], "compressors": []}
    for width in encoding_costs.WIDTHS:
        report.progress(f"rows of {width} channels")
        results["costs"] += encoding_costs.costs(width, OFFERED, options.rounds)
        results["compressors"] += encoding_costs.compressed(width, options.rounds)
    results["quality"] = bundled(options)
    with tempfile.TemporaryDirectory() as folder:
        massive.save_massive(Path(folder))
        results["quality"] += planted(Path(folder), options)
    show(results)
    targets = judge(results["quality"])
    for line in targets:
        print(f"  {line['target']}: {line['value']:.3f} ({line['limit']}), "
              f"{'met' if line['met'] else 'MISSED'}")
    report.finish("encodings", vars(options), results | {"targets": targets})
    if options.check and not all(line["met"] for line in targets):
        sys.exit(1)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="little text, few prompts and rounds")
    parser.add_argument("--check", action="store_true", help="exit 1 where a target is missed")
    stories.add_option(parser, "the model writes its own text")
    parser.add_argument("--pieces", type=int, help="pieces of text (default: 24; quick 2)")
    parser.add_argument("--length", type=int, help="tokens of a piece (default: 512; quick 128)")
    parser.add_argument("--prompts", type=int, help="prompts answered (default: 8; quick 2)")
    parser.add_argument("--tokens", type=int, help="of an answer (default: 64; quick 16)")
    parser.add_argument("--rounds", type=int, help="of timing (default: 200; quick 40)")
    options = parser.parse_args()
    quick = {"pieces": 2, "length": 128, "prompts": 2, "tokens": 16, "rounds": 40}
    whole = {"pieces": 24, "length": 512, "prompts": 8, "tokens": 64, "rounds": 200}
    for name, value in (quick if options.quick else whole).items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    return options


def bundled(options: argparse.Namespace) -> list[Figures]:
    """Quality on the bundled model."""
    checkpoint, prompter = Checkpoint.open(BUNDLED), Prompter(BUNDLED)
    engine = open_engine(checkpoint, EngineOptions("auto", "auto", 1, 1024, 1))
    layers = checkpoint.architecture.layers
    prompts = [prompter.encode_turns([Turn("user", text)]) for text in PROMPTS[: options.prompts]]
    if options.stories is not None:
        file = options.stories / stories.FILE
        texts = cut_text(prompter.encode_raw(read_text(file)), options.pieces, options.length, file)
        said = file.name
    else:
        texts, said = _own(CutModel(engine, 1), options, prompter.encode_raw(" ")[:1])
    found: list[Figures] = []
    for split in (1, layers // 2, layers - 1):
        report.progress(f"bundled model, split at {split}")
        found += quality(CutModel(engine, split), texts, prompts, (), options)
        for row in found:
            row.setdefault("model", "bundled")
            row.setdefault("text", said)
            row.setdefault("split", split)
    return found


def planted(folder: Path, options: argparse.Namespace) -> list[Figures]:
    """Quality on the model with massive channels."""
    report.progress("model with massive channels")
    engine = open_engine(Checkpoint.open(folder), EngineOptions("auto", "auto", 1, 1024, 1))
    split = massive.LAYERS // 2
    model = CutModel(engine, split)
    texts, said = _own(model, options, [2])
    prompts = [text[:16] for text in texts[: options.prompts]]
    rows = quality(model, texts, prompts, massive.CHANNELS, options)
    return [{"model": "massive", "text": said, "split": split} | row for row in rows]


def _own(model: CutModel, options: argparse.Namespace, first: list[int]
         ) -> tuple[list[list[int]], str]:
    texts = [first + continuation(model, first, options.length - 1, Sampling(1.0, seed=number))
             for number in range(options.pieces)]
    return texts, "written by the model"


def quality(
    model: CutModel, texts: Sequence[Sequence[int]], prompts: Sequence[Sequence[int]],
    planted_channels: Sequence[int], options: argparse.Namespace,
) -> list[Figures]:
    """Every contender's figures on one cut model."""
    carries = contenders()
    figures = qualities(model, texts, carries, dict.fromkeys(carries, 0.0))
    answers = [continuation(model, prompt, options.tokens) for prompt in prompts]
    rows = model.rows(texts[0][:-1])
    apart = statistics.fmean(neighbours_apart(model.rows(text[:-1])) for text in texts)
    found: list[Figures] = []
    for name, make in carries.items():
        parts, one = parting(model, prompts, make, answers), figures[name]
        found.append({
            "encoding": name, "error": one.error, "error_of_others": others_error(
                rows, make()(rows), planted_channels),
            "divergence": one.divergence, "perplexity": one.perplexity, "increase": one.increase,
            "margin": one.margin, "parted": parts.parted, "parts_at": parts.at,
            "answers": len(answers), "tokens": options.tokens, "neighbours_apart": apart,
            "scored": sum(len(text) - 1 for text in texts)})
    return found


def others_error(rows: torch.Tensor, arrived: torch.Tensor, planted_channels: Sequence[int]
                 ) -> float:
    """Relative error of the channels that are not planted: what the layers behind live on."""
    others = torch.ones(rows.shape[1], dtype=torch.bool)
    others[list(planted_channels)] = False
    exact = rows[:, others].double()
    return float((arrived[:, others].double() - exact).norm() / exact.norm())


def contenders() -> dict[str, MakeCarry]:
    """Those on offer, and those that are shown why they are not."""
    found: dict[str, MakeCarry] = {name: functools.partial(carried, name) for name in OFFERED}
    found["int8-per-token"] = lambda: per_token
    for name in ("int8", "int4"):
        found[f"{name} + feedback"] = functools.partial(with_feedback, name)
    return found


def per_token(rows: torch.Tensor) -> torch.Tensor:
    """8 bits a channel with one scale a row."""
    values = rows.float()
    scale = values.abs().amax(dim=1, keepdim=True) / 127.0
    return (torch.round(values / scale.clamp_min(1e-30)) * scale).to(rows.dtype)


def with_feedback(name: str) -> Carry:
    """Each row carries what the one before it lost."""
    carry: Callable[[torch.Tensor], torch.Tensor] = carried(name)
    lost: torch.Tensor | None = None

    def feed(rows: torch.Tensor) -> torch.Tensor:
        nonlocal lost
        arrived = []
        for at in range(rows.shape[0]):
            row = rows[at : at + 1]
            wanted = row if lost is None else (row.float() + lost).to(rows.dtype)
            arrived.append(carry(wanted))
            lost = wanted.float() - arrived[-1].float()
        return torch.cat(arrived)

    return feed


def judge(rows: Sequence[Figures]) -> list[Figures]:
    """What has to hold: int8 is safe, one scale a row is a trap, nothing lossless loses."""
    def worst(model: str, encoding: str, figure: str) -> float:
        return max(float(row[figure]) for row in rows
                   if row["model"] == model and row["encoding"] == encoding)

    trap, grouped, outliers = (worst("massive", name, "error_of_others")
                               for name in ("int8-per-token", "int8", "int8-outliers"))
    lost = max(worst(model, "lossless", "divergence") for model in ("bundled", "massive"))
    increase = worst("bundled", "int8", "increase")
    return [
        {"target": "int8, worst increase of perplexity, %", "value": increase,
         "limit": "below 1", "met": increase < 1.0},
        {"target": "lossless, divergence", "value": lost, "limit": "0", "met": lost == 0.0},
        {"target": "massive channels: one scale a row, error of the others", "value": trap,
         "limit": "a trap: above 0.8", "met": trap > 0.8},
        {"target": "massive channels: int8 in groups, error of the others", "value": grouped,
         "limit": "below half of that", "met": grouped < trap / 2},
        {"target": "massive channels: int8-outliers, error of the others", "value": outliers,
         "limit": "below 0.05", "met": outliers < 0.05},
    ]


def show(results: dict[str, list[Figures]]) -> None:
    encoding_costs.show(results)
    places = dict.fromkeys((row["model"], row["split"]) for row in results["quality"])
    for model, split in places:
        rows = [row for row in results["quality"] if (row["model"], row["split"]) == (model, split)]
        report.print_table(
            f"{model}, split at {split}; text: {rows[0]['text']}, {rows[0]['scored']:,} tokens "
            f"scored; neighbours' rows differ by {rows[0]['neighbours_apart']:.2f} times their "
            "own size", QUALITY_COLUMNS, [
                [row["encoding"], f"{row['error']:.4f}", f"{row['error_of_others']:.4f}",
                 f"{row['divergence']:.5f}", f"{row['perplexity']:.3f}",
                 f"{row['increase']:+.3f}", f"{row['margin']:.3f}",
                 f"{row['parts_at']:.0f} of {row['tokens']}",
                 f"{row['parted']} of {row['answers']}"] for row in rows])


if __name__ == "__main__":
    main()
