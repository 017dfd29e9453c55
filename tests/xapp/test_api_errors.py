"""Every error as one kind of body, with the status that the table says."""

from __future__ import annotations

import warnings
from typing import Annotated

import pytest
from fastapi import FastAPI, Query
from starlette.exceptions import HTTPException
from starlette.testclient import TestClient

from xapp.api_errors import STATUS, explain_errors
from xapp.errors import (
    Behind,
    ConfigurationError,
    Conflict,
    NotAllowed,
    NotFound,
    PolicyError,
    StoreError,
    TransportError,
    XappError,
)


def client(error: Exception | None = None) -> TestClient:
    app = FastAPI()
    explain_errors(app)

    @app.get("/")
    async def answer(number: Annotated[int, Query(ge=0)] = 0) -> int:
        if error is not None:
            raise error
        return number

    with warnings.catch_warnings():
        return TestClient(app, raise_server_exceptions=False)


@pytest.mark.parametrize(("kind", "status"), [
    (NotAllowed, 401), (NotFound, 404), (Conflict, 409), (Behind, 503), (StoreError, 503),
    (PolicyError, 400), (ConfigurationError, 400)])
def test_ours(kind: type[XappError], status: int) -> None:
    answer = client(kind("It is wrong.", "Do this.")).get("/")
    assert answer.status_code == status
    assert answer.json() == {"error": "It is wrong.", "remedy": "Do this."}
    assert ("WWW-Authenticate" in answer.headers) is (status == 401)
    assert ("Retry-After" in answer.headers) is (status == 503)


def test_one_of_ours_that_was_not_expected_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    answer = client(TransportError("It is wrong.", "Do this.")).get("/")
    assert (answer.status_code, answer.json()["error"]) == (500, "It is wrong.")
    assert "unexpected" in caplog.text


def test_a_fault_tells_nothing_of_the_inside() -> None:
    answer = client(RuntimeError("secret")).get("/")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert set(answer.json()) == {"error", "remedy"}


def test_parameters_that_are_wrong_are_named() -> None:
    answer = client().get("/", params={"number": "-1"})
    assert answer.status_code == 422
    assert answer.json()["error"].startswith("query.number: ")


def test_pages_that_are_not_there_and_headers_of_others() -> None:
    assert client().get("/nothing").json()["error"] == "Not Found"
    answer = client(HTTPException(405, "No.", {"Allow": "GET"})).get("/")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET")


def test_no_entry_of_the_table_hides_another() -> None:
    for place, (kind, _) in enumerate(STATUS):
        assert not any(issubclass(kind, before) for before, _ in STATUS[:place])
