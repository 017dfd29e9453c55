"""What a person may choose for the link with the model at hand, and why not the rest.

Drafters and encodings with a few words each. It looks at files, loads no weights and asks no edge.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge_server.encodings.registry import ENTRIES
from edge_server.engine.checkpoint import Checkpoint
from edge_server.errors import EdgeError
from ue_app.drafts.registry import AUTO as BOTH
from ue_app.drafts.registry import OFF, check_exit
from ue_app.encoding import AUTO
from ue_app.encoding_table import find


@dataclass(frozen=True)
class Offer:
    """Something to choose; with a problem it is not to be had."""

    name: str  # as the settings have it
    label: str
    words: str
    problem: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class Offers:
    """All that may be chosen."""

    guesses: tuple[Offer, ...]
    encodings: tuple[Offer, ...]


def offers_of(models: tuple[Path, ...], checkpoint: Checkpoint) -> Offers:
    """What the model in these folders allows."""
    exit_problem = _problem(lambda: check_exit(models, checkpoint))
    auto_problem = _problem(lambda: find(checkpoint, models))
    return Offers(
        (Offer(OFF, "Off", "one token a round trip"),
         Offer("lookup", "Prompt lookup", "what the conversation repeats"),
         Offer("exit", "Exit head", "layers that were trained to guess", *exit_problem),
         Offer(BOTH, "Both", "repetitions, else the exit head", *exit_problem)),
        (*(Offer(entry.name, entry.name, entry.summary) for entry in ENTRIES),
         Offer(AUTO, AUTO, "by the link's rate, within a loss of quality", *auto_problem)))


def _problem(check: Callable[[], object]) -> tuple[str, str]:
    try:
        check()
    except EdgeError as error:
        return error.problem, error.remedy
    return "", ""


def missing(offers: tuple[Offer, ...]) -> dict[tuple[str, str], list[str]]:
    """What is not to be had, by the reason."""
    found: dict[tuple[str, str], list[str]] = {}
    for offer in offers:
        if offer.problem:
            found.setdefault((offer.problem, offer.remedy), []).append(offer.label)
    return found
