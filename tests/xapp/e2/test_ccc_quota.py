"""Slice quotas through CCC."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given

from tests.xapp.e2 import e2sm_values as values
from tests.xapp.e2.examples import CCC_CELL, QUOTAS
from xapp.e2.ccc import read_control, read_header
from xapp.e2.ccc_quota import ccc_quota_control, read_ccc_quotas
from xapp.e2.profiles import OAI, OCUDU, SPEC, SRSRAN
from xapp.e2.quota import SliceQuota
from xapp.errors import PolicyError


@given(values.quotas(least_dedicated=1))
def test_any_quotas(quotas: list[SliceQuota]) -> None:
    control = ccc_quota_control(OCUDU, CCC_CELL, quotas)
    assert read_header(control.header) == 2
    assert read_ccc_quotas(control.message) == {CCC_CELL: tuple(quotas)}


def test_what_is_replaced_is_said_where_it_is_known() -> None:
    before = [replace(QUOTAS[0], minimum=10)]
    (cell,) = read_control(ccc_quota_control(SPEC, CCC_CELL, QUOTAS, before).message)
    assert [old.minimum for old, _ in cell.changes] == [10, QUOTAS[1].minimum]
    assert [new.minimum for _, new in cell.changes] == [40, 20]


def test_what_is_refused_or_harmful_is_not_sent() -> None:
    with pytest.raises(PolicyError, match="less than 1 % dedicated"):
        ccc_quota_control(OCUDU, CCC_CELL, [replace(QUOTAS[0], dedicated=0)])
    with pytest.raises(PolicyError, match="harmed"):
        ccc_quota_control(SRSRAN, CCC_CELL, QUOTAS)
    with pytest.raises(PolicyError, match="has no"):
        ccc_quota_control(OAI, CCC_CELL, QUOTAS)
