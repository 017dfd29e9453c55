"""A model's card and the tables of its figures, as Markdown that reads well in a terminal too.

It takes the plain numbers of `evaluate` and `judging` and knows no model.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from classifier.bundle import Bundle
from classifier.dataset import LEAST_PACKETS, Samples
from classifier.labels import CLASSES, LLM_SPLIT, MEANINGS
from classifier.train import Recipe
from pcap_tools.features import ROW

TRIED = """\
About 60 recipes were tried on parts of these captures, by capture, link, model and source,
  before this one was chosen; limits and the general recipe's levels were set by captures that are
  not judged, but for how sure of a split session one has to be, which is one number for all. So the
  figures flatter a little still."""
STAGES = {
    "PACKETS_5": "5 packets", "PACKETS_10": "10 packets", "PACKETS_20": "20 packets",
    "AFTER_100_MS": "0.1 s", "AFTER_1_S": "1 s", "AFTER_2_S": "2 s", "AFTER_10_S": "10 s",
    "WHOLE": "whole flow", "WINDOW_100_MS": "window of 0.1 s", "WINDOW_1_S": "window of 1 s",
    "WINDOW_10_S": "window of 10 s"}


def data_summary(samples: Samples, recipe: Recipe, seed: int, command: str) -> dict[str, Any]:
    """What was learnt from: counts of flows and captures, a hash of each capture's packets."""
    sources: dict[str, dict[str, dict[str, int]]] = {}
    names = samples.sources
    for source in np.unique(names):
        rows = names == source
        sources[str(source)] = {
            CLASSES[code]: {"flows": len(np.unique(samples.flows[rows & (samples.labels == code)])),
                            "captures": len(np.unique(
                                samples.captures[rows & (samples.labels == code)]))}
            for code in np.unique(samples.labels[rows])}
    return {"command": command, "seed": seed, "recipe": vars(recipe).copy(), "sources": sources,
            "captures": {f"{origin.source}/{origin.name}": origin.digest
                         for origin in samples.origins}}


def written(bundle: Bundle) -> str:
    """The card: what it is, what it learnt from, how good it is, where it is not to be trusted."""
    data, metrics = bundle.data, bundle.metrics
    parts = [
        "# A classifier of flows",
        "Labels flows by sizes, times and directions of their packets; it sees no address, port,"
        f" name or content. It may be asked from packet {LEAST_PACKETS} on, and may say `unknown`.",
        f"Trained by `{data['command']}`, evaluated without scikit-learn to within"
        f" {metrics.get('difference_from_scikit_learn', float('nan')):.0e} of its probabilities"
        " on every sample learnt from.",
        "## Classes", table(("label", "meaning"), [(name, MEANINGS[name]) for name in (
            *bundle.classes, "unknown")]),
        "## What it learnt from", learnt(data["sources"]), confounded(data["sources"]),
        "## How good it is",
        "Of flows as recorded; models that are judged here did not see what they are judged by."
        " In brackets what other captures like these would give, with 95 % confidence.",
        tables(metrics) or "Not measured.",
        "## Where not to trust it", LIMITS]
    return "\n\n".join(part for part in parts if part) + "\n"


LIMITS = f"""\
- A source that was not learnt from is another world: see the figures with one left out. The
  recipe `general` does better there and worse at home.
- At ten packets, what speaks TLS has shown little but its handshake, which is the same for all.
- The split sessions, and half of what resembles them, come from one program and emulated links.
  A session is also known by how its rows are framed: payloads that leave the same rest when they
  are divided by {ROW}. Another program's frames have to be learnt.
- Flows named after an application that never did what its class stands for (a film's service
  asked for 2 kB, a call of five packets) were neither learnt nor judged, nor was any flow of less
  than {LEAST_PACKETS} packets: of those `unknown` is said.
- Phone traces hold neither ports nor connections: all that one app sent until it fell silent
  counts as one flow, which joins what a tap would see apart.
- {TRIED}"""


