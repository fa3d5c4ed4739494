"""What `up` was asked for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from scripts.local_stack.project import REPOSITORY

DEFAULT_DATA = Path(".stack")


@dataclass(frozen=True, slots=True)
class UpOptions:
    """`environment` is added to the edge functions' environment, after the env file's."""

    data: Path = DEFAULT_DATA
    port: int | None = None
    postgres_port: int | None = None
    database_url: str | None = field(default=None, repr=False)
    env_file: Path | None = None
    migrations: bool = True
    throwaway: bool = False
    supabase: Path = REPOSITORY / "supabase"
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
