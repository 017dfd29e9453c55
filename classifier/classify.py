"""Captures to labelled flows: reading, judging, comparing with the truth.

The loop behind `airsplit classify`. It prints nothing and draws nothing; each capture is judged by
itself, so that flows of different ones do not mix.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from classifier.bundle import Bundle
from classifier.judge import Judge, Verdict
from classifier.quality import importance, quality_of
from classifier.report import Labelled, Look, interesting
from pcap_tools.errors import CaptureError
from pcap_tools.gather import ALL_READ, INTERRUPTED, PARTIAL, read_through
from pcap_tools.merge_labels import LabelFile, key_of
from pcap_tools.naming import address_text, time_text
from pcap_tools.parse import parse
from pcap_tools.read import open_captures
from pcap_tools.records import Records
from pcap_tools.survey import Survey

LOOKS = 24  # flows drawn packet by packet
LOOK_PACKETS = 200_000  # data packets kept of each


@dataclass(frozen=True)
class Classified:
    """The result, and how the reading went."""

    labelled: Labelled
    partial: bool
    interrupted: bool

    @property
    def exit_code(self) -> int:
        return INTERRUPTED if self.interrupted else PARTIAL if self.partial else ALL_READ

    def document(self) -> dict[str, Any]:
        """Everything but the flows, for scripts."""
        labelled, judge = self.labelled, self.labelled.judge
        quality = labelled.quality
        return {
            "captures": list(labelled.names), "packets": labelled.packets,
            "model": judge.bundle.hash, "complete": not self.partial and not self.interrupted,
            "warnings": list(labelled.warnings), "labels": dict(judge.counts.most_common()),
            "bytes": dict(judge.volumes.most_common()),
            "begins": {name: time_text(moment) for name, moment in labelled.begins.items()},
            "quality": None if quality is None else {
                "flows": int(quality.table.sum()), "accuracy": _number(quality.accuracy),
                "macro_f1": _number(quality.macro_f1), "names": list(quality.names),
                "confusion": quality.table.tolist(),
                "classes": [{"label": one.name, "flows": one.flows, "called": one.said,
                             "precision": _number(one.precision), "recall": _number(one.recall),
                             "f1": _number(one.f1)} for one in quality.classes],
                "stages": [{"stage": one.stage.name.lower(), "flows": one.flows,
                            "accuracy": _number(one.accuracy), "macro_f1": _number(one.macro_f1)}
                           for one in quality.stages]},
            "importance": {name: round(fall, 5) for name, fall in labelled.importance}}


def _number(value: float) -> float | None:
    return None if np.isnan(value) else round(value, 5)


def classify(
    paths: Sequence[str], bundle: Bundle, truth_file: Path | None = None, report: bool = False,
    seed: int = 1, quiet: bool = False,
) -> Classified:
    """Label the flows of all captures; `report` keeps what a report shows beside them."""
    labels = None if truth_file is None else LabelFile(truth_file)
    with open_captures(paths) as reader:
        sources, warnings = list(reader.sources), [str(warning) for warning in reader.warnings]
    run = _Run(Judge(bundle), labels, report, warnings)
    for source in sources:
        path = "-" if source.path is None else str(source.path)
        name = "standard input" if source.path is None else source.path.name
        try:
            interrupted = run.read(path, name, quiet)
        except CaptureError as error:
            if len(sources) == 1:
                raise
            run.warnings.append(str(error))
            continue
        if interrupted:
            break
    return run.result(seed)


class _Run:
    """State while captures are read."""

    def __init__(
        self, judge: Judge, labels: LabelFile | None, report: bool, warnings: list[str]
    ) -> None:
        self.judge, self.labels, self.report, self.warnings = judge, labels, report, warnings
        self.truth: dict[int, str] = {}
        self.looks: list[Look] = []
        self.names: list[str] = []
        self.begins: dict[str, int] = {}
        self.packets = 0
        self.partial = bool(warnings)
        self.interrupted = False

    def read(self, path: str, name: str, quiet: bool) -> bool:
        """One capture; True where Ctrl-C ended it."""
        survey = Survey() if self.report else None
        closed: list[Verdict] = []
        self.judge.begin(name)

        def take(records: Records) -> None:
            packets = parse(records)
            if survey is not None:
                survey.feed(packets)
            closed.extend(self._noted(self.judge.feed(packets)))

        account = read_through(open_captures([path]), take, quiet)
        closed.extend(self._noted(self.judge.end()))
        self.names.append(name)
        self.begins[name] = account.counters.first or 0
        self.packets += account.counters.packets
        self.warnings += account.warnings
        self.partial |= account.partial
        self.interrupted = account.interrupted
        if survey is not None:
            self._keep(closed, survey)
        return account.interrupted

    def _noted(self, verdicts: list[Verdict]) -> list[Verdict]:
        """Their truth written down; those returned that a person may want to look into."""
        for verdict in verdicts:
            truth = self._truth(verdict)
            if truth is not None:
                self.truth[verdict.number] = truth
        return [verdict for verdict in verdicts if interesting(
            verdict, self.truth.get(verdict.number), self.labels is not None)]

    def _truth(self, verdict: Verdict) -> str | None:
        """The label that somebody gave the flow, if it is one."""
        if self.labels is None:
            return None
        flow, version = verdict.flow, int(verdict.flow["version"])
        key = key_of(int(flow["protocol"]),
                     address_text(version, flow["source"].tobytes()), flow["source_port"],
                     address_text(version, flow["destination"].tobytes()),
                     flow["destination_port"])
        found = {label.name for label in self.labels.labels(
            key, int(flow["first"]) / 1e9, int(flow["last"]) / 1e9, verdict.capture)}
        return found.pop() if len(found) == 1 else None

    def _keep(self, closed: list[Verdict], survey: Survey) -> None:
        for verdict in sorted(closed, key=lambda one: -one.bytes)[:LOOKS - len(self.looks)]:
            time, size = survey.details_of(verdict.flow)
            self.looks.append(Look(verdict, self.truth.get(verdict.number), time[:LOOK_PACKETS],
                                   size[:LOOK_PACKETS]))

    def result(self, seed: int) -> Classified:
        judge = self.judge
        known = [verdict for verdict in judge.verdicts if verdict.number in self.truth]
        right = [self.truth[verdict.number] for verdict in known]
        quality = quality_of(known, right, judge.bundle) if known else None
        falls: list[tuple[str, float]] = []
        if self.report:
            falls = (importance(judge.bundle, known, right, seed) if known else importance(
                judge.bundle, judge.verdicts, [one.said[-1].best for one in judge.verdicts], seed))
        if self.labels is not None and not known:
            self.warnings.append("The truth names none of the flows.")
        labelled = Labelled(
            tuple(self.names), judge, self.begins, self.packets, tuple(self.warnings), quality,
            self.truth if self.labels is not None else None, tuple(falls), tuple(self.looks))
        return Classified(labelled, self.partial, self.interrupted)
