"""Every error of the REST API as one kind of body: what is wrong, and what to do.

Which of the xApp's errors is which status is one table. It knows no routes.
"""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from xapp.api_views import Problem
from xapp.errors import (
    Behind,
    ConfigurationError,
    Conflict,
    NotAllowed,
    NotFound,
    PolicyError,
    StoreError,
    XappError,
)

logger = logging.getLogger("xapp.api")
STATUS: tuple[tuple[type[XappError], int], ...] = (
    (NotAllowed, 401), (NotFound, 404), (Conflict, 409), (Behind, 503), (StoreError, 503),
    (PolicyError, 400), (ConfigurationError, 400),
)
HEADERS = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": "5"}}
Responses = dict[int | str, dict[str, Any]]
BAD: Responses = {422: {"model": Problem, "description": "A parameter, or the body, is not valid"}}
NEEDS_TOKEN: Responses = {
    401: {"model": Problem, "description": "The operator's token did not come with it"}}
CHANGES: Responses = BAD | NEEDS_TOKEN | {
    400: {"model": Problem, "description": "It cannot be done as asked"},
    503: {"model": Problem, "description": "The xApp did not get to it, or cannot keep it"}}
NOT_FOUND: Responses = {404: {"model": Problem, "description": "There is no such thing"}}


def explain_errors(app: FastAPI) -> None:
    """Every error as a `Problem`."""

    @app.exception_handler(XappError)
    async def ours(_: Request, error: XappError) -> JSONResponse:
        for kind, status in STATUS:
            if isinstance(error, kind):
                return problem(status, error.problem, error.remedy)
        logger.error("unexpected", exc_info=error)
        return problem(500, error.problem, error.remedy)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return problem(422, _printable(f"{where}: {first['msg']}."), "See /openapi.json.")

    @app.exception_handler(HTTPException)
    async def others(_: Request, error: HTTPException) -> JSONResponse:
        return problem(error.status_code, str(error.detail), "See /openapi.json.", error.headers)

    @app.exception_handler(Exception)
    async def bug(_: Request, error: Exception) -> JSONResponse:
        return problem(500, "The xApp failed to answer this; its log says why.",
                       "Report it with the log.")


def problem(status: int, error: str, remedy: str, headers: Any = None) -> JSONResponse:
    return JSONResponse(Problem(error=error, remedy=remedy).model_dump(), status,
                        headers or HEADERS.get(status))


def _printable(text: str) -> str:
    """Without what UTF-8 cannot carry: a caller may have sent half a surrogate pair."""
    return text.encode("utf-8", "replace").decode("utf-8")
