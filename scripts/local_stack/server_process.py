"""The Deno process: its configuration, start, readiness and restart."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from scripts.local_stack import bound, ports
from scripts.local_stack.errors import StackError

SERVER = Path(__file__).parent / "server"
LITE_VERSION = "0.10.0"
BOOT_SECONDS = 60.0
DOWNLOAD_SECONDS = 900.0
STOP_SECONDS = 5.0


class ServerProcess:
    """Deno running server/main.ts. `settings` holds keys: it goes to the process and nowhere else."""

    def __init__(self, deno: Path, data: Path, settings: Mapping[str, Any]) -> None:
        self._deno = deno
        self._data = data
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    @property
    def log_file(self) -> Path:
        return self._data / "logs" / "deno.log"

    def poll(self) -> int | None:
        return None if self._process is None else self._process.poll()

    def start(self) -> None:
        """Start the process; it listens a moment later (`await_ready`)."""
        with self.log_file.open("ab") as log:
            self._process = bound.start(
                [self._deno, "run", "--allow-all", "--quiet", *self._configuration(), SERVER / "main.ts"],
                on_parent_death=signal.SIGTERM,
                log=log,
                folder=SERVER,
                env=_environment(self._settings),
            )

    def await_ready(self) -> None:
        """Return when the stack answers.

        Raises:
            StackError: the process ended, or is not ready in time.
        """
        had_packages = packages_present()
        seconds = BOOT_SECONDS if had_packages else DOWNLOAD_SECONDS
        deadline = time.monotonic() + seconds
        while not is_healthy(int(self._settings["port"])):
            code = self.poll()
            if code is not None and not had_packages:
                raise StackError(
                    "Deno could not download the server's packages from the npm registry: look at the "
                    f"network (HTTPS_PROXY, NPM_CONFIG_REGISTRY) and at the end of {self.log_file}."
                )
            if code is not None:
                raise StackError(
                    f"The server did not start (Deno ended with {code}): see the end of {self.log_file}."
                )
            if time.monotonic() > deadline:
                raise StackError(
                    f"The server was not ready within {seconds:.0f} s: see the end of {self.log_file}."
                )
            time.sleep(0.02)

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        for order in (signal.SIGTERM, signal.SIGKILL):
            if process.poll() is None:
                process.send_signal(order)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                continue
            return

    # Without functions the locked packages are all there is. Functions bring packages of their own, so they
    # get a copy of the lock that may grow; what it pins stays pinned.
    def _configuration(self) -> list[str | Path]:
        functions: list[dict[str, Any]] = self._settings["functions"]
        if not functions:
            return ["--frozen", "--config", SERVER / "deno.json"]
        config = json.loads((SERVER / "deno.json").read_text(encoding="utf-8"))
        config["scopes"] = {
            f"{Path(function['entrypoint']).parent.as_uri()}/": _imports(Path(function["importMap"]))
            for function in functions
            if function["importMap"] is not None
        }
        own = self._data / "deno.json"
        own.write_text(json.dumps(config | {"lock": "./deno.lock"}, indent=2), encoding="utf-8")
        shutil.copyfile(SERVER / "deno.lock", self._data / "deno.lock")
        return ["--config", own]


def is_healthy(port: int) -> bool:
    connection = HTTPConnection(ports.HOST, port, timeout=5)
    try:
        connection.request("GET", "/__stack/health")
        return connection.getresponse().status == 200  # noqa: PLR2004 - HTTP
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def packages_present() -> bool:
    """Tell whether Deno has the npm packages already, so that a start needs no network."""
    base = os.environ.get("DENO_DIR")
    cache = Path(base) if base else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "deno"
    return any(cache.glob(f"npm/*/@supabase/lite/{LITE_VERSION}/dist"))


def _imports(path: Path) -> dict[str, str]:
    try:
        imports: dict[str, str] = json.loads(path.read_text(encoding="utf-8")).get("imports", {})
    except ValueError as error:
        raise StackError(f"{path} is not JSON: {error}.") from error
    return {
        name: (path.parent / target).resolve().as_uri() if target.startswith(("./", "../")) else target
        for name, target in imports.items()
    }


def _environment(settings: Mapping[str, Any]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SUPABASE_", "PG"))}
    return kept | {
        # Many company networks sign TLS with a root of their own, which only the system knows.
        "DENO_TLS_CA_STORE": os.environ.get("DENO_TLS_CA_STORE", "system"),
        "DENO_NO_UPDATE_CHECK": "1",
        "DENO_NO_PROMPT": "1",
        "DO_NOT_TRACK": "1",
        "LITE_TELEMETRY": "0",
        "NO_COLOR": "1",
        "LOCAL_STACK_SETTINGS": json.dumps(dict(settings)),
    }
