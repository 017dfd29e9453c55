"""`airsplit testbed record-sessions`: options, progress and the series of scenarios.

What is recorded already is kept, so a run that was interrupted goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_server.engine.options import positive

if TYPE_CHECKING:
    from testbed.sessions.scenarios import Scenario

EXAMPLES = """examples:
  airsplit testbed record-sessions --out sessions --count 12 --jobs 2
  airsplit testbed record-sessions --out sessions --seed 7 --count 600 --jobs 4
  airsplit testbed record-sessions --out sessions --count 600 --only split
  airsplit testbed record-sessions --out sessions --count 600 --plan | less
"""


def configure(parser: argparse.ArgumentParser, default_model: Path) -> None:
    """Add the options of `airsplit testbed record-sessions`."""
    parser.description = (
        "Record labelled traffic to learn from: split-LLM sessions of a real phone and edge,\n"
        "and other traffic over the same emulated links. Writes captures/*.pcap, what each is\n"
        "(captures/*.json) and labels.csv, one line a flow. Needs root on Linux.")
    parser.epilog = EXAMPLES
    parser.add_argument("--out", type=Path, required=True, metavar="DIR",
                        help="folder for captures and labels; what is there already is kept")
    parser.add_argument("--seed", type=int, default=1, metavar="S",
                        help="of the series of scenarios (default: %(default)s)")
    parser.add_argument("--count", type=positive, default=12, metavar="N",
                        help="scenarios of the series (default: %(default)s)")
    parser.add_argument("--start", type=int, default=0, metavar="I",
                        help="number of the first one (default: %(default)s)")
    parser.add_argument("--jobs", type=positive, default=2, metavar="J",
                        help="scenarios at a time (default: %(default)s)")
    parser.add_argument("--only", action="append", metavar="KIND",
                        help="record only scenarios of that kind; may be repeated")
    parser.add_argument("--plan", action="store_true",
                        help="print the scenarios, one JSON object a line, and record nothing")
    parser.add_argument("--json", action="store_true", help="print one JSON object at the end")
    parser.set_defaults(run=run, default_model=default_model)


def run(arguments: argparse.Namespace) -> int:
    """Record the series; 1 if some of it could not be."""
    from dataclasses import asdict

    scenarios = list(series(arguments.seed, arguments.start, arguments.count, arguments.only))
    if arguments.plan:
        for scenario in scenarios:
            print(json.dumps(asdict(scenario)))
        return 0
    return _record(arguments, scenarios)


def series(seed: int, start: int, count: int, only: Iterable[str] | None) -> Iterator[Scenario]:
    """The scenarios asked for."""
    from edge_server.errors import ConfigurationError
    from testbed.sessions.catalogue import LABELS
    from testbed.sessions.scenarios import draw, kind_of

    unknown = sorted(set(only or ()) - set(LABELS))
    if unknown:
        raise ConfigurationError(f"--only {unknown[0]}: there is no such kind.",
                                 f"Kinds are {', '.join(sorted(LABELS))}.")
    for number in range(start, start + count):
        if not only or kind_of(seed, number) in only:
            yield draw(seed, number)


def _record(arguments: argparse.Namespace, scenarios: list[Scenario]) -> int:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    from testbed import namespaces
    from testbed.sessions import runner
    from testbed.sessions.flow_labels import write_labels

    namespaces.require()
    namespaces.remove_leftovers()
    place = runner.Place(arguments.out, arguments.default_model, arguments.out / "models")
    waiting = [scenario for scenario in scenarios if not runner.is_done(place.out, scenario)]
    starter, failed, recorded = runner.context(), 0, 0
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
               TimeRemainingColumn())
    pool = ThreadPoolExecutor(arguments.jobs)
    # Whoever ends this by a signal wants the namespaces gone as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with runner.temporary_files(place.out), Progress(*columns, console=console) as progress:
        task = progress.add_task("recording", total=len(scenarios),
                                 completed=len(scenarios) - len(waiting))
        try:
            running = {pool.submit(runner.run, scenario, place, starter): scenario
                       for scenario in waiting}
            for done in as_completed(running):
                problem = _problem(done.exception())
                if problem:
                    failed += 1
                    console.print(f"{running[done].name}: {problem}", markup=False)
                else:
                    recorded += 1
                    write_labels(place.out)
                progress.advance(task)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    return _summary(arguments, recorded, failed)


def _problem(error: BaseException | None) -> str:
    """What a person should know of a scenario that failed; a bug is raised."""
    from edge_server.errors import EdgeError

    if error is None:
        return ""
    if isinstance(error, EdgeError | OSError):
        return str(error)
    raise error


def _summary(arguments: argparse.Namespace, recorded: int, failed: int) -> int:
    from testbed.sessions.flow_labels import LABELS, count_labels, read_labels, write_labels

    write_labels(arguments.out)
    labels = count_labels(read_labels(arguments.out))
    facts: dict[str, Any] = {"recorded": recorded, "failed": failed, "flows": labels,
                             "labels": str(arguments.out / LABELS)}
    if arguments.json:
        print(json.dumps(facts))
    else:
        print(f"{recorded} captures recorded, {failed} failed; flows by label: "
              + ", ".join(f"{name} {count}" for name, count in labels.items()))
        print(f"labels: {facts['labels']}")
    if failed:
        print("Run the same command again for those that failed.", file=sys.stderr)
    return 1 if failed else 0
