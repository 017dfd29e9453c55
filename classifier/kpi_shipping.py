"""Makes the KPI bundle: trains, judges on what was not seen, calibrates, and writes the card.

It reads no logs and prints nothing: traces come in, a bundle goes out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from classifier.bundle import Bundle, Decision
from classifier.export import flatten
from classifier.kpi import CLASSES
from classifier.kpi_command import PARTS
from classifier.kpi_data import Trace, describe
from classifier.kpi_evaluation import (
    PUBLISHED,
    after_changes,
    boosted,
    calibration,
    counted,
    held_out,
    linear,
    majority,
    report,
    shuffled,
    transferred,
    worst,
)
from classifier.kpi_features import COLUMNS, QUIET_WINDOW, SCHEMA
from classifier.kpi_training import (
    REPORTED,
    Examples,
    Training,
    examples,
    fit,
    only_columns,
    training_set,
)
from classifier.model import Model

CHANGES = 3000  # rows after changes that are judged in each trial
Told = Callable[[str], None]


def judge(
    traces: Sequence[Trace], known: Examples, training: Training,
    parts: Sequence[str] = PARTS, told: Told = lambda _: None,
) -> dict[str, Any]:
    """The named parts of the evaluation; see the docstrings of `kpi_evaluation`."""
    found: dict[str, Any] = {"published": PUBLISHED}
    trials = [trace.trial for trace in traces]
    learn = boosted(training)
    if "trials" in parts:
        views = [known, *(_reduced(traces, known, columns) for columns in REPORTED[1:])]
        result = held_out(traces, known, trials, learn, views, CHANGES, _named("trial", told))
        found["unseen_trial"] = report(known, result.shares[0], trials)
        found["worst_logs"] = worst(traces, known, result.shares[0])
        found["scale"] = calibration(known, result.shares[0])
        found["after_changes"] = after_changes(result.changes)
        found["reported"] = {
            ", ".join(COLUMNS[column] for column in columns): _active_only(
                report(view, shares, trials)) for columns, view, shares in zip(
                REPORTED[1:], views[1:], result.shares[1:], strict=True)}
    if "collections" in parts:
        groups = [trace.collection for trace in traces]
        result = held_out(traces, known, groups, learn, told=_named("recording", told))
        found["unseen_recording"] = report(known, result.shares[0], groups)
    if "windows" in parts:
        short = replace(training, longest=QUIET_WINDOW, changes=0.0)
        result = held_out(traces, known, trials, boosted(short), told=_named("4 s", told))
        found["unseen_trial_4s_windows"] = report(known, result.shares[0], trials)
    if "baselines" in parts:
        for name, fitted in (("linear", linear(training)), ("majority", majority)):
            result = held_out(traces, known, trials, fitted, told=_named(name, told))
            found[f"unseen_trial_{name}"] = report(known, result.shares[0], trials)
    if "transfer" in parts:
        told("single UE to several")
        found["single_to_multi"] = transferred(traces, known, lambda trial: "multi" in trial, learn)
    if "shuffled" in parts:
        told("windows shuffled")
        found["windows_shuffled"] = shuffled(traces, known, learn, training.seed)
    return found


def make(
    traces: Sequence[Trace], training: Training, results: Mapping[str, Any], command: str,
    known: Examples | None = None,
) -> Bundle:
    """A bundle learnt from all `traces`; `results` (of `judge`) calibrate it and fill its card."""
    known = examples(traces) if known is None else known
    trees = flatten(fit(traces, known, training))
    data = {
        "command": command, "training": asdict(training), "traces": fingerprint(traces),
        "rows": describe(traces), "active": int(counted(known).sum()),
        "learnt": len(training_set(traces, known, training))}
    decision = Decision("trees", float(results.get("scale", 1.0)))
    return Bundle(SCHEMA, CLASSES, {"trees": Model(trees)}, {"": decision},
                  dict(results), data, card(results, data))


def fingerprint(traces: Sequence[Trace]) -> str:
    """A hash of the rows and labels: whether two models learnt from the same."""
    digest = hashlib.sha256()
    for trace in traces:
        digest.update(f"{trace.trial}/{trace.name}/{trace.label}/{trace.rows.shape}\n".encode())
        digest.update(np.ascontiguousarray(trace.rows, dtype="<f4").tobytes())
    return digest.hexdigest()


def card(results: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    """For people: what the model is for, how good it is, and what it cannot."""
    lines = [
        "# What a UE does, from its gNB's counters alone", "",
        "Labels `embb`, `mmtc` and `urllc` every 250 ms from rates, blocks, buffers, PRBs and MCS",
        "of one UE; `idle` is a rule (nothing of the user's in 4 s), not learnt. Trained on the",
        "TRACTOR logs (Groen et al., MIT licence): recorded phone traffic, replayed over an",
        f"srsRAN cell; {data['active']} active rows. Boosted trees, no code.", "",
        "## Quality on what was not seen", "",
        "| held out | active rows | idle counted as a class | macro F1 |", "|---|---|---|---|"]
    for key, name in (("unseen_trial", "a trial of the cell"),
                      ("unseen_recording", "a recording of packets"),
                      ("single_to_multi", "cells with 4 to 10 UEs, learnt from cells with one")):
        if results.get(key):
            lines.append(_line(name, results[key]))
    lines += ["", "In brackets 95 % intervals over the held out groups. Published on these data:",
              "99 % with shuffled windows, 92 % online on some slices, idle being a class.", "",
              "## Limits", "",
              "- Light traffic says little: below 100 kB in 4 s a film that buffers, a call on",
              "  hold and a device's own chatter look alike.",
              "- Kinds of traffic that were recorded once (music, uploads, augmented reality) are",
              "  not recognised when that recording is held out.",
              "- A trace has one label throughout, also where its application did something else.",
              "- All cells were srsRAN's at 3 or 10 MHz, on emulated channels of one city.",
              "- A language model cut in two is none of the three classes.", ""]
    return "\n".join(lines)


def _line(name: str, result: Mapping[str, Any]) -> str:
    def share(key: str, interval: str) -> str:
        low, high = result[interval]
        return f"{result[key]:.3f} ({low:.3f} to {high:.3f})"
    return (f"| {name} | {share('accuracy', 'interval')} "
            f"| {share('accuracy_counting_idle', 'interval_counting_idle')} "
            f"| {result['macro_f1']:.3f} |")


def _active_only(result: dict[str, Any]) -> dict[str, Any]:
    """Without the figures that need silent rows, of which there were none."""
    return {key: value for key, value in result.items() if "idle" not in key}


def _reduced(traces: Sequence[Trace], known: Examples, columns: Sequence[int]) -> Examples:
    """The active examples as a gNB gives them that reports only `columns`."""
    active = counted(known)
    less = examples(only_columns(traces, columns)).only(active)
    return replace(less, quiet=known.quiet[active])


def _named(name: str, told: Told) -> Told:
    return lambda text: told(f"{name} {text}")
