"""The token file: who is let in, what revoking does, and what cannot be lost."""

from __future__ import annotations

import json
import logging
import os
import stat
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from filelock import FileLock

from edge_server import tokens
from edge_server.errors import ConfigurationError
from edge_server.tokens import TokenStore, default_path

NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "tokens.json"


def test_a_token_is_known_by_its_hash_alone(path: Path) -> None:
    store = TokenStore(path)
    token = store.add("alice", NOW, operator=True, rate=500.0, sessions=3)
    entry = store.check(token)
    assert entry is not None
    assert (entry.name, entry.operator, entry.rate, entry.sessions) == ("alice", True, 500.0, 3)
    assert entry.created == "2026-03-01T12:30:00+00:00"
    assert token not in path.read_text()
    assert token.removeprefix(tokens.PREFIX) not in path.read_text()
    assert TokenStore(path).check(token) == entry


def test_tokens_are_long_and_never_alike(path: Path) -> None:
    store = TokenStore(path)
    made = {store.add(f"t{index}", NOW) for index in range(20)}
    assert len(made) == 20
    assert all(len(token) == len(tokens.PREFIX) + 43 for token in made)  # 256 bits in base 64
    assert all(len(token) <= tokens.MAX_TOKEN_CHARACTERS for token in made)


def test_what_is_no_token(path: Path) -> None:
    store = TokenStore(path)
    token = store.add("alice", NOW)
    for other in ("", token[:-1], token + "a", token.swapcase(), "é", "\ud800", "x" * 10_000,
                  store.entries()[0].sha256):
        assert store.check(other) is None


def test_others_cannot_read_the_file(path: Path) -> None:
    store = TokenStore(path)
    before = os.umask(0)
    try:
        store.add("alice", NOW)
        store.add("bob", NOW)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_another_store_sees_what_is_added_and_revoked(path: Path) -> None:
    running, command = TokenStore(path), TokenStore(path)
    assert not running.required
    token = command.add("alice", NOW)
    assert running.required
    entry = running.check(token)
    assert entry is not None
    assert running.holds(entry)
    command.revoke("alice")
    assert running.check(token) is None
    assert not running.holds(entry)


def test_an_edge_without_its_last_token_serves_nobody(path: Path) -> None:
    store = TokenStore(path)
    token = store.add("alice", NOW)
    assert store.required
    path.unlink()
    assert store.required
    assert store.check(token) is None
    TokenStore(path).add("bob", NOW)
    TokenStore(path).revoke("bob")
    assert store.required


def test_a_name_is_used_once(path: Path) -> None:
    store = TokenStore(path)
    token = store.add("alice", NOW)
    with pytest.raises(ConfigurationError, match="named alice already"):
        store.add("alice", NOW)
    assert store.check(token) is not None
    store.revoke("alice")
    assert store.add("alice", NOW) != token
    with pytest.raises(ConfigurationError, match="No token is named bob"):
        store.revoke("bob")


@pytest.mark.parametrize("name", ["", " ", "a b", "a\nb", "-x", ".hidden", "é", "x" * 65, "a/b"])
def test_names_that_cannot_be(name: str, path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot name a token"):
        TokenStore(path).add(name, NOW)
    assert not path.exists()


GOOD = {"name": "a", "sha256": "0" * 64, "created": ""}


@pytest.mark.parametrize("content", [
    "", "{", "[]", "null", '"text"', "{}", '{"version": 2, "tokens": []}', '{"version": 1}',
    '{"version": 1, "tokens": 5}', '{"version": 1, "tokens": [5]}',
    '{"version": 1, "tokens": [{"name": "a"}]}',
    *(json.dumps({"version": 1, "tokens": [GOOD | change]}) for change in (
        {"sha256": "0" * 63}, {"sha256": 5}, {"name": "a b"}, {"name": 5}, {"operator": "yes"},
        {"rate": 0}, {"rate": -1}, {"rate": "fast"}, {"sessions": True}, {"extra": 1},
        {"created": None}, {"rate": float("nan")})),
    json.dumps({"version": 1, "tokens": [GOOD, GOOD]}), "\x00\x01", "[" * 100_000])
def test_a_damaged_file_is_named_and_left_alone(content: str, path: Path) -> None:
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(ConfigurationError, match=r"tokens\.json are damaged.*left as it is"):
        TokenStore(path)
    assert path.read_text() == content


def test_bytes_that_are_no_text(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match="are damaged"):
        TokenStore(path)


def test_a_file_damaged_later_changes_nothing(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = TokenStore(path)
    token = store.add("alice", NOW)
    good = path.read_text()
    path.write_text(good[:-10])
    with caplog.at_level(logging.ERROR, "edge_server.tokens"):
        assert store.check(token) is not None
        assert store.check("other") is None
    assert len(caplog.records) == 1
    with pytest.raises(ConfigurationError, match="are damaged"):
        store.add("bob", NOW)
    assert path.read_text() == good[:-10]
    path.write_text(good)
    store.revoke("alice")
    assert store.check(token) is None


def test_a_write_that_fails_loses_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = TokenStore(path)
    token = store.add("alice", NOW)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(ConfigurationError, match=r"Cannot write .*No space left on device"):
            store.add("bob", NOW)
    assert [entry.name for entry in store.entries()] == ["alice"]
    assert store.check(token) is not None
    assert sorted(file.name for file in path.parent.iterdir()
                  if not file.name.endswith(".lock")) == ["tokens.json"]
    store.add("bob", NOW)


def test_writers_take_turns(path: Path) -> None:
    def work(index: int) -> None:
        for turn in range(5):
            TokenStore(path).add(f"t{index}.{turn}", NOW)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(TokenStore(path).entries()) == 20


def test_a_lock_that_is_never_given_back(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = TokenStore(path)
    store.add("alice", NOW)
    monkeypatch.setattr(tokens, "LOCK_SECONDS", 0.0)
    with FileLock(f"{path}.lock"), pytest.raises(ConfigurationError, match="has been writing"):
        store.add("bob", NOW)


def test_a_folder_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match=r"Cannot (read|write)"):
        TokenStore(tmp_path / "file" / "tokens.json").add("alice", NOW)
    with pytest.raises(ConfigurationError, match="Cannot read"):
        TokenStore(tmp_path)


def test_where_the_tokens_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert default_path() == tmp_path / "airsplit" / "edge-tokens.json"
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_path() == tmp_path / ".config" / "airsplit" / "edge-tokens.json"
