"""A1 policies that OSC's A1 mediator sends over RMR: done to the core, and answered.

    desk = A1Desk(core, "airsplit")
    answer, problem = desk.take(payload, now, wall)     # of type 20010; the answer is of type 20011

What is no request is not answered: there is no policy to name in an answer.
"""

from __future__ import annotations

from typing import Protocol

from xapp.a1_rmr import Operation, Outcome, Request, read_request, reply
from xapp.a1_types import Document
from xapp.errors import NotFound, OperatorError, PolicyError, ProtocolError

WHO = "A1 mediator"


class Policies(Protocol):
    """Who acts upon policies."""

    def put_policy(self, type_id: int, instance: str, body: Document, who: str, now: float,
                   wall: float) -> None:
        """Create or replace; raises where it cannot be acted upon."""

    def delete_policy(self, type_id: int, instance: str, who: str, now: float) -> None:
        """Raises where there is none."""


class A1Desk:
    """Where the mediator's requests are dealt with."""

    def __init__(self, policies: Policies, handler: str) -> None:
        self._policies, self._handler = policies, handler

    def take(self, payload: bytes, now: float, wall: float) -> tuple[bytes | None, str]:
        """What to answer, if anything, and what is wrong, for the operator."""
        try:
            request = read_request(payload)
        except ProtocolError as error:
            return None, error.problem
        outcome, problem = self._do(request, now, wall)
        return reply(request, self._handler, outcome), problem

    def _do(self, request: Request, now: float, wall: float) -> tuple[Outcome, str]:
        try:
            if request.operation is not Operation.DELETE:
                self._policies.put_policy(request.type_id, request.instance, request.body, WHO,
                                          now, wall)
                return Outcome.OK, ""
            self._policies.delete_policy(request.type_id, request.instance, WHO, now)
        except NotFound as error:
            if request.operation is not Operation.DELETE:
                return Outcome.ERROR, str(error)
            # It is not here: anything else would have the mediator keep it for ever.
        except (PolicyError, OperatorError) as error:
            return Outcome.ERROR, str(error)
        return Outcome.DELETED, ""
