"""How often is an effect confirmed that is none? Acknowledged quotas, with and without effect.

    python -m tests.benchmarks.bench_effects --quick

An emulated base station in virtual time, steered by the xApp's own core: one that does what it
acknowledges, and one that acknowledges and does nothing. Kinds, numbers of UEs, loads, targets and
moments differ from scene to scene. Counted are scenes in which a decision's effect was confirmed,
and in which one was rolled back; a scene with neither leaves it open. Nothing here is timed, and
the same scenes end alike each time. It knows no real base station.
"""

from __future__ import annotations

import argparse
import itertools
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from testbed.ran.faults import Fault
from tests.benchmarks import report
from xapp.events import Code
from xapp.slice_policy import SlicePolicy

RECKONED, SLOTS = "reckoned", "slots"
LABEL_SECONDS, SLOT_LABELS = 30.0, 12
EVERY_SECONDS = 2.0  # a label, where it is given again and again


@dataclass(frozen=True)
class Case:
    """One scene."""

    cell: str
    profile: str
    ues: int
    target_ms: float  # between tokens
    after: float = 0.0  # seconds until the flow is recognised, in a reckoned cell
    up_kbps: float = 0.0  # of each of the crowd, in a cell of slots
    seed: int = 1
    works: bool = True


@dataclass(frozen=True)
class Outcome:
    confirmed: bool
    rolled_back: bool


def cases(quick: bool) -> Iterator[Case]:
    """All scenes, each with and without effect."""
    profiles = ("spec", "oai") if quick else ("spec", "srsran", "ocudu", "oai")
    for profile, ues, target, after in itertools.product(
            profiles, (2, 3), (60.0, 100.0) if quick else (40.0, 60.0, 100.0, 150.0), (0.1, 0.7)):
        yield from _both(Case(RECKONED, profile, ues, target, after=after))
    for profile, ues, up_kbps, target, seed in itertools.product(
            ("spec", "oai"), (2, 4), (60_000.0,) if quick else (25_000.0, 60_000.0, 120_000.0),
            (40.0,) if quick else (40.0, 80.0), (1,) if quick else (1, 2)):
        yield from _both(Case(SLOTS, profile, ues, target, up_kbps=up_kbps, seed=seed))


def _both(case: Case) -> Iterator[Case]:
    for works in (True, False):
        yield replace(case, works=works)


def run(case: Case) -> Outcome:
    """What the operator was told."""
    from tests.testbed.ran.steered import SteeredScene
    from tests.testbed.ran.steered_slots import SlotScene

    policy = SlicePolicy("llm", inter_token_ms=case.target_ms)
    scene = (SteeredScene(case.profile, ues=case.ues, policy=policy) if case.cell == RECKONED
             else SlotScene(case.profile, case.ues, case.up_kbps, policy, case.seed)).begin()
    if not case.works:
        scene.agent.faults.add(Fault.NO_EFFECT)
    if case.cell == RECKONED:
        scene.wait(case.after)
        scene.label()
        scene.wait(LABEL_SECONDS)
    else:
        for _ in range(SLOT_LABELS):
            scene.label()
            scene.wait(EVERY_SECONDS)
    codes = scene.codes()
    return Outcome(Code.CONFIRMED in codes, Code.ROLLED_BACK in codes)


def main() -> None:
    options = parse()
    chosen = list(cases(options.quick))
    found: list[Outcome] = []
    with ProcessPoolExecutor(options.jobs) as pool:
        for number, outcome in enumerate(pool.map(run, chosen), 1):
            found.append(outcome)
            if number % 8 == 0 or number == len(chosen):
                report.progress(f"{number} of {len(chosen)} scenes")
    rows = rows_of(chosen, found)
    report.print_table(
        "Acknowledged quotas: scenes in which an effect was", [
            "cell, base station", "does what it acks", "scenes", "confirmed", "rolled back",
            "left open"], [list(row.values()) for row in rows])
    report.finish("effects", {"quick": options.quick}, {
        "rows": rows,
        "confirmed_without_effect": sum(row["confirmed"] for row in rows if row["works"] == "no"),
        "rolled_back_with_effect": sum(row["rolled_back"] for row in rows
                                       if row["works"] == "yes")})


def rows_of(chosen: list[Case], found: list[Outcome]) -> list[dict[str, Any]]:
    """Counts by cell, kind, and whether it works."""
    counts: dict[tuple[str, str], Counter[str]] = {}
    for case, outcome in zip(chosen, found, strict=True):
        count = counts.setdefault((f"{case.cell}, {case.profile}",
                                   "yes" if case.works else "no"), Counter())
        count["scenes"] += 1
        count["confirmed"] += outcome.confirmed
        count["rolled_back"] += outcome.rolled_back
        count["left_open"] += not (outcome.confirmed or outcome.rolled_back)
    return [{"name": name, "works": works, "scenes": count["scenes"],
             "confirmed": count["confirmed"], "rolled_back": count["rolled_back"],
             "left_open": count["left_open"]}
            for (name, works), count in sorted(counts.items())]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n", maxsplit=1)[0], allow_abbrev=False)
    parser.add_argument("--quick", action="store_true", help="a quarter of the scenes")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N",
                        help="processes (default: one a processor)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
