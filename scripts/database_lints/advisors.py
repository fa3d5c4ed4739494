"""Supabase's own database advisors, run on the schema."""

import json

import psycopg
from psycopg import sql

from scripts.database_lints import supabase_cli
from scripts.database_lints.findings import Finding
from scripts.local_stack import urls

# What the pinned CLI looks for, less what only a database in use can tell: unused indexes and bloat.
NOT_HERE = frozenset({"unused_index", "table_bloat"})
RULES = frozenset(
    {
        "auth_rls_initplan",
        "auth_users_exposed",
        "duplicate_index",
        "extension_in_public",
        "extension_versions_outdated",
        "fkey_to_auth_unique",
        "foreign_table_in_api",
        "function_search_path_mutable",
        "insecure_queue_exposed_in_api",
        "materialized_view_in_api",
        "multiple_permissive_policies",
        "no_primary_key",
        "policy_exists_rls_disabled",
        "rls_disabled_in_public",
        "rls_enabled_no_policy",
        "rls_policy_always_true",
        "rls_references_user_metadata",
        "security_definer_view",
        "sensitive_columns_exposed",
        "unindexed_foreign_keys",
        "unsupported_reg_types",
    }
)


def find(admin_url: str) -> list[Finding]:
    """Return what the advisors say, at every level, about schemas that the API shows and about the rest."""
    _expose_public(admin_url)
    answer = supabase_cli.run(
        "db",
        "advisors",
        f"--remote={urls.with_role(admin_url, 'postgres')}",
        "--level=info",
        "--fail-on=none",
        "--output-format=json",
    )
    return [
        Finding(result["name"], _subject(result), f"{result['level']}: {result['detail']}")
        for result in json.loads(answer)["results"]
        if result["name"] not in NOT_HERE
    ]


def _expose_public(admin_url: str) -> None:
    # PostgREST sets this for itself on hosted projects. Without it no schema counts as exposed, and most
    # rules find nothing.
    with psycopg.connect(admin_url, autocommit=True) as connection:
        database = sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL("alter database {} set pgrst.db_schemas = 'public'").format(database))


def _subject(result: dict[str, object]) -> str:
    metadata = result.get("metadata")
    if not isinstance(metadata, dict):
        return str(result.get("cacheKey"))
    name = f"{metadata.get('schema')}.{metadata.get('name')}"
    return f"{name}.{metadata['fkey_name']}" if "fkey_name" in metadata else name
