"""What a kind's report says and draws beyond the tables that every kind has.

    found = findings_of(report, folder)     # empty for a kind that has none

The kind's own module does the work (`kind.FINDINGS`); this one only asks it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from pcap_tools.look import Draw
from testbed.experiments import kind
from testbed.experiments.report import Report
from testbed.experiments.verdicts import Verdict


@dataclass(frozen=True)
class Means:
    """A table beside that of the main columns; what nobody measured is left out of it."""

    title: str
    columns: Sequence[str]  # by name
    headings: Mapping[str, str]  # short ones, for many columns side by side
    short: Sequence[str]  # the columns that a terminal has room for


@dataclass(frozen=True)
class Findings:
    """What the kind knows of its own trials."""

    answers: Sequence[Verdict] = ()  # to the kind's own questions
    pictures: Sequence[tuple[str, Draw]] = ()  # with their titles
    notes: Sequence[str] = ()  # what a reader must not miss
    tables: Sequence[Means] = ()


def findings_of(report: Report, folder: Path) -> Findings:
    """Those of the report's kind; `folder` has what its trials left."""
    name = kind.FINDINGS.get(report.scenario.kind)
    if name is None:
        return Findings()
    find = cast(Callable[[Report, Path], Findings], importlib.import_module(name).findings)
    return find(report, folder)
