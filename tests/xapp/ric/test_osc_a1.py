"""Requests of the A1 mediator, done and answered."""

from __future__ import annotations

import json

import pytest

from xapp.a1_types import Document
from xapp.errors import Conflict, NotFound, OperatorError, PolicyError, XappError
from xapp.ric.osc_a1 import WHO, A1Desk


class Fake:
    """Does what it is told to, or fails as told."""

    def __init__(self, error: XappError | None = None) -> None:
        self.error = error
        self.done: list[tuple[object, ...]] = []

    def put_policy(self, type_id: int, instance: str, body: Document, who: str, now: float,
                   wall: float) -> None:
        self._do("put", type_id, instance, dict(body), who, now, wall)

    def delete_policy(self, type_id: int, instance: str, who: str, now: float) -> None:
        self._do("delete", type_id, instance, who, now)

    def _do(self, *what: object) -> None:
        if self.error is not None:
            raise self.error
        self.done.append(what)


def request(operation: str) -> bytes:
    return json.dumps({"operation": operation, "policy_type_id": 20008,
                       "policy_instance_id": "one", "payload": {"threshold": 5}}).encode()


def answered(fake: Fake, operation: str) -> tuple[str, str]:
    answer, problem = A1Desk(fake, "airsplit").take(request(operation), 3.0, 4.0)
    return json.loads(answer or b"{}")["status"], problem


def test_policies_are_put_and_deleted() -> None:
    fake = Fake()
    assert answered(fake, "CREATE") == ("OK", "")
    assert answered(fake, "UPDATE") == ("OK", "")
    assert answered(fake, "DELETE") == ("DELETED", "")
    put = ("put", 20008, "one", {"threshold": 5}, WHO, 3.0, 4.0)
    assert fake.done == [put, put, ("delete", 20008, "one", WHO, 3.0)]


@pytest.mark.parametrize("error", [PolicyError("no"), Conflict("no"), OperatorError("no")])
def test_what_cannot_be_done_is_an_error(error: XappError) -> None:
    for operation in ("CREATE", "DELETE"):
        assert answered(Fake(error), operation) == ("ERROR", "no")


def test_what_is_not_there_is_deleted_and_a_type_that_is_not_there_is_an_error() -> None:
    assert answered(Fake(NotFound("no")), "DELETE") == ("DELETED", "")
    assert answered(Fake(NotFound("no")), "CREATE") == ("ERROR", "no")


def test_what_is_no_request_is_not_answered() -> None:
    answer, problem = A1Desk(Fake(), "airsplit").take(b"{}", 0.0, 0.0)
    assert answer is None
    assert problem
