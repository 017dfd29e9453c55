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
    bit_string,
    choice,
    converted,
    field,
    integer,
    octet_string,
    sequence,
)
from xapp.e2.bits import refused

PLMN = octet_string(3, 3)  # digits in BCD


def plmn_octets(digits: str) -> bytes:
    """MCC and MNC ("00101") as the three octets that identities hold (TS 24.008, 10.5.1.13)."""
    if not (digits.isascii() and digits.isdigit() and len(digits) in (5, 6)):
        raise refused(f"{digits!r} is no PLMN of five or six digits")
    mcc, mnc = digits[:3], digits[3:].rjust(3, "f")
    # A two-digit MNC leaves the nibble between MCC and MNC at f.
    order = mcc[1], mcc[0], mnc[0] if len(digits) == 5 else mnc[2], mcc[2]
    last = (mnc[2], mnc[1]) if len(digits) == 5 else (mnc[1], mnc[0])
    return bytes.fromhex("".join(order + last))


def plmn_digits(octets: bytes) -> str:
    """The digits of a PLMN, or its octets where they are none."""
    nibbles = octets.hex()
    digits = nibbles[1] + nibbles[0] + nibbles[3] + nibbles[5] + nibbles[4]
    if nibbles[2] != "f":
        digits += nibbles[2]
    return digits if digits.isdigit() else octets.hex()


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
    field("ric_id", converted(bit_string(20, 20), int, lambda bits: bits.value,
                              lambda number: BitString(number, 20))), extensible=True)


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
    field("port", converted(bit_string(16, 16), int, lambda bits: bits.value,
                            lambda number: BitString(number, 16)), optional=True),
    extensible=True)
