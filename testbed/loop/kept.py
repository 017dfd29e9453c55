"""A run of the loop as its summary.json keeps it: the figures of a kept run, by the code of today.

    result = read(folder / "summary.json")

The inverse of `LoopResult.document`, but for the tokens, which are in a file of their own, and the
time of day. It measures nothing; a document of other code than this is refused, never guessed at.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from testbed.errors import TestbedFailure
from testbed.loop.chronicle import Event, What
from testbed.loop.labels import FlowLabels, LabelFigures
from testbed.loop.outcome import LoopResult, Quotas
from testbed.loop.settings import LoopSettings
from testbed.loop.slices import SliceFigures, SliceSample
from testbed.loop.story import PhaseFigures
from xapp.config_reading import build
from xapp.errors import XappError


def read(file: Path) -> LoopResult:
    """What that file keeps; TestbedFailure where it cannot be read."""
    try:
        return result_of(json.loads(file.read_text(encoding="utf-8")))
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
        events=[Event(one["at"], What(one["what"]), one["text"]) for one in document["story"]],
        missed_looks=document["missed_looks"])


def _labels(document: Mapping[str, Any]) -> LabelFigures:
    return LabelFigures(**{**document, "flows": tuple(
        FlowLabels(**one) for one in document["flows"])})


def _quotas(document: list[tuple[float, dict[str, Any]]]) -> Quotas:
    return [(at, shares) for at, shares in document]
