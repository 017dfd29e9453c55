"""Time to label a flow: scikit-learn, the same trees flattened, and ONNX where it is installed.

Prints microseconds for one flow (median, 99th percentile) and CPU microseconds for each flow of a
batch, and by how much the probabilities differ from scikit-learn's. Every contender trains the same
seeded model in a process of its own. Data are made up; it says nothing about quality.

ONNX needs an interpreter with onnxruntime, skl2onnx and scikit-learn, named with --onnx-python.

    python -m tests.benchmarks.bench_classify --quick
    python -m tests.benchmarks.bench_classify --onnx-python /path/to/python
"""

from __future__ import annotations

import argparse
import functools
import sys
from pathlib import Path

from tests.benchmarks import report
from tests.benchmarks.report import Figures, Measured

WORKER = Path(__file__).with_name("classifiers.py")
FLAT_LIMIT = 100.0  # microseconds for one flow
EQUAL_LIMIT = 1e-6  # of a probability
CONTENDERS = (
    ("scikit-learn boosting", "boosting", "sklearn"), ("flattened boosting", "boosting", "flat"),
    ("ONNX boosting", "boosting", "onnx"), ("scikit-learn forest", "forest", "sklearn"),
    ("flattened forest", "forest", "flat"), ("ONNX forest", "forest", "onnx"))


def main() -> None:
    options = arguments()
    runs = {}
    for name, model, runtime in CONTENDERS:
        if runtime == "onnx" and not options.onnx_python:
            continue
        python = options.onnx_python if runtime == "onnx" else sys.executable
        runs[name] = functools.partial(
            report.run_worker, [python, str(WORKER), model, runtime, "--trees", str(options.trees),
                                "--calls", str(options.calls)], 1, options.timeout)
    rows = figures(report.round_robin(runs, options))
    report.print_table("one flow, and each of a batch", [
        "", "one µs", "p99 µs", "batch CPU µs", "x scikit-learn", "difference", "others' CPUs"],
        [[row[name] for name in ("name", "one", "p99", "batch", "faster", "shown", "others_busy")]
         for row in rows])
    for row in rows:
        if row["reason"]:
            print(f"  {row['name']}: {row['reason']}")
    met = all(row["one"] is not None and row["one"] <= FLAT_LIMIT
              and row["difference"] <= EQUAL_LIMIT
              for row in rows if row["name"].startswith("flattened"))
    print(f"  flattened trees equal, and under {FLAT_LIMIT:.0f} µs: {'met' if met else 'MISSED'}")
    report.finish("classify", vars(options), {"rows": rows, "met": met})
    if options.check and not met:
        sys.exit(1)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few trees, one round")
    parser.add_argument("--check", action="store_true", help="exit 1 where a target is missed")
    parser.add_argument("--trees", type=int, help="rounds of boosting, trees of a forest: 80")
    parser.add_argument("--calls", type=int, help="single flows timed a round: 300")
    parser.add_argument("--rounds", type=int, help="default 3")
    parser.add_argument("--onnx-python", default="", metavar="PATH",
                        help="interpreter that has onnxruntime, skl2onnx and scikit-learn")
    parser.add_argument("--timeout", type=float, default=300.0, help="seconds a process may take")
    report.add_quiet_options(parser)
    options = parser.parse_args()
    options.trees = options.trees or (10 if options.quick else 80)
    options.calls = options.calls or (50 if options.quick else 300)
    options.rounds = options.rounds or (1 if options.quick else 3)
    return options


def figures(measured: dict[str, Measured]) -> list[Figures]:
    """One row a contender, with its ratio to scikit-learn's time for the same model."""
    rows = []
    for name, one in measured.items():
        base = measured[f"scikit-learn {name.split()[1]}"].middle("one")
        difference = one.middle("difference")
        rows.append({
            "name": name, "one": one.middle("one"), "p99": one.middle("p99"),
            "batch": one.middle("batch"), "faster": report.ratio(base, one.middle("one")),
            "difference": difference, "reason": one.reason,
            "shown": None if difference is None else f"{difference:.0e}",
            "others_busy": one.middle("others_busy")})
    return rows


if __name__ == "__main__":
    main()
