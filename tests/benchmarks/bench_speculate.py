"""Tokens a round trip, and tokens a second, with guesses on the phone beside none.

The bundled model is split at its first layer; an edge of its own process answers through a proxy in
this process that holds each byte back for half of the round trip (delay alone: no rate, no radio).
Openings of stories are asked in turn by every drafter, in rounds, so that all meet the same
neighbours on the machine. `wrong` takes the exit head's time and then guesses what is never true:
the worst that guessing can cost. `--draft-model DIR` adds a small model with the same tokenizer
(`python -m tests.benchmarks.draft_model` writes one). Verdicts are of the worst link.
Answers are compared token for token with those of the plain loop in the same encoding; bytes are
counted on the phone's socket, rows of guesses included.

    python -m tests.benchmarks.bench_speculate --quick
    python -m tests.benchmarks.bench_speculate --quick --encoding raw --encoding int8
    python -m tests.benchmarks.bench_speculate --temperature 0.8
    python -m tests.benchmarks.bench_speculate --quick --draft-model DIR
    python -m tests.benchmarks.bench_speculate --stories FOLDER    openings of held-out stories

FOLDER holds `valid.txt.gz`: UTF-8 text, one paragraph a line, a blank line between stories.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_server.encodings.registry import NAMES, RAW
from edge_server.engine.load import EngineOptions
from edge_server.errors import EdgeError
from edge_server.messages import Sampling
from testbed.cli import BUNDLED_MODEL
from testbed.pair import edge_process
from tests.benchmarks import report, stories
from tests.benchmarks.delay import Delay
from tests.benchmarks.wrong_drafts import WRONG, Wrong, wrong_drafter
from ue_app.drafts.registry import DraftConfig
from ue_app.errors import PhoneError
from ue_app.generate import Answer
from ue_app.measure import cost_of
from ue_app.phone import Phone, PhoneConfig, open_phone
from ue_app.wire import LinkConfig

LINKS = (10, 20, 40, 100)  # ms, there and back
PLAIN, MODEL = "plain", "model"
DRAFTERS = ("lookup", "exit", "auto")
JUDGED = ("exit", "auto")  # by tokens a round trip; lookup needs a text that repeats itself
LEAST_PER_TRIP, MOST_SLOWDOWN = 1.8, 1.05
OPENINGS = (
    "Once upon a time there was an old king who", "The fisherman went down to the sea, and",
    "In a small house by the forest lived a widow with", "\"Who are you?\" said the wolf.",
    "The ship had been at sea for many days when", "Tell me a story about a princess.",
    "There was once a poor miller who had", "It was a cold night, and the children")
WORDS_OF_OPENING = 24


@dataclass
class Peer:
    """A phone with one drafter, and what its answers came to."""

    phone: Phone
    answers: list[Answer]
    wrong: Wrong | None = None


def main() -> None:
    options = arguments()
    rows: list[dict[str, Any]] = []
    openings = openings_of(options)
    with edge_process(["--model", str(BUNDLED_MODEL), "--threads", "1",
                       "--sessions", "64"]) as url:
        for milliseconds in options.links:
            for encoding in options.encoding:
                rows += run_link(int(url.rsplit(":", 1)[1]), milliseconds, encoding, openings,
                                 options)
    show(rows, openings, options)
    report.finish("speculate", vars(options), {"rows": rows, **verdicts(rows)})


def show(rows: Sequence[dict[str, Any]], openings: Sequence[str], options: argparse.Namespace
         ) -> None:
    report.print_table(
        f"{len(openings)} openings, {options.tokens} tokens, temperature {options.temperature}",
        ["round trip ms", "rows in", "drafter", "tokens a round trip", "tokens/s", "times plain",
         "guessed", "true", "ms a guess", "B up a token", "same"],
        [[row[name] for name in ("round_trip_ms", "encoding", "drafter", "per_trip",
                                 "tokens_per_second", "times_plain", "drafted", "accepted",
                                 "drafting_ms", "bytes_up", "same")] for row in rows])
    for name, reason in dict.fromkeys((row["drafter"], row["reason"]) for row in rows):
        if reason:
            print(f"  {name}: not measured: {reason}")


def verdicts(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Targets, each with its worst figure; what was not measured meets none."""
    fewest = worst([row["per_trip"] for row in rows if row["drafter"] in JUDGED], min)
    slowest = worst([report.ratio(1.0, row["times_plain"]) for row in rows
                     if row["drafter"] == WRONG], max)
    same = all(row["same"] is True for row in rows)
    for text, value, met in (
            (f"tokens a round trip over the worst link, at least {LEAST_PER_TRIP}", fewest,
             fewest is not None and fewest >= LEAST_PER_TRIP),
            (f"slower where every guess fails, over the worst link, at most {MOST_SLOWDOWN} x",
             slowest, slowest is not None and slowest <= MOST_SLOWDOWN),
            ("answers are the plain loop's, token for token", None, same)):
        print(f"  {text}: {'' if value is None else f'{value:.3f}, '}{'met' if met else 'MISSED'}")
    return {"worst_per_trip": fewest, "worst_slowdown": slowest, "same": same}


