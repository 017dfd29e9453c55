"""Every fault has a remark for people, and a name that a command line can take."""

from __future__ import annotations

from testbed.ran.faults import REMARKS, Fault


def test_each_fault_has_a_name_and_a_remark() -> None:
    assert set(REMARKS) == set(Fault)
    assert all(one.value.replace("-", "").isalpha() for one in Fault)
