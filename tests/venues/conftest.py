"""The paper venue keeps its book in Postgres, so its tests share the databases of the schema's tests."""

from tests.database.conftest import admin_url, bare_template, make_database, shared, template, world

__all__ = ["admin_url", "bare_template", "make_database", "shared", "template", "world"]
