"""The edge's HTTP routes: for monitoring, for operators, and for phones that look before they ask.

Routes only: what they answer is made in `serving`, its types are in `views`, who may ask is decided
in `access`.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4
from starlette.exceptions import HTTPException

from edge_server.access import Access
from edge_server.errors import NotAnOperator, NoToken
from edge_server.serving import Edge
from edge_server.views import Alive, ModelView, Problem, Readiness, SessionsView, StepTimesView

NEEDS_TOKEN: dict[int | str, dict[str, Any]] = {
    401: {"model": Problem, "description": "The edge has tokens, and none that is valid came"}}
NEEDS_OPERATOR: dict[int | str, dict[str, Any]] = NEEDS_TOKEN | {
    403: {"model": Problem, "description": "The token is valid, and not an operator's"}}
_scheme = HTTPBearer(auto_error=False, description="A token of `airsplit edge token add`")
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_scheme)]


def create_router(edge: Edge, access: Access) -> APIRouter:
    """The routes of `edge`, for those whom `access` lets in."""
    router = APIRouter()

    def reader(credentials: Credentials) -> None:
        access.reader(credentials.credentials if credentials else "")

    def operator(credentials: Credentials) -> None:
        access.operator(credentials.credentials if credentials else "")

    @router.get("/healthz", summary="Is the process alive?", tags=["monitoring"])
    async def healthz() -> Alive:
        return Alive(status="ok")

    @router.get("/readyz", summary="Does it take sessions?", tags=["monitoring"], responses={
        503: {"model": Readiness, "description": "It does not; `reason` says why"}})
    async def readyz(response: Response) -> Readiness:
        reason = edge.objection()
        response.status_code = 200 if reason is None else 503
        return Readiness(ready=reason is None, reason=reason or "")

    @router.get("/metrics", summary="Counters, in Prometheus' text format", tags=["monitoring"],
             dependencies=[Depends(operator)], response_class=Response,
             responses=NEEDS_OPERATOR | {200: {"content": {"text/plain": {
                 "schema": {"type": "string"}}}}})
    async def metrics() -> Response:
        return Response(edge.metrics.render(edge.gauges()), media_type=CONTENT_TYPE_PLAIN_0_0_4)

    @router.get("/v1/models", summary="What this edge serves, and its limits", tags=["serving"],
             dependencies=[Depends(reader)], responses=NEEDS_TOKEN)
    async def models() -> ModelView:
        return edge.describe()

    @router.get("/v1/sessions", summary="Who is served now", tags=["serving"],
             dependencies=[Depends(operator)], responses=NEEDS_OPERATOR)
    async def sessions() -> SessionsView:
        return edge.describe_sessions()

    @router.get("/v1/steps", summary="When a session's last steps were", tags=["serving"],
             dependencies=[Depends(operator)], responses=NEEDS_OPERATOR | {
                 404: {"model": Problem, "description": "It keeps none: see --step-times"}})
    async def steps(session: str = "") -> StepTimesView:
        """`session` is its alias in `/v1/sessions`; without one the answer is the clock alone."""
        found = edge.describe_steps(session)
        if found is None:
            raise HTTPException(404, "This edge keeps no times of its steps: --step-times N.")
        return found

    return router


def explain_errors(app: FastAPI) -> None:
    """Every error as a `Problem`."""

    @app.exception_handler(NoToken)
    async def no_token(_: Request, error: NoToken) -> JSONResponse:
        return _problem(401, error.problem, error.remedy, {"WWW-Authenticate": "Bearer"})

    @app.exception_handler(NotAnOperator)
    async def not_an_operator(_: Request, error: NotAnOperator) -> JSONResponse:
        return _problem(403, error.problem, error.remedy)

    @app.exception_handler(HTTPException)
    async def others(_: Request, error: HTTPException) -> JSONResponse:
        return _problem(error.status_code, str(error.detail), "See /openapi.json.", error.headers)


def _problem(
    status: int, problem: str, remedy: str, headers: Any = None
) -> JSONResponse:
    return JSONResponse(Problem(problem=problem, remedy=remedy).model_dump(), status, headers)
