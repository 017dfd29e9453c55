"""What a body is read as; what it is called does not matter."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel

from xapp.api_bodies import json_object, read_as
from xapp.errors import PolicyError


class Wanted(BaseModel):
    share: int


def request(body: bytes) -> Request:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return Request({"type": "http", "method": "PUT", "headers": [
        (b"content-type", b"application/x-www-form-urlencoded")]}, receive)


def test_an_object_is_read() -> None:
    assert asyncio.run(json_object(request(b'{"share": 3}'))) == {"share": 3}
    assert asyncio.run(read_as(Wanted)(request(b'{"share": 3}'))).share == 3


@pytest.mark.parametrize(("body", "what"), [
    (b"", "no JSON"), (b"share=3", "no JSON"), (b'{"share": Infinity}', "no JSON"),
    (b"[" * 60_000, "no JSON"), (b'{"share": "\\ud800"}', "no JSON"), (b"[3]", "a list")])
def test_what_is_no_object_is_named(body: bytes, what: str) -> None:
    with pytest.raises(ValueError, match=f"^{what}"):
        asyncio.run(json_object(request(body)))
    with pytest.raises(RequestValidationError) as caught:
        asyncio.run(read_as(Wanted)(request(body)))
    assert caught.value.errors()[0]["loc"] == ("body",)


def test_what_the_model_refuses_is_told_by_its_place_in_the_body() -> None:
    with pytest.raises(RequestValidationError) as caught:
        asyncio.run(read_as(Wanted)(request(b'{"share": "much"}')))
    assert caught.value.errors()[0]["loc"] == ("body", "share")


def test_a_key_that_is_there_twice_is_refused() -> None:
    with pytest.raises(PolicyError, match="is there twice"):
        asyncio.run(json_object(request(b'{"share": 3, "share": 4}')))
