"""`airsplit experiment run|list|report|compare`: repeated trials, and what they come to."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from testbed.experiments.design import Trial
    from testbed.experiments.results import Results
    from testbed.experiments.scenario import Scenario

EXAMPLES = """examples:
  airsplit experiment list                                scenarios that come with it
  airsplit experiment run scale-quick                     a minute; no packets, no root
  airsplit experiment run steering-pays-quick             half an hour; needs root
  airsplit experiment run steering-pays --minutes 60      an hour of it; again, to go on
  airsplit experiment run mine.yaml --plan                what would be run
  airsplit experiment report experiments/steering-pays    table, HTML, PNG, Parquet
  airsplit experiment report --recompute experiments/steering-pays
                                                          rows of older code by that of today
  airsplit experiment compare experiments/before experiments/after

  What was stopped goes on with the same command: a trial that is over is not run again.
"""
FOLDER = Path("experiments")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.description = ("Runs an experiment that one YAML file describes, keeps a row for each\n"
                          "trial, and says what the rows come to.")
    parser.epilog = EXAMPLES
    commands = parser.add_subparsers(dest="experiment_command", required=True, metavar="COMMAND")
    _configure_run(commands.add_parser(
        "run", help="run the trials that are not there yet", epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter))
    listing = commands.add_parser("list", help="scenarios, and results with how far they are")
    listing.add_argument("folder", nargs="?", type=Path, default=FOLDER, metavar="FOLDER",
                         help="where results are (default: %(default)s)")
    listing.set_defaults(run=run_list)
    report = commands.add_parser("report", help="tables, tests, verdicts, HTML, PNG, Parquet")
    report.add_argument("folder", type=Path, metavar="RESULTS", help="what `run` wrote")
    report.add_argument("--out", type=Path, metavar="FOLDER",
                        help="for report.html and the rest (default: RESULTS)")
    report.add_argument("--recompute", action="store_true",
                        help="first compute rows again from what their trials kept, by this code; "
                             "a row that changes names the commit, and row.first.json beside it "
                             "keeps what the trial left")
    report.set_defaults(run=run_report)
    compare = commands.add_parser("compare", help="one set of results against another")
    compare.add_argument("before", type=Path, metavar="A", help="results that `run` wrote")
    compare.add_argument("after", type=Path, metavar="B", help="others of the same kind")
    compare.add_argument("--columns", metavar="NAME,NAME",
                         help="columns that count (default: those of the summary table)")
    compare.add_argument("--out", type=Path, metavar="FOLDER",
                         help="write comparison.html and .parquet there too")
    compare.set_defaults(run=run_compare)


def _configure_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("scenario", metavar="SCENARIO",
                        help="a YAML file, or the name of one that comes with it")
    parser.add_argument("--out", type=Path, metavar="FOLDER",
                        help=f"for results (default: {FOLDER}/NAME)")
    parser.add_argument("--only", action="append", default=[], metavar="FACTOR=LEVEL",
                        help="trials of this level only; may be given several times")
    parser.add_argument("--repetitions", type=_number, metavar="N",
                        help="instead of what the file says; with fewer than there are rows of, "
                             "those stay and count in the report")
    parser.add_argument("--limit", type=_number, metavar="N", help="trials of this call at most")
    parser.add_argument("--minutes", type=_minutes, metavar="M",
                        help="begin no trial after so long")
    parser.add_argument("--retry-failed", action="store_true",
                        help="run again what failed")
    parser.add_argument("--plan", action="store_true", help="say what would be run, and end")
    host = parser.add_argument_group("another host", "in experiments of the kind modes, instead "
                                     "of the link that the file says")
    host.add_argument("--edge", metavar="URL", help="of an `airsplit edge` that runs there")
    host.add_argument("--server", metavar="HOST:PORT", help="of an `airsplit modes serve` there")
    host.add_argument("--ssh", metavar="USER@HOST", help="start there what is not named")
    host.add_argument("--ssh-command", metavar="WORDS", help="how airsplit is called there")
    host.add_argument("--ssh-model", metavar="DIR", help="the checkpoint's folder there")
    parser.set_defaults(run=run_run)


def _number(text: str) -> int:
    if not (text.strip().isdecimal() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of 1 or more")
    return int(text)


def _minutes(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0 < found < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of minutes above 0")
    return found


def run_run(arguments: argparse.Namespace) -> int:
    """Run trials, then show the report."""
    from rich.console import Console

    from testbed.experiments import scenario
    from testbed.experiments.results import Results

    path = scenario.find(arguments.scenario)
    document, wanted = _scenario(path, arguments.repetitions, _host(arguments))
    results = Results(arguments.out or FOLDER / wanted.name)
    trials = _trials(wanted, results, arguments)
    console = Console(stderr=True)
    told = f"{wanted.name}: {wanted.trials} trials, {len(trials)} of them to run now"
    if arguments.plan:
        for one in trials:
            print(one.name)
        console.print(told + ".")
        return 0
    with results.locked(), _stopping_on_signals():
        kept = results.begin(wanted, document)
        if kept.repetitions > wanted.repetitions:
            console.print(f"{results.folder}/ has rows of {kept.repetitions} repetitions; they "
                          "stay, and the report counts them.", highlight=False)
        trials = _trials(wanted, results, arguments)  # as they are now that nobody else writes
        console.print(f"{told}; results in {results.folder}/", highlight=False)
        with _table_of(results):
            ran = _run(wanted, trials, results, console, arguments.minutes)
    console.print(_ending(ran, results.folder), highlight=False)
    if results.rows():
        _show(results, results.folder)
    return 1 if ran.failed and not ran.done else 0


@contextmanager
def _table_of(results: Results) -> Iterator[None]:
    """All rows as one table, however a run ends; what ended it is what is told."""
    from testbed.experiments.errors import BadResults

    try:
        yield
    except BaseException:
        with suppress(BadResults):  # `report` makes it when there is room
            results.write_table()
        raise
    results.write_table()


@contextmanager
def _stopping_on_signals() -> Iterator[None]:
    """End in order on SIGTERM too, and on ^C where a shell had it ignored: trials clean up."""
    import signal
    import threading

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {one: signal.signal(one, signal.default_int_handler)
              for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _host(arguments: argparse.Namespace) -> dict[str, str]:
    """Settings of what is on another host."""
    named = {name: value for name in ("edge", "server", "ssh", "ssh_command", "ssh_model")
             if (value := getattr(arguments, name)) is not None}
    return {"link": "host"} | named if named else {}


def _scenario(path: Path, repetitions: int | None, host: dict[str, str]
              ) -> tuple[dict[str, Any], Scenario]:
    from testbed.experiments import scenario
    from testbed.experiments.errors import BadScenario
    from xapp.config_reading import yaml_document
    from xapp.errors import ConfigurationError

    scenario.load(path)  # names the file in what is wrong with it
    try:
        document = dict(yaml_document(path))
    except ConfigurationError as error:  # gone meanwhile
        raise BadScenario(error.problem, error.remedy) from error
    if repetitions is not None:
        document["repetitions"] = repetitions
    if host:
        if document.get("kind") != "modes":
            raise BadScenario(f"{path} is of the kind {document.get('kind')}, which has no other "
                              "host.", f"Leave out --{next(reversed(host)).replace('_', '-')}.")
        document["settings"] = {**document.get("settings", {}), **host}
    found = scenario.scenario_of(document)
    scenario.check_with_kind(found)
    return document, found


def _trials(wanted: Scenario, results: Results, arguments: argparse.Namespace) -> list[Trial]:
    from testbed.experiments import design, runner

    found = design.chosen(wanted, design.trials_of(wanted), arguments.only)
    return runner.waiting(found, results.rows(), arguments.retry_failed)[:arguments.limit]


def _run(wanted: Scenario, trials: list[Trial], results: Results, console: Any,
         minutes: float | None) -> Any:
    import math
    import time

    from testbed.experiments.kind import kind_of
    from testbed.experiments.machine import load_average, machine
    from testbed.experiments.progress import TrialProgress
    from testbed.experiments.runner import Surroundings, run_trials

    kind = kind_of(wanted.kind)
    world = Surroundings(machine(), time.monotonic, time.time, load_average)
    if trials:
        kind.prepare()
    with TrialProgress(console, len(trials)) as progress:
        try:
            return run_trials(
                trials, lambda trial: wanted.settings_of(trial.levels),
                lambda settings, seed, folder: kind.run(settings, seed, folder, progress.says),
                results, progress, world, math.inf if minutes is None else 60 * minutes)
        except KeyboardInterrupt:
            print(f"airsplit experiment: stopped; what is done is kept in {results.folder}/, and "
                  "the same command goes on.", file=sys.stderr)
            raise


def _ending(ran: Any, folder: Path) -> str:
    said = f"{ran.done} done" + (f", {ran.failed} failed" if ran.failed else "")
    return said + (f", {ran.left} left: the same command goes on" if ran.left else "") + (
        f". Rows are in {folder}/rows.parquet.")


def run_list(arguments: argparse.Namespace) -> int:
    """Scenarios and results."""
    from rich.console import Console
    from rich.table import Table

    from testbed.experiments import scenario
    from testbed.experiments.results import SCENARIO, Results

    console = Console()
    table = Table("scenario", "kind", "trials", "what it asks", title="scenarios")
    for name in scenario.bundled_names():
        one = scenario.load(scenario.find(name))
        table.add_row(name, one.kind, str(one.trials), one.title)
    console.print(table)
    found = sorted(one.parent for one in arguments.folder.glob(f"*/{SCENARIO}"))
    if (arguments.folder / SCENARIO).exists():
        found.insert(0, arguments.folder)
    if not found:
        console.print(f"No results are in {arguments.folder}/.")
        return 0
    table = Table("results", "scenario", "done", "failed", "of", "last", title="results")
    for folder in found:
        results = Results(folder)
        one, rows = results.scenario(), results.rows()
        done = sum(row.done for row in rows)
        table.add_row(str(folder), one.name, str(done), str(len(rows) - done), str(one.trials),
                      max((row.began for row in rows), default="-"))
    console.print(table)
    return 0


def run_report(arguments: argparse.Namespace) -> int:
    """Show what results come to, and write it down."""
    from testbed.experiments.results import Results

    results = Results(arguments.folder)
    if arguments.recompute:
        _recompute(results)
    _show(results, arguments.out or arguments.folder)
    _renew_table(results)
    return 0


def _recompute(results: Results) -> None:
    from rich.console import Console
    from rich.progress import Progress

    from testbed.experiments.machine import machine
    from testbed.experiments.recompute import recompute

    kind, console = results.scenario().kind, Console(stderr=True)
    with results.locked(), Progress(console=console, transient=True) as progress:
        task = progress.add_task("computing rows again", total=None)
        found = recompute(results, kind, machine(), lambda done, of: progress.update(
            task, completed=done, total=of))
    for problem in found.problems:
        print(f"airsplit experiment: not computed again: {problem}", file=sys.stderr)
    print(f"airsplit experiment: {found.says()}", file=sys.stderr)


def _renew_table(results: Results) -> None:
    """A run that was killed left rows that the table lacks."""
    from testbed.experiments.errors import BadResults

    if not results.table_is_old:
        return
    try:
        print(f"All rows are in {results.write_table()}.")
    except BadResults as error:  # the report is made: results may be somebody else's
        print(f"airsplit experiment: {error}", file=sys.stderr)


def _show(results: Results, out: Path) -> None:
    from rich.console import Console

    from testbed.experiments.findings import findings_of
    from testbed.experiments.kind import kind_of
    from testbed.experiments.machine import machine
    from testbed.experiments.recompute import note_of_stale, stale
    from testbed.experiments.report import report_of
    from testbed.experiments.report_files import write
    from testbed.experiments.report_text import show
    from testbed.experiments.results import make_folder

    scenario = results.scenario()
    report = report_of(scenario, results.rows(), kind_of(scenario.kind).columns)
    report = replace(report, notes=report.notes + tuple(
        note_of_stale(stale(results, scenario.kind, machine()))))
    findings = findings_of(report, results.folder)
    show(report, Console(), findings)
    write(report, make_folder(out), findings)
    print(f"The report is {out}/report.html; report.png, summary.parquet and contrasts.parquet "
          "are beside it.")


def run_compare(arguments: argparse.Namespace) -> int:
    """Show one set of results against another."""
    from rich.console import Console

    from testbed.experiments.compare import compare_results
    from testbed.experiments.compare_files import show, write
    from testbed.experiments.results import Results, make_folder

    columns = [one.strip() for one in (arguments.columns or "").split(",") if one.strip()]
    found = compare_results(Results(arguments.before), Results(arguments.after), columns)
    show(found, Console())
    if arguments.out is not None:
        write(found, make_folder(arguments.out))
        print(f"It is in {arguments.out}/comparison.html and comparison.parquet.")
    return 0
