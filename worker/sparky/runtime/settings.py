"""The settings of a worker: one frozen object, read once at start.

The environment (SPARKY_…) wins over systemd credentials, and these win over the TOML file.
"""

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from sparky.domain.errors import ConfigurationError
from sparky.domain.identifiers import WorkerId
from sparky.runtime.seams import RandomSource, SystemRandomSource
from sparky.runtime.sources import read_config_file, read_credentials, refuse_unknown_variables
from sparky.runtime.startup_errors import explain
from sparky.runtime.urls import check_url
from sparky.runtime.venue_hosts import read_venue_hosts

ENV_PREFIX: Final = "SPARKY_"
# What remains of a lease after a venue has timed out, to write down the outcome.
LEASE_MARGIN_SECONDS: Final = 2.0
_SUFFIX_DIGITS: Final = 8

Seconds = Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)]
Count = Annotated[int, Field(gt=0, le=10_000)]
# What the claim functions of the database take.
LeaseSeconds = Annotated[float, Field(ge=1, le=600, allow_inf_nan=False)]
BatchSize = Annotated[int, Field(gt=0, le=500)]


class WorkerSettings(BaseSettings):
    """Everything a worker is told from outside. All durations are in seconds."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        frozen=True,
        extra="forbid",
        env_ignore_empty=True,
        hide_input_in_errors=True,
    )

    supabase_url: str
    supabase_key: SecretStr
    worker_token: SecretStr
    sealing_key_files: Annotated[tuple[Path, ...], NoDecode, Field(min_length=1)]
    worker_id: WorkerId

    lease_seconds: LeaseSeconds = 15
    venue_timeout_seconds: Seconds = 5
    claim_batch: BatchSize = 20
    max_in_flight: Count = 100
    poll_interval_seconds: Seconds = 5
    poll_interval_disconnected_seconds: Seconds = 1
    ping_interval_seconds: Seconds = 15
    shutdown_grace_seconds: Seconds = 20

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "console"] = "json"
    paper_feed_url: str | None = None
    venue_hosts: Annotated[dict[str, dict[str, str]], NoDecode] = {}

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Put the environment above the arguments, by which `load_settings` hands over the files."""
        del settings_cls, dotenv_settings, file_secret_settings
        return env_settings, init_settings

    @field_validator("sealing_key_files", mode="before")
    @classmethod
    def _split_paths(cls, value: Any) -> Any:
        return [part for part in value.split(os.pathsep) if part] if isinstance(value, str) else value

    @field_validator("supabase_key", "worker_token")
    @classmethod
    def _require_one_word(cls, value: SecretStr) -> SecretStr:
        text = value.get_secret_value()
        if not text or not text.isascii() or any(character.isspace() for character in text):
            raise ValueError("must be a key or token without spaces")
        return value

    @field_validator("supabase_url")
    @classmethod
    def _require_safe_url(cls, value: str) -> str:
        return check_url(value, query=False)

    @field_validator("paper_feed_url")
    @classmethod
    def _require_feed_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if "{symbol}" not in value:
            raise ValueError("must have {symbol} where the symbol goes")
        return check_url(value, query=True)

    @field_validator("venue_hosts", mode="before")
    @classmethod
    def _require_venue_hosts(cls, value: Any) -> Any:
        return read_venue_hosts(value)

    @model_validator(mode="after")
    def _require_lease_beyond_venue(self) -> Self:
        least = self.venue_timeout_seconds + LEASE_MARGIN_SECONDS
        if self.lease_seconds < least:
            raise ValueError(
                f"lease_seconds is {self.lease_seconds:g} and must be at least venue_timeout_seconds "
                f"({self.venue_timeout_seconds:g}) + {LEASE_MARGIN_SECONDS:g} = {least:g}"
            )
        return self


def load_settings(config: Path | None = None, *, random: RandomSource | None = None) -> WorkerSettings:
    """Read the settings from the environment, systemd credentials and a TOML file.

    `config` is the path from the command line; without it, SPARKY_CONFIG names the file, if any.

    Raises:
        ConfigurationError: a setting is missing, unknown or wrong. The message names each one and says
            where to set it, and holds no values of secrets.
    """
    environ: Mapping[str, str] = os.environ
    known = frozenset(WorkerSettings.model_fields)
    refuse_unknown_variables(environ, known, ENV_PREFIX)
    path = config or _path_from(environ, f"{ENV_PREFIX}CONFIG")
    values: dict[str, Any] = {"worker_id": default_worker_id(random or SystemRandomSource())}
    if path is not None:
        values |= read_config_file(path, known)
    directory = credentials_directory(environ)
    if directory is not None:
        values |= read_credentials(directory)
    try:
        return WorkerSettings(**values)
    except ValidationError as error:
        raise ConfigurationError(explain(error, ENV_PREFIX)) from None


def credentials_directory(environ: Mapping[str, str]) -> Path | None:
    """Return where systemd has put the credentials of this service, if it has."""
    return _path_from(environ, "CREDENTIALS_DIRECTORY")


def default_worker_id(random: RandomSource) -> WorkerId:
    """Name this worker by its host and a random suffix: two on one host never share a name."""
    return WorkerId(f"{socket.gethostname()}-{random.hexadecimal(_SUFFIX_DIGITS)}")


def _path_from(environ: Mapping[str, str], name: str) -> Path | None:
    value = environ.get(name)
    return Path(value) if value else None
