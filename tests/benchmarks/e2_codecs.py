"""One contender of bench_e2, in a process of its own: decode and encode the given messages.

    python tests/benchmarks/e2_codecs.py airsplit messages.json --calls 200

Each message is first decoded and encoded back: a contender whose bytes differ has not done the job,
and has a reason instead of figures. Prints JSON: microseconds of each call, by message and way.
"""

from __future__ import annotations

import argparse
import importlib
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
TYPES = Path(__file__).with_name("e2_types.asn")
WARM_CALLS = 5
# Which type each kind of message is; E2AP's is not among e2_types.
KINDS = {"indication": "Indication", "control": "ControlMessage", "header": "ControlHeader"}
Way = Callable[[Any], Any]
Contender = Callable[[], dict[str, tuple[Way, Way] | str]]  # decode and encode, or why not


def airsplit() -> dict[str, tuple[Way, Way] | str]:
    sys.path.insert(0, str(ROOT))
    from xapp.e2 import e2ap
    from xapp.e2.kpm import KPM_V3
    from xapp.e2.rc import RC

    return {"e2ap": (e2ap.decode, e2ap.encode),
            "indication": (KPM_V3.message.decode, KPM_V3.message.encode),
            "control": (RC.message.decode, RC.message.encode),
            "header": (RC.header.decode, RC.header.encode)}


def pycrate() -> dict[str, tuple[Way, Way] | str]:
    compiler: Any = importlib.import_module("pycrate_asn1c.asnproc")
    shipped: Any = importlib.import_module("pycrate_asn1dir.E2AP")
    found: dict[str, tuple[Way, Way] | str] = {
        "e2ap": _pycrate_ways(shipped.E2AP_PDU_Descriptions.E2AP_PDU)}
    compiler.compile_text(TYPES.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        compiler.generate_modules(compiler.PycrateGenerator,
                                  str(Path(folder, "e2_bench_types.py")))
        sys.path.insert(0, folder)
        types = importlib.import_module("e2_bench_types")
    for kind, name in KINDS.items():
        found[kind] = _pycrate_ways(getattr(types.E2Bench, name))
    return found


def _pycrate_ways(pdu: Any) -> tuple[Way, Way]:
    def decode(data: bytes) -> Any:
        pdu.from_aper(data)
        return pdu.get_val()

    def encode(value: Any) -> bytes:
        pdu.set_val(value)
        return bytes(pdu.to_aper())

    return decode, encode


def asn1tools() -> dict[str, tuple[Way, Way] | str]:
    compiler: Any = importlib.import_module("asn1tools")
    compiled = compiler.compile_string(TYPES.read_text(encoding="utf-8"), "per")
    found: dict[str, tuple[Way, Way] | str] = {
        "e2ap": "it cannot compile E2AP's parameterised types"}
    for kind, name in KINDS.items():
        def decode(data: bytes, name: str = name) -> Any:
            return compiled.decode(name, data)

        def encode(value: Any, name: str = name) -> bytes:
            return bytes(compiled.encode(name, value))

        found[kind] = (decode, encode)
    return found


CONTENDERS: dict[str, Contender] = {"airsplit": airsplit, "pycrate": pycrate,
                                    "asn1tools": asn1tools}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("contender", choices=CONTENDERS)
    parser.add_argument("messages", type=Path, help="JSON: name to kind and hexadecimal digits")
    parser.add_argument("--calls", type=int, default=100)
    options = parser.parse_args()
    messages = json.loads(options.messages.read_text(encoding="utf-8"))
    try:
        with redirect_stdout(sys.stderr):  # pycrate's compiler talks
            ways = CONTENDERS[options.contender]()
    except ImportError as error:
        print(json.dumps({"reason": f"{error.name} is not there: pip install {options.contender}"}))
        return
    print(json.dumps({name: measured(ways[one["kind"]], bytes.fromhex(one["data"]), options.calls)
                      for name, one in messages.items()}))


def measured(ways: tuple[Way, Way] | str, data: bytes, calls: int) -> dict[str, Any]:
    """Median microseconds of a call each way, or why there are none."""
    if isinstance(ways, str):
        return {"reason": ways}
    decode, encode = ways
    try:
        value = decode(data)
        again = encode(value)
    except Exception as error:  # a foreign library's, of whatever kind: it is this row's reason
        return {"reason": f"{type(error).__name__}: {error}"[:160]}
    if again != data:
        return {"reason": f"it encodes {len(again)} other octets than were decoded"}
    return {"decode": timed(decode, data, calls), "encode": timed(encode, value, calls)}


def timed(call: Way, argument: Any, calls: int) -> float:
    times = []
    for number in range(calls + WARM_CALLS):
        began = time.perf_counter()
        call(argument)
        if number >= WARM_CALLS:
            times.append(time.perf_counter() - began)
    return statistics.median(times) * 1e6


if __name__ == "__main__":
    main()
