"""What a report on execution modes answers, beyond its tables.

Two questions, in words: does it save bytes that the server knows that it generates (`semantic`),
and does that make answers faster; and over which link rate the second answer turns. Each is asked
against every mode whose server is blind to that. One pair of trials has no interval and answers
nothing. It also says which trials' bytes do not agree, and which columns tell where time and
resources go; what it draws is in `pictures`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from testbed.experiments.findings import Findings, Means
from testbed.experiments.picking import pairs_of
from testbed.experiments.report import Report
from testbed.experiments.results import Row
from testbed.experiments.scenario import Scenario
from testbed.experiments.statistics import Contrast, paired
from testbed.experiments.verdicts import Outcome, Verdict
from testbed.modes.columns import COLUMNS
from testbed.modes.counted import notes_of
from testbed.modes.growing import growing
from testbed.modes.panels import Panel, panels, varying
from testbed.modes.pictures import FACTOR, pictures
from testbed.modes.policies import Mode
from testbed.modes.turning import pairs_text, rates, sure, turning

SEMANTIC = str(Mode.SEMANTIC)
BLIND = (str(Mode.HANDLE), str(Mode.REMOTE_CACHE), str(Mode.NAIVE))
LEAST_BYTES, LEAST_TIME = 0.30, 0.15  # shares that have to be saved for a yes
LINK = ("link", "rate_mbps", "round_trip_ms", "bandwidth_mhz", "snr_db")  # settings
HEADINGS = {
    "client_ms": "client ms", "serialise_ms": "message ms", "wire_ms": "wire ms",
    "server_ms": "server ms", "compute_ms": "layers ms", "up_ms": "way up ms",
    "down_ms": "way down ms", "clock_error_ms": "clock error ms", "load_client_s": "client load s",
    "load_server_s": "server load s", "connect_ms": "connect ms", "cpu_client_s": "client CPU s",
    "cpu_server_s": "server CPU s", "peak_client_mib": "client MiB",
    "peak_server_mib": "server MiB", "gpu_percent": "GPU %", "gpu_mib": "GPU MiB"}
RESOURCES = Means(
    "Where time and resources go",
    tuple(one.name for one in COLUMNS if not one.main and one.unit in ("ms", "s", "MiB", "%")
          and one.name != "token_p95_ms"),  # that is how much it scatters, and no part
    HEADINGS, ("client_ms", "serialise_ms", "wire_ms", "server_ms", "connect_ms", "cpu_client_s",
               "cpu_server_s", "peak_client_mib", "peak_server_mib", "gpu_percent", "gpu_mib"))


def findings(report: Report, folder: Path) -> Findings:
    """All of it."""
    scenario, rows = report.scenario, [row for row in report.rows if row.done]
    if not rows:
        return Findings()
    said = [*answers(scenario, rows), *_growing(scenario, rows)] if (
        FACTOR in rows[0].levels) else []
    notes = [*notes_of(rows), *(_left_out(scenario, rows) if said else [])]
    return Findings(said, pictures(scenario, rows, folder), notes, [RESOURCES])


def _left_out(scenario: Scenario, rows: Sequence[Row]) -> list[str]:
    left_out = panels(scenario, rows, {FACTOR})[1]
    return [f"Answers and pictures are of the {left_out}; the tables have all of them."] if (
        left_out) else []


def _growing(scenario: Scenario, rows: Sequence[Row]) -> list[Verdict]:
    """By steps and by batch, within all else being equal."""
    found: dict[str, Verdict] = {}
    for settings in (("steps",), ("batch", "batching")):
        for panel in panels(scenario, rows, {FACTOR, *varying(scenario, *settings)})[0]:
            for one in growing(panel.rows, list(scenario.factors[FACTOR])):
                says = one.says + (f", at {panel.title}" if panel.title else "")
                found.setdefault(says, Verdict(says, one.outcome, one.why))
    return list(found.values())


def answers(scenario: Scenario, rows: Sequence[Row]) -> list[Verdict]:
    """Both questions, each against every blind mode there is."""
    there = {row.levels[FACTOR] for row in rows}
    blind = [mode for mode in BLIND if mode in there]
    if SEMANTIC not in there or not blind:
        return []
    said = []
    for mode in blind:
        # Bytes are the same over any link: its levels are so many more pairs.
        said += [_saves(scenario, panel, mode, "bytes_total", LEAST_BYTES, "bytes")
                 for panel in panels(scenario, rows, {FACTOR, *varying(scenario, *LINK)})[0]]
        said += [_saves(scenario, panel, mode, "answer_ms", LEAST_TIME, "time of an answer")
                 for panel in panels(scenario, rows, {FACTOR})[0]]
        if len(rates(rows)) > 1:
            said.append(_turning(scenario, rows, mode))
    return said


def _saves(scenario: Scenario, panel: Panel, base: str, column: str, least: float,
           what: str) -> Verdict:
    says = f"{SEMANTIC} saves at least {least:.0%} of the {what}, against {base}" + (
        f", at {panel.title}" if panel.title else "")
    return _verdict(says, _contrast(scenario, panel.rows, base, column), 1 - least)


def _contrast(scenario: Scenario, rows: Sequence[Row], base: str, column: str) -> Contrast | None:
    rest = [name for name in scenario.factors if name != FACTOR and rows and name in rows[0].levels]
    return paired(*pairs_of(rows, {FACTOR: base}, {FACTOR: SEMANTIC}, column, rest))


def _verdict(says: str, contrast: Contrast | None, bound: float) -> Verdict:
    if contrast is None or not contrast.ratio:
        return Verdict(says, Outcome.OPEN, "no pair of trials measured it")
    one = contrast.change
    if one.low is None:
        return Verdict(says, Outcome.ONE_PAIR,
                       f"{pairs_text(one)} has no interval; a yes is {bound:.2f} x or less")
    yes = sure(one, bound)
    outcome = Outcome.UNSURE if yes is None else Outcome.MEETS if yes else Outcome.MISSES
    return Verdict(says, outcome, f"{pairs_text(one)}, of {one.count} pairs; a yes is "
                   f"{bound:.2f} x or less")


def _turning(scenario: Scenario, rows: Sequence[Row], base: str) -> Verdict:
    says = (f"link rate over which {SEMANTIC} no longer saves {LEAST_TIME:.0%} of the time, "
            f"against {base}")
    by_rate = [(rate, [row for row in rows if row.settings.get("rate_mbps") == rate])
               for rate in rates(rows)]
    return turning(says, [(rate, _contrast(scenario, mine, base, "answer_ms"))
                          for rate, mine in by_rate], 1 - LEAST_TIME)
