"""A run of the loop as its summary.json keeps it: the figures of a kept run, by the code of today.

    result = read(folder)

It inverts `LoopResult.document`, and looks at the tokens again, which are in a file of their own:
where that is there, and the clock's time of the first phase is known, phases are computed anew. It
measures nothing; a document of other code than this is refused, never guessed at.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from testbed.errors import TestbedFailure
from testbed.loop.chronicle import Event, What
from testbed.loop.labels import FlowLabels, LabelFigures, of_flows
from testbed.loop.outcome import LoopResult, Quotas
from testbed.loop.settings import LoopSettings
from testbed.loop.slices import SliceFigures, SliceSample
from testbed.loop.story import PhaseFigures, heard, phase_figures
from xapp.config_reading import build
from xapp.errors import XappError

SUMMARY, TOKENS, CROWD = "summary.json", "tokens.jsonl", "crowd.jsonl"


def read(folder: Path) -> LoopResult:
    """What that folder keeps; TestbedFailure where it cannot be read."""
    file = folder / SUMMARY
    try:
        found = result_of(json.loads(file.read_text(encoding="utf-8")))
        return _with_tokens(found, folder)
    except OSError as error:
        problem = str(error.strerror or error)
    except KeyError as error:
        problem = f"it has no {error}"
    except (ValueError, TypeError, AttributeError, XappError, TestbedFailure) as error:
        problem = str(error)
    raise TestbedFailure(f"{file} is no document of a run that this code can read: {problem}.",
                         "Use the code that wrote it, or run the trial again.")


def result_of(document: Mapping[str, Any]) -> LoopResult:
    """Of what `LoopResult.document` made."""
    found, labels = document["verdict"], document["labels"]
    return LoopResult(
        build(LoopSettings, document["settings"], "settings"),
        [PhaseFigures(**one) for one in document["phases"]], [], document["decisions"],
        document["flow"], None if labels is None else _labels(labels),
        [SliceFigures(**one) for one in document["slices"]],
        [SliceSample(**one) for one in document["reports"]], _quotas(document["quotas"]),
        _quotas(document["cell_quotas"]), found["congestion_at"], found["congestion_end"],
        found["allowed_at"], found["put_away_at"], document["crowd"], document["cell"],
        clock_origin=document.get("clock_origin"),  # older ones have none
        events=[Event(one["at"], What(one["what"]), one["text"]) for one in document["story"]],
        missed_looks=document["missed_looks"])


def _with_tokens(result: LoopResult, folder: Path) -> LoopResult:
    """With phases by the tokens that are there; as they were kept where that cannot be."""
    origin = _clock_origin(result, folder)
    tokens, questions = heard(_lines(folder / TOKENS), origin or 0.0)
    if origin is None or not tokens:
        return result
    ends = result.settings.ends
    return replace(result, tokens=tokens, clock_origin=origin, phases=[
        phase_figures(one.name, tokens, begin, end, questions)
        for one, begin, end in zip(result.phases, (0.0, *ends[:-1]), ends, strict=True)])


def _clock_origin(result: LoopResult, folder: Path) -> float | None:
    """Of the first phase; older runs told when the crowd began, by that clock and by the run's."""
    began = next((one["started"] for one in _lines(folder / CROWD) if "started" in one), None)
    if result.clock_origin is not None or began is None or result.congestion_at is None:
        return result.clock_origin
    return float(began) - result.congestion_at


def _lines(file: Path) -> list[dict[str, Any]]:
    """All but a last one that nobody wrote to its end."""
    if not file.exists():
        return []
    whole = [line for line in file.read_text(encoding="utf-8").splitlines(True) if "\n" in line]
    return [json.loads(line) for line in whole]


def _labels(document: Mapping[str, Any]) -> LabelFigures:
    return of_flows([FlowLabels(**one) for one in document["flows"]],
                    document["others_labelled"], document["others_wrong"])


def _quotas(document: list[tuple[float, dict[str, Any]]]) -> Quotas:
    return [(at, shares) for at, shares in document]
