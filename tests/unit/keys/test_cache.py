import pytest

from sparky.domain.errors import UnknownKeyError
from sparky.domain.identifiers import AccountId
from sparky.keys.cache import CredentialCache, Credentials
from sparky.keys.secret import Secret
from tests.unit.runtime.virtual_seams import VirtualTime

ONE, TWO, THREE = AccountId("one"), AccountId("two"), AccountId("three")


class Opener:
    """Counts how often credentials were opened."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> Credentials:
        self.times += 1
        return {"api_key": Secret(f"opened-{self.times}")}


def test_a_burst_opens_the_keys_once() -> None:
    cache, opener = CredentialCache(VirtualTime()), Opener()
    first = cache.get(ONE, 1, opener)
    assert cache.get(ONE, 1, opener) is first
    assert opener.times == 1


def test_held_keys_are_forgotten_after_their_time() -> None:
    time, opener = VirtualTime(), Opener()
    cache = CredentialCache(time, seconds=60)
    cache.get(ONE, 1, opener)
    time.jump(59.9)
    cache.get(ONE, 1, opener)
    assert opener.times == 1
    time.jump(0.1)
    cache.get(ONE, 1, opener)
    assert opener.times == 2


def test_using_keys_does_not_keep_them_longer() -> None:
    time, opener = VirtualTime(), Opener()
    cache = CredentialCache(time, seconds=60)
    for _ in range(3):
        cache.get(ONE, 1, opener)
        time.jump(20)
    assert opener.times == 1
    cache.get(ONE, 1, opener)
    assert opener.times == 2


def test_idle_keys_leave_when_expired_ones_are_swept() -> None:
    time = VirtualTime()
    cache = CredentialCache(time, seconds=60)
    cache.get(ONE, 1, Opener())
    time.jump(30)
    cache.get(TWO, 1, Opener())
    time.jump(30)
    cache.forget_expired()
    assert len(cache) == 1


@pytest.mark.parametrize("version", [1, 3])
def test_another_key_version_replaces_the_held_one(version: int) -> None:
    cache, opener = CredentialCache(VirtualTime()), Opener()
    cache.get(ONE, 2, opener)
    assert cache.get(ONE, version, opener)["api_key"].reveal() == "opened-2"
    assert len(cache) == 1


def test_the_cache_is_bounded_and_drops_what_was_opened_longest_ago() -> None:
    cache, opener = CredentialCache(VirtualTime(), entries=2), Opener()
    for account in (ONE, TWO, THREE):
        cache.get(account, 1, opener)
    assert len(cache) == 2
    cache.get(THREE, 1, opener)
    cache.get(TWO, 1, opener)
    assert opener.times == 3
    cache.get(ONE, 1, opener)
    assert opener.times == 4


def test_refused_keys_can_be_forgotten_at_once() -> None:
    cache, opener = CredentialCache(VirtualTime()), Opener()
    cache.get(ONE, 1, opener)
    cache.get(TWO, 1, opener)
    cache.forget(ONE)
    cache.forget(THREE)
    assert len(cache) == 1
    cache.forget_all()
    assert len(cache) == 0


def test_keys_that_do_not_open_leave_nothing_behind() -> None:
    cache, opener = CredentialCache(VirtualTime()), Opener()
    cache.get(ONE, 1, opener)

    def refuse() -> Credentials:
        raise UnknownKeyError("sealed to another key")

    with pytest.raises(UnknownKeyError):
        cache.get(ONE, 2, refuse)
    assert len(cache) == 0


def test_the_cache_does_not_show_what_it_holds() -> None:
    cache = CredentialCache(VirtualTime())
    cache.get(ONE, 1, lambda: {"api_key": Secret("the-api-key")})
    assert repr(cache) == "CredentialCache(1 accounts)"


@pytest.mark.parametrize(("seconds", "entries"), [(0, 1), (-1, 1), (1, 0)])
def test_a_cache_without_time_or_room_is_refused(seconds: float, entries: int) -> None:
    with pytest.raises(ValueError, match="credential cache"):
        CredentialCache(VirtualTime(), seconds=seconds, entries=entries)
