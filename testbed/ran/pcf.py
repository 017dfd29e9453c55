"""A core's policy function, as far as the emulator stands in for one: single flows, both ways.

    pcf = Pcf(plane, Snssai(1, 1))
    status, headers, body = pcf.answer("POST", PATH, body)

It is asked as Open5GS's PCF is (Npcf_PolicyAuthorization, TS 29.514: one flow a session, by its
5-tuple), and does what no real core can: the flow goes into another slice than its session's.
Sessions end when they are ended, or with the UE's attachment. It opens nothing; see `pcf_server`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from testbed.errors import LinkFailure
from xapp.errors import ConfigurationError
from xapp.flow_ends import FlowEnds
from xapp.observations import Snssai
from xapp.promotion import PATH, described

MOST_BODY = 64 * 1024  # bytes of a request; they have some hundred
MOST_PARTS = 16  # of a document's lists that are looked at
_SESSION = re.compile(re.escape(PATH) + r"/(?P<session>[0-9]{1,12})(?P<end>/delete)?")


class Carrier(Protocol):
    """What carries packets; its methods raise ConfigurationError for what cannot be."""

    def map_flow(self, flow: FlowEnds) -> str:
        """Put a flow into its UE's second bearer; whose it is."""

    def unmap_flow(self, flow: FlowEnds) -> bool: ...


class Answer(NamedTuple):
    """To be sent."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


class Pcf:
    """Sessions of one cell. It is asked by one at a time."""

    def __init__(self, carrier: Carrier, into: Snssai) -> None:
        """`into` is the slice that flows are put into."""
        self._carrier, self._into = carrier, into
        self._sessions: dict[str, tuple[FlowEnds, Any]] = {}
        self._by_flow: dict[FlowEnds, str] = {}
        self._number = 0

    def answer(self, method: str, path: str, body: bytes) -> Answer:
        """To one request, whatever is in it."""
        if path == PATH:
            return self._begin(body) if method == "POST" else _problem(405, "POST a session here.")
        found = _SESSION.fullmatch(path)
        if found is None:
            return _problem(404, f"There is {PATH}, and sessions below it.")
        session = found["session"]
        if method != ("POST" if found["end"] else "GET"):
            return _problem(405, "GET a session, or POST to its /delete.")
        if session not in self._sessions:
            return _problem(404, "There is no such session.", "APPLICATION_SESSION_CONTEXT_NOT_"
                            "FOUND")
        if found["end"]:
            return self._end(session)
        return Answer(200, _JSON, json.dumps({"ascReqData": self._sessions[session][1]}).encode())

    def _begin(self, body: bytes) -> Answer:
        try:
            flow, asked = self._flow_of(body)
        except ConfigurationError as error:
            return _problem(400, str(error), "INVALID_SERVICE_INFORMATION")
        try:
            self._carrier.map_flow(flow)
        except ConfigurationError as error:
            return _problem(403, str(error), "REQUESTED_SERVICE_NOT_AUTHORIZED")
        except LinkFailure as error:
            return _problem(503, str(error))
        known = self._by_flow.get(flow)
        if known is not None:
            return Answer(303, (("location", f"{PATH}/{known}"),))
        self._number += 1
        session = str(self._number)
        self._sessions[session], self._by_flow[flow] = (flow, asked), session
        return Answer(201, (("location", f"{PATH}/{session}"), *_JSON),
                      json.dumps({"ascReqData": asked}).encode())

    def _end(self, session: str) -> Answer:
        flow, _ = self._sessions.pop(session)
        del self._by_flow[flow]
        try:
            self._carrier.unmap_flow(flow)
        except LinkFailure as error:
            return _problem(503, str(error))
        return Answer(204)

    def _flow_of(self, body: bytes) -> tuple[FlowEnds, Any]:
        """The one flow of a request, and what was asked."""
        try:
            document = json.loads(body)
        except (ValueError, RecursionError):
            raise ConfigurationError("The request is no JSON.") from None
        asked = _mapping(_mapping(document).get("ascReqData"))
        flows: list[FlowEnds] = []
        for component in _parts(asked.get("medComponents")):
            reference = component.get("qosReference")
            if reference is not None and reference != str(self._into):
                raise ConfigurationError(f"qosReference {str(reference)[:60]!r}: flows can be put "
                                         f"into slice {self._into} here, and into no other.")
            for part in _parts(component.get("medSubComps")):
                rules = part.get("fDescs")
                if isinstance(rules, list):
                    flows += [described(str(rule)) for rule in rules[:MOST_PARTS]]
        if len(set(flows)) != 1:
            raise ConfigurationError("A request is for one flow, described by its 5-tuple.")
        address = asked.get("ueIpv4", asked.get("ueIpv6"))
        if address != flows[0].ue:
            raise ConfigurationError(f"The flow is of {flows[0].ue}, and the request of "
                                     f"{str(address)[:60]}.")
        return flows[0], asked


_JSON = (("content-type", "application/json"),)


def _mapping(found: Any) -> Mapping[str, Any]:
    if not isinstance(found, dict):
        raise ConfigurationError("The request has no ascReqData as TS 29.514 has it.")
    return found


def _parts(found: Any) -> list[Mapping[str, Any]]:
    return [_mapping(one) for one in list(_mapping(found).values())[:MOST_PARTS]]


def _problem(status: int, detail: str, cause: str | None = None) -> Answer:
    document = {"status": status, "detail": detail} | ({} if cause is None else {"cause": cause})
    return Answer(status, (("content-type", "application/problem+json"),),
                  json.dumps(document).encode())
