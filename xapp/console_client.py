"""The REST API from the other side: typed calls, and one error for each way that they can fail.

Safe to use from several threads. It knows the API's types and nothing of the xApp behind it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, TypeAdapter, ValidationError

from xapp.api_decisions import DecisionModel
from xapp.api_views import (
    CellModel,
    EventModel,
    FlowModel,
    HistoryModel,
    NodeModel,
    Page,
    PolicyModel,
    Problem,
    Recent,
    StatusModel,
    UeModel,
)
from xapp.errors import (
    ApiAway,
    Behind,
    Conflict,
    NotAllowed,
    NotFound,
    OperatorError,
    PolicyError,
    XappError,
)

READ_SECONDS = 5.0
# The API waits this long for a command that has begun, and says so after it.
COMMAND_SECONDS = 40.0
MAX_ANSWER_BYTES = 32 << 20  # a whole history of every slice has under 4 MiB
ERRORS: dict[int, type[XappError]] = {400: PolicyError, 401: NotAllowed, 404: NotFound,
                                      409: Conflict, 503: Behind}
Model = TypeVar("Model", bound=BaseModel)
_OBJECT, _OBJECTS = TypeAdapter(dict[str, Any]), TypeAdapter(list[dict[str, Any]])


class Client:
    """One xApp's API."""

    def __init__(
        self, url: str, token: str | None = None, transport: httpx.BaseTransport | None = None
    ) -> None:
        self.url = url.rstrip("/")
        self.may_change = token is not None
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._http = httpx.Client(
            base_url=self.url, headers=headers, timeout=READ_SECONDS, transport=transport,
            trust_env=False)  # a proxy for the web must not see the operator's token

    def close(self) -> None:
        self._http.close()

    def status(self) -> StatusModel:
        return self._get(StatusModel, "/api/v1/status")

    def nodes(self) -> Page[NodeModel]:
        return self._get(Page[NodeModel], "/api/v1/nodes")

    def cells(self) -> Page[CellModel]:
        return self._get(Page[CellModel], "/api/v1/cells")

    def ues(self) -> Page[UeModel]:
        return self._get(Page[UeModel], "/api/v1/ues")

    def flows(self) -> Page[FlowModel]:
        return self._get(Page[FlowModel], "/api/v1/flows")

    def decisions(self, limit: int = 50, before: int | None = None) -> Recent[DecisionModel]:
        return self._get(Recent[DecisionModel], "/api/v1/decisions", limit=limit, before=before)

    def events(self, limit: int = 50, before: int | None = None) -> Recent[EventModel]:
        return self._get(Recent[EventModel], "/api/v1/events", limit=limit, before=before)

    def history(
        self, kind: str, metric: str, seconds: float, points: int = 300, subject: str | None = None
    ) -> HistoryModel:
        return self._get(HistoryModel, "/api/v1/history", kind=kind, metric=metric,
                         seconds=seconds, points=points, subject=subject)

    def limits(self) -> dict[str, Any]:
        with _understood(self.url):
            return _OBJECT.validate_json(self._ask("GET", "/api/v1/limits"))

    def policy_types(self) -> list[dict[str, Any]]:
        with _understood(self.url):
            return _OBJECTS.validate_json(self._ask("GET", "/api/v1/policy-types"))

    def policies(self) -> Page[PolicyModel]:
        return self._get(Page[PolicyModel], "/api/v1/policies")

    def audit(self, form: str) -> bytes:
        """The whole audit log, as `jsonl` or `csv`."""
        return self._ask("GET", f"/api/v1/audit?format={form}")

    def put_policy(self, type_id: int, instance: str, body: dict[str, Any]) -> None:
        self._ask("PUT", _instance(type_id, instance), body)

    def delete_policy(self, type_id: int, instance: str) -> None:
        self._ask("DELETE", _instance(type_id, instance))

    def set_dry_run(self, on: bool) -> None:
        self._ask("PUT", "/api/v1/dry-run", {"on": on})

    def set_kill_switch(self, pulled: bool, reason: str = "") -> None:
        self._ask("PUT", "/api/v1/kill-switch", {"pulled": pulled, "reason": reason})

    def _get(self, model: type[Model], path: str, **query: Any) -> Model:
        given = {name: value for name, value in query.items() if value is not None}
        with _understood(self.url):
            return model.model_validate_json(self._ask("GET", path, query=given))

    def _ask(
        self, method: str, path: str, body: Any = None, query: dict[str, Any] | None = None
    ) -> bytes:
        seconds = READ_SECONDS if method == "GET" else COMMAND_SECONDS
        try:
            with self._http.stream(method, path, json=body, params=query or None,
                                   timeout=httpx.Timeout(seconds, connect=READ_SECONDS)) as reply:
                content = _all(reply)
        except httpx.TimeoutException as error:
            raise ApiAway(f"The xApp at {self.url} did not answer in time.",
                          "It may be busy, or stopped.") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ApiAway(f"No xApp answers at {self.url}.",
                          "Start it with `airsplit xapp`, or name its address with `--api URL`."
                          ) from error
        if reply.is_success:
            return content
        raise _refusal(reply.status_code, content, self.url)


def _instance(type_id: int, instance: str) -> str:
    return f"/A1-P/v2/policytypes/{type_id}/policies/{quote(instance, safe='')}"


def _all(reply: httpx.Response) -> bytes:
    """The body, as far as it can be meant."""
    content = bytearray()
    for part in reply.iter_bytes():
        content += part
        if len(content) > MAX_ANSWER_BYTES:
            raise httpx.DecodingError("the answer does not end", request=reply.request)
    return bytes(content)


def _refusal(status: int, content: bytes, url: str) -> XappError:
    with _understood(url):
        told = Problem.model_validate_json(content)
    return ERRORS.get(status, OperatorError)(told.error, told.remedy)


@contextmanager
def _understood(url: str) -> Iterator[None]:
    try:
        yield
    except ValidationError as error:
        raise ApiAway(f"What answers at {url} is no xApp of this version.",
                      "Name another address with `--api URL`.") from error
