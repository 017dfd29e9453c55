"""A record of what a run made in the system, so that a later one can clean up after it.

It is written before anything is made. What a killed process leaves behind is thus found by the
next start, of whatever name; a process that still runs is left alone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from testbed import namespaces
from testbed.errors import LinkFailure

FOLDER = Path("/run/airsplit")
MOST_BYTES = 1 << 20  # of a record


def record_of(name: str, folder: Path = FOLDER) -> Path:
    return folder / f"{name}.json"


def claim(name: str, made: Iterable[str], folder: Path = FOLDER) -> None:
    """Clean up after runs that are no more, and write down what is going to be."""
    remove_leftovers(name, folder)
    _remove_others(folder)
    record = record_of(name, folder)
    text = json.dumps({"pid": os.getpid(), "started": _started(os.getpid()),
                       "namespaces": list(made)})
    try:
        folder.mkdir(parents=True, exist_ok=True)
        fresh = record.with_suffix(f".{os.getpid()}")
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(record)
    except OSError as error:
        raise LinkFailure(f"{record} cannot be written: {error.strerror}.",
                          "What is made in the system is written down there first.") from error


def give_up(name: str, folder: Path = FOLDER) -> None:
    """All that was made is gone again."""
    record_of(name, folder).unlink(missing_ok=True)


def remove_leftovers(name: str, folder: Path = FOLDER) -> tuple[str, ...]:
    """Remove what a run of this name left; the namespaces. Raises while it still runs."""
    found = _read(record_of(name, folder), name)
    if found is None:
        return ()
    process, started, made = found
    if started is not None and _started(process) == started and process != os.getpid():
        raise LinkFailure(f"A user plane called {name} runs already, as process {process}.",
                          "End that one, or give this one another name.")
    for one in made:
        namespaces.remove(one)
    give_up(name, folder)
    return made


def _remove_others(folder: Path) -> None:
    """Runs of other names that were killed, too: nobody may ever start those again."""
    for record in sorted(folder.glob("*.json")):
        # One that still runs, or whose record is damaged, is for a start of its own name to judge.
        with suppress(LinkFailure):
            remove_leftovers(record.stem, folder)


def _read(record: Path, name: str) -> tuple[int, int | None, tuple[str, ...]] | None:
    """Process, when it began, and its namespaces; None where there is no record."""
    try:
        with record.open("rb") as file:
            found = json.loads(file.read(MOST_BYTES))
        process, started, made = found["pid"], found["started"], found["namespaces"]
        # Only what begins with the name is ever removed, whatever a record says.
        if isinstance(process, int) and all(
                isinstance(one, str) and one.startswith(f"{name}-") for one in made):
            return process, started, tuple(made)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LinkFailure(f"{record} cannot be read: {error}.",
                          f"Look at `ip netns list`, remove what is {name}'s, then that file."
                          ) from error
    raise LinkFailure(f"{record} names what is not {name}'s.", "Look at it, then remove it.")


def _started(process: int) -> int | None:
    """When a process began, in the kernel's ticks: its number may be another's by now."""
    try:
        text = Path(f"/proc/{process}/stat").read_text()
    except OSError:  # it is no more
        return None
    return int(text.rpartition(")")[2].split()[19])
