"""Who may read what over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge_server.access import Access
from edge_server.errors import NotAnOperator, NoToken
from edge_server.tokens import TokenStore

NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> TokenStore:
    return TokenStore(tmp_path / "tokens.json")


def test_without_tokens_anybody_may_read(store: TokenStore) -> None:
    for access in (Access(None), Access(store)):
        for token in ("", "anything"):
            access.reader(token)
            access.operator(token)


def test_with_the_first_token_the_others_are_locked_out(store: TokenStore) -> None:
    access = Access(store)
    phone, operator = store.add("phone", NOW), store.add("ops", NOW, operator=True)
    access.reader(phone)
    access.reader(operator)
    access.operator(operator)
    with pytest.raises(NotAnOperator, match="phone is not an operator's"):
        access.operator(phone)
    for ask in (access.reader, access.operator):
        with pytest.raises(NoToken, match="This needs a token"):
            ask("")
        with pytest.raises(NoToken, match="not valid here") as caught:
            ask(phone + "x")
        assert phone not in str(caught.value)


def test_a_revoked_token_opens_nothing(store: TokenStore) -> None:
    access = Access(store)
    store.add("other", NOW)
    token = store.add("ops", NOW, operator=True)
    access.operator(token)
    store.revoke("ops")
    with pytest.raises(NoToken):
        access.operator(token)
