"""The body of a request is read as one JSON object, whatever the request calls it.

`curl -d` alone calls it a form. What the object means is for the routes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

from xapp.a1_types import sole_keys

Model = TypeVar("Model", bound=BaseModel)


def described(schema: Mapping[str, Any]) -> dict[str, Any]:
    """For the OpenAPI document of a route that reads its body itself."""
    return {"requestBody": {"required": True, "content": {
        "application/json": {"schema": dict(schema)}}}}


async def json_object(request: Request) -> dict[str, Any]:
    """One that can be stored, shown and sent on; `ValueError` says what the body is instead."""
    try:
        found = json.loads(await request.body(), object_pairs_hook=sole_keys,
                           parse_constant=_no_constant)
        json.dumps(found, ensure_ascii=False).encode()  # half a surrogate pair cannot be told
    except (ValueError, RecursionError) as error:
        raise ValueError(f"no JSON that can be read ({type(error).__name__})") from error
    if not isinstance(found, dict):
        raise ValueError(f"a {type(found).__name__}, not an object")
    return found


def read_as(model: type[Model]) -> Callable[[Request], Coroutine[Any, Any, Model]]:
    """A dependency: the body as that model; 422 where it is none."""
    async def read(request: Request) -> Model:
        try:
            return model.model_validate(await json_object(request))
        except ValidationError as error:
            raise RequestValidationError([{**one, "loc": ("body", *one["loc"])}
                                          for one in error.errors()]) from error
        except ValueError as error:
            raise RequestValidationError([{"loc": ("body",), "msg": f"it is {error}"}]) from error

    return read


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
