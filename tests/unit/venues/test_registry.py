import pytest

from sparky.domain.errors import ConfigurationError
from sparky.runtime.seams import Seams
from sparky.venues.budget import Limit
from sparky.venues.registry import VENUES, open_venues


async def test_every_venue_is_opened_under_the_name_that_its_adapter_has() -> None:
    async with open_venues(Seams(), {}) as adapters:
        assert {name: adapter.name for name, adapter in adapters.items()} == {name: name for name in VENUES}
    assert set(VENUES) == {"aster", "oanda", "tastytrade", "tradier"}


async def test_hosts_of_what_is_no_venue_stop_the_start() -> None:
    with pytest.raises(ConfigurationError, match="names 'astre': the venues are aster, oanda"):
        async with open_venues(Seams(), {"astre": {"sandbox": "https://a.example"}}):
            pass


@pytest.mark.parametrize("name", VENUES)
def test_a_venue_has_a_host_of_its_own_for_each_environment(name: str) -> None:
    hosts = VENUES[name].hosts
    assert set(hosts) == {"production", "sandbox"}
    assert len(set(hosts.values())) == 2
    assert all(url.startswith("https://") for url in hosts.values())


def test_the_limit_of_new_connections_holds_where_a_venue_has_one() -> None:
    assert {name: kind.new_connections for name, kind in VENUES.items() if kind.new_connections} == {
        "oanda": Limit(2, 1.0)
    }
