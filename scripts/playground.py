"""A stack to play with: `make up`, `make worker`, `make down`.

`up` starts the local stack, and on its first time makes a trader with a sealed paper account and a webhook.
"""

import argparse
import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from scripts.local_stack.errors import StackError
from scripts.local_stack.project import REPOSITORY
from scripts.local_stack.state import StackState, load
from scripts.testbed.backend import Backend, private_folder
from scripts.testbed.trader import Trader
from scripts.testbed.worker_process import worker_environment
from sparky.cli.tokens import mint_token
from sparky.keys.keyfile import generate_key_file, load_key_file

FOLDER = REPOSITORY / ".stack"
DATA = FOLDER / "local"
# Beside the stack's data, and thrown away with it: keys that open nothing else.
KEYS = FOLDER / "local-keys"
KEY_FILE = KEYS / "sealing.pem"
TRADER_FILE = KEYS / "trader.json"
_TOKEN_LIFETIME = timedelta(days=365)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command."""
    parser = argparse.ArgumentParser(prog="playground", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    up = commands.add_parser("up", help="start the stack and show how to use it")
    up.add_argument("--port", type=int, help="port of the API (default: the last one, else a free one)")
    up.set_defaults(run=_up)
    worker = commands.add_parser("worker", help="run a worker until Ctrl-C")
    worker.add_argument("--url", help="another Supabase, which has the migrations (default: the stack)")
    worker.add_argument("--key", help="its secret key")
    worker.add_argument("--sealing-key", type=Path, default=KEY_FILE, help="file of the private sealing key")
    worker.set_defaults(run=_worker)
    for name, run in (("down", _down), ("clean", _clean)):
        commands.add_parser(name).set_defaults(run=run)
    options = parser.parse_args(arguments)
    try:
        return int(options.run(options))
    except StackError as error:
        sys.stderr.write(f"{error}\n")
        return 2


def _stack(*arguments: str) -> int:
    command = [sys.executable, "-m", "scripts.local_stack", *arguments, "--data", str(DATA)]
    return subprocess.run(command, cwd=REPOSITORY, check=False, stdout=subprocess.DEVNULL).returncode


def _up(options: argparse.Namespace) -> int:
    port = [] if options.port is None else ["--port", str(options.port)]
    code = _stack("up", "--detach", *port)
    if code:
        return code
    state = _running()
    if not TRADER_FILE.exists():
        asyncio.run(_make_trader(state))
    _show(state, json.loads(TRADER_FILE.read_text("utf-8")))
    return 0


def _running() -> StackState:
    state = load(DATA)
    if state is None or state.pid is None:
        raise StackError("The stack does not run; start it with: make up")
    return state


async def _make_trader(state: StackState) -> None:
    private_folder(KEYS)
    key = load_key_file(KEY_FILE) if KEY_FILE.exists() else generate_key_file(KEY_FILE)
    trader = await Trader.sign_up(Backend.of_state(state), "Tracy")
    await trader.save_paper_keys(key.public)
    await trader.reveal_webhook()
    kept = {"email": trader.email, "password": trader.password, "token": trader.token}
    with os.fdopen(os.open(TRADER_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(kept, file)


def _show(state: StackState, trader: dict[str, Any]) -> None:
    alert = '{"symbol":"BTCUSDT","action":"buy","quantity":"0.5","price":"27000"}'
    print(f"""
The stack runs until `make down`.

             API  {state.url}
        database  {state.database_url}
 publishable key  {state.publishable_key}
      secret key  {state.secret_key}
dashboard server  {mint_token(state.jwt_secret, "dashboard_server", _TOKEN_LIFETIME)}
          trader  {trader["email"]}  password {trader["password"]}
        all else  {DATA.relative_to(REPOSITORY)}/stack.json

Run a worker in another terminal with `make worker`, then post an alert:

curl -sS {state.url}/functions/v1/webhook/{trader["token"]} -d '{alert}'
""")


def _worker(options: argparse.Namespace) -> int:
    if options.url and options.key:
        # Without it the worker says which setting is missing.
        backend = Backend.elsewhere(options.url, options.key, os.environ.get("SPARKY_WORKER_TOKEN", ""))
    else:
        backend = Backend.of_state(_running())
    environment = worker_environment(backend, options.sealing_key, {"log_format": "console"})
    try:
        return subprocess.run(
            [sys.executable, "-m", "sparky.cli.main", "worker"], env=environment, check=False
        ).returncode
    except KeyboardInterrupt:
        return 0


def _down(_: argparse.Namespace) -> int:
    return _stack("down")


def _clean(_: argparse.Namespace) -> int:
    if not DATA.exists():
        return 0
    code = _stack("reset")
    if code == 0:
        shutil.rmtree(KEYS, ignore_errors=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
