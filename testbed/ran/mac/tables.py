"""TS 38.214's tables: modulation and code rate by MCS and by CQI, and how many bits a grant holds.

    transport_block_bits(106, 13, 12, 0, McsTable.QAM256, 27)  # one grant
    transport_block_table(McsTable.QAM256, 106, 13, 12, 0)     # all of them: [mcs, prbs] -> bits

Code rates are kept in 1/2048, as two of them are not whole in 1/1024; all arithmetic is of whole
numbers, so that no rounding of floats moves a block to the next size. A loop that is compiled takes
the arrays. It knows nothing of HARQ, of channels or of how often a code rate fails.
"""

from __future__ import annotations

import bisect
import enum

import numpy as np
from numpy.typing import NDArray

from xapp.errors import ConfigurationError

SUBCARRIERS = 12  # of a resource block
MOST_ELEMENTS = 156  # resource elements of a block that count, 5.1.3.2
MOST_PRBS = 275  # TS 38.331, maxNrofPhysicalResourceBlocks
MOST_LAYERS = 4  # of one transport block, 5.1.3.2 with 38.211 7.3.1.3
RATE_ONE = 2048  # a code rate of 1
OUT_OF_RANGE = -1  # in place of an MCS: nothing can be sent
SMALL_BITS = 3824  # up to here sizes are those of table 5.1.3.2-1
_SMALL_CODE_BLOCK, _LARGE_CODE_BLOCK = 3816, 8424  # bits of a code block of base graph 2 and 1
_CHECKSUM = 24  # bits


class McsTable(enum.Enum):
    """Which table an MCS is an index of, by the names of TS 38.331."""

    QAM64 = "qam64"  # 5.1.3.1-1; PUSCH without transform precoding has the same three
    QAM256 = "qam256"  # 5.1.3.1-2
    QAM64_LOW_SE = "qam64LowSE"  # 5.1.3.1-3
    PRECODED_QAM64 = "precodedQam64"  # 6.1.4.1-1: PUSCH with transform precoding, no pi/2-BPSK
    PRECODED_QAM64_LOW_SE = "precodedQam64LowSE"  # 6.1.4.1-2


class CqiTable(enum.Enum):
    """Which table a CQI is an index of, by the names of TS 38.331."""

    TABLE1 = "table1"  # 5.2.2.1-2, up to 64-QAM
    TABLE2 = "table2"  # 5.2.2.1-3, up to 256-QAM
    TABLE3 = "table3"  # 5.2.2.1-4, for a block error rate of 0.001 %


def _rows(*groups: tuple[int, tuple[float, ...]]) -> NDArray[np.int32]:
    """Groups of bits a symbol and rates in 1/1024 as [index] -> bits a symbol, rate * 2048."""
    return np.array([(bits, round(2 * rate)) for bits, rates in groups for rate in rates], np.int32)


