"""How a UE's traffic is divided among its sessions, by what a tap counts of each one's address.

    rates.heard(message, source, now)           # AddressRates, each second
    parts = rates.parts(ue.load, [("10.46.0.2", llm), ("10.45.0.2", internet)])

A base station that names no slice reports one sum for a UE with sessions in several. Bits and PRBs
of the sum are divided as the tap's bytes are: one UE's sessions share one radio, so that a PRB
carries as much for either. A delay cannot be divided, and stays unknown; nor can anything where one
of the addresses was never seen. A part is as old as the older of the report and the tap's word, so
that what an action did is never judged by how it was before. It knows neither UEs nor their map.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from classifier.messages import AddressRates
from xapp.observations import Load, Snssai

MOST = 4096  # addresses; of one node's UEs as many are kept, and few have several
MOST_TAPS = 64
AWAY = 60.0  # seconds without a byte after which it is not known that a tap sees an address
BEHIND = 0.5  # of a tap's period: what it said of an address this much before is of an older one


@dataclass(frozen=True, slots=True)
class _Rate:
    at: float
    source: str  # of the tap
    up: int  # bytes a second
    down: int


class SessionRates:
    """What all taps counted of addresses in their latest second."""

    def __init__(self) -> None:
        self._rates: OrderedDict[str, _Rate] = OrderedDict()
        self._taps: OrderedDict[str, tuple[float, float]] = OrderedDict()  # spoke at; its period

    def heard(self, message: AddressRates, source: str, now: float) -> None:
        """What addresses carried; a tap's clock is not trusted, its seconds are."""
        self._taps[source] = now, message.seconds
        self._taps.move_to_end(source)
        if len(self._taps) > MOST_TAPS:
            self._taps.popitem(last=False)
        for address, up, down in message.rates:
            self._rates[address] = _Rate(now, source, up, down)
            self._rates.move_to_end(address)
        while len(self._rates) > MOST:
            self._rates.popitem(last=False)

    def parts(self, load: Load, sessions: Sequence[tuple[str, Snssai]]) -> dict[Snssai, Load]:
        """Of a UE's load what each of its slices has; nothing where that is not known."""
        latest = [(snssai, self._latest(address)) for address, snssai in sessions]
        known = [(snssai, rate) for snssai, rate in latest if rate is not None]
        if not known or len(known) < len(latest):
            return {}
        at = min(load.at, *(rate.at for _, rate in known))
        up, down = sum(rate.up for _, rate in known), sum(rate.down for _, rate in known)
        parts: dict[Snssai, Load] = {}
        for snssai in dict.fromkeys(snssai for snssai, _ in known):
            mine = [rate for one, rate in known if one == snssai]
            sent, received = sum(rate.up for rate in mine), sum(rate.down for rate in mine)
            parts[snssai] = Load(
                at, _part(load.down_kbps, received, down), _part(load.up_kbps, sent, up),
                _part(load.down_prbs, received, down), _part(load.up_prbs, sent, up),
                prbs_over=_part(load.prbs_over, received + sent, down + up) or 0.0)
        return parts

    def carried(self, address: str) -> int | None:
        """Bytes a second to and from an address, in its tap's latest second; None: not known."""
        rate = self._latest(address)
        return None if rate is None else rate.up + rate.down

    def _latest(self, address: str) -> _Rate | None:
        """As of when its tap last spoke: nothing was counted of whom it did not name then."""
        rate = self._rates.get(address)
        if rate is None or rate.source not in self._taps:
            return None
        spoke, seconds = self._taps[rate.source]
        if spoke - rate.at > AWAY:
            return None
        if spoke - rate.at > BEHIND * seconds:
            return _Rate(spoke, rate.source, 0, 0)
        return replace(rate, at=spoke)


def _part(whole: float | None, mine: int, all_: int) -> float | None:
    """Unknown where the tap counted nothing at all: what the RAN carried was something else."""
    if whole is None:
        return None
    if all_ == 0:
        return 0.0 if whole == 0 else None
    return whole * mine / all_
