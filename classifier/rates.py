"""What each UE's address sends and receives, second by second, from the flow engine's own counts.

    rates = Rates(["10.45.0.0/16"], "tap-1")
    rates.ended(samples)                        # flows that are over, as they are handed out
    messages = rates.take(engine.state, now)    # each second

Addresses outside the networks are passed over, so that a tap says nothing of servers. Of more than
`MOST` addresses those that carry most are told. Payload is counted; the last packets of a flow that
made room for others are missing. It sends nothing.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifier.errors import UsageError
from classifier.messages import MOST_RATES, AddressRates
from pcap_tools.features import NAMES
from pcap_tools.flow_state import State
from pcap_tools.flows import Sampled

DEFAULT_NETWORKS = ("10.45.0.0/16", "10.46.0.0/16", "2001:db8:cafe::/48", "2001:db8:babe::/48")
MOST = 1024  # addresses a second: as many as are matched to UEs
_PAYLOAD = [NAMES.index("bytes_up"), NAMES.index("bytes_down")]
Words = tuple[int, int]


class Rates:
    """Counts of the second before, by flow."""

    def __init__(self, networks: Sequence[str] = DEFAULT_NETWORKS, name: str = "") -> None:
        self._networks = [_masks(one) for one in networks]
        self._name = name
        self._at: int | None = None
        self._flows = np.zeros(0, np.int64)  # sorted
        self._bytes = np.zeros((0, 2), np.int64)  # up and down, of each
        self._ended: list[NDArray[Any]] = []

    def ended(self, samples: NDArray[Any]) -> None:
        """Among these, the flows that are over."""
        over = samples[samples["kind"] == Sampled.WHOLE]
        if self._networks and len(over):
            self._ended.append(over)

    def take(self, state: State, now: int) -> list[AddressRates]:
        """What was carried since the last time; nothing the first time."""
        total: Counter[tuple[int, bytes]] = Counter()
        up: Counter[tuple[int, bytes]] = Counter()
        seen: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
        for version, ends, flows, amounts in self._counted(state):
            more = self._since(flows, amounts)
            seen.append((flows, amounts))
            _add(version, ends, more, total, up)
        for over in self._ended:
            self._add_ended(over, total, up)
        self._ended = []
        flows = np.concatenate([np.zeros(0, np.int64), *(one for one, _ in seen)])
        amounts = np.concatenate([np.zeros((0, 2), np.int64), *(one for _, one in seen)])
        self._flows, places = np.unique(flows, return_index=True)
        self._bytes = amounts[places]
        before, self._at = self._at, now
        return [] if before is None or now <= before else self._messages(
            total, up, now, (now - before) / 1e9)

    def _counted(self, state: State) -> Iterable[tuple[
            int, NDArray[Any], NDArray[np.int64], NDArray[np.int64]]]:
        """Live flows with an end in a network: version, that end's words, number, amounts.

        Amounts are from that end and to it.
        """
        slots = state.expiry.slot[:state.expiry.size[0]]
        live, payload = state.live, state.sides["payload"]
        versions = live["version"][slots]
        for end, (first, second) in (("source", (0, 1)), ("destination", (1, 0))):
            words = np.stack([live[f"{end}_0"][slots], live[f"{end}_1"][slots]], axis=1)
            for version, mask, wanted in self._networks:
                inside = (versions == version) & ((words & mask) == wanted).all(axis=1)
                mine = slots[inside]
                # The same flow counts for both its ends where both are UEs: told apart by sign.
                number = live["flow"][mine].astype(np.int64) * 2 + first
                yield version, words[inside], number, np.stack(
                    [payload[2 * mine + first], payload[2 * mine + second]], axis=1)

    def _since(self, flows: NDArray[np.int64], amounts: NDArray[np.int64]) -> NDArray[np.int64]:
        """What is more than the last time."""
        if not len(self._flows):
            return amounts.copy()
        places = np.searchsorted(self._flows, flows).clip(0, len(self._flows) - 1)
        known = self._flows[places] == flows
        more: NDArray[np.int64] = amounts - np.where(known[:, None], self._bytes[places], 0)
        return more.clip(0)

    def _add_ended(self, over: NDArray[Any], total: Counter[tuple[int, bytes]],
                   up: Counter[tuple[int, bytes]]) -> None:
        amounts = np.nan_to_num(over["vector"][:, _PAYLOAD].astype(np.float64)).astype(np.int64)
        for end, first in (("source", 0), ("destination", 1)):
            words = np.ascontiguousarray(over[end]).view("<u8").reshape(-1, 2)
            mine = amounts if first == 0 else amounts[:, ::-1]
            numbers = over["flow"].astype(np.int64) * 2 + first
            for version, mask, wanted in self._networks:
                inside = (over["version"] == version) & ((words & mask) == wanted).all(axis=1)
                _add(version, words[inside], self._since(numbers[inside], mine[inside]), total, up)

    def _messages(self, total: Counter[tuple[int, bytes]], up: Counter[tuple[int, bytes]],
                  now: int, seconds: float) -> list[AddressRates]:
        told = [(str(ipaddress.ip_address(packed[:4] if version == 4 else packed)),
                 round(up[version, packed] / seconds),
                 round((amount - up[version, packed]) / seconds))
                for (version, packed), amount in total.most_common(MOST)]
        return [AddressRates(now, seconds, tuple(told[at:at + MOST_RATES]), self._name)
                for at in range(0, len(told), MOST_RATES)]


def _add(version: int, words: NDArray[Any], more: NDArray[np.int64],
         total: Counter[tuple[int, bytes]], up: Counter[tuple[int, bytes]]) -> None:
    if not len(words):
        return
    # A void of 16 octets sorts as one value; all flows of an address are added up at once.
    names, places = np.unique(np.ascontiguousarray(words).view("V16").ravel(), return_inverse=True)
    sums = np.zeros((len(names), 2), np.int64)
    np.add.at(sums, places.ravel(), more)
    for name, (sent, received) in zip(names.tolist(), sums.tolist(), strict=True):
        total[version, bytes(name)] += sent + received
        up[version, bytes(name)] += sent


def _masks(network: str) -> tuple[int, NDArray[np.uint64], NDArray[np.uint64]]:
    """IP version, and mask and value as the engine holds addresses: 16 octets in two words."""
    try:
        parsed = ipaddress.ip_network(network)
    except ValueError as error:
        raise UsageError(f"{network!r} is no network: {error}.",
                         "Write --rates-of such as 10.45.0.0/16.") from None
    mask, value = (np.frombuffer(one.packed.ljust(16, b"\0"), "<u8")
                   for one in (parsed.netmask, parsed.network_address))
    return parsed.version, mask, value
