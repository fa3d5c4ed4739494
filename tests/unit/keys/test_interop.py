"""The module in docs/sealing.md and the worker open what the other has sealed."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sparky.domain.errors import WrongContextError
from sparky.keys.sealing import KeyRing, SealingContext, SealingKey, seal

ROOT = Path(__file__).parents[3]
HERE = Path(__file__).parent
CONTEXT = SealingContext("6a0c7f3e-52d4-4f5b-9f5b-5d1c64c1c1aa", "aster", "production")
FIELDS = {"api_key": "k-ünïcode-🔑", "api_secret": 'quote " backslash \\ newline \n', "empty": ""}


def deno() -> str:
    found = shutil.which("deno", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert found, "the deno of the stack dependency group is needed"
    return found


def documented_module() -> str:
    text = (ROOT / "docs" / "sealing.md").read_text("utf-8")
    [module] = re.findall(r"```ts\n(// seal\.ts\n.*?)```", text, re.DOTALL)
    return str(module)


@pytest.fixture
def module_folder(tmp_path: Path) -> Path:
    (tmp_path / "seal.ts").write_text(documented_module(), "utf-8")
    shutil.copy(HERE / "interop.ts", tmp_path)
    return tmp_path


def run_deno(folder: Path, *arguments: str, task: dict[str, Any] | None = None) -> str:
    finished = subprocess.run(
        [deno(), *arguments],
        cwd=folder,
        input=json.dumps(task),
        env={**os.environ, "DENO_TLS_CA_STORE": "system", "NO_COLOR": "1", "DENO_NO_UPDATE_CHECK": "1"},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def test_the_documented_module_and_the_worker_open_what_the_other_sealed(module_folder: Path) -> None:
    key = SealingKey.generate()
    task = {
        "publicKey": key.public.to_text(),
        "privateKeyHex": key.private_key().private_bytes_raw().hex(),
        "context": {"userId": CONTEXT.user_id, "exchange": "aster", "environment": "production"},
        "fields": FIELDS,
        "sealed": seal(key.public, CONTEXT, FIELDS),
    }
    answer = json.loads(run_deno(module_folder, "run", "--no-config", "interop.ts", task=task))
    ring = KeyRing([key])
    opened = ring.open(answer["sealed"], CONTEXT)
    assert {name: secret.reveal() for name, secret in opened.items()} == FIELDS
    assert answer["opened"] == FIELDS
    with pytest.raises(WrongContextError):
        ring.open(answer["sealed"], SealingContext(CONTEXT.user_id, "aster", "sandbox"))


def test_the_documented_module_is_well_formed(module_folder: Path) -> None:
    files = ("seal.ts", "interop.ts")
    run_deno(module_folder, "check", "--no-config", *files)
    # Outside this project there is no import map to put the version in.
    run_deno(module_folder, "lint", "--no-config", "--rules-exclude=no-import-prefix", *files)
    run_deno(module_folder, "fmt", "--no-config", "--line-width=110", "--check", *files)
