"""The same as an ordinary user: a user namespace in which the process is root over its own network.

    means()                       # "root", "user namespace", or NotRoot is raised
    enter([sys.executable, "-m", "testbed.cli", "ran"])     # this process becomes that, inside

Nothing there reaches the machine's own network, and all of it is gone with its last process, so
nothing is left behind. SCHED_FIFO is not to be had there. Others look in with
`nsenter -t PID -U -m -n --preserve-credentials`, PID being the process that runs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence

from testbed import namespaces
from testbed.errors import NotRoot

ROOT, USER_NAMESPACE = "root", "user namespace"
TRY_SECONDS = 20.0
# A /run of its own: `ip netns` keeps its names there.
_INSIDE = 'mount -t tmpfs tmpfs /run && exec "$0" "$@"'
_TRY = "ip netns add airsplit-try && ip -n airsplit-try tuntap add dev try0 mode tun"


def inside(words: Sequence[str]) -> list[str]:
    """The command line that runs `words` in a user namespace."""
    return ["unshare", "--user", "--map-root-user", "--mount", "--net", "--propagation", "private",
            "sh", "-c", _INSIDE, *words]


def means() -> str:
    """How network namespaces can be made here; NotRoot says why they cannot."""
    if namespaces.available():
        return ROOT
    reason = why_not()
    if reason is None:
        return USER_NAMESPACE
    raise NotRoot(f"The emulated cell needs network namespaces: {reason}.",
                  "Run as root, or allow user namespaces (sysctl user.max_user_namespaces, "
                  "kernel.apparmor_restrict_unprivileged_userns).")


def why_not() -> str | None:
    """What keeps this process from a user namespace with TUN devices; None if nothing does."""
    for program in ("unshare", "ip", "mount"):
        if shutil.which(program) is None:
            return f"`{program}` is not installed"
    try:
        tried = subprocess.run(inside(["sh", "-c", _TRY]), capture_output=True, text=True,
                               timeout=TRY_SECONDS)
    except subprocess.TimeoutExpired:
        return "a user namespace does not come up"
    if tried.returncode:
        return f"a user namespace is refused ({' '.join(tried.stderr.split())[:200]})"
    return None


def enter(words: Sequence[str]) -> None:
    """Replace this process by `words` in a user namespace; it does not return."""
    line = inside(words)
    os.execvp(line[0], line)
