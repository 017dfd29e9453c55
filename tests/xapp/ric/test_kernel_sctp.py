"""What only the kernel's SCTP has; where the kernel has none, `test_kernel_sctp_in_uml` runs it."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import struct

import pytest

from tests.xapp.ric import scene
from tests.xapp.ric.scene import ended, pair, run, site
from xapp.errors import ConfigurationError, TransportError
from xapp.ric import kernel_sctp
from xapp.ric.address import Address
from xapp.ric.association import reason_of
from xapp.ric.transport import PPID_DU, Limits, Message, connect, listen

HERE = scene.ADDRESSES["kernel"]
needs_kernel = pytest.mark.skipif(scene.missing("kernel") is not None,
                                  reason=str(scene.missing("kernel")))


def test_layouts_are_those_of_the_kernel() -> None:
    sizes = [layout.size for layout in (
        kernel_sctp.SEND_RECEIVE_INFO, kernel_sctp.RTO_INFO, kernel_sctp.ASSOCIATION_INFO,
        kernel_sctp.INIT_INFO, kernel_sctp.PATH_INFO, kernel_sctp.ENCAPSULATION_INFO)]
    assert sizes == [32, 16, 20, 8, 156, 144]  # as a C compiler says of linux/sctp.h


def test_udp_is_not_listened_on_by_one_socket_of_the_kernel() -> None:
    with pytest.raises(ConfigurationError, match=r"sysctl net\.sctp\.udp_port=9899"):
        asyncio.run(listen(Address.parse("sctp://127.0.0.1:36421?udp=9899"), lambda _: None))


@needs_kernel
def test_options_are_set_at_both_ends() -> None:
    async def play() -> None:
        limits = Limits(first_timeout_seconds=0.3, most_timeout_seconds=0.8,
                        least_timeout_seconds=0.2, retransmissions=4)
        async with pair(HERE, limits, limits) as ends:
            for end in ends:
                assert isinstance(end, kernel_sctp.KernelAssociation)
                rto = kernel_sctp.RTO_INFO.unpack(end._socket.getsockopt(
                    kernel_sctp.IPPROTO_SCTP, kernel_sctp.RTO, kernel_sctp.RTO_INFO.size))
                assert rto[1:] == (300, 800, 200)
                most = kernel_sctp.ASSOCIATION_INFO.unpack(end._socket.getsockopt(
                    kernel_sctp.IPPROTO_SCTP, kernel_sctp.ASSOCIATION,
                    kernel_sctp.ASSOCIATION_INFO.size))
                assert most[1] == 4
                assert end._socket.getsockopt(kernel_sctp.IPPROTO_SCTP, kernel_sctp.NODELAY)

    run(play())


@needs_kernel
def test_a_message_cap_beyond_the_kernels_is_asked_for_or_named() -> None:
    async def play() -> None:
        large = Limits(message_bytes=8 << 20, unsent_bytes=32 << 20)
        if os.geteuid() != 0:
            with pytest.raises(ConfigurationError, match=r"net\.core\.wmem_max"):
                await listen(Address.parse(HERE), lambda _: None, large)
            return
        async with pair(HERE, large, large) as (here, there):
            there.send(bytes(2 << 20), PPID_DU)
            assert await here.receive() == Message(PPID_DU, bytes(2 << 20))

    run(play())


@needs_kernel
def test_without_descriptors_callers_wait_and_are_taken_later(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play() -> None:
        monkeypatch.setattr(kernel_sctp, "EXHAUSTED_SECONDS", 0.2)
        async with site(HERE) as ours:
            waiting = kernel_sctp._socket(Address.parse(HERE), Limits())
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (waiting.fileno() + 1, hard))
            try:
                waiting.connect_ex(("127.0.0.1", ours.listener.port))
                while not ours.listener.refused["exhausted"]:
                    await asyncio.sleep(0.01)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            assert (await ours.number(1))[0].ended is None
            waiting.close()
            await ended(ours.came[0])

    run(play())


@needs_kernel
def test_data_without_an_identifier_counts_as_zero() -> None:
    async def play() -> None:
        async with site(HERE) as ours:
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132) as plain:
                plain.connect(("127.0.0.1", ours.listener.port))
                plain.send(b"plain")
                assert await (await ours.number(1))[0].receive() == Message(0, b"plain")

    run(play())


@needs_kernel
def test_a_listeners_address_that_is_not_ours_is_named_with_what_to_do() -> None:
    with pytest.raises(TransportError, match="ip addr"):
        asyncio.run(listen(Address.parse("sctp://192.0.2.1:0"), lambda _: None))


@needs_kernel
def test_a_peer_that_cannot_be_reached_says_why() -> None:
    with pytest.raises(TransportError, match="cannot be reached"):
        asyncio.run(connect(Address.parse("sctp://127.0.0.1:1"), Limits(connect_seconds=1)))


def test_a_missing_hash_is_named() -> None:
    error = OSError(38, "Function not implemented")
    found = kernel_sctp.cannot_listen(Address.parse("sctp://0.0.0.0:36421"), error)
    assert "modprobe hmac" in found.remedy
    assert reason_of(error) in found.problem


@pytest.mark.parametrize("ancillary", [
    [], [(1, 1, bytes(32))], [(132, 2, bytes(32))], [(132, 1, bytes(31))]])
def test_other_ancillary_data_is_no_identifier(ancillary: list[tuple[int, int, bytes]]) -> None:
    assert kernel_sctp._ppid(ancillary) == 0
    info = kernel_sctp.SEND_RECEIVE_INFO.pack(0, 0, 0, *struct.unpack("=I", b"\0\0\0\x48"),
                                              0, 0, 0, 0, 0)
    assert kernel_sctp._ppid([*ancillary, (132, 1, info)]) == 72
