"""What the database holds, read directly: the truth behind every answer of the API."""

from collections.abc import Sequence
from types import TracebackType
from typing import Any, LiteralString, Self

import psycopg
from psycopg.rows import DictRow, dict_row


class Records:
    """A direct connection that opens by itself, also again after the database was away."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._connection: psycopg.Connection[DictRow] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._connection is not None:
            self._connection.close()

    def rows(self, query: LiteralString, *parameters: Any) -> Sequence[DictRow]:
        """Return the rows of a query."""
        return self._execute(query, parameters).fetchall()

    def value(self, query: LiteralString, *parameters: Any) -> Any:
        """Return the only column of the only row.

        Raises:
            ValueError: there is another number of rows or columns.
        """
        (row,) = self.rows(query, *parameters)
        (value,) = row.values()
        return value

    def run(self, statement: LiteralString, *parameters: Any) -> int:
        """Run a statement that answers no rows, and return how many it touched."""
        return self._execute(statement, parameters).rowcount

    def _execute(self, statement: LiteralString, parameters: Sequence[Any]) -> psycopg.Cursor[DictRow]:
        connection = self._opened()
        try:
            return connection.execute(statement, parameters)
        except psycopg.OperationalError:
            if not connection.closed:
                raise
            # The server went away while nothing was asked of it.
            return self._opened().execute(statement, parameters)

    def _opened(self) -> psycopg.Connection[DictRow]:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(
                self._url, autocommit=True, connect_timeout=10, row_factory=dict_row
            )
        return self._connection