def learnt(sources: Mapping[str, Mapping[str, Mapping[str, int]]]) -> str:
    """Flows and captures of each class by source."""
    names = list(sources)
    rows = []
    for label in CLASSES:
        cells = [sources[name].get(label) for name in names]
        rows.append((label, *(f"{cell['flows']} in {cell['captures']}" if cell else ""
                              for cell in cells)))
    return table(("flows in captures", *names), rows)


def confounded(sources: Mapping[str, Mapping[str, Any]]) -> str:
    """Classes that one source alone has: what is learnt of them may be the source."""
    alone = {label: [name for name in sources if label in sources[name]] for label in CLASSES}
    named = [f"`{label}` ({names[0]})" for label, names in alone.items() if len(names) == 1]
    return ("Confounded with their source, as only one has them: " + ", ".join(named) + "."
            if named else "No class comes from one source alone.")


def tables(metrics: Mapping[str, Any]) -> str:
    """Every table there are figures for."""
    parts = []
    if "three_ways" in metrics:
        three = metrics["three_ways"]
        parts += ["### Three ways to hold out", ways(three, metrics.get("by_source", {})),
                  handshakes(three["handshake"]),
                  "### Each class, by capture", per_class(three["by_capture"]),
                  "### At each stage, by capture", stages(three["by_capture"])]
    if metrics.get("by_source"):
        parts += ["### A whole source left out", sources(metrics["by_source"])]
    if "as_it_is" in metrics:
        parts += ["### At each stage", stages(metrics["as_it_is"]),
                  "### At each stage, where it does not say unknown",
                  stages(metrics["where_it_says"])]
    never = dict(metrics.get("split_sessions", {}))
    if "told" in metrics.get("three_ways", {}):
        never = {"captures": metrics["three_ways"]["told"]} | never
    if never:
        parts += [f"### `{LLM_SPLIT}` within two seconds", sessions(never), mistakes(never)]
    if "windows" in metrics:
        parts += ["### Single windows, by capture", stages(metrics["windows"])]
    if "open_set" in metrics:
        parts += ["### Classes that were left out, told from the known (AUROC at 2 s)",
                  table(("never learnt", "confidence", "distance", "both"), [
                      (name, *(f"{row[score]:.2f}" for score in ("confidence", "distance", "both")))
                      for name, row in metrics["open_set"].items()])]
    if "compared" in metrics:
        parts.append(comparison(metrics))
    return "\n\n".join(part for part in parts if part)


def ways(three: Mapping[str, Any], by_source: Mapping[str, Any]) -> str:
    """Accuracy and F1 at each stage, held out in three ways."""
    rows = []
    for stage, name in STAGES.items():
        if stage not in three["by_capture"]:
            continue
        left = by_source.get("stages", {}).get(stage, {}).get("shipped", {})
        rows.append((name, *(bracketed(three[way][stage][figure]) for way in (
            "random", "by_capture") for figure in ("accuracy", "macro_f1")),
            f"{np.mean([one['accuracy'][0] for one in left.values()]):.2f}" if left else ""))
    return table(("", "random: accuracy", "macro F1", "by capture: accuracy", "macro F1",
                  "source left out: accuracy"), rows)


def handshakes(figures: Mapping[str, Sequence[float]]) -> str:
    """What ten packets tell where they are a handshake, and elsewhere."""
    told = ", ".join(f"{name} {right:.2f} ({count:.0f} flows)"
                     for name, (count, right) in figures.items())
    return ("Accuracy at ten packets, by capture, of flows that begin like TLS and of others:"
            f" {told}.")


