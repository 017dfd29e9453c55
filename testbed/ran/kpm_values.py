"""Counters of a cell as KPM's measurements, in the units of each kind of base station.

A value is None where nothing was measured: no delay of bits that did not come. It takes two
snapshots, and knows neither subscriptions nor bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from testbed.ran.cell_model import NOTHING, Counters, Radio, Ran, Snapshot
from testbed.ran.e2_profiles import Behaviour
from xapp.observations import Snssai

SLOTS_PER_SECOND = 1000  # as OpenAirInterface counts PRBs at 15 kHz
Value = int | float | None


@dataclass(frozen=True, slots=True)
class Window:
    """What happened to somebody's traffic in some seconds, in a cell of so many PRBs."""

    counters: Counters
    seconds: float
    prbs: int
    ues: int = 1  # whose traffic it is
    radio: Radio | None = None  # of the first UE of the list: srsRAN tells of no other's


def ue_window(before: Snapshot, after: Snapshot, f1_id: int, snssai: Snssai | None,
              prbs: int, ran: Ran | None = None) -> Window:
    """One UE's traffic, of one slice or of all; with `ran` its radio too, where that is told."""
    now, then = after.ues.get(f1_id, {}), before.ues.get(f1_id, {})
    total = NOTHING
    for one, counters in now.items():
        if snssai in (None, one):
            total = total.plus(counters.minus(then.get(one, NOTHING)))
    first = f1_id == min(after.ues, default=None)
    return Window(total, after.at - before.at, prbs,
                  radio=ran.radio(f1_id) if ran is not None and first else None)


def value_of(name: str, window: Window, behaviour: Behaviour) -> Value:
    """One measurement; None where there is no such thing, or nothing to measure."""
    measure = MEASURES.get(name)
    if measure is None or window.seconds <= 0:
        return None
    return measure(window, behaviour)


def _rate(bits: float, window: Window) -> int:
    return round(bits / window.seconds / 1000 / max(1, window.ues))


def _delay(waited: float, bits: float, behaviour: Behaviour) -> Value:
    if bits < 1:
        return None
    return round(waited / bits * (1e6 if behaviour.microseconds else 1e4))


def _prbs(prb_seconds: float, window: Window, behaviour: Behaviour) -> int:
    if behaviour.counted_prbs:
        return round(prb_seconds * SLOTS_PER_SECOND)
    return round(100 * prb_seconds / window.seconds / window.prbs)


def _used(prb_seconds: float, window: Window) -> int:
    return round(prb_seconds / window.seconds)


def _free(prb_seconds: float, window: Window) -> int:
    """Not below 0: a full cell's window may hold a slot more than its seconds."""
    return max(0, window.prbs - _used(prb_seconds, window))


def _dropped(window: Window) -> Value:
    """Percent of what came."""
    one = window.counters
    came = one.down_bits + one.down_dropped
    return round(100 * one.down_dropped / came) if came >= 1 else None


def _snr(window: Window) -> Value:
    """srsRAN's RSRP and RSRQ are both the uplink's ratio of signal to noise, in whole dB."""
    snr = None if window.radio is None else window.radio.up_snr_db
    return None if snr is None or snr < 0 else int(snr)  # KPM's whole numbers have no sign


Measure = Callable[[Window, Behaviour], Value]
MEASURES: Mapping[str, Measure] = {
    "DRB.UEThpDl": lambda window, _: _rate(window.counters.down_bits, window),
    "DRB.UEThpUl": lambda window, _: _rate(window.counters.up_bits, window),
    "DRB.RlcSduDelayDl": lambda window, kind: _delay(
        window.counters.down_waited, window.counters.down_bits, kind),
    "DRB.RlcDelayUl": lambda window, kind: _delay(
        window.counters.up_waited, window.counters.up_bits, kind),
    "DRB.AirIfDelayUl": lambda window, kind: _delay(
        window.counters.up_waited, window.counters.up_bits, kind),
    "DRB.RlcPacketDropRateDl": lambda window, _: _dropped(window),
    "DRB.RlcSduTransmittedVolumeDL": lambda window, _: round(window.counters.down_bits / 1000),
    "DRB.RlcSduTransmittedVolumeUL": lambda window, _: round(window.counters.up_bits / 1000),
    "DRB.PdcpSduVolumeDL": lambda window, _: round(window.counters.down_bits / 1000),
    "DRB.PdcpSduVolumeUL": lambda window, _: round(window.counters.up_bits / 1000),
    "RRU.PrbTotDl": lambda window, kind: _prbs(window.counters.down_prbs, window, kind),
    "RRU.PrbTotUl": lambda window, kind: _prbs(window.counters.up_prbs, window, kind),
    "RRU.PrbUsedDl": lambda window, _: _used(window.counters.down_prbs, window),
    "RRU.PrbUsedUl": lambda window, _: _used(window.counters.up_prbs, window),
    "RRU.PrbAvailDl": lambda window, _: _free(window.counters.down_prbs, window),
    "RRU.PrbAvailUl": lambda window, _: _free(window.counters.up_prbs, window),
    "CQI": lambda window, _: None if window.radio is None else window.radio.cqi,
    "RSRP": lambda window, _: _snr(window),
    "RSRQ": lambda window, _: _snr(window),
}
