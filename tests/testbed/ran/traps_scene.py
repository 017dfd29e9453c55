"""Kinds of base station, slices and quotas that the tests of their traps share."""

from __future__ import annotations

from xapp.e2.common import Snssai, plmn_octets
from xapp.e2.node import Unit
from xapp.e2.quota import SliceQuota
from xapp.e2.ue_id import Guami

WIRE_LLM, WIRE_INTERNET, STRANGE = Snssai(1, 1), Snssai(1), Snssai(7, 7)
GUAMI = Guami(plmn_octets("00101"), 2, 1, 0)
SPLIT_UNITS = ("spec", "srsran", "ocudu")
DU, CU_CP = Unit.DU, Unit.CU_CP
ALONE = ("oai", "oai-old", "flexric")


def quota(snssai: Snssai, minimum: int, maximum: int, dedicated: int) -> SliceQuota:
    return SliceQuota(snssai, minimum, maximum, dedicated)
