"""Checks of the finished schema that need a database: advisors, plpgsql_check and the generated types."""
