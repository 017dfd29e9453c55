"""Who may read what the edge tells over HTTP: bearer tokens, turned into a yes or an error.

It knows no requests. Who may open a session is decided at the `desk`, with the same tokens.
"""

from __future__ import annotations

from edge_server.errors import NotAnOperator, NoToken
from edge_server.tokens import TokenEntry, TokenStore


class Access:
    """What the tokens in a store allow; without a store, or before its first token, anything."""

    def __init__(self, tokens: TokenStore | None) -> None:
        self._tokens = tokens

    def reader(self, token: str) -> None:
        """Whether `token` may read what is served; raises where not."""
        self._entry(token)

    def operator(self, token: str) -> None:
        """Whether `token` may read how things stand; raises where not."""
        entry = self._entry(token)
        if entry is not None and not entry.operator:
            raise NotAnOperator(f"The token {entry.name} is not an operator's.",
                                "Make one: airsplit edge token add NAME --operator.")

    def _entry(self, token: str) -> TokenEntry | None:
        if self._tokens is None or not self._tokens.required:
            return None
        entry = self._tokens.check(token)
        if entry is None:
            raise NoToken("The token is not valid here." if token else "This needs a token.",
                          "Send one as 'Authorization: Bearer TOKEN'; the operator makes them "
                          "with: airsplit edge token add NAME.")
        return entry
