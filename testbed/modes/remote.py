"""Servers on another host, started over ssh for as long as a run lasts.

    with server_over_ssh(Remote("me@edge.example"), ["modes", "serve", ...]) as started: ...

The system's own `ssh` carries one command for each server, `airsplit modes hold` (see `hold`),
which ends it when the connection does. Nothing is forwarded: the server listens on the address that
ssh reached, and clients connect to that themselves. Keys, ports and jump hosts are ssh's matter, in
its own configuration.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from testbed.errors import TestbedFailure
from testbed.modes.programs import END, READY_SECONDS, Started, program

BEAT_SECONDS = 5.0  # between two signs that this side is still there
SILENCE_SECONDS = 30.0  # without any, and the other side ends its server
# Never a question: nobody is there to answer. A connection that died is noticed in 15 s.
OPTIONS = ("-T", "-x", "-a", "-o", "BatchMode=yes", "-o", "ClearAllForwardings=yes",
           "-o", "ConnectTimeout=15", "-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=3")
_TARGET = re.compile(r"(ssh://)?[A-Za-z0-9_.][A-Za-z0-9_.@:%\[\]-]{0,250}")
NOT_FOUND = 127  # a shell's status for a command that is not there
USAGE = 2  # a command line that its program does not know
# What ssh says, and what that means. The first that is found counts.
SAYINGS = (
    ("remote host identification has changed", "its key is another one than before",
     "See who answers there; if it was set up anew: ssh-keygen -R {host}"),
    ("host key verification failed", "its key is not known here",
     "Run `ssh {target}` once by hand, and compare the key."),
    ("permission denied", "it does not let you in",
     "Give your key to ssh-agent, or put it there: ssh-copy-id {target}"),
    ("could not resolve hostname", "there is no such host",
     "See to its name, or to ~/.ssh/config."),
    ("connection refused", "nobody listens for ssh there", "Start its sshd, or name its port: "
                                                           "ssh://USER@HOST:PORT"),
    ("timed out", "it does not answer", "See whether it is up, and what is between."),
    ("no route to host", "there is no way to it", "See whether it is up, and what is between."))


@dataclass(frozen=True)
class Remote:
    """A host, as ssh knows it."""

    target: str  # [USER@]HOST, a name of ~/.ssh/config, or ssh://[USER@]HOST[:PORT]
    command: str = "airsplit"  # how it is called there

    def check(self) -> None:
        """TestbedFailure where that is no host's name: ssh might take it for an option."""
        if not _TARGET.fullmatch(self.target):
            raise TestbedFailure(f"{self.target!r} is no host to reach by ssh.",
                                 "Give USER@HOST, a name of ~/.ssh/config, or ssh://USER@HOST:PORT.")

    @property
    def host(self) -> str:
        return self.target.removeprefix("ssh://").rpartition("@")[2].partition(":")[0]


def words_for(remote: Remote, command: Sequence[str]) -> list[str]:
    """The local command line; the last word is one for the other side's shell."""
    held = [*shlex.split(remote.command), "modes", "hold", "--silence", f"{SILENCE_SECONDS:g}",
            "--", *command]
    return ["ssh", *OPTIONS, remote.target, shlex.join(held)]


@contextmanager
def server_over_ssh(remote: Remote, command: Sequence[str], seconds: float = READY_SECONDS
                    ) -> Iterator[Started]:
    """`airsplit COMMAND` there, until the end."""
    remote.check()
    if shutil.which("ssh") is None:
        raise TestbedFailure("There is no ssh on this machine.",
                             "Install it: apt install openssh-client")
    with program(words_for(remote, command), lambda status, said: why_not(
            remote, command, status, said), here=False, seconds=seconds) as started:
        ended = threading.Event()
        beating = threading.Thread(target=_beat, args=(started.process, ended), daemon=True)
        beating.start()
        try:
            yield started
        finally:
            ended.set()
            beating.join()


def _beat(process: subprocess.Popen[bytes], ended: threading.Event) -> None:
    assert process.stdin is not None  # `program` asked for it
    while not ended.wait(BEAT_SECONDS):
        try:
            process.stdin.write(b"\n")
            process.stdin.flush()
        except OSError:
            return  # it ended; who needs the server will see it


def why_not(remote: Remote, command: Sequence[str], status: int | None, said: str
            ) -> TestbedFailure:
    """What to tell of a server that did not start there."""
    name, lower = f"airsplit {' '.join(command[:2])}", said.lower()
    if status is None:
        return TestbedFailure(
            f"{name} on {remote.target} did not say in time that it listens.",
            "A large model takes long to load: try it there by hand.")
    if status == NOT_FOUND:
        return TestbedFailure(
            f"{remote.target} has no {remote.command!r}.",
            "Install airsplit there, or say how it is called: ssh_command, or --ssh-command.")
    if status == USAGE:
        return TestbedFailure(
            f"airsplit on {remote.target} does not know `modes hold`: {said[-END:]}",
            "Install the same version on both sides.")
    for saying, what, remedy in SAYINGS:
        if status == 255 and saying in lower:  # ssh's own status
            return TestbedFailure(
                f"{remote.target} cannot be reached by ssh: {what}.",
                remedy.format(target=remote.target, host=remote.host))
    where = "ssh to" if status == 255 else f"{name} on"
    return TestbedFailure(f"{where} {remote.target} failed: {said[-END:] or 'it said nothing.'}",
                          f"Try it by hand: ssh {remote.target} {remote.command} --version")
