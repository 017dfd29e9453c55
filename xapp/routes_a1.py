"""A1-P version 2 as the OSC near-RT RIC offers it, for a RIC in one box that has no A1 mediator.

Status codes and bodies are that mediator's: an instance is accepted (202) and its status tells what
became of it. Two things are added, which a client of the mediator never meets: errors have a body
that explains them, and 409 tells of an instance that contradicts the limits or another one. What a
policy means is for `a1`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from xapp.api_bodies import described, json_object
from xapp.api_commands import answer
from xapp.api_errors import CHANGES, NEEDS_TOKEN, NOT_FOUND
from xapp.api_views import Problem
from xapp.errors import Conflict, NotFound, PolicyError
from xapp.operations import Operations, PolicyView
from xapp.routes_control import who

PREFIX = "/A1-P/v2"
TYPE, INSTANCE = "/policytypes/{type_id}", "/policytypes/{type_id}/policies/{instance}"
MAX_TYPE_ID = 2**31 - 1
_INSTANCE = re.compile(r"[A-Za-z0-9._:@+-]{1,128}")  # a UUID, or a name; stands in logs as it is
TYPE_FIELDS = {"name": str, "description": str, "policy_type_id": int, "create_schema": dict}
CONFLICT: dict[int | str, dict[str, Any]] = {
    409: {"model": Problem, "description": "It contradicts the limits or another instance"}}
BODY = described({"type": "object"})


async def _object(request: Request) -> dict[str, Any]:
    try:
        return await json_object(request)
    except ValueError as error:
        raise PolicyError(f"The body is {error}.", "Send one JSON object.") from error


Body = Annotated[dict[str, Any], Depends(_object)]


def create_readers(operations: Operations) -> APIRouter:
    """What is there."""
    router = APIRouter(prefix=PREFIX, tags=["A1"], responses=NEEDS_TOKEN)

    @router.get("/healthcheck", summary="Is A1 healthy?", response_class=Response,
                responses={500: {"description": "It is not"}})
    async def healthcheck() -> Response:
        return Response(status_code=200 if operations.picture().health.alive else 500)

    @router.get("/policytypes", summary="Ids of all policy types")
    async def types() -> list[int]:
        return sorted(operations.policy_types())

    @router.get(TYPE, summary="A policy type with its schema", responses=NOT_FOUND)
    async def policy_type(type_id: str) -> dict[str, Any]:
        return dict(operations.policy_types()[_known(operations, type_id)])

    @router.get(TYPE + "/policies", summary="Ids of the instances of a type", responses=NOT_FOUND)
    async def instances(type_id: str) -> list[str]:
        return [one.instance for one in operations.policies(_known(operations, type_id))]

    @router.get(INSTANCE, summary="A policy instance", responses=NOT_FOUND)
    async def instance_body(type_id: str, instance: str) -> dict[str, Any]:
        return dict(_instance(operations, type_id, instance).body)

    @router.get(INSTANCE + "/status", summary="Is a policy instance in effect?",
                responses=NOT_FOUND)
    async def status(type_id: str, instance: str) -> dict[str, Any]:
        found = _instance(operations, type_id, instance)
        return {"instance_status": "IN EFFECT" if found.in_effect else "NOT IN EFFECT",
                "has_been_deleted": False,
                "created_at": datetime.fromtimestamp(found.created, UTC).isoformat(
                    timespec="seconds"),
                "reason": found.reason}

    return router


def create_router(operations: Operations) -> APIRouter:
    """Changing it."""
    router = APIRouter(prefix=PREFIX, tags=["A1"], responses=CHANGES)

    @router.put(TYPE, summary="Add a policy type", status_code=201, response_class=Response,
                openapi_extra=BODY)
    async def create_type(type_id: str, body: Body) -> Response:
        number = _type_number(type_id)
        if number is None or not 0 < number <= MAX_TYPE_ID:
            raise PolicyError(f"{type_id[:64]!r} is no policy type id.",
                              f"Give a number from 1 to {MAX_TYPE_ID}.")
        _check_type(number, body)
        try:
            await answer(operations.create_policy_type(number, body))
        except Conflict as error:  # the mediator's code for it
            raise PolicyError(error.problem, error.remedy) from error
        return Response(status_code=201)

    @router.delete(TYPE, summary="Remove a policy type that has no instances", status_code=204,
                   response_class=Response, responses=NOT_FOUND)
    async def delete_type(type_id: str) -> Response:
        try:
            await answer(operations.delete_policy_type(_known(operations, type_id)))
        except Conflict as error:
            raise PolicyError(error.problem, error.remedy) from error
        return Response(status_code=204)

    @router.put(INSTANCE, summary="Create or replace a policy instance", status_code=202,
                response_class=Response, responses=NOT_FOUND | CONFLICT, openapi_extra=BODY)
    async def put_instance(
        type_id: str, instance: str, request: Request, body: Body
    ) -> Response:
        number = _known(operations, type_id)
        if not _INSTANCE.fullmatch(instance):
            raise PolicyError("That is no id for a policy instance.",
                              "Use up to 128 letters, digits and . _ : @ + -, such as a UUID.")
        await answer(operations.put_policy(number, instance, body, who(request)))
        return Response(status_code=202)

    @router.delete(INSTANCE, summary="Remove a policy instance", status_code=202,
                   response_class=Response, responses=NOT_FOUND)
    async def delete_instance(type_id: str, instance: str, request: Request) -> Response:
        found = _instance(operations, type_id, instance)
        await answer(operations.delete_policy(_known(operations, type_id), found.instance,
                                              who(request)))
        return Response(status_code=202)

    return router


def _type_number(text: str) -> int | None:
    return int(text) if re.fullmatch("[0-9]{1,10}", text) else None


def _known(operations: Operations, type_id: str) -> int:
    number = _type_number(type_id)
    if number is None or number not in operations.policy_types():
        raise NotFound(f"There is no policy type {type_id[:64]}.", f"See {PREFIX}/policytypes.")
    return number


def _instance(operations: Operations, type_id: str, instance: str) -> PolicyView:
    number = _known(operations, type_id)
    for found in operations.policies(number):
        if found.instance == instance:
            return found
    raise NotFound(f"There is no instance {instance[:128]} of policy type {number}.",
                   f"See {PREFIX}/policytypes/{number}/policies.")


def _check_type(number: int, body: dict[str, Any]) -> None:
    for name, kind in TYPE_FIELDS.items():
        if not isinstance(body.get(name), kind):
            raise PolicyError(f"The policy type has no {name}, or not as {kind.__name__}.",
                              f"Give {', '.join(TYPE_FIELDS)}.")
    if body["policy_type_id"] != number:
        raise PolicyError(f"The body's policy_type_id is {body['policy_type_id']}, the path's "
                          f"{number}.", "Give the same in both.")
