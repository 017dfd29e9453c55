"""The library's SCTP meets the kernel's, in UDP: either may be the RIC.

It needs a kernel that has SCTP and takes it in UDP; `test_kernel_sctp_in_uml` brings one.
"""

from __future__ import annotations

import random
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.xapp.ric import scene
from tests.xapp.ric.scene import HASTY, ended, run, site
from xapp.ric import kernel_sctp, usrsctp
from xapp.ric.address import ENCAPSULATION_PORT
from xapp.ric.transport import PPID_CU_CP, PPID_DU, Address, Association, Limits, Message, connect

KERNEL_UDP = Path("/proc/sys/net/sctp/udp_port")
CAP = Limits().message_bytes


@pytest.fixture(autouse=True)
def kernel_in_udp() -> Iterator[None]:
    """The kernel's SCTP takes UDP meanwhile, where that may be set."""
    if not (kernel_sctp.available() and usrsctp.available()):
        pytest.skip("this machine has not both of the kernel's and the library's SCTP")
    before = KERNEL_UDP.read_text().strip()
    if int(before) != ENCAPSULATION_PORT:
        try:
            KERNEL_UDP.write_text(str(ENCAPSULATION_PORT))
        except OSError as error:
            pytest.skip(f"the kernel's SCTP does not take UDP here: {error}")
    yield
    if int(before) != ENCAPSULATION_PORT:
        KERNEL_UDP.write_text(before)


def of_kernel(library: Address) -> Address:
    """How the kernel reaches who listens in the library."""
    return replace(library, scheme="sctp")


def of_library(kernel: Address) -> Address:
    """How the library reaches who listens in the kernel."""
    return replace(kernel, scheme="usrsctp", udp=ENCAPSULATION_PORT)


PAIRS = pytest.mark.parametrize(("listens", "reached"), [
    ("sctp://127.0.0.1:0", of_library), ("usrsctp://127.0.0.1:0?udp=any", of_kernel),
], ids=["kernel-listens", "library-listens"])


@PAIRS
def test_both_understand_each_other(listens: str, reached: type) -> None:
    async def play() -> None:
        async with site(listens) as ours:
            there = await connect(reached(ours.listener.address))
            there.send(b"setup", PPID_CU_CP)
            here = (await ours.number(1))[0]
            assert await here.receive() == Message(PPID_CU_CP, b"setup")
            for size in (1, 400, 1400, 9000, 65_536, CAP):
                payload = random.Random(size).randbytes(size)
                for sender, receiver in ((here, there), (there, here)):
                    sender.send(payload, PPID_DU)
                    assert await receiver.receive() == Message(PPID_DU, payload)
            there.close()
            assert await ended(here) == "closed by its peer"
            await there.wait_closed()

    run(play())


@PAIRS
def test_an_abort_is_understood_both_ways(listens: str, reached: type) -> None:
    async def play() -> None:
        async with site(listens) as ours:
            for number, aborts in enumerate(("there", "here"), 1):
                there = await connect(reached(ours.listener.address))
                here = (await ours.number(number))[-1]
                first, second = (there, here) if aborts == "there" else (here, there)
                first.abort()
                assert await ended(second) == "aborted by its peer"
                there.abort()
                await there.wait_closed()

    run(play())


def test_the_kernel_notices_that_a_node_in_the_library_was_killed() -> None:
    async def play() -> None:
        async with site("sctp://127.0.0.1:0", HASTY) as ours, scene.process(
                "stay", of_library(ours.listener.address)) as (node, _):
            here: Association = (await ours.number(1))[0]
            assert await here.receive() == Message(PPID_DU, b"hello")
            node.send_signal(signal.SIGKILL)
            assert await ended(here) == "connection timed out"

    run(play())


def test_the_library_notices_that_a_node_in_the_kernel_was_killed() -> None:
    async def play() -> None:
        async with site("usrsctp://127.0.0.1:0?udp=any", HASTY) as ours, scene.process(
                "stay", of_kernel(ours.listener.address)) as (node, _):
            here: Association = (await ours.number(1))[0]
            assert await here.receive() == Message(PPID_DU, b"hello")
            node.send_signal(signal.SIGKILL)  # its kernel ends what it had
            assert await ended(here) in ("closed by its peer", "aborted by its peer")

    run(play())


def test_a_node_that_comes_back_without_an_end_is_another_association() -> None:
    async def play() -> None:
        async with site("sctp://127.0.0.1:0") as ours:
            for number in (1, 2):
                async with scene.process("restart", of_library(ours.listener.address), 9000):
                    here = (await ours.number(number))[-1]
                    assert await here.receive() == Message(PPID_DU, b"hello")
            assert await ended(ours.came[0]) == "its peer started anew"

    run(play())
