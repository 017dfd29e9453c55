"""`airsplit classifier`: train, judge, compare, pass on and explain models of flows.

It only gathers options and prints; heavy libraries load when it runs.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from classifier.errors import UsageError
from classifier.kpi_command import configure_evaluate_kpi, configure_train_kpi

if TYPE_CHECKING:
    from classifier.dataset import Samples
    from classifier.train import Recipe

BUNDLED = Path(__file__).parent / "models" / "default"
TRAIN_EXAMPLES = """examples:
  airsplit classifier train --captures own=sessions --captures ndpi=pcaps --out model
  airsplit classifier train --captures own=sessions --phone tractor=packets \\
      --chat llm_chat=packets.csv.gz --seed 7 --variants 4 --out model
  airsplit classifier train --samples samples.npz --out model      samples kept from before
"""
EVALUATE_EXAMPLES = """examples:
  airsplit classifier evaluate --captures own=sessions --captures ndpi=pcaps
  airsplit classifier evaluate --samples samples.npz --only split-sessions --json
  airsplit classifier evaluate --bundle model --captures new=recorded   a model, on new captures
"""
COMPARE_EXAMPLES = """examples:
  airsplit classifier compare --captures own=sessions --captures ndpi=pcaps
  airsplit classifier compare --samples samples.npz --json > compared.json
"""
EXPORT_EXAMPLES = """examples:
  airsplit classifier export --out classifier.zip           the shipped model as one file
  airsplit classifier export --bundle model --out edge-7    checked, and copied as a folder
"""
CARD_EXAMPLES = """examples:
  airsplit classifier card                     of the shipped model
  airsplit classifier card --bundle model --json
"""
PARTS = ("three-ways", "sources", "split-sessions", "open-set", "windows")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the sub-commands to `parser`."""
    parser.description = "Models that label flows: train, judge, compare, pass on, explain."
    commands = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    def add(name: str, summary: str, examples: str, run: Callable[[argparse.Namespace], int],
            ) -> argparse.ArgumentParser:
        command = commands.add_parser(
            name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.",
            epilog=examples, formatter_class=argparse.RawDescriptionHelpFormatter)
        command.add_argument("--json", action="store_true",
                             help="print one JSON object instead of tables")
        command.set_defaults(run=run)
        return command

    train = add("train", "learn from captures whose flows are named", TRAIN_EXAMPLES, run_train)
    _add_data(train)
    _add_recipe(train)
    train.add_argument("--out", type=Path, required=True, metavar="DIR", help="the bundle's folder")
    train.add_argument("--no-evaluation", action="store_true",
                       help="do not measure its quality for the card (minutes saved)")
    evaluate = add("evaluate", "quality on captures, sources and conditions never seen",
                   EVALUATE_EXAMPLES, run_evaluate)
    _add_data(evaluate)
    _add_recipe(evaluate)
    evaluate.add_argument("--bundle", type=Path, metavar="DIR",
                          help="judge this model as it is, on captures it has not learnt from")
    evaluate.add_argument("--only", choices=PARTS, action="append", metavar="PART",
                          help=f"one part of it: {', '.join(PARTS)}; may be repeated")
    compare = add("compare", "several kinds of model in one table", COMPARE_EXAMPLES, run_compare)
    _add_data(compare)
    _add_recipe(compare)
    export = add("export", "check a bundle and pass it on as one file or a folder",
                 EXPORT_EXAMPLES, run_export)
    export.add_argument("--bundle", type=Path, default=BUNDLED, metavar="DIR",
                        help="the model (default: the shipped one)")
    export.add_argument("--out", type=Path, required=True, metavar="PATH",
                        help="a file that ends in .zip, or a folder")
    card = add("card", "what a model is, what it learnt from, how good it is, and where not",
               CARD_EXAMPLES, run_card)
    card.add_argument("--bundle", type=Path, default=BUNDLED, metavar="DIR",
                      help="the model (default: the shipped one)")
    configure_train_kpi(commands.add_parser(
        "train-kpi", help="learn from gNB counters which UE does what"))
    configure_evaluate_kpi(commands.add_parser(
        "evaluate-kpi", help="quality of that on trials and recordings never seen"))


