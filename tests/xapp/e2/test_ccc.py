"""CCC's JSON: as base stations write it, and as strangers do."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given, settings

from tests.xapp.e2 import e2sm_values as values
from tests.xapp.e2.examples import CCC_CELL, CCC_DEFINITION, EXAMPLES, LLM, RATIO, Example
from tests.xapp.e2.hostile import assault, flips, truncations
from xapp.e2 import ccc
from xapp.e2.ccc import CellControl, CellReport
from xapp.e2.quota import SliceQuota
from xapp.errors import ProtocolError

CCC_EXAMPLES = [one for one in EXAMPLES if one.model == "ccc"]


def test_a_control_as_a_du_takes_it() -> None:
    message = json.loads(ccc.write_control([CellControl(CCC_CELL, ((RATIO, RATIO),))]))
    ratio = {"ranConfigurationStructure": {
        "resourceType": "PRB_DL",
        "rRMPolicyMemberList": [
            {"plmnId": {"mcc": "001", "mnc": "01"}, "snssai": {"sst": 1, "sd": "000005"}},
            {"plmnId": {"mcc": "001", "mnc": "01"}, "snssai": {"sst": 1}}],
        "rRMPolicyMaxRatio": 80, "rRMPolicyMinRatio": 40, "rRMPolicyDedicatedRatio": 10}}
    assert message == {"controlMessageFormat": {"listOfCellsControlled": [{
        "cellGlobalId": {"plmnIdentity": {"mcc": "001", "mnc": "01"},
                         "nRCellIdentity": "00066C000"},
        "listOfConfigurationStructures": [{
            "ranConfigurationStructureName": "O-RRMPolicyRatio",
            "oldValuesOfAttributes": ratio, "newValuesOfAttributes": ratio}]}]}}
    assert ccc.write_header() == b'{"controlHeaderFormat":{"ricStyleType":2}}'


@pytest.mark.parametrize("one", CCC_EXAMPLES, ids=lambda one: one.name)
def test_examples_come_out_as_they_went_in(one: Example) -> None:
    assert one.codec.decode(one.data) == one.value


@pytest.mark.parametrize("one", CCC_EXAMPLES, ids=lambda one: one.name)
def test_damaged_payloads_are_refused_or_others(one: Example) -> None:
    assault(one.codec.decode, itertools.chain(truncations(one.data), flips(one.data)))


@settings(max_examples=40)
@given(values.CCC_FUNCTION, values.CCC_CONTROL, values.CCC_OUTCOME, values.CCC_REPORT)
def test_any_message(function: Any, control: Any, outcome: Any, report: Any) -> None:
    assert ccc.read_function(ccc.write_function(function)) == function
    assert ccc.read_control(ccc.write_control(control)) == control
    assert ccc.read_outcome(ccc.write_outcome(outcome)) == outcome
    for reason in ccc.REASONS:
        assert ccc.read_report(*ccc.write_report(reason, report)) == (reason, report)


def changed(data: bytes, old: str, new: str) -> bytes:
    assert old in data.decode()
    return data.decode().replace(old, new).encode()


CONTROL = ccc.write_control([CellControl(CCC_CELL, ((RATIO, RATIO),))])


@pytest.mark.parametrize(("old", "new"), [
    ("controlMessageFormat", "other"), ('"mcc":"001"', '"mcc":"0x1"'), ('"mnc":"01"', '"mnc":""'),
    ("00066C000", "66C000"), ("00066C000", "00066G000"), ('"sst":1', '"sst":256'),
    ('"sst":1', '"sst":"1"'), ('"sd":"000005"', '"sd":"5"'), ('"sd":"000005"', '"sd":5'),
    ("PRB_DL", "RB"), ("80", "101"), ("40", "-1"), ("40", "true"), ("40", "40.0"),
    ("rRMPolicyMinRatio", "min"), ("newValuesOfAttributes", "values"),
    ("ranConfigurationStructureName", "name")])
def test_what_is_no_control(old: str, new: str) -> None:
    with pytest.raises(ProtocolError):
        ccc.read_control(changed(CONTROL, old, new))


def test_other_structures_are_left_out() -> None:
    control = changed(CONTROL, "O-RRMPolicyRatio", "O-NRCellDU")
    assert ccc.read_control(control) == (CellControl(CCC_CELL, ()),)


def test_later_versions_keys_do_no_harm() -> None:
    control = changed(CONTROL, '"rRMPolicyMaxRatio":80', '"rRMPolicyMaxRatio":80,"colour":"red"')
    assert ccc.read_control(control) == (CellControl(CCC_CELL, ((RATIO, RATIO),)),)


def test_a_header_of_no_style() -> None:
    assert ccc.read_header(ccc.write_header(1)) == 1
    for data in (b"{}", b'{"controlHeaderFormat":{"ricStyleType":0}}',
                 b'{"controlHeaderFormat":{"ricStyleType":null}}'):
        with pytest.raises(ProtocolError):
            ccc.read_header(data)


def test_a_report_for_no_known_reason() -> None:
    _, message = ccc.write_report("periodic", [CellReport(CCC_CELL, ())])
    with pytest.raises(ProtocolError, match="for the reason curiosity"):
        ccc.read_report(b'{"indicationHeaderFormat":{"indicationReason":"curiosity"}}', message)


def test_quotas_and_ratios() -> None:
    quotas = (SliceQuota(LLM, 40, 80, 10), SliceQuota(LLM, 1, 2, 1, "310410"))
    assert ccc.quotas_of(ccc.ratios_of(quotas)) == quotas
    assert len(ccc.quotas_of([RATIO])) == 2


def test_what_a_definition_supports() -> None:
    assert CCC_DEFINITION.supports(ccc.RATIO)
    assert not CCC_DEFINITION.supports("O-NRCellDU")
    assert ccc.read_function(ccc.write_function(CCC_DEFINITION)).name.oid.endswith(".6.2.4")
