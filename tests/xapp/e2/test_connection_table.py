"""The tables of states: complete, and without dead ends."""

from __future__ import annotations

import pytest

from xapp.e2.connection import Connection
from xapp.e2.connection_node import NodeConnection
from xapp.e2.connection_ric import RicConnection
from xapp.e2.connection_table import (
    NODE_TABLE,
    RIC_TABLE,
    SUBSCRIPTION_TABLE,
    E2Config,
    Signal,
    Stage,
    State,
    Table,
)
from xapp.e2.e2ap_tables import BY_CLASS
from xapp.e2.e2ap_types import Procedure


@pytest.mark.parametrize(("cls", "table"), [(RicConnection, RIC_TABLE),
                                            (NodeConnection, NODE_TABLE)])
def test_the_tables_name_methods_that_are_there(cls: type[Connection], table: Table) -> None:
    assert cls.table is table
    for steps in cls.table.values():
        for message, step in steps.items():
            assert message in BY_CLASS
            assert callable(getattr(cls, step.action))


def test_every_message_has_an_end_that_takes_it() -> None:
    taken = {message for table in (RIC_TABLE, NODE_TABLE) for steps in table.values()
             for message in steps}
    assert taken == set(BY_CLASS)


def test_a_subscription_ends_whatever_happens() -> None:
    assert set(SUBSCRIPTION_TABLE) == set(Stage)
    for stage, moves in SUBSCRIPTION_TABLE.items():
        assert stage is Stage.GONE or moves[Signal.LOST] is Stage.GONE


def test_every_state_is_in_a_table() -> None:
    assert set(RIC_TABLE) | set(NODE_TABLE) == set(State)


@pytest.mark.parametrize("procedure", list(Procedure))
def test_every_procedure_is_waited_for(procedure: Procedure) -> None:
    seconds, attempts = E2Config().patience(procedure)
    assert seconds > 0
    assert attempts >= 1
