"""Commands as a user without privileges runs them, also where the tests are root's.

They become `nobody`'s. Where the interpreter lies in a home that is closed to others, they see that
home without what is closed: in a mount namespace of their own, with the interpreter's folder alone.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[3]
NOBODY = 65534
_AS_NOBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
              "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs")
_OPENED = """
prefix=$1 home=$2
shift 2
mount --bind "$prefix" /mnt && mount -t tmpfs -o mode=755 tmpfs "$home" && mkdir -p "$prefix" &&
mount --bind /mnt "$prefix" && umount /mnt || exit 1
exec "$@"
"""


def ordinary(words: Sequence[str]) -> list[str]:
    """The same command line, without privileges."""
    if os.geteuid() != 0:
        return list(words)
    return [*_opened(), *_AS_NOBODY, *words]


def can_be() -> bool:
    """Whether privileges can be given up here."""
    if os.geteuid() != 0:
        return True
    if shutil.which("setpriv") is None:
        return False
    # By a shell: setpriv itself still has the rights that it gives up when it starts a program.
    return subprocess.run(ordinary(["sh", "-c", '"$0" -c "import testbed.errors"',
                                    sys.executable]), cwd=ROOT, capture_output=True
                          ).returncode == 0


@functools.cache
def _opened() -> tuple[str, ...]:
    """What goes before, so that the interpreter can be reached."""
    prefix = Path(sys.base_prefix).resolve()
    closed = next((one for one in reversed(prefix.parents) if not one.stat().st_mode & 1), None)
    if closed is None:
        return ()
    return ("unshare", "--mount", "--propagation", "private", "sh", "-c", _OPENED, "sh",
            str(prefix), str(closed))
