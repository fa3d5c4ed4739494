"""Where the check may trade: on a venue's practice host and on this machine, nowhere else."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from sparky.domain.errors import ConfigurationError
from sparky.runtime.urls import LOOPBACK

_PRACTICE: Final = "sandbox"


def require_practice(environment: str, own: Mapping[str, str], used: Mapping[str, str]) -> None:
    """Let nothing but a practice host pass: `own` are the venue's hosts, `used` those of this run.

    Raises:
        ConfigurationError: orders would go to real money, or where that cannot be excluded.
    """
    if environment != _PRACTICE:
        raise ConfigurationError(
            "--trade sends orders, and never to production: use --environment sandbox, with keys made there"
        )
    url = used[environment]
    if url != own[environment] and urlsplit(url).hostname not in LOOPBACK:
        raise ConfigurationError(
            f"--trade sends orders to {own[environment]} alone, and SPARKY_VENUE_HOSTS names {url}: unset it"
        )
