"""How a RAN names its UEs: seven kinds, one for each kind of unit that may speak.

A CU-CP knows the AMF's number, a DU only the one that the CU gave it over F1, a CU-UP the one of
E1. What links them is not in E2; see `xapp.e2.profiles` for who accepts which.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from xapp.e2.aper import (
    BitString,
    Chosen,
    Codec,
    bit_number,
    bit_string,
    choice,
    field,
    integer,
    octet_number,
    octet_string,
    sequence,
    sequence_of,
    wrapped,
)
from xapp.e2.common import PLMN


@dataclass(frozen=True, slots=True)
class Guami:
    """An AMF in the world."""

    plmn: bytes
    region: int
    set: int
    pointer: int


@dataclass(frozen=True, slots=True)
class Gummei:
    """An MME in the world."""

    plmn: bytes
    group: int
    code: int


@dataclass(frozen=True, slots=True)
class GlobalGnbId:
    """A gNB in the world."""

    plmn: bytes
    gnb: BitString  # 22 to 32 bits


@dataclass(frozen=True, slots=True)
class GlobalNgEnbId:
    """An ng-eNB in the world; which of three lengths its number has is named."""

    plmn: bytes
    enb: Chosen  # macro, short or long; a BitString


@dataclass(frozen=True, slots=True)
class GlobalEnbId:
    """An eNB in the world; which of four lengths its number has is named."""

    plmn: bytes
    enb: Chosen  # macro, home, short or long; a BitString


@dataclass(frozen=True, slots=True)
class GnbUe:
    """A UE as a CU-CP or a whole gNB names it."""

    amf_id: int  # AMF-UE-NGAP-ID
    guami: Guami
    f1_ids: tuple[int, ...] | None = None  # gNB-CU-UE-F1AP-ID, one unless doubly connected
    e1_ids: tuple[int, ...] | None = None  # gNB-CU-CP-UE-E1AP-ID
    ran_id: bytes | None = None
    xn_id: int | None = None
    gnb: GlobalGnbId | None = None  # not to be used
    node: GlobalGnbId | GlobalNgEnbId | None = None


@dataclass(frozen=True, slots=True)
class GnbDuUe:
    """A UE as a DU names it."""

    f1_id: int  # gNB-CU-UE-F1AP-ID
    ran_id: bytes | None = None


@dataclass(frozen=True, slots=True)
class GnbCuUpUe:
    """A UE as a CU-UP names it."""

    e1_id: int  # gNB-CU-CP-UE-E1AP-ID
    ran_id: bytes | None = None


@dataclass(frozen=True, slots=True)
class NgEnbUe:
    """A UE as an ng-eNB names it."""

    amf_id: int
    guami: Guami
    w1_id: int | None = None
    xn_id: int | None = None
    enb: GlobalNgEnbId | None = None  # not to be used
    node: GlobalGnbId | GlobalNgEnbId | None = None


@dataclass(frozen=True, slots=True)
class NgEnbDuUe:
    """A UE as the DU of an ng-eNB names it."""

    w1_id: int


@dataclass(frozen=True, slots=True)
class EnGnbUe:
    """A UE as a gNB beside a 4G master names it."""

    x2_id: int
    enb: GlobalEnbId
    x2_extension: int | None = None
    f1_id: int | None = None
    e1_ids: tuple[int, ...] | None = None
    ran_id: bytes | None = None


@dataclass(frozen=True, slots=True)
class EnbUe:
    """A UE as an eNB names it."""

    mme_id: int  # MME-UE-S1AP-ID
    gummei: Gummei
    x2_id: int | None = None
    x2_extension: int | None = None
    enb: GlobalEnbId | None = None


UeId = GnbUe | GnbDuUe | GnbCuUpUe | NgEnbUe | NgEnbDuUe | EnGnbUe | EnbUe

NUMBER_32 = integer(0, 2**32 - 1)
AMF_ID = integer(0, 2**40 - 1)
RAN_UE_ID = octet_string(8, 8)
X2_ID = integer(0, 4095)
X2_EXTENSION = integer(0, 4095, extensible=True)
F1_IDS = sequence_of(wrapped(NUMBER_32), 1, 4)
E1_IDS = sequence_of(wrapped(NUMBER_32), 1, 65535)


def _enb_id(added: tuple[tuple[str, Codec[Any]], ...], **roots: int) -> Codec[Any]:
    return choice(*((name, bit_string(width, width)) for name, width in roots.items()),
                  extensible=True, added=added)


GUAMI = sequence(
    Guami, field("plmn", PLMN), field("region", bit_number(8)), field("set", bit_number(10)),
    field("pointer", bit_number(6)), extensible=True)
GUMMEI = sequence(
    Gummei, field("plmn", PLMN), field("group", octet_number(2)), field("code", octet_number(1)),
    extensible=True)
GLOBAL_GNB_ID = sequence(
    GlobalGnbId, field("plmn", PLMN),
    field("gnb", choice(("gNB-ID", bit_string(22, 32)), extensible=True)), extensible=True)
GLOBAL_NG_ENB_ID = sequence(
    GlobalNgEnbId, field("plmn", PLMN), field("enb", _enb_id((), macro=20, short=18, long=21)),
    extensible=True)
GLOBAL_ENB_ID = sequence(
    GlobalEnbId, field("plmn", PLMN),
    field("enb", _enb_id((("short", bit_string(18, 18)), ("long", bit_string(21, 21))),
                         macro=20, home=28)), extensible=True)
GLOBAL_NODE_ID = choice(("gNB", GLOBAL_GNB_ID), ("ng-eNB", GLOBAL_NG_ENB_ID), extensible=True)

GNB_UE = sequence(
    GnbUe, field("amf_id", AMF_ID), field("guami", GUAMI), field("f1_ids", F1_IDS, optional=True),
    field("e1_ids", E1_IDS, optional=True), field("ran_id", RAN_UE_ID, optional=True),
    field("xn_id", NUMBER_32, optional=True), field("gnb", GLOBAL_GNB_ID, optional=True),
    extensible=True, additions=(field("node", GLOBAL_NODE_ID, optional=True),))
GNB_DU_UE = sequence(
    GnbDuUe, field("f1_id", NUMBER_32), field("ran_id", RAN_UE_ID, optional=True), extensible=True)
GNB_CU_UP_UE = sequence(
    GnbCuUpUe, field("e1_id", NUMBER_32), field("ran_id", RAN_UE_ID, optional=True),
    extensible=True)
NG_ENB_UE = sequence(
    NgEnbUe, field("amf_id", AMF_ID), field("guami", GUAMI),
    field("w1_id", NUMBER_32, optional=True), field("xn_id", NUMBER_32, optional=True),
    field("enb", GLOBAL_NG_ENB_ID, optional=True),
    extensible=True, additions=(field("node", GLOBAL_NODE_ID, optional=True),))
NG_ENB_DU_UE = sequence(NgEnbDuUe, field("w1_id", NUMBER_32), extensible=True)
EN_GNB_UE = sequence(
    EnGnbUe, field("x2_id", X2_ID), field("x2_extension", X2_EXTENSION, optional=True),
    field("enb", GLOBAL_ENB_ID), field("f1_id", NUMBER_32, optional=True),
    field("e1_ids", E1_IDS, optional=True), field("ran_id", RAN_UE_ID, optional=True),
    extensible=True)
ENB_UE = sequence(
    EnbUe, field("mme_id", NUMBER_32), field("gummei", GUMMEI),
    field("x2_id", X2_ID, optional=True),
    field("x2_extension", X2_EXTENSION, optional=True),
    field("enb", GLOBAL_ENB_ID, optional=True), extensible=True)

UE_ID: Codec[UeId] = choice(
    ("gNB-UEID", GNB_UE), ("gNB-DU-UEID", GNB_DU_UE), ("gNB-CU-UP-UEID", GNB_CU_UP_UE),
    ("ng-eNB-UEID", NG_ENB_UE), ("ng-eNB-DU-UEID", NG_ENB_DU_UE), ("en-gNB-UEID", EN_GNB_UE),
    ("eNB-UEID", ENB_UE), extensible=True)
