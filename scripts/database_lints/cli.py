"""The commands: check, types, test."""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from scripts.database_lints import advisors, own_rules, plpgsql, types
from scripts.database_lints.debian_postgres import find_debian_postgres
from scripts.database_lints.findings import AllowList, read_allowed
from scripts.local_stack.errors import StackError
from scripts.local_stack.project import REPOSITORY
from scripts.testbed.database import schema_database, throwaway_server

CHECKS = ("advisors", "types", "plpgsql_check")
SKIP = "SPARKY_LINT_SKIP"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 something was found, 2 told why not."""
    parser = argparse.ArgumentParser(prog="python -m scripts.database_lints")
    commands = parser.add_subparsers(required=True)
    commands.add_parser("check", help="run every check").set_defaults(run=lambda _: check())
    commands.add_parser("types", help="write supabase/database.types.ts").set_defaults(
        run=lambda _: write_types()
    )
    test = commands.add_parser("test", help="run the database's tests on Debian's PostgreSQL")
    test.add_argument("rest", nargs="*", help="after --: what pytest is given instead of tests/database")
    test.set_defaults(run=lambda options: run_tests(options.rest))
    options = parser.parse_args(arguments)
    try:
        code: int = options.run(options)
    except StackError as error:
        print(error, file=sys.stderr)
        return 2
    except subprocess.TimeoutExpired as error:
        print(f"{Path(error.cmd[0]).name} took longer than {error.timeout:.0f} s.", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return code


def check() -> int:
    """Run every check but those that SPARKY_LINT_SKIP names, and print what they object to."""
    left_out = skipped()
    allowed = read_allowed()
    objections: list[str] = []
    with schema_database() as url:
        objections += allowed.objections(own_rules.find(url), own_rules.RULES)
        if "advisors" not in left_out:
            objections += allowed.objections(advisors.find(url), advisors.RULES)
        if "types" not in left_out:
            objections += types.objections(url)
    if "plpgsql_check" not in left_out:
        objections += _check_functions(allowed)
    for line in objections:
        print(line)
    note = f"; left out: {', '.join(sorted(left_out))}" if left_out else ""
    print(f"database: {len(objections)} objections, {len(allowed.reasons)} findings tolerated{note}")
    return 1 if objections else 0


def write_types() -> int:
    """Write the types anew."""
    with schema_database() as url:
        types.write(url)
    return 0


def run_tests(rest: Sequence[str]) -> int:
    """Run pytest on a throwaway cluster of Debian's PostgreSQL."""
    tree = find_debian_postgres()
    print(f"PostgreSQL {tree.major} of {tree.bin}", flush=True)
    with throwaway_server(tree) as url:
        return subprocess.run(
            [sys.executable, "-m", "pytest", *(rest or ["tests/database"])],
            cwd=REPOSITORY,
            env=os.environ | {"SPARKY_TEST_SERVER": url},
            check=False,
        ).returncode


def _check_functions(allowed: AllowList) -> list[str]:
    with schema_database(find_debian_postgres()) as url:
        return allowed.objections(plpgsql.find(url), plpgsql.RULES)


def skipped() -> set[str]:
    """Return the checks that SPARKY_LINT_SKIP names.

    Raises:
        StackError: it names something else.
    """
    names = {name.strip() for name in os.environ.get(SKIP, "").split(",")} - {""}
    unknown = names - set(CHECKS)
    if unknown:
        raise StackError(f"{SKIP} names {', '.join(sorted(unknown))}: it can name {', '.join(CHECKS)}.")
    return names