def worst(values: Sequence[float | None], of: Callable[[Sequence[float]], float]) -> float | None:
    """Of all; None where one is missing, for that might have been it."""
    known = [value for value in values if value is not None]
    return of(known) if known and len(known) == len(values) else None


def run_link(port: int, milliseconds: float, encoding: str, openings: Sequence[str],
             options: argparse.Namespace) -> list[dict[str, Any]]:
    """All drafters over one link, opening by opening in turn."""
    delay = Delay(port, milliseconds / 2e3)
    peers: dict[str, Peer] = {}
    reasons: dict[str, str] = {}
    names = (PLAIN, *DRAFTERS, *([MODEL] if options.draft_model else []), WRONG)
    try:
        for name in names:
            try:
                peers[name] = open_peer(delay.port, name, encoding, options.draft_model)
            except (EdgeError, PhoneError) as error:
                reasons[name] = str(error)
        for opening in openings:
            for peer in peers.values():
                peer.answers.append(ask(peer.phone, opening, options))
        return [row_of(name, milliseconds, peers, reasons) | {"encoding": encoding}
                for name in names]
    finally:
        for peer in peers.values():
            with suppress(EdgeError, PhoneError):
                peer.phone.link.close()
        delay.close()


def open_peer(port: int, name: str, encoding: str, draft_model: Path | None) -> Peer:
    drafts = None if name == PLAIN else DraftConfig(
        name, folder=draft_model if name == MODEL else None)
    with wrong_drafter() as opened:
        phone = open_phone(PhoneConfig(
            (BUNDLED_MODEL,), LinkConfig(f"http://127.0.0.1:{port}"), EngineOptions(threads=1),
            split=1, drafts=drafts, encoding=encoding))
    return Peer(phone, [], opened[0] if opened else None)


def ask(phone: Phone, opening: str, options: argparse.Namespace) -> Answer:
    ids = phone.prompter.encode_raw(opening)
    sampling = Sampling(temperature=options.temperature, seed=7)
    for _ in phone.conversation.ask(ids, sampling, phone.prompter.stream(), options.tokens):
        pass  # nothing is shown
    answer = phone.conversation.answer
    assert answer is not None  # it was asked
    return answer


def row_of(name: str, milliseconds: float, peers: dict[str, Peer], reasons: dict[str, str]
           ) -> dict[str, Any]:
    row: dict[str, Any] = {"round_trip_ms": milliseconds, "drafter": name, "per_trip": None,
                           "tokens_per_second": None, "times_plain": None, "same": None,
                           "bytes_up": None, "drafted": None, "accepted": None,
                           "drafting_ms": None, "reason": reasons.get(name)}
    peer = peers.get(name)
    if peer is None:
        return row
    plain = peers[PLAIN].answers
    trips = sum(one.trips for one in peer.answers)
    rates = [rate(one) for one in peer.answers]
    ratios = [mine / theirs for mine, one in zip(rates, plain, strict=True)
              if mine is not None and (theirs := rate(one)) is not None]
    return row | {
        "per_trip": sum(len(one.ids) - 1 for one in peer.answers) / trips if trips else None,
        "tokens_per_second": report.middle(rates),
        "times_plain": statistics.median(ratios) if ratios else None,
        "drafted": sum(cost_of(one).drafted for one in peer.answers),
        "accepted": sum(cost_of(one).accepted for one in peer.answers),
        "drafting_ms": peer.wrong.milliseconds if peer.wrong is not None else None,
        "bytes_up": report.middle([cost_of(one).bytes_up_per_token for one in peer.answers]),
        "same": all(one.ids == other.ids for one, other in zip(peer.answers, plain, strict=True))}


def rate(answer: Answer) -> float | None:
    """Tokens a second after the first."""
    if len(answer.times) < 3 or answer.times[-1] <= answer.times[0]:
        return None
    return (len(answer.times) - 1) / (answer.times[-1] - answer.times[0])


def openings_of(options: argparse.Namespace) -> list[str]:
    if options.stories is None:
        return list(OPENINGS[: options.openings])
    return [" ".join(one.split()[:WORDS_OF_OPENING]) for one in stories.read(options.stories)
            if len(one.split()) > 2 * WORDS_OF_OPENING][: options.openings]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two links, few openings")
    parser.add_argument("--tokens", type=int, help="of an answer (default 80; 40)")
    parser.add_argument("--openings", type=int, help="asked of each drafter (default 8; 3)")
    parser.add_argument("--temperature", type=float, default=0.0, help="default 0: greedy")
    parser.add_argument("--encoding", action="append", metavar="NAME", choices=NAMES,
                        help=f"of the rows, one of {', '.join(NAMES)}; repeat it to see several "
                             "(default: raw)")
    parser.add_argument("--draft-model", type=Path, metavar="DIR",
                        help="a small model with the bundled one's tokenizer, as a drafter more")
    stories.add_option(parser, "the built-in openings")
    options = parser.parse_args()
    options.encoding = options.encoding or [RAW]
    options.links = (20, 40) if options.quick else LINKS
    options.tokens = options.tokens or (40 if options.quick else 80)
    options.openings = options.openings or (3 if options.quick else 8)
    options.started = time.strftime("%Y-%m-%dT%H:%M:%S")
    return options


if __name__ == "__main__":
    main()