MCS_TABLES = {
    McsTable.QAM64: _rows(
        (2, (120, 157, 193, 251, 308, 379, 449, 526, 602, 679)),
        (4, (340, 378, 434, 490, 553, 616, 658)),
        (6, (438, 466, 517, 567, 616, 666, 719, 772, 822, 873, 910, 948))),
    McsTable.QAM256: _rows(
        (2, (120, 193, 308, 449, 602)),
        (4, (378, 434, 490, 553, 616, 658)),
        (6, (466, 517, 567, 616, 666, 719, 772, 822, 873)),
        (8, (682.5, 711, 754, 797, 841, 885, 916.5, 948))),
    McsTable.QAM64_LOW_SE: _rows(
        (2, (30, 40, 50, 64, 78, 99, 120, 157, 193, 251, 308, 379, 449, 526, 602)),
        (4, (340, 378, 434, 490, 553, 616)),
        (6, (438, 466, 517, 567, 616, 666, 719, 772))),
    McsTable.PRECODED_QAM64: _rows(
        (2, (120, 157, 193, 251, 308, 379, 449, 526, 602, 679)),
        (4, (340, 378, 434, 490, 553, 616, 658)),
        (6, (466, 517, 567, 616, 666, 719, 772, 822, 873, 910, 948))),
    McsTable.PRECODED_QAM64_LOW_SE: _rows(
        (2, (30, 40, 50, 64, 78, 99, 120, 157, 193, 251, 308, 379, 449, 526, 602, 679)),
        (4, (378, 434, 490, 553, 616, 658, 699, 772)),
        (6, (567, 616, 666, 772))),
}
# CQI 0, out of range, is the first row.
CQI_TABLES = {
    CqiTable.TABLE1: _rows(
        (0, (0,)), (2, (78, 120, 193, 308, 449, 602)), (4, (378, 490, 616)),
        (6, (466, 567, 666, 772, 873, 948))),
    CqiTable.TABLE2: _rows(
        (0, (0,)), (2, (78, 193, 449)), (4, (378, 490, 616)),
        (6, (466, 567, 666, 772, 873)), (8, (711, 797, 885, 948))),
    CqiTable.TABLE3: _rows(
        (0, (0,)), (2, (30, 50, 78, 120, 193, 308, 449, 602)), (4, (378, 490, 616)),
        (6, (466, 567, 666, 772))),
}
HIGHEST_CQI = 15
# Table 5.1.3.2-1: even steps that grow.
SMALL_SIZES: tuple[int, ...] = (
    *range(24, 192, 8), *range(192, 384, 16), *range(384, 576, 24), *range(576, 768, 32),
    *range(768, 928, 40), 928, 984, 1032, 1064, *range(1128, 1352, 32), *range(1352, 1928, 64),
    1928, 2024, *range(2088, 2280, 64), 2280, *range(2408, 2792, 64), 2792, 2856, 2976, 3104, 3240,
    3368, 3496, 3624, 3752, 3824)
# TS 38.101-1 table 5.3.2-1: carrier in MHz -> resource blocks by subcarrier spacing in kHz.
CARRIERS: dict[int, dict[int, int]] = {
    5: {15: 25, 30: 11}, 10: {15: 52, 30: 24, 60: 11}, 15: {15: 79, 30: 38, 60: 18},
    20: {15: 106, 30: 51, 60: 24}, 25: {15: 133, 30: 65, 60: 31}, 30: {15: 160, 30: 78, 60: 38},
    35: {15: 188, 30: 92, 60: 44}, 40: {15: 216, 30: 106, 60: 51}, 45: {15: 242, 30: 119, 60: 58},
    50: {15: 270, 30: 133, 60: 65}, 60: {30: 162, 60: 79}, 70: {30: 189, 60: 93},
    80: {30: 217, 60: 107}, 90: {30: 245, 60: 121}, 100: {30: 273, 60: 135}}


def carrier_prbs(bandwidth_mhz: int, spacing_khz: int) -> int:
    """Resource blocks of a carrier below 7 GHz."""
    if bandwidth_mhz not in CARRIERS:
        raise ConfigurationError(f"There is no carrier of {bandwidth_mhz} MHz.",
                                 f"There are {', '.join(map(str, CARRIERS))} MHz.")
    found = CARRIERS[bandwidth_mhz]
    if spacing_khz not in found:
        raise ConfigurationError(
            f"A carrier of {bandwidth_mhz} MHz has no subcarriers {spacing_khz} kHz apart.",
            f"It has them {' or '.join(map(str, found))} kHz apart.")
    return found[spacing_khz]


def mcs_by_cqi(cqi_table: CqiTable, mcs_table: McsTable) -> NDArray[np.int32]:
    """[cqi] -> the highest MCS that carries no more a symbol than the CQI says is possible.

    CQI 0 gives OUT_OF_RANGE. A CQI below the lowest MCS gives that MCS: a base station has no
    other, and its first transmissions then fail more often.
    """
    possible = efficiency(CQI_TABLES[cqi_table])
    offered = efficiency(MCS_TABLES[mcs_table])
    found = [max((int(mcs) for mcs in np.flatnonzero(offered <= most)), default=0)
             for most in possible]
    return np.array([OUT_OF_RANGE, *found[1:]], np.int32)


