"""Taps' rates of addresses and reports of UEs on their way to `correlate`, and what came of it.

    matching.heard(message, now)                # AddressRates, each second
    matching.reported(observations)             # whenever there may be a new report
    entries = matching.each_second(observations, now)

What was found stays until all was compared once more. Where the network has one UE and taps see one
address, they are each other. It knows no sockets and compares nothing itself.
"""

from __future__ import annotations

from classifier.messages import AddressRates
from xapp.correlate import Correlator, single
from xapp.observations import Observations, UeKey
from xapp.ue_map import UeEntry

AWAY = 60.0  # seconds without a byte after which an address is no more counted as there
MOST = 1024  # addresses that are remembered to be there
KBPS = 8 / 1000  # of a byte a second


class Matching:
    """All taps and all nodes."""

    def __init__(self, correlator: Correlator | None = None) -> None:
        self._correlator = correlator or Correlator()
        self._heard: dict[str, float] = {}  # addresses, and when they last carried anything
        self._at: dict[UeKey, float] = {}  # reports that were taken
        self._found: tuple[UeEntry, ...] = ()

    def heard(self, message: AddressRates, now: float) -> None:
        """What addresses carried; a tap's clock is not trusted, its seconds are."""
        for address, up, down in message.rates:
            if address in self._heard or len(self._heard) < MOST:
                self._heard[address] = now
                self._correlator.address(address, (up + down) * KBPS, now, message.seconds)

    def reported(self, observations: Observations) -> None:
        """Take new reports."""
        for key, ue in observations.ues.items():
            load, before = ue.load, self._at.get(key, float("-inf"))
            known = [one for one in (load.up_kbps, load.down_kbps) if one is not None]
            if known and load.at > before:
                self._at[key] = load.at
                # It is of the time since the report before, unless one is missing in between.
                self._correlator.ue(key, sum(known), load.at, min(load.at - before, 1.0))

    def each_second(self, observations: Observations, now: float) -> tuple[UeEntry, ...]:
        """Compare some more; what is known by now."""
        self.reported(observations)
        for key in self._at.keys() - observations.ues.keys():
            del self._at[key]
            self._correlator.forget(key)
        self._heard = {one: at for one, at in self._heard.items() if now - at <= AWAY}
        found = self._correlator.work(now)
        if found is not None:
            self._found = found or single(list(self._heard), list(observations.ues))
        return tuple(one for one in self._found if one.ue in observations.ues)
