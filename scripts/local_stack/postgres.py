"""One PostgreSQL cluster as a child process: create, start, stop."""

import os
import secrets
import shutil
import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from scripts.local_stack import account, bound, cluster_lock, ports, urls
from scripts.local_stack.account import Home, give, settle
from scripts.local_stack.binaries import PostgresTree, find_postgres
from scripts.local_stack.errors import StackError

START_SECONDS = 60.0
STOP_SECONDS = 20.0
# Statements, their parameters and row values never reach the log: they hold what clients sent.
_SETTINGS = {
    "listen_addresses": ports.HOST,
    "unix_socket_directories": "",
    "wal_level": "logical",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "password_encryption": "scram-sha-256",
    "shared_buffers": "64MB",
    "max_wal_size": "256MB",
    "max_connections": "100",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_parameter_max_length": "0",
    "log_checkpoints": "off",
}
_THROWAWAY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class PostgresServer:
    """A cluster below `data`. `throwaway` turns off everything that makes it survive a power cut.

    Use it as a context manager, or call `start` and `stop`. The superuser is `supabase_admin`. The programs
    are those of `tree`, or what `find_postgres` finds.
    """

    def __init__(
        self,
        data: Path,
        *,
        port: int | None = None,
        password: str | None = None,
        throwaway: bool = False,
        tree: PostgresTree | None = None,
    ) -> None:
        self.data = data
        self.port = ports.free_port() if port is None else port
        self.password = secrets.token_urlsafe(24) if password is None else password
        self._throwaway = throwaway
        self._tree = tree
        self._process: subprocess.Popen[bytes] | None = None
        self._home: Home | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if self._throwaway:
            self.remove()

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    @property
    def log_file(self) -> Path:
        return self.data / "logs" / "postgres.log"

    def admin_url(self, database: str = "postgres") -> str:
        return urls.database_url(ports.HOST, self.port, urls.ADMIN, self.password, database)

    def start(self) -> None:
        """Create the cluster if there is none, start it, and return when it takes connections.

        Raises:
            StackError: no server program, or it does not start.
        """
        if self.pid is not None:
            return
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        if self._home is None:
            self._home = settle(self.data, self._tree or find_postgres())
        home = self._home
        if not (home.cluster / "PG_VERSION").exists():
            self._create(home)
        self._check_version(home)
        cluster_lock.release(home.cluster)
        settings = _SETTINGS | (_THROWAWAY if self._throwaway else {}) | {"port": str(self.port)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with self.log_file.open("ab") as log:
            self._process = bound.start(
                [home.tree.tool("postgres"), "-D", home.cluster, *options],
                on_parent_death=signal.SIGINT,
                log=log,
                account=home.account,
                env=_environment(home.tree),
            )
        self._await_ready(home)

    def stop(self) -> None:
        """Stop the server; open connections are closed. Does nothing if it does not run."""
        process, self._process = self._process, None
        if process is None:
            return
        for order in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            if process.poll() is None:
                process.send_signal(order)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                continue
            return

    def remove(self) -> None:
        """Remove the cluster of a stopped server; its log stays."""
        if self._home is not None:
            shutil.rmtree(self._home.cluster, ignore_errors=True)
        account.forget(self.data)

    def poll(self) -> int | None:
        """Return the exit code of a server that ended by itself, else None."""
        return None if self._process is None else self._process.poll()

    def _create(self, home: Home) -> None:
        password = home.cluster.with_name("password.tmp")
        home.cluster.mkdir(mode=0o700, parents=True, exist_ok=True)
        give(home.cluster, home.account)
        try:
            with os.fdopen(os.open(password, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                file.write(self.password)
            give(password, home.account)
            with self.log_file.open("ab") as log:
                maker = bound.start(
                    [
                        home.tree.tool("initdb"),
                        f"--pgdata={home.cluster}",
                        f"--username={urls.ADMIN}",
                        f"--pwfile={password}",
                        "--auth=scram-sha-256",
                        "--encoding=UTF8",
                        "--locale=C.UTF-8",
                        *(["--no-sync"] if self._throwaway else []),
                    ],
                    on_parent_death=signal.SIGKILL,
                    log=log,
                    account=home.account,
                    env=_environment(home.tree),
                )
                code = maker.wait()
        finally:
            password.unlink(missing_ok=True)
        if code != 0:
            raise StackError(
                f"The database could not be created (initdb: {code}): see {self.log_file}, then use --fresh."
            )

    def _check_version(self, home: Home) -> None:
        made_by = (home.cluster / "PG_VERSION").read_text(encoding="ascii", errors="replace").strip()
        if made_by != str(home.tree.major):
            raise StackError(
                f"The data in {self.data} was made by PostgreSQL {made_by}, here is {home.tree.major}: "
                "throw the data away with `reset`, or use that server again."
            )

    def _await_ready(self, home: Home) -> None:
        # The eighth line of postmaster.pid tells the state: what pg_ctl itself waits for.
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            code = self.poll()
            if code is not None:
                self._process = None
                raise StackError(
                    f"PostgreSQL did not start (it ended with {code}): see the end of {self.log_file}."
                )
            lines = cluster_lock.lines(home.cluster)
            if (
                len(lines) >= cluster_lock.STATE_LINE
                and lines[0] == str(self.pid)
                and lines[7].strip() == "ready"
            ):
                return
            time.sleep(0.01)
        self.stop()
        raise StackError(
            f"PostgreSQL did not get ready within {START_SECONDS:.0f} s: see the end of {self.log_file}."
        )


def _environment(tree: PostgresTree) -> dict[str, str]:
    # PG* variables of the person's shell would change how initdb and postgres behave.
    environment = {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    if tree.libraries:
        environment["LD_LIBRARY_PATH"] = os.pathsep.join(map(str, tree.libraries))
    return environment
