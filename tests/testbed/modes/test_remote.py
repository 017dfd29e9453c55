"""Servers over ssh: by a program of that name that runs the command here, and once by true ones."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from testbed.errors import TestbedFailure
from testbed.modes import remote as module
from testbed.modes.places import Places, command_for
from testbed.modes.policies import Mode
from testbed.modes.remote import Remote, server_over_ssh, why_not, words_for
from testbed.modes.settings import BUNDLED_MODEL, LinkKind, ModesSettings
from xapp.errors import ConfigurationError

COMMAND = ["modes", "serve", "--port", "0"]
# What stands for ssh: its last word is for a shell, those before it are noted.
SSH = """#!/bin/sh
while [ $# -gt 2 ]; do shift; done
echo "$1" > "$(dirname "$0")/target"
SSH_CONNECTION="192.0.2.1 1 127.0.0.1 22" exec sh -c "$2"
"""
# What stands for airsplit there: says that it listens, notes what it hears and how it ends.
AIRSPLIT = """import os, sys
folder = os.path.dirname(__file__)
open(folder + "/words", "w").write(" ".join(sys.argv[1:]))
open(folder + "/process", "w").write(str(os.getpid()))
print("modes' server: on 127.0.0.1:8490", flush=True)
heard = 0
while os.read(0, 1):
    heard += 1
    open(folder + "/heard", "w").write(str(heard))
open(folder + "/ended", "w").write("in order")
"""
HANG = 60.0
SSHD = shutil.which("sshd", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + HANG
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """`ssh(script)` puts it in front of the system's own; the folder it is in."""
    def put(script: str) -> Path:
        (tmp_path / "ssh").write_text(script)
        (tmp_path / "ssh").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        return tmp_path

    return put


@pytest.fixture
def airsplit(tmp_path: Path) -> str:
    (tmp_path / "airsplit.py").write_text(AIRSPLIT)
    return f"{sys.executable} {tmp_path}/airsplit.py"


def test_a_server_there_until_the_end(ssh: Callable[[str], Path], airsplit: str,
                                      monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BEAT_SECONDS", 0.02)
    folder = ssh(SSH)
    with server_over_ssh(Remote("me@edge.example", airsplit), COMMAND) as started:
        assert (started.server.host, started.server.port) == ("127.0.0.1", 8490)
        assert started.server.process is None  # it is not here
        until((folder / "heard").exists)  # that this side is still there
        assert not (folder / "ended").exists()
    assert (folder / "ended").read_text() == "in order"
    assert (folder / "target").read_text().strip() == "me@edge.example"
    assert (folder / "words").read_text() == "modes hold --silence 30 -- " + " ".join(COMMAND)


def test_words_reach_the_other_shell_as_they_are() -> None:
    words = words_for(Remote("h", "nice airsplit"), ["edge", "--model", "a b;c"])
    assert words[0] == "ssh"
    assert words[-1] == "nice airsplit modes hold --silence 30 -- edge --model 'a b;c'"
    assert "BatchMode=yes" in words


@pytest.mark.parametrize(("said", "status", "problem", "remedy"), [
    ("Host key verification failed.", 255, "key is not known", "ssh me@far"),
    ("@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!\nHost key verification failed.", 255,
     "another one", "ssh-keygen -R far"),
    ("me@far: Permission denied (publickey).", 255, "let you in", "ssh-copy-id me@far"),
    ("ssh: Could not resolve hostname far: Name or service not known", 255, "no such host",
     "config"),
    ("ssh: connect to host far port 22: Connection refused", 255, "nobody listens", "sshd"),
    ("ssh: connect to host far port 22: Connection timed out", 255, "does not answer", "up"),
    ("kex_exchange_identification: banner", 255, "ssh to me@far failed: kex", "by hand"),
    ("sh: 1: airsplit: not found", 127, "has no 'airsplit'", "--ssh-command"),
    ("invalid choice: 'hold'", 2, "does not know", "same version"),
    ("error: /m has no config.json", 1, "modes serve on me@far failed: error: /m", "by hand")])
def test_each_failure_is_one_error(ssh: Callable[[str], Path], said: str, status: int,
                                   problem: str, remedy: str) -> None:
    ssh(f"#!/bin/sh\ncat >&2 <<'EOF'\n{said}\nEOF\nexit {status}\n")
    with pytest.raises(TestbedFailure) as caught, \
            server_over_ssh(Remote("me@far"), COMMAND):
        pass
    assert problem in caught.value.problem
    assert remedy in caught.value.remedy


def test_no_ssh_and_no_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(TestbedFailure, match="openssh-client"), \
            server_over_ssh(Remote("h"), COMMAND):
        pass
    for target in ("-oProxyCommand=sh", "", "a b", "h;ls", "ssh://-x"):
        with pytest.raises(TestbedFailure, match="USER@HOST"):
            Remote(target).check()
    for target in ("h", "me@h.example", "ssh://me@h:22", "ssh://me@[2001:db8::1]:22"):
        Remote(target).check()
    assert Remote("ssh://me@h:22").host == "h"


def test_a_server_that_says_nothing_is_not_waited_for_for_ever(ssh: Callable[[str], Path]) -> None:
    ssh("#!/bin/sh\nexec cat\n")
    with pytest.raises(TestbedFailure, match="in time"), \
            server_over_ssh(Remote("h"), COMMAND, seconds=0.3):
        pass
    assert "in time" in why_not(Remote("h"), COMMAND, None, "").problem


SETTINGS = ModesSettings(Mode.SEMANTIC, link=LinkKind.HOST, ssh="me@far")


def test_a_run_starts_it_once_and_again_where_it_dropped(ssh: Callable[[str], Path], airsplit: str
                                                         ) -> None:
    from dataclasses import replace

    folder = ssh(SSH)
    settings = replace(SETTINGS, ssh_command=airsplit)
    places = Places()
    try:
        first = places.place(settings).server
        assert places.place(replace(settings, mode=Mode.HANDLE)).server is first
        os.kill(int((folder / "process").read_text()), signal.SIGKILL)  # as a connection that ends
        (started,) = places._servers.values()
        until(lambda: not started.running)
        again = places.place(settings).server
        assert again is not None
        assert again is not first
    finally:
        places.close()
    assert (folder / "ended").exists()


def test_what_is_started_there() -> None:
    from dataclasses import replace

    place = Places().place(replace(SETTINGS, server="far:1")).server  # named: nothing is started
    assert place is not None
    assert place.port == 1
    from testbed.modes.places import Ends

    words = command_for(SETTINGS, "modes", Ends())
    assert "--model" not in words  # it has the bundled one itself
    assert words[words.index("--host") + 1] == "@address"
    other = replace(SETTINGS, model=BUNDLED_MODEL.parent)
    assert str(BUNDLED_MODEL.parent) in command_for(other, "edge", Ends())
    there = command_for(replace(other, ssh_model="/there"), "edge", Ends())
    assert there[:3] == ["edge", "--model", "/there"]
    for name, option in (("edge", "--sessions"), ("modes", "--slots")):
        words = command_for(replace(SETTINGS, batch=16), name, Ends())
        assert words[words.index(option) + 1] == "16"  # a conversation for each sequence
    with pytest.raises(ConfigurationError, match="ssh"):
        ModesSettings(Mode.SEMANTIC, link=LinkKind.HOST)


@pytest.fixture
def true_ssh(tmp_path: Path, ssh: Callable[[str], Path]) -> Iterator[Callable[[], None]]:
    """An sshd of our own, with keys made for it, and ssh told of them; a call ends its sessions."""
    if SSHD is None or shutil.which("ssh-keygen") is None:
        pytest.skip("sshd is not installed")
    for name in ("host", "mine"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / name],
                       check=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (tmp_path / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {tmp_path}/host\nStrictModes no\n"
        f"AuthorizedKeysFile {tmp_path}/mine.pub\nUsePAM no\nPidFile none\n"
        "PasswordAuthentication no\n")
    key = (tmp_path / "host.pub").read_text()
    (tmp_path / "known").write_text(f"[127.0.0.1]:{port} {key}")
    (tmp_path / "config").write_text(
        f"Host there\n HostName 127.0.0.1\n Port {port}\n IdentityFile {tmp_path}/mine\n"
        f" IdentitiesOnly yes\n UserKnownHostsFile {tmp_path}/known\n")
    own = shutil.which("ssh")
    ssh(f'#!/bin/sh\nexec {own} -F {tmp_path}/config "$@"\n')
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    log = tmp_path / "log"
    process = subprocess.Popen([SSHD, "-D", "-f", tmp_path / "sshd_config", "-E", log])

    def listens() -> bool:
        if process.poll() is not None:
            pytest.skip(f"sshd cannot run here: {log.read_text()[-200:]}")
        return "listening" in (log.read_text() if log.exists() else "")

    def drop() -> None:
        subprocess.run(["pkill", "-KILL", "-P", str(process.pid)], check=True)

    try:
        until(listens)
        yield drop
    finally:
        process.terminate()
        process.wait(HANG)


def test_over_true_ssh(true_ssh: Callable[[], None], tmp_path: Path, airsplit: str) -> None:
    with server_over_ssh(Remote("there", airsplit), COMMAND) as started:
        assert started.server.port == 8490
    until((tmp_path / "ended").exists)
    (tmp_path / "ended").unlink()
    with server_over_ssh(Remote("there", airsplit), COMMAND) as started:
        true_ssh()  # the connection drops
        until(lambda: not started.running)
        until((tmp_path / "ended").exists)  # and leaves nothing there
    with pytest.raises(TestbedFailure, match="has no"), \
            server_over_ssh(Remote("there", "airsplit-that-is-not-there"), COMMAND):
        pass
    (tmp_path / "known").write_text("")
    with pytest.raises(TestbedFailure, match="not known here"), \
            server_over_ssh(Remote("there", airsplit), COMMAND):
        pass


@pytest.mark.slow
def test_a_trial_with_true_servers_over_true_ssh(true_ssh: Callable[[], None], tmp_path: Path
                                                 ) -> None:
    from testbed.experiments.modes_kind import Modes

    kind = Modes()
    settings = {"mode": "semantic", "link": "host", "ssh": "there", "steps": 4, "precision": "fp32",
                "prompt_tokens": 8, "ssh_command": f"{sys.executable} -m testbed.cli",
                "context": 64}
    try:
        for mode in ("semantic", "split"):
            found = kind.run(settings | {"mode": mode}, 1, tmp_path, print)
            assert found["same_tokens"] is True
            assert found["bytes_agree"] is not False
    finally:
        kind.close()
