import pytest

from scripts.local_stack.sql_text import Statement, statements

CASES = {
    "plain": ("select 1; select 2", ["select 1", "select 2"]),
    "no end": ("select 1", ["select 1"]),
    "nothing": (" ;; -- only a comment\n; /* and ; this */ ", []),
    "quoted": ("select ';'';', E'\\';', \";\"; select 2", ["select ';'';', E'\\';', \";\"", "select 2"]),
    "comments": (
        "select 1 -- a;b\n; /* ; /* ; */ ; */ select 2;",
        ["select 1 -- a;b", "/* ; /* ; */ ; */ select 2"],
    ),
    "dollars": ("do $$ begin; end $$; do $x$ $$ ; $$ $x$;", ["do $$ begin; end $$", "do $x$ $$ ; $$ $x$"]),
    "parameters": (
        "select $1; select a$b from c$; select 2",
        ["select $1", "select a$b from c$", "select 2"],
    ),
    "atomic": (
        "create function f() returns int begin atomic select case when x then 1 end; select 2; end; select 3",
        [
            "create function f() returns int begin atomic select case when x then 1 end; select 2; end",
            "select 3",
        ],
    ),
    "transaction": ("begin; commit; end;", ["begin", "commit", "end"]),
}


@pytest.mark.parametrize("name", CASES)
def test_statements(name: str) -> None:
    source, expected = CASES[name]
    assert [statement.text for statement in statements(source)] == expected


def test_a_statement_knows_its_line() -> None:
    assert list(statements("\n\nselect 1;\n-- why\nselect\n2;")) == [
        Statement("select 1", 3),
        Statement("-- why\nselect\n2", 4),
    ]
