import json
import os
import subprocess
from pathlib import Path

import pytest

from scripts.local_stack.binaries import find_deno
from tests.integration.stack.target import Target

HERE = Path(__file__).parent


@pytest.mark.usefixtures("schema", "publishable")
def test_supabase_js_works_unmodified(target: Target) -> None:
    script = HERE / "js_client.ts"
    result = subprocess.run(
        [find_deno(), "run", "--allow-all", "--quiet", "--no-lock", script],
        env=os.environ
        | {
            "DENO_TLS_CA_STORE": "system",
            "TARGET": json.dumps(
                {"url": target.url, "key": target.publishable_key, "secret": target.secret_key}
            ),
            "TARGET_LOCAL": "1" if target.local else "",
        },
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    failed = [line for line in result.stdout.splitlines() if line.startswith("FAIL")]
    passed = [line for line in result.stdout.splitlines() if line.startswith("ok")]
    assert not failed
    assert len(passed) >= 25
