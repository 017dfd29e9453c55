"""Changes of paths and noise by time, from a table.

    seconds,link,path_loss,outage,snr
    0,gnb-ue1,0,,
    5,gnb-ue1,12.5,,
    8,gnb-ue1,,yes,
    9,gnb-ue1,,no,
    10,ue1,,,15

An empty field changes nothing; `link` names a path, or a station where `snr` is given. Seconds are
those of the radio, samples over rate, which is not the clock on the wall. It opens nothing but that
file.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbed.radio.errors import RadioError
from testbed.radio.mixer import Mixer
from testbed.radio.settings import changed

NUMBERS = ("path_loss", "delay", "doppler", "snr")
COLUMNS = ("seconds", "link", *NUMBERS, "profile", "outage")
MOST_LINES = 1_000_000
WORDS = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}


@dataclass(frozen=True, slots=True)
class Change:
    """One line."""

    seconds: float
    target: str  # a path or a station
    values: tuple[tuple[str, Any], ...]


def load(file: Path) -> tuple[Change, ...]:
    """The changes of a file, in order of time."""
    try:
        with file.open(newline="") as lines:
            return read(lines, str(file))
    except (OSError, UnicodeDecodeError) as error:
        raise RadioError(f"{file} cannot be read: {error}.") from error


def read(lines: Any, name: str = "the script") -> tuple[Change, ...]:
    """The changes that lines of CSV say."""
    table = csv.DictReader(lines)
    unknown = [one for one in table.fieldnames or () if one not in COLUMNS]
    if unknown or not {"seconds", "link"} <= set(table.fieldnames or ()):
        raise RadioError(f"{name}: the first line has to name columns, `seconds` and `link` among "
                         f"them, of {', '.join(COLUMNS)}; unknown: {', '.join(unknown) or 'none'}.")
    changes: list[Change] = []
    for number, line in enumerate(table, 2):
        if number > MOST_LINES:
            raise RadioError(f"{name} has more than {MOST_LINES} lines.")
        if None in line or None in line.values():
            raise RadioError(f"{name}, line {number}: fields are too few or too many.")
        changes.append(_change(line, f"{name}, line {number}"))
    return tuple(sorted(changes, key=lambda one: one.seconds))


def _change(line: dict[str, str], where: str) -> Change:
    values: list[tuple[str, Any]] = []
    for name in COLUMNS[2:]:
        text = (line.get(name) or "").strip()
        if not text:
            continue
        if name == "profile":
            values.append((name, text))
        elif name == "outage":
            if text.lower() not in WORDS:
                raise RadioError(f"{where}: outage {text!r} is neither yes nor no.")
            values.append((name, WORDS[text.lower()]))
        else:
            values.append((name, _number(text, name, where)))
    return Change(_number(line["seconds"], "seconds", where), line["link"].strip(), tuple(values))


def _number(text: str, name: str, where: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise RadioError(f"{where}: {name} {text!r} is no number.") from None


class Script:
    """Makes each change when its time has come."""

    def __init__(self, changes: Sequence[Change], mixer: Mixer) -> None:
        self._changes = list(changes)
        self._mixer = mixer
        self._next = 0
        for one in changes:  # what cannot be done is found now, not in the middle
            values = dict(one.values)
            if one.target in mixer.settings.links and "snr" not in values:
                changed(mixer.path(one.target), values)
            elif set(values) != {"snr"} or one.target not in mixer.tallies:
                raise RadioError(
                    f"The script's change at {one.seconds:g} s of {one.target!r} cannot be made: "
                    "name a path, or a station and nothing but its snr.")

    def until(self) -> int | None:
        """Samples to the next change; None where none is left."""
        if self._next == len(self._changes):
            return None
        due = round(self._changes[self._next].seconds * self._mixer.settings.rate)
        return max(0, due - self._mixer.position)

    def apply(self) -> int:
        """Make the changes that are due; how many that were."""
        before = self._next
        while self.until() == 0:
            one = self._changes[self._next]
            self._next += 1
            values = dict(one.values)
            if "snr" in values:
                self._mixer.set_snr(one.target, values["snr"])
            else:
                self._mixer.set_path(one.target, changed(self._mixer.path(one.target), values))
        return self._next - before
