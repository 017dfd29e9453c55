"""Which transport an address means, and what is said where it is not there or means nothing.

`test_kernel_sctp_in_uml` runs this file once more in a virtual machine whose kernel has SCTP.
"""

from __future__ import annotations

import asyncio
import errno
import os
from dataclasses import replace

import pytest

from tests.xapp.ric.scene import run, site
from xapp.errors import ConfigurationError, NoTransport, TransportError
from xapp.ric import kernel_sctp, tcp_framing, usrsctp
from xapp.ric.transport import Address, available, connect, listen


def test_names_of_hosts_are_looked_up() -> None:
    async def play() -> None:
        async with site("tcp://localhost:0") as ours:
            association = await connect(replace(ours.listener.address, host="localhost"))
            association.abort()
            await association.wait_closed()
        with pytest.raises(TransportError, match=r"'nowhere\.invalid' is not known"):
            await connect(Address.parse("tcp://nowhere.invalid:1"))

    asyncio.run(play())  # whose look-up is a thread of the loop until its end


def test_auto_is_the_kernel_or_else_the_library(caplog: pytest.LogCaptureFixture) -> None:
    async def play() -> None:
        async with site("auto://127.0.0.1:0?udp=any") as ours:
            scheme = ours.listener.address.scheme
            assert scheme == ("sctp" if kernel_sctp.available() else "usrsctp")
            assert f"{scheme}://127.0.0.1:{ours.listener.port}" in caplog.text

    if not any(available()[scheme] for scheme in ("sctp", "usrsctp")):
        pytest.skip("this machine has no SCTP at all")
    caplog.set_level("INFO", logger="xapp.ric")
    run(play())


def test_tests_only_is_said_of_tcp(caplog: pytest.LogCaptureFixture) -> None:
    async def play() -> None:
        async with site("tcp://127.0.0.1:0"):
            assert "for tests only" in caplog.text

    caplog.set_level("INFO", logger="xapp.ric")
    run(play())
    assert "TESTS ONLY" in (tcp_framing.__doc__ or "")


def test_a_free_port_cannot_be_connected_to() -> None:
    for text in ("sctp://127.0.0.1:0", "usrsctp://127.0.0.1:36421?udp=any"):
        with pytest.raises(ConfigurationError, match="cannot be connected to"):
            asyncio.run(connect(Address.parse(text)))


def test_what_is_not_there_is_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_library() -> None:
        raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))

    monkeypatch.setattr("xapp.ric.usrsctp_library.load", no_library)
    monkeypatch.setattr("xapp.ric.kernel_sctp.IPPROTO_SCTP", 255)  # which no kernel has
    assert not usrsctp.available()
    assert not kernel_sctp.available()
    for text, remedy in (("usrsctp://127.0.0.1:0", "apt-get install libusrsctp2"),
                         ("sctp://127.0.0.1:0", "modprobe sctp")):
        with pytest.raises(NoTransport, match=remedy):
            asyncio.run(listen(Address.parse(text), lambda _: None))
