"""What base stations say their RC can do."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from tests.xapp.e2 import e2sm_values as values
from tests.xapp.e2.examples import FULL_RC_DEFINITION, QUOTA_PARAMETERS, RC_DEFINITION
from xapp.e2.common import FunctionName
from xapp.e2.rc_function import RC_FUNCTION, ControlStyle, RcFunctionDefinition
from xapp.errors import ProtocolError


def test_a_small_definition_octet_by_octet() -> None:
    definition = RcFunctionDefinition(FunctionName("a", "b", "c"), controls=(
        ControlStyle(2, "d", None, 1, 1, None, 1),))
    encoded = (
        "08"  # marker, five options, and marker and option of the name
        "0000" "61" "00" "0000" "62" "0000" "63"  # marker and size of each text
        "0000" "0102"  # markers, size in six bits and three options; the style
        "0000" "64" "0101" "0101" "0101")  # its name; formats
    assert RC_FUNCTION.decode(RC_FUNCTION.encode(definition)) == definition
    assert RC_FUNCTION.encode(definition).hex() == encoded


@settings(max_examples=60)
@given(values.RC_FUNCTION)
def test_any_definition(value: RcFunctionDefinition) -> None:
    assert RC_FUNCTION.decode(RC_FUNCTION.encode(value)) == value


def test_actions_are_found_by_style_and_number() -> None:
    action = RC_DEFINITION.action(2, 6)
    assert action is not None
    assert action.parameters == QUOTA_PARAMETERS
    assert RC_DEFINITION.action(3, 1) is None
    assert FULL_RC_DEFINITION.action(3, 1) is not None
    assert RcFunctionDefinition(FunctionName("a", "b", "c")).action(2, 6) is None


def test_a_definition_without_a_name_is_refused() -> None:
    with pytest.raises(ProtocolError):
        RC_FUNCTION.encode(RcFunctionDefinition(FunctionName("", "b", "c\n")))
