"""The stack as a Python object, for tests and benchmarks."""

import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from scripts.local_stack import account, control, launch
from scripts.local_stack.errors import StackError
from scripts.local_stack.folder_lock import holder
from scripts.local_stack.options import UpOptions
from scripts.local_stack.project import REPOSITORY
from scripts.local_stack.signals import START_POSTGRES, STOP_POSTGRES
from scripts.local_stack.state import StackState, load

CHANGE_SECONDS = 60.0
STOP_SECONDS = 40.0


class Stack:
    """A running stack. It ends with the context, and with the thread that started it; the logs stay.

    `env` goes to the edge functions. `supabase` is the folder with config.toml, migrations/ and functions/.
    """

    def __init__(
        self,
        data: Path,
        *,
        throwaway: bool = False,
        env: Mapping[str, str] | None = None,
        migrations: bool = True,
        supabase: Path = REPOSITORY / "supabase",
        database_url: str | None = None,
    ) -> None:
        self._options = UpOptions(
            data=data.absolute(),
            throwaway=throwaway,
            environment=dict(env or {}),
            migrations=migrations,
            supabase=supabase.absolute(),
            database_url=database_url,
        )
        self._state: StackState | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._state, self._process = launch.bound_to_us(self._options)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(STOP_SECONDS)
        if self._options.throwaway:
            shutil.rmtree(self._options.data / "postgres", ignore_errors=True)
            account.forget(self._options.data)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    @property
    def state(self) -> StackState:
        """Everything in stack.json, as of now."""
        state = load(self._options.data)
        if state is None or self._state is None:
            raise StackError("The stack was not started.")
        return state

    @property
    def data(self) -> Path:
        return self._options.data

    @property
    def url(self) -> str:
        return self.state.url

    @property
    def publishable_key(self) -> str:
        return self.state.publishable_key

    @property
    def secret_key(self) -> str:
        return self.state.secret_key

    @property
    def jwt_secret(self) -> str:
        return self.state.jwt_secret

    @property
    def database_url(self) -> str:
        """The URL of role `postgres`, which owns the schema and is no superuser."""
        return self.state.database_url

    @property
    def admin_database_url(self) -> str:
        return self.state.admin_database_url

    def stop_postgres(self) -> None:
        """Stop the database under the running server; returns when it is gone."""
        self._order(STOP_POSTGRES)
        self._await_postgres(running=False)

    def start_postgres(self) -> None:
        """Start it again; returns when it takes connections."""
        self._order(START_POSTGRES)
        self._await_postgres(running=True)

    def stop_realtime(self) -> None:
        control.set_realtime(self.url, self.secret_key, "stopped")

    def start_realtime(self) -> None:
        control.set_realtime(self.url, self.secret_key, "running")

    def _order(self, number: int) -> None:
        pid = holder(self._options.data)
        if not pid:
            raise StackError("The stack does not run any more: see its logs.")
        os.kill(pid, number)

    def _await_postgres(self, *, running: bool) -> None:
        deadline = time.monotonic() + CHANGE_SECONDS
        while (self.state.postgres_pid is not None) is not running:
            if time.monotonic() > deadline:
                raise StackError(
                    f"Postgres did not {'start' if running else 'stop'}: see {self.data / 'logs'}."
                )
            time.sleep(0.01)
