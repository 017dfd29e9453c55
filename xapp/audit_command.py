"""`airsplit xapp audit`: what the xApp did to a network, for whom, why, and what came of it.

Only options and printing; it reads the store beside a running xApp and changes nothing.
"""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xapp.store_read import Reader, Row

EXAMPLES = """examples:
  airsplit xapp audit xapp.db                      all of it, for people
  airsplit xapp audit xapp.db --json > audit.jsonl one JSON object a line
  airsplit xapp audit xapp.db --csv --since 2026-03-01
  airsplit xapp audit xapp.db --kind decision action_ended
  airsplit xapp audit xapp.db --verify             is it as it was written?
  airsplit xapp audit xapp.db --verify --head 1042:9f3c...   and is nothing cut off its end?

Note the last line's number and hash, which --verify prints, somewhere else: only who has them sees
it if the end of the log is cut off."""
FIELDS = ("number", "time", "kind", "who", "subject", "why", "body", "hash")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `airsplit xapp audit` to `parser`."""
    parser.description = ("What an xApp did: what, when, for whom, why, and what came of it. It "
                          "may run meanwhile.")
    parser.epilog = EXAMPLES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("store", type=Path, metavar="FILE", help="the xApp's store")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object a line")
    form.add_argument("--csv", action="store_true", help="a table with a header")
    form.add_argument("--verify", action="store_true",
                      help="check every line's hash; 1 where one is not as it was written")
    parser.add_argument("--head", type=_head, metavar="NUMBER:HASH",
                        help="with --verify: a last line that was noted earlier")
    parser.add_argument("--since", type=_moment, metavar="TIME",
                        help="from then on, such as 2026-03-01 or 2026-03-01T12:00 (UTC)")
    parser.add_argument("--until", type=_moment, metavar="TIME", help="before then")
    parser.add_argument("--kind", nargs="+", default=[], metavar="KIND",
                        help="only these, such as decision, sent, effect, action_ended, event")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print or check the audit log."""
    from xapp.errors import ConfigurationError
    from xapp.store_read import Reader
    from xapp.store_records import Kind

    strange = set(arguments.kind) - {kind.value for kind in Kind}
    if strange:
        raise ConfigurationError(f"--kind {' '.join(sorted(strange))}: there is no such kind.",
                                 f"There are {', '.join(kind.value for kind in Kind)}.")
    if arguments.head is not None and not arguments.verify:
        raise ConfigurationError("--head is of no use alone.", "Add --verify.")
    with Reader(arguments.store) as reader:
        if arguments.verify:
            return _verify(reader, arguments.head)
        rows = (row for row in reader.audit(since=arguments.since, until=arguments.until)
                if not arguments.kind or row["kind"] in arguments.kind)
        _print(rows, arguments)
    return 0


def _verify(reader: Reader, known: tuple[int, str] | None) -> int:
    broken = reader.verify(known)
    number, digest = reader.head()
    if broken is None:
        print(f"{number:,} lines, each as it was written.\nlast line: {number}:{digest}")
        return 0
    print(f"{reader.path}: {broken.problem}.", file=sys.stderr)
    return 1


def _print(rows: Iterator[Row], arguments: argparse.Namespace) -> None:
    if arguments.csv:
        _print_csv(rows)
        return
    if arguments.json:
        import json

        for row in rows:
            print(json.dumps({**row, "time": moment(row["time"])}, separators=(",", ":")))
        return
    for row in rows:
        print(line(row))


def _print_csv(rows: Iterator[Row]) -> None:
    import csv
    import json

    writer = csv.writer(sys.stdout)
    writer.writerow(FIELDS)
    for row in rows:
        shown = {**row, "time": moment(row["time"]),
                 "body": json.dumps(row["body"], separators=(",", ":"))}
        writer.writerow([_harmless(shown[name]) for name in FIELDS])


def _harmless(value: object) -> object:
    """A spreadsheet takes text that begins so for a formula."""
    text = str(value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def line(row: Row) -> str:
    """One line for people."""
    what = " ".join(part for part in (row["kind"].replace("_", " "), row["subject"]) if part)
    body = row["body"]
    result = next((f": {body[name]}" for name in ("state", "outcome", "verdict", "answer")
                   if body.get(name)), "")
    why = row["why"] or body.get("why") or body.get("detail") or ""
    return f"{row['number']:>6} {moment(row['time'])} {row['who']:<14} {what}{result}" + (
        f" - {why}" if why else "")


def moment(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds")


def _moment(text: str) -> float:
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time, such as 2026-03-01T12:00") from error
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _head(text: str) -> tuple[int, str]:
    number, _, digest = text.partition(":")
    if not number.isdigit() or len(digest) != 64:
        raise argparse.ArgumentTypeError(f"{text!r} is no NUMBER:HASH, as --verify prints it")
    return int(number), digest
