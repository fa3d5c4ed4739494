"""Brings the stack up in order, watches its two processes, and takes it down in order."""

import time
from collections.abc import Callable
from dataclasses import replace

from scripts.local_stack import ports, urls
from scripts.local_stack.binaries import find_deno
from scripts.local_stack.errors import StackError
from scripts.local_stack.folder_lock import FolderLock, holder
from scripts.local_stack.journal import open_journal, rotate
from scripts.local_stack.options import UpOptions
from scripts.local_stack.postgres import PostgresServer
from scripts.local_stack.preparation import check_project, check_space, prepare, server_settings
from scripts.local_stack.server_process import ServerProcess, packages_present
from scripts.local_stack.signals import Inbox, Order
from scripts.local_stack.state import StackState, claim_folder, load

BACK_OFF_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)
STEADY_SECONDS = 30.0
Say = Callable[[str], None]


class Supervisor:
    """One stack on one data folder, in the calling thread, which must live as long as the stack."""

    def __init__(self, options: UpOptions, say: Say) -> None:
        self._options = options
        self._data = options.data
        self._say = say
        self._lock = FolderLock(options.data)
        self._postgres: PostgresServer | None = None
        self._server: ServerProcess | None = None
        self._wanted = True
        self._failures = 0
        self._started = 0.0
        self._state: StackState | None = None

    def start(self) -> StackState:
        """Start everything and return when requests are answered.

        Raises:
            StackError: something the person can put right; what was started is stopped again by `stop`.
        """
        deno = find_deno()
        check_project(self._options)
        claim_folder(self._data)
        check_space(self._data)
        if not self._lock.acquire():
            raise StackError(
                f"Another stack (process {holder(self._data)}) runs on {self._data}: stop it with `down`."
            )
        rotate(self._data / "logs")
        self._journal = open_journal(self._data / "logs" / "supervisor.log")
        remembered = load(self._data)
        state = remembered or StackState.new(self._data)
        port = ports.choose(self._options.port, state.port or None, "--port")
        state = replace(state.stopped(), port=port, url=f"http://{ports.HOST}:{port}")
        state = self._start_database(state)
        self._state = prepare(state, self._options, self._say)
        self._state.save()
        self._server = ServerProcess(deno, self._data, server_settings(self._state, self._options))
        if not packages_present():
            self._say("First start: Deno downloads the server's packages, about 155 MB …")
        self._start_server()
        self._server.await_ready()
        self._remember_pids()
        self._journal("ready", url=self._state.url)
        return self._state

    def watch(self, inbox: Inbox) -> None:
        """Serve until told to end: restart what dies, stop and start Postgres on request."""
        while True:
            order = inbox.wait(0.25)
            if order is Order.END:
                return
            if order is Order.STOP_POSTGRES and self._postgres is not None:
                self._wanted = False
                self._postgres.stop()
                self._journal("postgres.stopped", reason="asked")
                self._remember_pids()
            elif order is Order.START_POSTGRES and self._postgres is not None:
                self._wanted = True
                self._revive_postgres()
            self._look_after_postgres()
            self._look_after_server(inbox)

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop()
        if self._postgres is not None:
            self._postgres.stop()
        if self._state is not None:
            self._state = self._state.stopped()
            self._state.save()
            self._journal("stopped")
        self._lock.release()

    def _start_database(self, state: StackState) -> StackState:
        given = self._options.database_url
        if given is not None:
            return replace(state, postgres_port=None, admin_database_url=given)
        if state.admin_database_url and state.postgres_port is None:
            raise StackError(f"{self._data} was made with --database-url: give it again, or use `reset`.")
        port = ports.choose(self._options.postgres_port, state.postgres_port, "--postgres-port")
        password = urls.password_of(state.admin_database_url) if state.admin_database_url else None
        self._postgres = PostgresServer(
            self._data, port=port, password=password, throwaway=self._options.throwaway
        )
        state = replace(state, postgres_port=port, admin_database_url=self._postgres.admin_url())
        # Before initdb: the cluster's password must not exist only in the memory of a process that can die.
        state.save()
        self._postgres.start()
        return state

    def _start_server(self) -> None:
        if self._server is None:
            return
        self._server.start()
        self._started = time.monotonic()

    def _look_after_postgres(self) -> None:
        if self._postgres is None or not self._wanted or self._postgres.pid is not None:
            return
        self._journal("postgres.died", code=self._postgres.poll())
        self._revive_postgres()

    def _revive_postgres(self) -> None:
        if self._postgres is None:
            return
        try:
            self._postgres.start()
        except StackError as error:
            self._journal("postgres.start_failed", reason=str(error))
            time.sleep(BACK_OFF_SECONDS[0])
            return
        self._journal("postgres.started", pid=self._postgres.pid)
        self._remember_pids()

    def _look_after_server(self, inbox: Inbox) -> None:
        if self._server is None or self._server.pid is not None:
            return
        lived = time.monotonic() - self._started
        self._failures = 0 if lived > STEADY_SECONDS else self._failures + 1
        pause = BACK_OFF_SECONDS[min(self._failures, len(BACK_OFF_SECONDS)) - 1] if self._failures else 0.0
        self._journal("server.died", code=self._server.poll(), lived=round(lived, 1), restart_in=pause)
        if not inbox.pause(pause):
            self._start_server()
            self._remember_pids()

    def _remember_pids(self) -> None:
        if self._state is None:
            return
        self._state = replace(
            self._state,
            pid=self._lock.pid,
            postgres_pid=self._postgres.pid if self._postgres is not None else None,
            deno_pid=self._server.pid if self._server is not None else None,
        )
        self._state.save()
