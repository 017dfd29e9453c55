"""A1 policies as messages of OSC's A1 mediator over RMR: JSON in, JSON out, and nothing sent.

    request = read_request(payload)               # message type 20010
    answer = reply(request, "airsplit", Outcome.OK)    # to be sent as 20011
    ask = query(SLICE_POLICY)                     # to be sent as 20012, at start

`take` does to an `A1` what a request says. An answer says OK only of what was taken; whether it is
in effect is told later.
"""

from __future__ import annotations

import enum
import json
from dataclasses import dataclass
from typing import Any

from xapp.a1 import A1, MOST_BYTES, Instance
from xapp.a1_types import Document, sole_keys
from xapp.errors import OperatorError, PolicyError, ProtocolError

REQUEST, RESPONSE, QUERY = 20010, 20011, 20012  # RMR message types
_ADVICE = "The A1 mediator sends something else than its contract says."


class Operation(enum.Enum):
    CREATE = "CREATE"
    UPDATE = "UPDATE"
    DELETE = "DELETE"


class Outcome(enum.Enum):
    OK = "OK"
    ERROR = "ERROR"
    DELETED = "DELETED"


@dataclass(frozen=True, slots=True)
class Request:
    """What the mediator wants done."""

    operation: Operation
    type_id: int
    instance: str
    body: Document


def read_request(payload: bytes) -> Request:
    """The request that a message of type 20010 is, or ProtocolError."""
    if len(payload) > 2 * MOST_BYTES:
        raise ProtocolError(f"An A1 request of {len(payload):,} bytes.", _ADVICE)
    fields = _object(payload.rstrip(b"\0"))  # RMR hands out what was allocated
    try:
        operation = Operation(fields.get("operation"))
    except ValueError:
        raise ProtocolError("An A1 request without a known operation.", _ADVICE) from None
    type_id, instance = fields.get("policy_type_id"), fields.get("policy_instance_id")
    if isinstance(type_id, str) and type_id.isascii() and type_id.isdigit() and len(type_id) < 10:
        type_id = int(type_id)
    if type(type_id) is not int or not isinstance(instance, str) or not instance:
        raise ProtocolError("An A1 request without type and instance.", _ADVICE)
    body = fields.get("payload")
    if isinstance(body, str) and body:
        body = _object(body.encode())  # some versions put text into text
    if operation is not Operation.DELETE and not isinstance(body, dict):
        raise ProtocolError("An A1 request without a policy.", _ADVICE)
    return Request(operation, type_id, instance, body if isinstance(body, dict) else {})


def reply(request: Request, handler: str, outcome: Outcome) -> bytes:
    """The answer, to be sent as message type 20011."""
    return _bytes({
        "policy_type_id": request.type_id, "policy_instance_id": request.instance,
        "handler_id": handler, "status": outcome.value})


def gone(instance: Instance, handler: str) -> bytes:
    """Unasked, as 20011 too: a policy that this xApp gave up by itself."""
    return _bytes({
        "policy_type_id": instance.type_id, "policy_instance_id": instance.name,
        "handler_id": handler, "status": Outcome.DELETED.value})


def query(type_id: int) -> bytes:
    """Asks the mediator to send all instances of a type again; message type 20012."""
    return _bytes({"policy_type_id": type_id})


def take(a1: A1, request: Request, wall: float) -> tuple[Outcome, str]:
    """Do it; what to answer, and for the operator what is wrong."""
    try:
        if request.operation is Operation.DELETE:
            a1.delete(request.type_id, request.instance)
            return Outcome.DELETED, ""
        a1.put(request.type_id, request.instance, request.body, "A1 mediator", wall)
    except (PolicyError, OperatorError) as error:
        return Outcome.ERROR, str(error)
    return Outcome.OK, ""


def _object(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=sole_keys)
    except (ValueError, RecursionError):
        raise ProtocolError("An A1 request that is no JSON.", _ADVICE) from None
    except PolicyError as error:
        raise ProtocolError(f"An A1 request that cannot be read: {error.problem}", _ADVICE
                            ) from None
    if not isinstance(value, dict):
        raise ProtocolError("An A1 request that is no object.", _ADVICE)
    return value


def _bytes(fields: Document) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode()
