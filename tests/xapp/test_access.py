"""The operator's token: made, kept closed, read, and asked for."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from xapp.access import Access, is_loopback, listen, load_or_make_token, load_token
from xapp.errors import ConfigurationError, NotAllowed


def test_a_token_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "token"
    token = load_or_make_token(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_or_make_token(path) == load_token(path) == token
    assert load_or_make_token(tmp_path / "other") != token


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_token_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "token"
    load_or_make_token(path)
    path.chmod(mode)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        load_token(path)


@pytest.mark.parametrize("content", [b"", b"short\n", b"two words in a line", b"\xff" * 40,
                                     b"x" * 129])
def test_a_file_that_holds_no_token(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "token"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(ConfigurationError, match="holds no token"):
        load_token(path)


def test_a_file_that_is_not_there_or_cannot_be_made(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="Cannot read"):
        load_token(tmp_path / "none")
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="Not a directory"):
        load_or_make_token(tmp_path / "file" / "token")


def test_changing_needs_the_token_and_reading_where_it_is_not_open() -> None:
    token = "airsplit_xapp_abcdefgh"
    opened, closed = Access(token, open_reads=True), Access(token, open_reads=False)
    opened.read("")
    for access in (opened, closed):
        access.change(token)
        access.read(token)
        for wrong in ("", "x", token + "x", "x" * 10_000, "\ud800"):
            with pytest.raises(NotAllowed):
                access.change(wrong)
    with pytest.raises(NotAllowed):
        closed.read("")


def test_without_a_token_nothing_can_be_changed() -> None:
    with pytest.raises(NotAllowed, match="no operator's token"):
        Access(None, open_reads=True).change("")


def test_listening_beyond_this_machine_needs_protection() -> None:
    with pytest.raises(ConfigurationError, match=r"open to other machines.*Do this"):
        listen("0.0.0.0", 0, "It", False, "Do this.")
    with listen("0.0.0.0", 0, "It", True, "") as listener:
        assert listener.getsockname()[1]


def test_a_port_that_is_taken_and_an_address_that_is_none() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, \
            pytest.raises(ConfigurationError, match="It cannot listen"):
        listen("127.0.0.1", other.getsockname()[1], "It", False, "")
    for host, port in (("no.such.host.invalid", 0), ("192.0.2.1", 0), ("\udcff", 1)):
        with pytest.raises(ConfigurationError, match="cannot listen"):
            listen(host, port, "It", True, "")


def test_loopback_addresses() -> None:
    assert is_loopback("127.0.0.9")
    assert is_loopback("::1")
    assert not is_loopback("10.0.0.1")
    assert not is_loopback("fe80::1%eth0")
