"""`airsplit classifier train-kpi` and `evaluate-kpi`: labels from a gNB's counters alone.

It only gathers options and prints; heavy libraries load when it runs.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from classifier.errors import ClassifierError, UsageError

if TYPE_CHECKING:
    from classifier.kpi_data import Trace

PARTS = ("trials", "collections", "windows", "baselines", "transfer", "shuffled")
TRAIN_EXAMPLES = """examples:
  airsplit classifier train-kpi --data tractor/kpi --out model
  airsplit classifier train-kpi --data tractor/kpi --out model --no-evaluation   a minute
"""
EVALUATE_EXAMPLES = """examples:
  airsplit classifier evaluate-kpi --data tractor/kpi                 everything, a quarter hour
  airsplit classifier evaluate-kpi --data tractor/kpi --only trials --json
  airsplit classifier evaluate-kpi --data new/kpi --bundle model      a model, on new trials
"""


def configure_train_kpi(parser: argparse.ArgumentParser) -> None:
    """Add the options of `train-kpi` to `parser`."""
    parser.description = "Learn to label UEs from KPI logs in TRACTOR's layout."
    parser.epilog = TRAIN_EXAMPLES
    _add_common(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR",
                        help="the bundle's folder")
    parser.add_argument("--no-evaluation", action="store_true",
                        help="do not measure its quality for the card (minutes saved)")
    parser.set_defaults(run=run_train)


def configure_evaluate_kpi(parser: argparse.ArgumentParser) -> None:
    """Add the options of `evaluate-kpi` to `parser`."""
    parser.description = "Quality on trials of the cell and recordings of packets never seen."
    parser.epilog = EVALUATE_EXAMPLES
    _add_common(parser)
    parser.add_argument("--bundle", type=Path, metavar="DIR",
                        help="judge this model as it is, on logs it has not learnt from")
    parser.add_argument("--only", choices=PARTS, action="append", metavar="PART",
                        help=f"one part of it: {', '.join(PARTS)}; may be repeated")
    parser.set_defaults(run=run_evaluate)


def run_train(arguments: argparse.Namespace) -> int:
    """Train, judge, write the bundle."""
    from classifier.bundle import save
    from classifier.kpi_shipping import judge, make
    from classifier.kpi_training import Training, examples

    traces = _read(arguments)
    training = Training(seed=arguments.seed)
    known = examples(traces)
    parts = () if arguments.no_evaluation else ("trials", "collections", "transfer")
    results = judge(traces, known, training, parts, _tell)
    _tell("the model of all traces")
    command = f"airsplit classifier train-kpi --data DIR --out DIR --seed {arguments.seed}"
    bundle = make(traces, training, results, command, known)
    digest = save(bundle, arguments.out)
    size = sum(path.stat().st_size for path in arguments.out.iterdir())
    print(json.dumps({"out": str(arguments.out), "hash": digest, "bytes": size, **results})
          if arguments.json else f"{bundle.card}\n{arguments.out}: {size} bytes, hash {digest}")
    return 0


def run_evaluate(arguments: argparse.Namespace) -> int:
    """Judge a bundle, or models trained anew for every group that is held out."""
    from classifier.kpi_shipping import judge
    from classifier.kpi_training import Training, examples

    traces = _read(arguments)
    if arguments.bundle is not None:
        if arguments.only:
            raise UsageError("--only goes with models trained anew, not with --bundle.")
        results = _of_bundle(arguments.bundle, traces)
    else:
        results = judge(traces, examples(traces), Training(seed=arguments.seed),
                        arguments.only or PARTS, _tell)
    print(json.dumps(results) if arguments.json else "\n".join(table(results)))
    return 0


def table(results: Mapping[str, Any]) -> list[str]:
    """The results as lines for people."""
    lines = []
    for name, result in _reports(results):
        low, high = result["interval"]
        lines += [f"{name.replace('_', ' ')}: {result['accuracy']:.3f} of {result['rows']} active"
                  f" rows right ({low:.3f} to {high:.3f}), macro F1 {result['macro_f1']:.3f};"
                  f" {result['accuracy_full_window'] or 0:.3f} once 4 s were seen"
                  + (f"; {result['accuracy_counting_idle']:.3f} of all rows counting idle,"
                     f" {result['accuracy_no_idle']:.3f} not knowing idle"
                     if "accuracy_no_idle" in result else "")]
        lines += [f"    {label:6} precision {entry['precision']:.3f} recall {entry['recall']:.3f}"
                  f" F1 {entry['f1']:.3f}   said {row}"
                  for (label, entry), row in zip(
                      result["classes"].items(), result["confusion"], strict=True)]
        lines.append("    " + ", ".join(f"{group} {entry['accuracy']:.2f}"
                                        for group, entry in result["groups"].items()))
        lines.append("    by bytes in 4 s from " + _buckets(result["bytes_4s"], "from"))
        lines.append("    by rows since the beginning " + _buckets(result["delay"], "rows_from"))
    change = results.get("after_changes")
    if change:
        wait = change["seconds_to_first_right"]
        lines.append(f"after a change, by rows: {_buckets(change['delay'], 'rows_from')};"
                     f" first right label after {wait['median']} s (median), in the 4 to 80 s"
                     f" until the next one never in {100 * wait['never']:.0f} %")
    lines += [f"wrong most: {entry['log']} {entry['wrong']} of {entry['rows']} rows, said"
              f" {entry['said']}" for entry in results.get("worst_logs", ())]
    if results.get("windows_shuffled") is not None:
        lines.append(f"windows shuffled, as published (flattering): {results['windows_shuffled']}")
    return lines


def _reports(results: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    found = [(name, result) for name, result in results.items()
             if isinstance(result, dict) and "confusion" in result]
    found += [(f"unseen trial, only {name}", result)
              for name, result in results.get("reported", {}).items()]
    return [(name, result) for name, result in found if result["rows"]]


def _buckets(entries: Sequence[Mapping[str, Any]], key: str) -> str:
    return ", ".join(f"{entry[key]:.0f}: {entry['accuracy']:.2f}"
                     for entry in entries if entry["accuracy"] is not None)


def _of_bundle(folder: Path, traces: Sequence[Trace]) -> dict[str, Any]:
    from classifier.kpi import load_kpi
    from classifier.kpi_evaluation import report
    from classifier.kpi_shipping import fingerprint
    from classifier.kpi_training import examples

    bundle = load_kpi(folder)
    known = examples(traces)
    shares = bundle.predict(None, known.vectors).probabilities.astype(float)
    if bundle.data.get("traces") == fingerprint(traces):
        _tell("these are the very logs that the model learnt from: the figures flatter it")
    return {"bundle": report(known, shares, [trace.trial for trace in traces])}


def _read(arguments: argparse.Namespace) -> list[Trace]:
    from classifier.kpi_data import read_folder

    return read_folder(arguments.data)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--data", type=Path, required=True, metavar="DIR",
                        help="the folder with SingleUE and Multi-UE")
    parser.add_argument("--seed", type=int, default=7, help="of the training (default: 7)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _tell(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Both commands, on their own."""
    parser = argparse.ArgumentParser(prog="python -m classifier.kpi_command")
    commands = parser.add_subparsers(dest="action", required=True)
    configure_train_kpi(commands.add_parser("train-kpi"))
    configure_evaluate_kpi(commands.add_parser("evaluate-kpi"))
    parsed = parser.parse_args(arguments)
    try:
        return int(parsed.run(parsed))
    except ClassifierError as error:
        print(f"{parsed.action}: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
