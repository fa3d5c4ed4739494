"""The way to Postgres: typed calls of the worker functions, and the wake-up channel."""