def sources(figures: Mapping[str, Any]) -> str:
    """Each source left out in turn: the shipped recipe, the general one, the plain baseline."""
    names = ("shipped", "general", "baseline")
    rows = []
    for stage, means in figures["means"].items():
        found = figures["stages"][stage]
        for source in found["baseline"]:
            rows.append((f"{source}, {STAGES[stage]}",
                         *(bracketed(found[name][source]["accuracy"]) for name in names),
                         *(f"{found[name][source]['macro_f1'][0]:.2f}" for name in names)))
        rows.append((f"mean, {STAGES[stage]}", *(bracketed(means[name]) for name in names), "", "",
                     ""))
        rows.append(("times the baseline", *(bracketed(means[f"{name} by baseline"])
                                             for name in names[:2]), "1", "", "", ""))
    levels = ", ".join(f"{source} {recipe['depth']}" for source, recipe in
                       figures["chosen"].items())
    return table(("source left out", *(f"{name}: accuracy" for name in names),
                  *(f"{name}: F1" for name in names)), rows) + (
        f"\n\nLevels of the general recipe's trees, chosen by the other sources: {levels}.")


def stages(figures: Mapping[str, Any]) -> str:
    """Accuracy, F1, calibration and what is called unknown at each stage."""
    return table(("", "flows", "accuracy", "macro F1", "calibration error", "unknown"), [
        (name, str(figures[stage]["samples"]), bracketed(figures[stage]["accuracy"]),
         bracketed(figures[stage]["macro_f1"]), f"{figures[stage]['calibration_error']:.2f}",
         f"{figures[stage]['unknown']:.2f}")
        for stage, name in STAGES.items() if stage in figures])


def per_class(figures: Mapping[str, Any]) -> str:
    """F1 of each class at each stage."""
    names = [stage for stage in STAGES if stage in figures]
    rows = [(label, *(f"{figures[stage]['classes'][label]['f1']:.2f}"
                      if label in figures[stage]["classes"] else "" for stage in names))
            for label in CLASSES]
    return table(("F1", *(STAGES[stage] for stage in names)), rows)


def sessions(figures: Mapping[str, Any]) -> str:
    """Recall and precision of split sessions with what was never seen."""
    return table(("never seen", "sessions", "other flows", "recall", "precision", "too late"), [
        (name, str(row["flows"]), str(row["others"]), bracketed(row["recall"], 3),
         bracketed(row["precision"], 3), str(row["late"])) for name, row in figures.items()]) + (
        f"\n\nToo late: sessions of which {LEAST_PACKETS} packets had not come after two seconds;"
        " they count neither way. What is not sure enough is `unknown`, and counts as missed.")


def mistakes(figures: Mapping[str, Any]) -> str:
    """What was wrong of captures never seen, with models and links that were."""
    wrong = figures.get("captures", {}).get("mistakes", [])
    if not wrong:
        return ""
    rows = [(one["truth"], one["capture"], one["link"], STAGES[one["stage"]], f"{one['split']:.2f}")
            for one in sorted(wrong, key=lambda one: one["truth"] != LLM_SPLIT)]
    return ("Missed sessions, and what was taken for one (captures never seen):\n\n"
            + table(("truth", "capture", "link", "last asked", "confidence"), rows))


def comparison(figures: Mapping[str, Any]) -> str:
    """The rivals in one table."""
    rows = []
    for name, row in figures["compared"].items():
        ten, early, split = row["PACKETS_10"], row["AFTER_2_S"], row["llm_split"]
        rows.append((name, bracketed(ten["accuracy"]), bracketed(ten["macro_f1"]),
                     _plain(ten["left_out_sources"]), bracketed(early["macro_f1"]),
                     _plain(early["left_out_sources"]), f"{ten['calibration_error']:.2f}",
                     f"{split['recall'][0]:.3f}/{split['precision'][0]:.3f}"))
    return table(("", "10 packets: accuracy", "macro F1", "source left out", "2 s: macro F1",
                  "source left out", "calibration error", f"{LLM_SPLIT} recall/precision"), rows)


def bracketed(figure: Sequence[float], digits: int = 2) -> str:
    """A figure and its interval."""
    value, low, high = figure
    return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Markdown whose columns line up as text too."""
    lines = [tuple(heads), *(tuple(row) for row in rows)]
    widths = [max(3, *(len(line[column]) for line in lines)) for column in range(len(heads))]
    shown = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
             + " |" for line in lines]
    return "\n".join([shown[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|",
                      *shown[1:]])


def _plain(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
