"""What each encoding costs in quality on one model, as measured: a small file beside the model.

`encodings.json` lies in the model's folder, or in the user's cache where that cannot be written; it
names the model by its identity, so that a table never speaks of another. It measures nothing:
`encoding_quality` does.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edge_server.encodings.registry import NAMES, RAW
from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.identity import cache_folder, identity_of
from edge_server.errors import ConfigurationError

TABLE_NAME = "encodings.json"
FORMAT = 1
MAX_BYTES = 1 << 20  # of a table; one has some kilobytes
MEASURE = "Measure it: airsplit encodings measure --model DIR."


@dataclass(frozen=True)
class Quality:
    """What was measured for one encoding at one split."""

    row_bytes: float  # payload of a row sent alone
    error: float  # of the rows, relative
    divergence: float  # mean Kullback-Leibler divergence to raw rows, nats a token
    perplexity: float
    increase: float  # of perplexity over raw rows, percent
    margin: float  # half of the 95 % interval of `increase`, percent points

    @property
    def at_worst(self) -> float:
        """What `increase` may be, percent."""
        return self.increase + self.margin


@dataclass(frozen=True)
class Parting:
    """Where greedy answers left those that raw rows give."""

    parted: int  # answers that did somewhere
    at: float  # token where the middle answer did; one that never does goes to its end


@dataclass(frozen=True)
class Greedy:
    """Greedy answers, by layers before the split, then by encoding."""

    answers: int  # of each encoding
    tokens: int  # of an answer
    splits: Mapping[int, Mapping[str, Parting]]


@dataclass(frozen=True)
class Table:
    """The figures of one model: by layers before the split, then by encoding."""

    identity: str
    precision: str  # that the model ran in
    text: str  # what was read
    tokens: int  # scored
    splits: Mapping[int, Mapping[str, Quality]]
    greedy: Greedy | None = None  # None: no answers were compared

    def at(self, split: int) -> dict[str, Quality]:
        """Every encoding's figures at `split`; where it was not measured, its worst of any."""
        if split in self.splits:
            return dict(self.splits[split])
        every = list(self.splits.values())
        names = set.intersection(*(set(figures) for figures in every)) if every else set()
        return {name: max((figures[name] for figures in every), key=lambda one: one.at_worst)
                for name in names}


def table_file(checkpoint: Checkpoint) -> Path:
    """Where a table that was just measured goes, if the model's folder takes none."""
    return cache_folder() / "encodings" / f"{identity_of(checkpoint)}.json"


def save(table: Table, file: Path) -> None:
    """Write `table`, whole or not at all; raises `OSError`."""
    document = {"format": FORMAT, **asdict(table)}
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(file.name + ".partial")
    partial.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    partial.replace(file)


def load(file: Path) -> Table:
    """The table in `file`; raises `ConfigurationError` for what is none."""
    try:
        if file.stat().st_size > MAX_BYTES:
            raise ValueError("it is too large")
        document = json.loads(file.read_text(encoding="utf-8"))
        if document["format"] != FORMAT:
            raise ValueError(f"its format is {document['format']!r}, not {FORMAT}")
        return Table(
            str(document["identity"]), str(document["precision"]), str(document["text"]),
            int(document["tokens"]),
            {int(split): {str(name): _quality(name, figures) for name, figures in named.items()}
             for split, named in document["splits"].items()}, _greedy(document.get("greedy")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ConfigurationError(f"{file} is no table of encodings: {error}.", MEASURE) from error


def find(checkpoint: Checkpoint, folders: Sequence[Path]) -> Table:
    """The table of this model, from one of its folders or the cache."""
    identity = identity_of(checkpoint)
    # A measurement of one's own goes before what came with the model.
    for file in (table_file(checkpoint), *(folder / TABLE_NAME for folder in folders)):
        if file.is_file():
            table = load(file)
            if table.identity == identity:
                return table
    raise ConfigurationError(
        "Nobody has measured what encodings cost on this model in quality, so none can be chosen "
        "by it.", f"{MEASURE[:-1]}, or name one with --encoding.")


def _quality(name: str, figures: Any) -> Quality:
    quality = Quality(**{field: float(value) for field, value in figures.items()})
    good = name.partition(":")[0] in NAMES and all(map(math.isfinite, vars(quality).values()))
    if not good or (name == RAW and quality.increase != 0):
        raise ValueError(f"the figures of {name} are none")
    return quality


def _greedy(document: Any) -> Greedy | None:
    """What a table says of answers; those from before answers were compared say nothing."""
    if document is None:
        return None
    answers, tokens = int(document["answers"]), int(document["tokens"])
    found = {int(split): {str(name): Parting(int(one["parted"]), float(one["at"]))
                          for name, one in named.items()}
             for split, named in document["splits"].items()}
    every = [one for named in found.values() for one in named.values()]
    if not all(0 <= one.parted <= answers and 0 <= one.at <= tokens for one in every):
        raise ValueError("answers cannot part there")
    return Greedy(answers, tokens, found)
