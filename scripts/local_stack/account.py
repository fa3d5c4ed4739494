"""The account that PostgreSQL runs under, and where its files can lie.

PostgreSQL refuses to run as root. When the launcher is root, the server drops to an account that every
Debian or Ubuntu has; that account must be able to reach the programs and the cluster, which it cannot
under a folder such as a home of mode 0700.
"""

import hashlib
import os
import pwd
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

from scripts.local_stack.binaries import PostgresTree
from scripts.local_stack.errors import StackError

REACHABLE = Path("/var/tmp")  # noqa: S108 - the folder made there is private and its owner is checked


@dataclass(frozen=True, slots=True)
class Account:
    name: str
    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Home:
    """Where one data folder's cluster lies and which programs serve it. `account` is None without root."""

    account: Account | None
    tree: PostgresTree
    cluster: Path
    outside: Path | None


def database_account() -> Account | None:
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return Account(name, entry.pw_uid, entry.pw_gid)
    raise StackError(
        "PostgreSQL does not run as root and neither account `postgres` nor `nobody` exists: "
        "run as another user, or add one with `useradd --system postgres`."
    )


def settle(data: Path, tree: PostgresTree) -> Home:
    """Decide where a data folder's cluster lies; copy the programs if their account cannot reach them."""
    account = database_account()
    if account is None:
        return Home(None, tree, data / "postgres", None)
    data_reachable = reachable(data, account)
    tree_reachable = reachable(tree.bin / "postgres", account)
    if data_reachable and tree_reachable:
        return Home(account, tree, data / "postgres", None)
    outside = outside_folder(data)
    _private_folder(outside, account)
    if not tree_reachable:
        tree = _copy(tree, outside / "programs", account)
    cluster = data / "postgres" if data_reachable else outside / "cluster"
    return Home(account, tree, cluster, outside)


def outside_folder(data: Path) -> Path:
    """Return the reachable private folder that belongs to a data folder."""
    digest = hashlib.sha256(str(data.resolve()).encode()).hexdigest()[:16]
    return REACHABLE / f"sparky-stack-{digest}"


def forget(data: Path) -> None:
    """Remove what `settle` put outside of a data folder."""
    outside = outside_folder(data)
    if os.geteuid() == 0 and outside.is_dir() and not outside.is_symlink():
        shutil.rmtree(outside)


def reachable(path: Path, account: Account) -> bool:
    """Tell whether the account may pass every folder above the path."""
    for folder in path.resolve().parents:
        if not folder.exists():
            continue
        info = folder.stat()
        if info.st_uid == account.uid:
            wanted = stat.S_IXUSR
        elif info.st_gid == account.gid:
            wanted = stat.S_IXGRP
        else:
            wanted = stat.S_IXOTH
        if not info.st_mode & wanted:
            return False
    return True


def give(path: Path, account: Account | None) -> None:
    if account is not None:
        os.chown(path, account.uid, account.gid)


def _private_folder(folder: Path, account: Account) -> None:
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        info = folder.lstat()
        if not stat.S_ISDIR(info.st_mode) or info.st_uid != account.uid:
            raise StackError(
                f"{folder} is not a folder of {account.name}, who runs the database: remove it."
            ) from None
    os.chown(folder, account.uid, account.gid, follow_symlinks=False)
    folder.chmod(0o700)


def _copy(tree: PostgresTree, target: Path, account: Account) -> PostgresTree:
    if not tree.relocatable:
        raise StackError(f"Account {account.name} cannot reach {tree.bin}: give that folder mode 0755.")
    if not target.is_dir():
        unfinished = target.with_suffix(".part")
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.copytree(tree.root, unfinished, symlinks=True)
        unfinished.chmod(0o755)
        unfinished.rename(target)

    def moved(path: Path) -> Path:
        return target / path.relative_to(tree.root)

    libraries = tuple(moved(folder) for folder in tree.libraries)
    return PostgresTree(target, moved(tree.bin), tree.major, relocatable=True, libraries=libraries)
