"""A database with a long past: history.sql, and the indexes made after it."""

import re
from pathlib import Path

from tests.database.world import Trader, World

FILE = Path(__file__).with_name("history.sql")
# A table of so many rows must never be read whole.
BIG = 10_000


def fill_history(world: World, trader: Trader) -> None:
    text = (
        FILE.read_text(encoding="utf-8").replace("{trader}", trader.id).replace("{account}", trader.account)
    )
    tables = sorted(set(re.findall(r"^insert into ((?:public|private)\.\w+)", text, re.MULTILINE)))
    # Without triggers and foreign keys, and the indexes made afterwards: a fraction of the time.
    world.run("set session_replication_role = replica")
    world.run("set maintenance_work_mem = '256MB'")
    world.run("update pg_index set indisready = false where indrelid = any (%s::regclass[])", tables)
    world.admin.execute(text.encode())
    for table in tables:
        world.admin.execute(f"reindex table {table}")
    world.run("vacuum (analyze)")
    world.run("set session_replication_role = origin")
    assert world.value("select count(*) from pg_index where not indisready or not indisvalid") == 0
