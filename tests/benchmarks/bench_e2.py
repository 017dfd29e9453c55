"""E2 messages in and out: our codec beside pycrate and asn1tools, in one run.

Prints microseconds of a decode and an encode (medians of calls, and of rounds), and how much faster
ours is than the better of the others. All decode the same bytes, and what they encode must be the
same bytes again. pycrate ships E2AP; what both need of KPM and RC is compiled from e2_types.asn.
Neither is needed otherwise: name an interpreter that has them with --peers-python.

In a report, a base station repeats its list of names for each UE, which ours makes use of; in the
message with other names for each UE it cannot.

    python -m tests.benchmarks.bench_e2 --quick
    python -m tests.benchmarks.bench_e2 --peers-python /path/to/python --check
"""

from __future__ import annotations

import argparse
import functools
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.benchmarks import report
from tests.benchmarks.report import Figures, Measured

WORKER = Path(__file__).with_name("e2_codecs.py")
OURS, PEERS = "airsplit", ("pycrate", "asn1tools")
TARGET = "indication of 32 UEs"
LEAST_FACTOR = 3.0


def messages() -> dict[str, dict[str, str]]:
    """What is measured: the bytes of each message, and which kind it is."""
    from tests.xapp.e2.e2ap_examples import DU, F1, REQUEST
    from tests.xapp.e2.examples import (
        KPM_DEFINITION,
        METRICS,
        RC_DEFINITION,
        TWO_SLICES,
        reports,
    )
    from xapp.e2 import e2ap
    from xapp.e2.common import Snssai
    from xapp.e2.e2ap_messages import E2SetupRequest, SubscriptionDetails, SubscriptionRequest
    from xapp.e2.e2ap_types import Action, RanFunction
    from xapp.e2.kpm import KPM_V3, Report, UeReport, UeReports
    from xapp.e2.kpm_requests import slice_subscriptions
    from xapp.e2.measurements import Measurement
    from xapp.e2.profiles import SPEC
    from xapp.e2.rc_function import RC_FUNCTION

    setup = E2SetupRequest(1, DU, (
        RanFunction(2, KPM_V3.function.encode(KPM_DEFINITION), 1, KPM_DEFINITION.name.oid),
        RanFunction(3, RC_FUNCTION.encode(RC_DEFINITION), 1, RC_DEFINITION.name.oid)), (F1,))
    (asked,) = slice_subscriptions(SPEC, METRICS, 1000, [Snssai(1)])
    subscription = SubscriptionRequest(REQUEST, 2, SubscriptionDetails(
        asked.trigger, (Action(0, definition=asked.actions[0]),)))
    unlike = UeReports(tuple(
        UeReport(one.ue, Report(one.report.data, tuple(
            Measurement(f"{name}.{number}") for name in METRICS), 1000))
        for number, one in enumerate(reports(32).ues)))
    encode = KPM_V3.message.encode
    found = {
        "E2 setup": ("e2ap", e2ap.encode(setup)),
        "subscription": ("e2ap", e2ap.encode(subscription)),
        "indication of 4 UEs": ("indication", encode(reports(4))),
        TARGET: ("indication", encode(reports(32))),
        "the same, other names for each UE": ("indication", encode(unlike)),
        "control of two slices, header": ("header", TWO_SLICES.header),
        "control of two slices, message": ("control", TWO_SLICES.message)}
    return {name: {"kind": kind, "data": data.hex()} for name, (kind, data) in found.items()}


def main() -> None:
    options = arguments()
    wanted = messages()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "messages.json")
        file.write_text(json.dumps(wanted), encoding="utf-8")
        measured = report.round_robin({name: functools.partial(
            report.run_worker, [sys.executable if name == OURS else options.peers_python,
                                str(WORKER), name, str(file), "--calls", str(options.calls)],
            1, options.timeout) for name in (OURS, *PEERS)}, options)
    rows = [row for name, one in wanted.items() for row in rows_of(name, one["data"], measured)]
    report.print_table("microseconds, the median call", [
        "", "octets", OURS, *PEERS, "x the better", "others' CPUs"],
        [[f"{row['name']}, {row['way']}", row["octets"], *(row[who] for who in (OURS, *PEERS)),
          row["factor"], measured[OURS].middle("others_busy")] for row in rows])
    for reason in reasons(measured):
        print(f"  {reason}")
    target = next(row for row in rows if (row["name"], row["way"]) == (TARGET, "decode"))
    met = target["factor"] is not None and target["factor"] >= LEAST_FACTOR
    print(f"  decode of an {TARGET} at least {LEAST_FACTOR:.0f} x the better of the others: "
          f"{'met' if met else 'not measured' if target['factor'] is None else 'MISSED'}")
    report.finish("e2", vars(options), {"rows": rows, "reasons": reasons(measured), "met": met})
    if options.check and not met:
        sys.exit(1)


def rows_of(name: str, data: str, measured: dict[str, Measured]) -> list[Figures]:
    """Both ways of a message, with our factor to the better of those that did the job."""
    rows = []
    for way in ("decode", "encode"):
        figures = {who: report.middle([one[name].get(way) for one in each.rounds])
                   for who, each in measured.items()}
        others = [value for who in PEERS if (value := figures[who]) is not None]
        rows.append({"name": name, "way": way, "octets": len(data) // 2, **figures,
                     "factor": report.ratio(min(others, default=None), figures[OURS])})
    return rows


def reasons(measured: dict[str, Measured]) -> list[str]:
    """Why there are no figures, where there are none."""
    found = [f"{who}: {one.reason}" for who, one in measured.items() if one.reason]
    for who, one in measured.items():
        for name, figures in (one.rounds[0] if one.rounds else {}).items():
            if isinstance(figures, dict) and "reason" in figures:
                found.append(f"{who}, {name}: {figures['reason']}")
    return found


def arguments() -> Any:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few calls, one round")
    parser.add_argument("--check", action="store_true", help="exit 1 where the target is missed")
    parser.add_argument("--calls", type=int, help="of each message and way, a round: 200")
    parser.add_argument("--rounds", type=int, help="default 5")
    parser.add_argument("--peers-python", default=sys.executable, metavar="PATH",
                        help="interpreter that has pycrate and asn1tools; default: this one")
    parser.add_argument("--timeout", type=float, default=300.0, help="seconds a process may take")
    report.add_quiet_options(parser)
    options = parser.parse_args()
    options.calls = options.calls or (50 if options.quick else 200)
    options.rounds = options.rounds or (1 if options.quick else 5)
    return options


if __name__ == "__main__":
    main()
