"""Other base URLs for venues than their own, by venue and environment: for tests and proxies."""

import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from sparky.runtime.urls import check_url

VenueHosts = Mapping[str, Mapping[str, str]]

_ENVIRONMENTS: Final = frozenset({"production", "sandbox"})
_SHAPE: Final = 'must be an object such as {"oanda": {"sandbox": "https://proxy.example.com"}}'


def read_venue_hosts(value: Any) -> dict[str, dict[str, str]]:
    """Read the setting `venue_hosts`: a table from a file, or the text of a JSON object.

    Raises:
        ValueError: it is not of that shape, or a URL is not one that keys may be sent to.
    """
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise ValueError(_SHAPE) from None
    if not isinstance(value, dict):
        raise ValueError(_SHAPE)  # noqa: TRY004 - a setting that is wrong is a ValueError to its reader
    return {str(venue): _read_hosts(hosts) for venue, hosts in value.items()}


def _read_hosts(hosts: Any) -> dict[str, str]:
    if not isinstance(hosts, dict) or not all(isinstance(url, str) for url in hosts.values()):
        raise ValueError(_SHAPE)
    if not set(hosts) <= _ENVIRONMENTS:
        raise ValueError("must name environments: production or sandbox")
    try:
        return {environment: _check_host(url) for environment, url in hosts.items()}
    except ValueError as error:
        raise ValueError(f"has a URL that {error}") from None


def _check_host(url: str) -> str:
    checked = check_url(url, query=False)
    if urlsplit(checked).path:
        # Paths are signed at some venues as they are sent.
        raise ValueError("must have no path")
    return checked
