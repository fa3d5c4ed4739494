"""The existing dashboard's calls, by the client that it uses, on the schema of this repository."""

import json
import os
import subprocess
from datetime import timedelta
from pathlib import Path

from scripts.local_stack.binaries import find_deno
from scripts.local_stack.stack import Stack
from sparky.cli.tokens import mint_token

CALLS = Path(__file__).parent / "calls.ts"
# So that a part that is no longer called is noticed.
LEAST_CHECKS = 145


def test_the_dashboard_can_do_what_its_pages_and_routes_do(stack: Stack) -> None:
    target = {
        "url": stack.url,
        "key": stack.publishable_key,
        "secret": stack.secret_key,
        "server_token": mint_token(stack.jwt_secret, "dashboard_server", timedelta(hours=1)),
    }
    result = subprocess.run(
        [find_deno(), "run", "--allow-all", "--quiet", "--no-lock", CALLS],
        env=os.environ | {"DENO_TLS_CA_STORE": "system", "TARGET": json.dumps(target)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    lines = result.stdout.splitlines()

    assert result.returncode == 0, result.stdout + result.stderr
    assert lines[-1] == "end"
    assert [line for line in lines if line.startswith("FAIL")] == []
    assert len([line for line in lines if line.startswith("ok")]) >= LEAST_CHECKS
