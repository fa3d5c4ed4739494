"""supabase/database.types.ts, made by Supabase's generator from the finished schema."""

import subprocess

from scripts.database_lints import supabase_cli
from scripts.local_stack import urls
from scripts.local_stack.binaries import find_deno
from scripts.local_stack.errors import StackError
from scripts.local_stack.project import REPOSITORY

FILE = REPOSITORY / "supabase" / "database.types.ts"
HEADER = "// Generated from sql/schema/ by `make types`; do not edit.\n\n"


def generate(admin_url: str) -> str:
    """Return the types of everything in schema public, formatted as our TypeScript is."""
    text = supabase_cli.run(
        "gen", "types", "typescript", "--schema=public", f"--remote={urls.with_role(admin_url, 'postgres')}"
    )
    formatted = subprocess.run(
        [find_deno(), "fmt", "--quiet", "--no-config", "--line-width=110", "--ext=ts", "-"],
        input=HEADER + text,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if formatted.returncode:
        raise StackError(f"The generated types could not be formatted: {formatted.stderr.strip()}")
    return formatted.stdout


def objections(admin_url: str) -> list[str]:
    """Return a line when the committed file is not what the schema makes."""
    committed = FILE.read_text(encoding="utf-8") if FILE.exists() else ""
    if committed == generate(admin_url):
        return []
    return [f"{FILE.relative_to(REPOSITORY)} is not what the schema makes: run `make types` and commit it"]


def write(admin_url: str) -> None:
    """Write the file anew."""
    FILE.write_text(generate(admin_url), encoding="utf-8")
