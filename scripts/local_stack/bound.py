"""Child processes that cannot outlive their parent.

Linux sends a process a signal when its parent dies (PR_SET_PDEATHSIG), but the kernel forgets the wish
when the process changes its user. So a small program runs first: it changes the user, asks for the
signal, makes sure the parent is still there, and becomes the wanted program.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from signal import Signals
from typing import IO

from scripts.local_stack.account import Account

_BECOME = """
import ctypes, json, os, signal, sys
o = json.loads(sys.argv[1])
if o["uid"] is not None:
    os.setgroups([]); os.setgid(o["gid"]); os.setuid(o["uid"])
if sys.platform == "linux":
    ctypes.CDLL(None, use_errno=True).prctl(1, o["signal"], 0, 0, 0)
    if os.getppid() != o["parent"]:
        sys.exit(1)
signal.pthread_sigmask(signal.SIG_SETMASK, [])
os.umask(0o077)
os.chdir(o["folder"])
os.execv(sys.argv[2], sys.argv[2:])
"""


def start(
    command: Sequence[str | Path],
    *,
    on_parent_death: Signals,
    log: IO[bytes],
    folder: Path = Path("/"),
    account: Account | None = None,
    env: Mapping[str, str] | None = None,
    keep: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a program in its own process group, with its output in `log` and the descriptors in `keep`.

    The parent that counts is the calling thread: call from one that lives as long as the program should.
    """
    orders = {
        "uid": account.uid if account else None,
        "gid": account.gid if account else None,
        "signal": int(on_parent_death),
        "parent": os.getpid(),
        "folder": str(folder),
    }
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _BECOME, json.dumps(orders), *map(str, command)],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        env=None if env is None else dict(env),
        process_group=0,
        pass_fds=keep,
    )
