"""Where the demo plays: a stack of its own, thrown away, or another Supabase."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.demo.errors import DemoError
from scripts.demo.leaks import UsedSecrets
from scripts.demo.performance import Place
from scripts.local_stack.cli import throw_away
from scripts.local_stack.folder_lock import holder
from scripts.local_stack.stack import Stack
from scripts.local_stack.state import claim_folder
from scripts.testbed.backend import Backend, private_folder


def empty_folder(data: Path) -> Path:
    """Throw away what an earlier demo left, and return the folder of the new logs.

    Raises:
        DemoError: a stack runs there.
        StackError: the folder is not ours.
    """
    running = holder(data)
    if running is not None:
        raise DemoError(
            f"A stack (process {running}) runs on {data}: wait until that demo is over, or stop it with "
            f"`python -m scripts.local_stack down --data {data}`."
        )
    throw_away(data)
    claim_folder(data)
    return data / "logs"


@contextmanager
def own_stack(data: Path, used: UsedSecrets, *, keep: bool) -> Iterator[Place]:
    """Start a stack; at the end stop it and throw everything but the logs away, unless it shall be kept."""
    try:
        with Stack(data, throwaway=True) as stack:
            backend = Backend.of_state(stack.state)
            used.add_backend(backend)
            used.add_stack(stack.state)
            keys = private_folder(data / "keys")
            yield Place(backend=backend, folder=keys, logs=data / "logs", ours=True)
    finally:
        if not keep:
            _throw_away_all_but_logs(data)


@contextmanager
def other_supabase(backend: Backend, data: Path, used: UsedSecrets) -> Iterator[Place]:
    """Use a Supabase that runs; of ours, only the key file is thrown away."""
    used.add_backend(backend)
    keys = private_folder(data / "keys")
    try:
        yield Place(backend=backend, folder=keys, logs=data / "logs", ours=False)
    finally:
        shutil.rmtree(keys)


def _throw_away_all_but_logs(data: Path) -> None:
    aside = data.with_name(f"{data.name}.logs")
    shutil.rmtree(aside, ignore_errors=True)
    (data / "logs").rename(aside)
    throw_away(data)
    claim_folder(data)
    (data / "logs").rmdir()
    aside.rename(data / "logs")