def _add_data(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("data", "Each names its source, as SOURCE=PATH.")
    for name, text in (
            ("--captures", "folder with captures and a labels.csv"),
            ("--phone", "folder with TRACTOR's packet tables"),
            ("--chat", "table of packets of talks with assistants")):
        group.add_argument(name, action="append", default=[], metavar="SOURCE=PATH",
                           help=f"{text}; may be repeated")
    group.add_argument("--samples", type=Path, metavar="FILE",
                       help="use the samples in FILE, or keep them there where it is not yet")
    group.add_argument("--as-labelled", action="store_true",
                       help="keep flows that never do what their application's class stands for")
    group.add_argument("--variants", type=int, default=8, metavar="N",
                       help="other networks each flow is varied to (default: %(default)s)")
    group.add_argument("--seed", type=int, default=7, help="of every choice (default: %(default)s)")


def _add_recipe(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("model")
    group.add_argument("--kind", choices=("boosting", "forest", "general"), default="boosting",
                       help="of trees; general: few levels, for networks that nothing was learnt"
                            " from, worse at home (default: %(default)s)")
    group.add_argument("--trees", type=int, metavar="N",
                       help="rounds of boosting, or trees of a forest, in each of the recipe's"
                            " parts (default: the recipe's)")
    group.add_argument("--robust", action="store_true",
                       help="only features that survive a change of network")
    group.add_argument("--plain", action="store_true", help="learn from no varied flows")


def run_train(arguments: argparse.Namespace) -> int:
    """Collect, fit, calibrate, judge, save."""
    from dataclasses import replace

    from classifier import card, shipping
    from classifier.bundle import save

    samples, recipe = _samples(arguments), _recipe(arguments)
    bundle = shipping.build(samples, recipe, arguments.seed, _say)
    metrics = dict(bundle.metrics)
    if not arguments.no_evaluation:
        metrics |= _judged(samples, recipe, arguments.seed, PARTS)
    data = card.data_summary(samples, recipe, arguments.seed, _command_line(arguments))
    bundle = replace(bundle, metrics=metrics, data=data)
    bundle = replace(bundle, card=card.written(bundle))
    digest = save(bundle, arguments.out)
    size = sum(file.stat().st_size for file in arguments.out.iterdir() if file.is_file())
    result = {"bundle": str(arguments.out), "hash": digest, "bytes": size, "metrics": metrics}
    _print(arguments, result, bundle.card + f"\n{arguments.out}: {size:,} bytes, hash {digest}")
    return 0


def run_evaluate(arguments: argparse.Namespace) -> int:
    """Cross validation of a recipe, or one model on captures that are new to it."""
    from classifier import card, judging
    from classifier.bundle import load

    samples = _samples(arguments)
    if arguments.bundle:
        result = judging.of_bundle(samples, load(arguments.bundle), arguments.seed)
        if result["learnt_from"]:
            print(f"{result['learnt_from']} of these captures were learnt from: what is said of"
                  " them says nothing.", file=sys.stderr)
    else:
        result = _judged(samples, _recipe(arguments), arguments.seed, arguments.only or PARTS)
    _print(arguments, result, card.tables(result))
    return 0


def run_compare(arguments: argparse.Namespace) -> int:
    """Boosting, forest and linear, plain and with all that is done against change."""
    from classifier import card, judging

    samples = _samples(arguments)
    result = judging.compared(samples, arguments.seed, _say)
    _print(arguments, result, card.tables(result))
    return 0


def run_export(arguments: argparse.Namespace) -> int:
    """A bundle that loads, in a form that is easily passed on."""
    from classifier.bundle import export, load

    bundle = load(arguments.bundle)
    export(arguments.bundle, arguments.out)
    result = {"bundle": str(arguments.bundle), "out": str(arguments.out), "hash": bundle.hash}
    _print(arguments, result, f"{arguments.out}: {', '.join(bundle.classes)}; hash {bundle.hash}")
    return 0


def run_card(arguments: argparse.Namespace) -> int:
    """The card for people, or what the manifest says for programs."""
    from classifier.bundle import load

    bundle = load(arguments.bundle)
    result = {"hash": bundle.hash, "classes": list(bundle.classes), "data": dict(bundle.data),
              "metrics": dict(bundle.metrics)}
    _print(arguments, result, bundle.card)
    return 0


def _judged(
    samples: Samples, recipe: Recipe, seed: int, parts: tuple[str, ...] | list[str],
) -> dict[str, Any]:
    from dataclasses import asdict

    from classifier import evaluate, foreign, judging
    from classifier.dataset import STAGES, WINDOWS

    result: dict[str, Any] = {"recipe": asdict(recipe)}
    windows, samples = samples.of(WINDOWS), samples.of(STAGES)
    if "split-sessions" in parts:
        result["split_sessions"] = evaluate.split_sessions(samples, recipe, seed, _say)
    if "three-ways" in parts:
        result["three_ways"] = evaluate.three_ways(samples, recipe, seed, _say)
    if "sources" in parts:
        result["by_source"] = foreign.left_out_sources(
            samples, recipe, judging.BASELINE, seed, _say)
    if "windows" in parts and len(windows):
        result["windows"] = evaluate.by_window(windows, recipe, seed, _say)
    if "open-set" in parts:
        result["open_set"] = judging.left_out_classes(samples, recipe, seed, _say)
    return result


def _samples(arguments: argparse.Namespace) -> Samples:
    """What the options name, collected or as it was kept."""
    from classifier import captures
    from classifier.dataset import collect, read_samples, write_samples

    kept: Path | None = arguments.samples
    if kept and kept.exists():
        return read_samples(kept)
    named = [(reader, *_named(text)) for reader, texts in (
        (captures.labelled, arguments.captures), (captures.phone_traces, arguments.phone),
        (captures.chat_traces, arguments.chat)) for text in texts]
    if not named:
        raise UsageError("No data are named.", "Give --captures, --phone, --chat or --samples.")
    samples = collect((capture for reader, source, path in named
                       for capture in reader(path, source)),
                      arguments.seed, arguments.variants, windows=True,
                      curated=not arguments.as_labelled, progress=_say)
    if kept:
        write_samples(samples, kept)
    return samples


def _named(text: str) -> tuple[str, Path]:
    source, found, path = text.partition("=")
    if not (source and found and path):
        raise UsageError(f"{text!r} is not SOURCE=PATH.", "For example: own=recorded/sessions")
    return source, Path(path)


def _recipe(arguments: argparse.Namespace) -> Recipe:
    from dataclasses import replace

    from classifier.foreign import GENERAL
    from classifier.judging import FOREST_TREES, SHIPPED

    recipe = {"boosting": SHIPPED, "general": GENERAL, "forest": replace(
        SHIPPED, kind="forest", trees=FOREST_TREES // SHIPPED.parts)}[arguments.kind]
    if arguments.trees:
        recipe = replace(recipe, trees=arguments.trees)
    return replace(recipe, robust=recipe.robust or arguments.robust,
                   augmented=recipe.augmented and not arguments.plain)


def _command_line(arguments: argparse.Namespace) -> str:
    """The line that trains the same again; folders by their names alone."""
    words = ["airsplit classifier train"]
    for option in ("captures", "phone", "chat"):
        words += [f"--{option} {source}={path.name}"
                  for source, path in map(_named, getattr(arguments, option))]
    words += [f"--variants {arguments.variants} --seed {arguments.seed} --kind {arguments.kind}"]
    words += [f"--trees {arguments.trees}"] if arguments.trees else []
    words += ["--as-labelled"] if arguments.as_labelled else []
    words += ["--robust"] if arguments.robust else []
    words += ["--plain"] if arguments.plain else []
    return " ".join([*words, "--out model"])


def _print(arguments: argparse.Namespace, result: dict[str, Any], text: str) -> None:
    print(json.dumps(result) if arguments.json else text)


_BEGAN = time.monotonic()


def _say(line: str) -> None:
    """A step that is done: one changing line on a terminal, nothing elsewhere."""
    if sys.stderr.isatty():
        print(f"\r\033[K{time.monotonic() - _BEGAN:6.0f} s  {line}", end="", file=sys.stderr,
              flush=True)
