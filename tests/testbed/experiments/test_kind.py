"""Kinds of experiments are found by name, and each column once."""

from __future__ import annotations

import pytest

from testbed.experiments.errors import BadScenario
from testbed.experiments.kind import KINDS, kind_of
from testbed.experiments.scenario import RESERVED


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_is_sound(name: str) -> None:
    kind = kind_of(name)
    assert kind.name == name
    names = [one.name for one in kind.columns]
    assert len(set(names)) == len(names)
    assert not set(names) & set(RESERVED)
    assert any(one.main for one in kind.columns)


def test_there_is_no_other() -> None:
    with pytest.raises(BadScenario, match="no 'dream'"):
        kind_of("dream")
