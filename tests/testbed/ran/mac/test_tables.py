"""38.214's arithmetic, against the payload sizes that other specifications state by number.

The fixed reference channels of TS 38.104 annex A say what a block holds: MCS 4, 2, 16 and 20 of the
first table, 14 symbols of which two are reference symbols, one layer.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.ran.mac.tables import (
    CARRIERS,
    CQI_TABLES,
    HIGHEST_CQI,
    MCS_TABLES,
    OUT_OF_RANGE,
    SMALL_SIZES,
    CqiTable,
    McsTable,
    carrier_prbs,
    cqi_by_mcs,
    efficiency,
    mcs_by_cqi,
    transport_block_bits,
    transport_block_table,
)
from xapp.errors import ConfigurationError

REFERENCE_CHANNELS = [
    *((4, *one) for one in ((25, 2152), (11, 984), (106, 9224), (51, 4352), (24, 2088),
                            (15, 1320), (6, 528))),  # A.1: QPSK, 1/3
    *((2, *one) for one in ((25, 1352), (52, 2856), (106, 5768), (24, 1320), (51, 2792),
                            (273, 14856))),  # A.3: QPSK, 193/1024
    *((16, *one) for one in ((25, 9224), (52, 19464), (106, 38936), (24, 8968), (51, 18960),
                             (11, 4032), (273, 100392))),  # A.2 and A.4: 16-QAM, 2/3
    *((20, *one) for one in ((25, 12040), (52, 25104), (106, 50184), (24, 11528), (51, 24576),
                             (273, 131176))),  # A.5: 64-QAM, 567/1024
]


@pytest.mark.parametrize(("mcs", "prbs", "bits"), REFERENCE_CHANNELS)
def test_fixed_reference_channels_of_38_104(mcs: int, prbs: int, bits: int) -> None:
    assert transport_block_bits(prbs, 14, 24, 0, McsTable.QAM64, mcs) == bits


def test_blocks_of_four_layers() -> None:
    # 43,047 bytes were seen in a capture of a gNB; the second is the largest block there is.
    assert transport_block_bits(273, 13, 24, 0, McsTable.QAM256, 9, 4) == 344_376
    assert transport_block_bits(273, 14, 0, 0, McsTable.QAM256, 27, 4) == 1_277_992


def test_elements_beyond_156_of_a_block_do_not_count() -> None:
    assert transport_block_bits(50, 14, 0, 0, McsTable.QAM64, 10) == transport_block_bits(
        50, 14, 12, 0, McsTable.QAM64, 10)
    assert transport_block_bits(50, 14, 12, 6, McsTable.QAM64, 10) < transport_block_bits(
        50, 14, 12, 0, McsTable.QAM64, 10)


def _as_written(prbs: int, elements: int, layers: int, order: int, rate: Fraction) -> int:
    """5.1.3.2 word by word, in fractions."""
    information = Fraction(min(156, elements) * prbs * order * layers) * rate
    if information <= 3824:
        step = 2 ** max(3, math.floor(math.log2(information)) - 6)
        rounded = max(24, step * math.floor(information / step))
        return min(size for size in SMALL_SIZES if size >= rounded)
    step = 2 ** (math.floor(math.log2(information - 24)) - 5)
    rounded = max(3840, step * math.floor((information - 24) / step + Fraction(1, 2)))
    if rate <= Fraction(1, 4):
        blocks = math.ceil(Fraction(rounded + 24, 3816))
    elif rounded > 8424:
        blocks = math.ceil(Fraction(rounded + 24, 8424))
    else:
        blocks = 1
    return 8 * blocks * math.ceil(Fraction(rounded + 24, 8 * blocks)) - 24


@given(st.integers(1, 275), st.integers(2, 14), st.sampled_from((6, 12, 24)),
       st.sampled_from((0, 6)), st.integers(1, 4), st.sampled_from(list(McsTable)),
       st.integers(0, 27))
def test_equals_the_procedure_word_by_word(prbs: int, symbols: int, dmrs: int, overhead: int,
                                           layers: int, table: McsTable, mcs: int) -> None:
    elements = 12 * symbols - dmrs - overhead
    if elements < 1:
        with pytest.raises(ConfigurationError):
            transport_block_bits(prbs, symbols, dmrs, overhead, table, mcs, layers)
        return
    order, rate = (int(one) for one in MCS_TABLES[table][mcs])
    bits = transport_block_bits(prbs, symbols, dmrs, overhead, table, mcs, layers)
    assert bits == _as_written(prbs, elements, layers, order, Fraction(rate, 2048))
    assert bits % 8 == 0


def test_lookup_holds_every_grant() -> None:
    table = transport_block_table(McsTable.QAM256, 52, 13, 12, 0, 2)
    assert table.shape == (28, 53)
    assert table.dtype == np.int32
    assert not table[:, 0].any()
    assert (np.diff(table, axis=1) >= 0).all()  # one more PRB never carries less
    assert table[27, 52] == transport_block_bits(52, 13, 12, 0, McsTable.QAM256, 27, 2)


def test_tables_have_their_known_ends() -> None:
    assert {table: len(rows) for table, rows in MCS_TABLES.items()} == {
        McsTable.QAM64: 29, McsTable.QAM256: 28, McsTable.QAM64_LOW_SE: 29,
        McsTable.PRECODED_QAM64: 28, McsTable.PRECODED_QAM64_LOW_SE: 28}
    assert [efficiency(MCS_TABLES[table])[-1] / 2048 for table in MCS_TABLES] == pytest.approx(
        [5.5547, 7.4063, 4.5234, 5.5547, 4.5234], abs=1e-4)
    assert [efficiency(rows)[HIGHEST_CQI] / 2048 for rows in CQI_TABLES.values()
            ] == pytest.approx([5.5547, 7.4063, 4.5234], abs=1e-4)
    assert all(len(rows) == HIGHEST_CQI + 1 for rows in CQI_TABLES.values())
    # 256-QAM's halves of 1/1024 are kept.
    assert tuple(MCS_TABLES[McsTable.QAM256][20]) == (8, 1365)
    assert len(SMALL_SIZES) == 93
    assert SMALL_SIZES[-1] == 3824


@pytest.mark.parametrize("cqi_table", CqiTable)
@pytest.mark.parametrize("mcs_table", McsTable)
def test_mcs_of_a_cqi_is_the_highest_that_fits(cqi_table: CqiTable, mcs_table: McsTable) -> None:
    possible = efficiency(CQI_TABLES[cqi_table])
    offered = efficiency(MCS_TABLES[mcs_table])
    found = mcs_by_cqi(cqi_table, mcs_table)
    assert found[0] == OUT_OF_RANGE
    assert (np.diff(found) >= 0).all()
    for cqi in range(1, HIGHEST_CQI + 1):
        mcs = int(found[cqi])
        assert offered[mcs] <= possible[cqi] or mcs == 0
        assert not (offered[mcs + 1:] <= possible[cqi]).any()


@pytest.mark.parametrize("cqi_table", CqiTable)
@pytest.mark.parametrize("mcs_table", McsTable)
def test_cqi_of_an_mcs_is_the_lowest_that_lets_it_be_used(
    cqi_table: CqiTable, mcs_table: McsTable,
) -> None:
    allowed, found = mcs_by_cqi(cqi_table, mcs_table), cqi_by_mcs(cqi_table, mcs_table)
    assert len(found) == len(MCS_TABLES[mcs_table])
    for mcs, cqi in enumerate(found.tolist()):
        assert 1 <= cqi <= HIGHEST_CQI
        assert allowed[cqi] >= mcs or cqi == HIGHEST_CQI
        assert allowed[cqi - 1] < mcs


def test_mcs_of_a_cqi_where_the_two_tables_belong_together() -> None:
    assert mcs_by_cqi(CqiTable.TABLE1, McsTable.QAM64).tolist() == [
        -1, 0, 0, 2, 4, 6, 8, 11, 13, 15, 18, 20, 22, 24, 26, 28]
    assert mcs_by_cqi(CqiTable.TABLE2, McsTable.QAM256).tolist() == [
        -1, 0, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27]


def test_carriers() -> None:
    assert carrier_prbs(20, 15) == 106
    assert carrier_prbs(100, 30) == 273
    assert carrier_prbs(40, 30) == 106
    for bandwidth, by_spacing in CARRIERS.items():
        for spacing, prbs in by_spacing.items():
            assert prbs * 12 * spacing < bandwidth * 1000  # guard bands remain


@pytest.mark.parametrize(("bandwidth", "spacing", "said"), [
    (7, 15, "no carrier of 7 MHz"), (100, 15, "no subcarriers 15 kHz apart"),
    (5, 60, "15 or 30 kHz")])
def test_a_carrier_that_is_none_says_which_there_are(bandwidth: int, spacing: int,
                                                     said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        carrier_prbs(bandwidth, spacing)


@pytest.mark.parametrize("arguments", [
    (10, 14, 12, 0, McsTable.QAM256, 28, 1), (10, 14, 12, 0, McsTable.QAM64, -1, 1),
    (10, 14, 12, 0, McsTable.QAM64, 3, 5), (-1, 14, 12, 0, McsTable.QAM64, 3, 1),
    (10, 1, 12, 0, McsTable.QAM64, 3, 1)])
def test_a_grant_that_cannot_be(
        arguments: tuple[int, int, int, int, McsTable, int, int]) -> None:
    with pytest.raises(ConfigurationError, match="cannot be"):
        transport_block_bits(*arguments)


def test_a_carrier_of_no_or_too_many_prbs() -> None:
    for prbs in (0, 276):
        with pytest.raises(ConfigurationError, match="1 to 275"):
            transport_block_table(McsTable.QAM64, prbs, 13, 12)