def cqi_by_mcs(cqi_table: CqiTable, mcs_table: McsTable) -> NDArray[np.int64]:
    """[mcs] -> the lowest CQI that lets it be used, or the highest where none does."""
    allowed = mcs_by_cqi(cqi_table, mcs_table)
    return np.minimum(np.searchsorted(allowed, np.arange(len(MCS_TABLES[mcs_table]))), HIGHEST_CQI)


def efficiency(table: NDArray[np.int32]) -> NDArray[np.int64]:
    """[index] -> bits a resource element, in 1/2048."""
    return table[:, 0].astype(np.int64) * table[:, 1]


def transport_block_bits(prbs: int, symbols: int, dmrs_per_prb: int, overhead: int,
                         mcs_table: McsTable, mcs: int, layers: int = 1) -> int:
    """Bits of a transport block by 5.1.3.2; 0 for no resource blocks.

    `symbols` are those of the shared channel in the slot; `dmrs_per_prb` and `overhead` are
    resource elements of a block that are not for data.
    """
    rows = MCS_TABLES[mcs_table]
    elements = min(MOST_ELEMENTS, SUBCARRIERS * symbols - dmrs_per_prb - overhead)
    if not 0 <= mcs < len(rows) or not 1 <= layers <= MOST_LAYERS or prbs < 0 or elements < 1:
        raise ConfigurationError(
            f"A grant of {prbs} PRBs, {symbols} symbols, MCS {mcs} and {layers} layers cannot be.",
            f"An MCS of table {mcs_table.value} is 0 to {len(rows) - 1}, layers are 1 to "
            f"{MOST_LAYERS}, and some resource elements have to be left for data.")
    if prbs == 0:
        return 0
    bits, rate = int(rows[mcs, 0]), int(rows[mcs, 1])
    return block_size(elements * prbs * rate * bits * layers, rate)


def block_size(information: int, rate: int) -> int:
    """The size for `information` bits, in 1/2048, at a code rate in 1/2048: steps 3 and 4."""
    if information <= SMALL_BITS * RATE_ONE:
        step = max(3, information.bit_length() - RATE_ONE.bit_length() - 6)
        rounded = max(24, information // RATE_ONE >> step << step)
        return SMALL_SIZES[bisect.bisect_left(SMALL_SIZES, rounded)]
    information -= 24 * RATE_ONE
    unit = RATE_ONE << (information.bit_length() - RATE_ONE.bit_length() - 5)
    # Halves are rounded up, as the specification says.
    rounded = max(3840, (2 * information + unit) // (2 * unit) * (unit // RATE_ONE))
    if 4 * rate <= RATE_ONE:
        blocks = -(-(rounded + _CHECKSUM) // _SMALL_CODE_BLOCK)
    else:
        blocks = -(-(rounded + _CHECKSUM) // _LARGE_CODE_BLOCK) if (
            rounded > _LARGE_CODE_BLOCK) else 1
    return 8 * blocks * -(-(rounded + _CHECKSUM) // (8 * blocks)) - _CHECKSUM


def transport_block_table(mcs_table: McsTable, most_prbs: int, symbols: int, dmrs_per_prb: int,
                          overhead: int = 0, layers: int = 1) -> NDArray[np.int32]:
    """[mcs, prbs] -> bits, for 0 to `most_prbs`: what a scheduler's loop looks up."""
    if not 1 <= most_prbs <= MOST_PRBS:
        raise ConfigurationError(f"A carrier of {most_prbs} PRBs cannot be.",
                                 f"It has 1 to {MOST_PRBS}.")
    return np.array(
        [[transport_block_bits(prbs, symbols, dmrs_per_prb, overhead, mcs_table, mcs, layers)
          for prbs in range(most_prbs + 1)] for mcs in range(len(MCS_TABLES[mcs_table]))], np.int32)
