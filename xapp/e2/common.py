"""What the service models share: networks, slices, cells, the names of RAN functions.

The types are those of E2SM-COMMON-IEs. A RAN function is known by its OID, never by its number,
which each base station chooses.
"""

from __future__ import annotations

from dataclasses import dataclass

from xapp.e2.aper import (
    Codec,
    bit_number,
    choice,
    field,
    integer,
    octet_number,
    octet_string,
    printable_string,
    sequence,
    unconstrained_integer,
)
from xapp.e2.bits import refused

# OIDs of the service models. Those that base stations announce come first; a model's version is
# the digit after the second 1, and later versions must not be strangers.
_OID = "1.3.6.1.4.1.53148.1.{}.2.{}"
KPM_OIDS = tuple(_OID.format(version, 2) for version in range(2, 10))
RC_OIDS = tuple(_OID.format(version, 3) for version in range(1, 10))
CCC_OIDS = tuple(_OID.format(version, 4) for version in (6, 1, 2, 3, 4, 5, 7, 8, 9))


def plmn_octets(text: str) -> bytes:
    """The three octets of a network's digits, such as "00101" (TS 24.008, 10.5.1.3)."""
    if not (text.isascii() and text.isdigit() and len(text) in (5, 6)):
        raise refused(f"{text!r} is no network: 3 digits of country, 2 or 3 of network")
    digits = [int(digit) for digit in text]
    third = digits[5] if len(digits) == 6 else 0xF
    return bytes((digits[1] << 4 | digits[0], third << 4 | digits[2], digits[4] << 4 | digits[3]))


def plmn_text(octets: bytes) -> str:
    """The digits of a network's three octets."""
    digits = [half for octet in octets for half in (octet & 15, octet >> 4)]
    if len(digits) != 6 or max(digits[:3] + digits[4:]) > 9 or 9 < digits[3] < 15:
        raise refused(f"{octets.hex()} is no network")
    shown = [*digits[:3], *digits[4:], *([digits[3]] if digits[3] != 15 else [])]
    return "".join(map(str, shown))


@dataclass(frozen=True, slots=True)
class Snssai:
    """A slice: its type, and what tells slices of one type apart."""

    sst: int
    sd: int | None = None


@dataclass(frozen=True, slots=True)
class NrCgi:
    """A 5G cell in the world."""

    plmn: bytes
    cell: int  # 36 bits: gNB and cell in it


@dataclass(frozen=True, slots=True)
class EutraCgi:
    """A 4G cell in the world."""

    plmn: bytes
    cell: int  # 28 bits


@dataclass(frozen=True, slots=True)
class FunctionName:
    """What a RAN function calls itself."""

    short_name: str
    oid: str
    description: str
    instance: int | None = None


PLMN = octet_string(3, 3)
FIVE_QI = integer(0, 255, extensible=True)
STYLE_TYPE = FORMAT_TYPE = unconstrained_integer()
NAME_150 = printable_string(1, 150, extensible=True)
STYLE_NAME = NAME_150

SNSSAI = sequence(
    Snssai, field("sst", octet_number(1)), field("sd", octet_number(3), optional=True),
    extensible=True)
NR_CGI = sequence(NrCgi, field("plmn", PLMN), field("cell", bit_number(36)), extensible=True)
EUTRA_CGI = sequence(EutraCgi, field("plmn", PLMN), field("cell", bit_number(28)), extensible=True)
CGI: Codec[NrCgi | EutraCgi] = choice(("nR-CGI", NR_CGI), ("eUTRA-CGI", EUTRA_CGI),
                                      extensible=True)
FUNCTION_NAME = sequence(
    FunctionName, field("short_name", NAME_150),
    field("oid", printable_string(1, 1000, extensible=True)), field("description", NAME_150),
    field("instance", unconstrained_integer(), optional=True), extensible=True)
