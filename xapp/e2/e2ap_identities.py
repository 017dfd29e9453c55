"""Who is who in E2AP: identities of base stations, their units and RICs, and transport addresses.

Each dataclass is followed by the type in aligned PER that carries it.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Any

from xapp.e2.aper import (
    BitString,
    Chosen,
    Codec,
    bit_number,
    bit_string,
    choice,
    converted,
    field,
    integer,
    sequence,
)
from xapp.e2.bits import refused
from xapp.e2.common import PLMN


@dataclass(frozen=True, slots=True)
class GlobalGnbId:
    plmn: bytes
    gnb_id: BitString  # 22 to 32 bits


@dataclass(frozen=True, slots=True)
class GlobalEnGnbId:
    plmn: bytes
    gnb_id: BitString  # 22 to 32 bits


@dataclass(frozen=True, slots=True)
class GlobalEnbId:
    plmn: bytes
    enb_id: BitString  # 20, or 28 (home), 18 (short) or 21 bits (long)


@dataclass(frozen=True, slots=True)
class GlobalNgEnbId:
    plmn: bytes
    enb_id: BitString  # 20, or 18 (short) or 21 bits (long)


def _by_width(alternatives: Codec[Any], names: dict[int, str]) -> Codec[BitString]:
    """A CHOICE of bit strings whose width tells which it is."""

    def save(value: BitString) -> Chosen:
        if value.width not in names:
            raise refused(f"an identity of {value.width} bits, not {sorted(names)}")
        return Chosen(names[value.width], value)

    return converted(alternatives, BitString, lambda chosen: chosen.value, save)


_GNB_ID = choice(("gnb-ID", bit_string(22, 32)), extensible=True)
_ENB_ID = _by_width(
    choice(("macro", bit_string(20, 20)), ("home", bit_string(28, 28)),
           added=(("short-macro", bit_string(18, 18)), ("long-macro", bit_string(21, 21)))),
    {20: "macro", 28: "home", 18: "short-macro", 21: "long-macro"})
_NG_ENB_ID = _by_width(
    choice(("macro", bit_string(20, 20)), ("short-macro", bit_string(18, 18)),
           ("long-macro", bit_string(21, 21)), extensible=True),
    {20: "macro", 18: "short-macro", 21: "long-macro"})
GLOBAL_GNB_ID = sequence(GlobalGnbId, field("plmn", PLMN), field("gnb_id", _GNB_ID),
                         extensible=True)
GLOBAL_EN_GNB_ID = sequence(GlobalEnGnbId, field("plmn", PLMN), field("gnb_id", _GNB_ID),
                            extensible=True)
GLOBAL_ENB_ID = sequence(GlobalEnbId, field("plmn", PLMN), field("enb_id", _ENB_ID),
                         extensible=True)
GLOBAL_NG_ENB_ID = sequence(GlobalNgEnbId, field("plmn", PLMN), field("enb_id", _NG_ENB_ID),
                            extensible=True)
UNIT_ID = integer(0, 2**36 - 1)  # of a DU or CU-UP


@dataclass(frozen=True, slots=True)
class GnbNodeId:
    """A gNB, or its DU or CU-UP where that one's number is there."""

    gnb: GlobalGnbId
    en_gnb: GlobalEnGnbId | None = None
    cu_up_id: int | None = None
    du_id: int | None = None


@dataclass(frozen=True, slots=True)
class EnGnbNodeId:
    """A 5G cell's base station beside a 4G core."""

    gnb: GlobalEnGnbId
    cu_up_id: int | None = None
    du_id: int | None = None


@dataclass(frozen=True, slots=True)
class NgEnbNodeId:
    """A 4G cell's base station beside a 5G core."""

    enb: GlobalNgEnbId
    global_enb: GlobalEnbId | None = None
    du_id: int | None = None


@dataclass(frozen=True, slots=True)
class EnbNodeId:
    enb: GlobalEnbId


GlobalE2NodeId = GnbNodeId | EnGnbNodeId | NgEnbNodeId | EnbNodeId
GLOBAL_E2_NODE_ID: Codec[GlobalE2NodeId] = choice(
    ("gNB", sequence(GnbNodeId, field("gnb", GLOBAL_GNB_ID),
                     field("en_gnb", GLOBAL_EN_GNB_ID, optional=True),
                     field("cu_up_id", UNIT_ID, optional=True),
                     field("du_id", UNIT_ID, optional=True), extensible=True)),
    ("en-gNB", sequence(EnGnbNodeId, field("gnb", GLOBAL_EN_GNB_ID),
                        field("cu_up_id", UNIT_ID, optional=True),
                        field("du_id", UNIT_ID, optional=True), extensible=True)),
    ("ng-eNB", sequence(NgEnbNodeId, field("enb", GLOBAL_NG_ENB_ID),
                        field("global_enb", GLOBAL_ENB_ID, optional=True),
                        field("du_id", UNIT_ID, optional=True), extensible=True)),
    ("eNB", sequence(EnbNodeId, field("enb", GLOBAL_ENB_ID), extensible=True)),
    extensible=True)


@dataclass(frozen=True, slots=True)
class GlobalRicId:
    plmn: bytes
    ric_id: int  # 20 bits


GLOBAL_RIC_ID = sequence(
    GlobalRicId, field("plmn", PLMN),
    field("ric_id", bit_number(20)), extensible=True)


@dataclass(frozen=True, slots=True)
class TnlInformation:
    """A transport address: IPv4 in 32 bits, IPv6 in 128, or both in 160."""

    address: BitString
    port: int | None = None

    @classmethod
    def of(cls, address: str, port: int | None = None) -> TnlInformation:
        """Of a numeric IP address."""
        try:
            packed = ipaddress.ip_address(address).packed
        except ValueError:
            raise refused(f"{address!r} is no IP address") from None
        return cls(BitString(int.from_bytes(packed), len(packed) * 8), port)


TNL_INFORMATION = sequence(
    TnlInformation, field("address", bit_string(1, 160, extensible=True)),
    field("port", bit_number(16), optional=True), extensible=True)
