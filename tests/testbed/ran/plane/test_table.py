"""The table against a dictionary; keys of all kinds."""

from __future__ import annotations

import ipaddress

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from testbed.ran.plane.table import (
    EMPTY,
    TUNNEL_DOWN,
    TUNNEL_UP,
    address_key,
    find,
    put,
    take_out,
)

KEYS = st.integers(0, 12) | st.integers(-(1 << 63), (1 << 63) - 1)


@given(st.lists(st.tuples(st.sampled_from(["put", "take"]), KEYS, st.integers(0, 99)),
                max_size=60))
def test_it_is_a_dictionary(steps: list[tuple[str, int, int]]) -> None:
    keys, values = np.zeros(128, np.int64), np.full(128, EMPTY, np.int32)
    model: dict[int, int] = {}
    for what, key, value in steps:
        if what == "put":
            put(keys, values, key, value)
            model[key] = value
        else:
            assert take_out(keys, values, key) == (model.pop(key, None) is not None)
        assert all(find(keys, values, known) == expected for known, expected in model.items())
        assert find(keys, values, key) == model.get(key, EMPTY)
    assert np.count_nonzero(values != EMPTY) == len(model)


@given(st.ip_addresses(v=6))
def test_addresses_of_one_prefix_share_a_key(address: ipaddress.IPv6Address) -> None:
    other = ipaddress.IPv6Address(int(address) ^ 0xFFFF)
    further = ipaddress.IPv6Address(int(address) ^ (1 << 64))
    assert address_key(str(address)) == address_key(str(other))
    assert address_key(str(address)) != address_key(str(further))


def test_tunnels_and_addresses_never_meet() -> None:
    for teid in (0, 1, 0x1000, 0xFFFF_FFFF):
        keys = {TUNNEL_DOWN | teid, TUNNEL_UP | teid, address_key(f"fd45:0:0:{teid & 0xFFFF:x}::"),
                address_key(str(ipaddress.IPv4Address(teid)))}
        assert len(keys) == 4
