"""The report on labelled captures: one page in the look of the captures' own.

Labels, the flows that have them, and where the truth is known how good they are, with the flows
that are wrong to look into. It draws no line itself, and reads nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifier import charts
from classifier.bundle import Bundle
from classifier.charts import STAGE_NAMES, colour_of
from classifier.judge import Judge, Said, Verdict
from classifier.labels import MEANINGS, UNKNOWN
from classifier.quality import Quality
from pcap_tools.flows import Sampled
from pcap_tools.naming import count_text, duration_text, size_text
from pcap_tools.page import Cell, Column, Page
from pcap_tools.phases import session_of
from pcap_tools.plots import Bar, bars
from pcap_tools.report import flow_name, protocol_of, short_name
from pcap_tools.session_plot import FlowPicture, flow_plot

BARS = 40  # largest flows in the timeline
ROWS = 1000  # flows in the table
REASONS = 6  # features that are named for one flow
SHOWN_WARNINGS = 20


@dataclass(frozen=True)
class Look:
    """A flow to look into."""

    verdict: Verdict
    truth: str | None
    time: NDArray[np.int64]
    size: NDArray[np.int64]


@dataclass(frozen=True)
class Labelled:
    """What the report is made of."""

    names: tuple[str, ...]  # of the captures
    judge: Judge
    begins: dict[str, int]  # nanoseconds since 1970 at which each capture begins
    packets: int
    warnings: tuple[str, ...] = ()
    quality: Quality | None = None
    truth: dict[int, str] | None = None  # by a verdict's number
    importance: tuple[tuple[str, float], ...] = ()
    looks: tuple[Look, ...] = ()

    @property
    def bundle(self) -> Bundle:
        return self.judge.bundle

    def begin(self, verdict: Verdict) -> float:
        """Seconds from its capture's first packet to the flow's."""
        return (int(verdict.flow["first"]) - self.begins[verdict.capture]) / 1e9


def page_of(labelled: Labelled) -> Page:
    """The whole report."""
    judge, quality = labelled.judge, labelled.quality
    names = (", ".join(labelled.names) if len(labelled.names) <= 3 else
             f"{len(labelled.names):,} captures")
    page = Page(f"Labels of {names}",
                f"model {labelled.bundle.hash[:12]}, features of schema "
                f"{labelled.bundle.schema.version}")
    unknown = judge.counts[UNKNOWN] / max(1, judge.flows)
    cells = [("flows", f"{judge.flows:,}"), ("packets", f"{labelled.packets:,}"),
             ("labels", f"{len(set(judge.counts) - {UNKNOWN}):,}"), ("unknown", f"{unknown:.0%}")]
    if quality is not None:
        cells += [("right answers", f"{quality.accuracy:.1%}"),
                  ("macro F1", f"{quality.macro_f1:.3f}")]
    page.cells(cells)
    if labelled.warnings:
        page.note("Not everything could be read; the rest is in this report.",
                  labelled.warnings[:SHOWN_WARNINGS])
    _labels(page, judge)
    _timeline(page, labelled)
    if quality is not None:
        _quality(page, quality, len(labelled.truth or ()), judge.flows)
    if labelled.importance:
        page.heading("What the labels rest on")
        page.figure(charts.importance_plot(
            labelled.importance, "right answers" if quality else "answers that stay"),
            "Features by importance", "Of answers at a flow's end. Features that say the same "
            "stand in for each other, and both look small.")
    _looks(page, labelled)
    _flows(page, labelled)
    return page


def _labels(page: Page, judge: Judge) -> None:
    volume = max(1, sum(judge.volumes.values()))
    page.heading("Labels")
    page.table(
        [Column("label"), Column("flows", True), Column("bytes", True),
         Column("share of bytes", True), Column("what it is")],
        [[Cell(label, colour=colour_of(label)), Cell(f"{count:,}", count),
          Cell(size_text(judge.volumes[label]), judge.volumes[label]),
          Cell(f"{judge.volumes[label] / volume:.1%}", judge.volumes[label]),
          MEANINGS.get(label, "")]
         for label, count in judge.counts.most_common()])


def _timeline(page: Page, labelled: Labelled) -> None:
    largest = sorted(labelled.judge.verdicts, key=lambda verdict: -verdict.bytes)[:BARS]
    if not largest:
        return
    rows, seconds = [], 0.0
    for verdict in sorted(largest, key=labelled.begin):
        begin = labelled.begin(verdict)
        end = begin + (int(verdict.flow["last"]) - int(verdict.flow["first"])) / 1e9
        seconds = max(seconds, end)
        rows.append(Bar(flow_name(verdict.flow), begin, end, colour_of(verdict.label),
                        f"{verdict.label} {verdict.confidence:.2f}", short_name(verdict.flow)))
    there = {verdict.label for verdict in largest}
    page.heading("Flows over time, by label")
    page.figure(
        bars(rows, seconds, [(label, colour_of(label)) for label in MEANINGS if label in there]),
        "Flows over time, coloured by label",
        (f"The {len(rows)} largest of {labelled.judge.flows:,} flows."
         if len(rows) < labelled.judge.flows else "")
        + (" Times count from each capture's own beginning." if len(labelled.names) > 1 else ""))


def _quality(page: Page, quality: Quality, known: int, flows: int) -> None:
    page.heading("Against the truth")
    page.text(f"The truth is known of {known:,} of {count_text(flows, 'flow')}. A flow that was "
              "called unknown counts as not found.", soft=True)
    page.figure(charts.confusion_plot(quality), "Confusion matrix",
                "Flows; green is right, and the darker, the larger the share of the row.")
    page.table([Column("label"), Column("flows", True), Column("called so", True),
                Column("precision", True), Column("recall", True), Column("F1", True)],
               [[Cell(one.name, colour=colour_of(one.name)), Cell(f"{one.flows:,}", one.flows),
                 Cell(f"{one.said:,}", one.said), *(_rate(value) for value in (
                     one.precision, one.recall, one.f1))] for one in quality.classes])
    page.heading("How early", 3)
    page.figure(charts.stages_plot(quality), "Quality at each stage",
                "Of the flows that got so far; their number is below each stage.")
    page.heading("How sure", 3)
    page.figure(charts.reliability_plot(quality), "Calibration",
                "Above the dashed line answers are better than they claim, below it worse.")
    page.heading("Each label by itself", 3)
    page.figure(charts.curves_plot(quality.curves), "Precision and recall of each label")


def _rate(value: float) -> Cell:
    return Cell("", None) if np.isnan(value) else Cell(f"{value:.3f}", value)


def _looks(page: Page, labelled: Labelled) -> None:
    if not labelled.looks:
        return
    wrong = labelled.quality is not None
    page.heading("Flows that are wrong" if wrong else "Flows to look into")
    page.text(f"{len(labelled.looks)} of them, each with its packets, what was said of it when, "
              "and which features spoke for its label." if wrong else
              f"{len(labelled.looks)} that are unknown or unsure, each with its packets and what "
              "was said of it when.", soft=True)
    for look in labelled.looks:
        _look(page, labelled.bundle, look)


def _look(page: Page, bundle: Bundle, look: Look) -> None:
    verdict = look.verdict
    truth = "" if look.truth is None else f"{look.truth}, "
    page.open(f"{truth}called {verdict.label} ({verdict.confidence:.2f}): "
              f"{flow_name(verdict.flow)} in {verdict.capture}", f"flow-{verdict.number}")
    if len(look.time):
        page.figure(flow_plot(FlowPicture(look.time, look.size,
                                          session_of(look.time, look.size))),
                    f"Packets of flow {verdict.number}")
    page.table([Column("after"), Column("seconds", True), Column("label"),
                Column("confidence", True)],
               [[STAGE_NAMES[one.stage.name], Cell(f"{one.seconds:.3f}", one.seconds),
                 _label_cell(one), Cell(f"{one.confidence:.2f}", one.confidence)]
                for one in verdict.said])
    reasons = bundle.explain(Sampled.WHOLE, verdict.vector, REASONS)
    page.table([Column("feature"), Column("value", True),
                Column(f"speaks for {verdict.said[-1].best}", True)],
               [[name, Cell(f"{value:.4g}", value), Cell(f"{odds:+.2f}", odds)]
                for name, value, odds in reasons],
               f"Novelty {verdict.novelty:.2f}; above 1 it is unlike what was learnt. What speaks "
               "for a label is how far its log odds fall without the feature.")
    page.close()


def _label_cell(one: Said) -> Cell:
    text = one.label if one.label != UNKNOWN else f"{UNKNOWN} ({one.best}?)"
    return Cell(text, colour=colour_of(one.label))


def _flows(page: Page, labelled: Labelled) -> None:
    verdicts = sorted(labelled.judge.verdicts, key=lambda verdict: -verdict.bytes)
    shown = verdicts[:ROWS]
    looked = {look.verdict.number for look in labelled.looks}
    several = len(labelled.names) > 1
    columns = [Column("flow", True), Column("label"), Column("confidence", True),
               Column("known after", True), Column("by"), Column("protocol"), Column("from"),
               Column("to"), Column("packets", True), Column("bytes", True), Column("lasts", True)]
    columns += [Column("truth")] if labelled.truth is not None else []
    columns += [Column("capture")] if several else []
    left = labelled.judge.flows - len(shown)
    page.heading("Flows, largest first")
    page.table(columns, [_flow_row(verdict, labelled, several, verdict.number in looked)
                         for verdict in shown],
               f"{left:,} smaller flows are left out; --out writes them all." if left else "")


def _flow_row(verdict: Verdict, labelled: Labelled, several: bool, looked: bool
              ) -> list[Cell | str]:
    flow: Any = verdict.flow
    source, destination = flow_name(flow).split(" ", 1)[1].split(" → ")
    packets = int(flow["packets_up"]) + int(flow["packets_down"])
    lasts = (int(flow["last"]) - int(flow["first"])) / 1e9
    known = verdict.known
    row: list[Cell | str] = [
        Cell(str(verdict.number), verdict.number,
             anchor=f"flow-{verdict.number}" if looked else None),
        Cell(verdict.label, colour=colour_of(verdict.label)),
        Cell(f"{verdict.confidence:.2f}", verdict.confidence),
        Cell(duration_text(known.seconds), known.seconds), STAGE_NAMES[known.stage.name],
        protocol_of(flow), source, destination, Cell(f"{packets:,}", packets),
        Cell(size_text(verdict.bytes), verdict.bytes), Cell(duration_text(lasts), lasts)]
    if labelled.truth is not None:
        truth = labelled.truth.get(verdict.number, "")
        row.append(Cell(truth, colour=colour_of(truth) if truth else None))
    return row + ([verdict.capture] if several else [])


def interesting(verdict: Verdict, truth: str | None, has_truth: bool) -> bool:
    """Whether a person would look into it: wrong, or without a truth unknown or unsure."""
    if has_truth:
        return truth is not None and truth != verdict.label
    return len(verdict.said) > 2 and (verdict.label == UNKNOWN or verdict.confidence < 0.5)


def lines_of(verdicts: Sequence[Verdict], truth: dict[int, str] | None
             ) -> list[dict[str, Any]]:
    """One object a flow, for scripts."""
    result = []
    for verdict in verdicts:
        flow, known = verdict.flow, verdict.known
        source, destination = flow_name(flow).split(" ", 1)[1].split(" → ")
        line = {
            "flow": verdict.number, "capture": verdict.capture, "label": verdict.label,
            "confidence": round(verdict.confidence, 4), "known_after": round(known.seconds, 6),
            "known_by": known.stage.name.lower(), "novelty": round(verdict.novelty, 3),
            "protocol": protocol_of(flow), "source": source, "destination": destination,
            "first": int(flow["first"]), "last": int(flow["last"]),
            "packets": int(flow["packets_up"]) + int(flow["packets_down"]),
            "bytes": verdict.bytes}
        if truth is not None:
            line["truth"] = truth.get(verdict.number)
        result.append(line)
    return result
