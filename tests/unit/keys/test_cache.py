import pytest

from sparky.domain.identifiers import AccountId
from sparky.keys.cache import CredentialCache, Credentials
from sparky.keys.secret import Secret
from tests.unit.runtime.virtual_seams import VirtualTime

ONE, TWO, THREE = AccountId("one"), AccountId("two"), AccountId("three")


KEYS: Credentials = {"api_key": Secret("the-api-key")}


def test_what_was_put_in_is_held() -> None:
    cache = CredentialCache(VirtualTime())
    assert cache.get(ONE, 1) is None
    cache.put(ONE, 1, KEYS)
    assert cache.get(ONE, 1) is KEYS
    assert cache.get(TWO, 1) is None


def test_held_keys_are_forgotten_after_their_time() -> None:
    time = VirtualTime()
    cache = CredentialCache(time, seconds=60)
    cache.put(ONE, 1, KEYS)
    time.jump(59.9)
    assert cache.get(ONE, 1) is KEYS
    time.jump(0.1)
    assert cache.get(ONE, 1) is None
    assert len(cache) == 0


def test_keys_that_are_put_in_again_are_held_from_then_on() -> None:
    time = VirtualTime()
    cache = CredentialCache(time, seconds=60)
    cache.put(ONE, 1, KEYS)
    cache.put(TWO, 1, KEYS)
    time.jump(30)
    cache.put(ONE, 1, KEYS)
    time.jump(30)
    assert cache.get(ONE, 1) is KEYS
    assert cache.get(TWO, 1) is None
    assert len(cache) == 1


def test_idle_keys_leave_when_expired_ones_are_swept() -> None:
    time = VirtualTime()
    cache = CredentialCache(time, seconds=60)
    cache.put(ONE, 1, KEYS)
    time.jump(30)
    cache.put(TWO, 1, KEYS)
    time.jump(30)
    cache.forget_expired()
    assert len(cache) == 1


def test_an_earlier_version_is_not_held_for_a_later_one() -> None:
    cache = CredentialCache(VirtualTime())
    cache.put(ONE, 2, KEYS)
    assert cache.get(ONE, 1) is KEYS, "keys were replaced after the work was handed out"
    assert cache.get(ONE, 3) is None
    assert len(cache) == 0


def test_the_cache_is_bounded_and_drops_what_was_opened_longest_ago() -> None:
    cache = CredentialCache(VirtualTime(), entries=2)
    for account in (ONE, TWO, THREE):
        cache.put(account, 1, KEYS)
    assert len(cache) == 2
    assert [cache.get(account, 1) for account in (ONE, TWO, THREE)] == [None, KEYS, KEYS]


def test_refused_keys_can_be_forgotten_at_once() -> None:
    cache = CredentialCache(VirtualTime())
    cache.put(ONE, 1, KEYS)
    cache.put(TWO, 1, KEYS)
    cache.forget(ONE)
    cache.forget(THREE)
    assert len(cache) == 1
    cache.forget_all()
    assert len(cache) == 0


def test_the_cache_does_not_show_what_it_holds() -> None:
    cache = CredentialCache(VirtualTime())
    cache.put(ONE, 1, KEYS)
    assert repr(cache) == "CredentialCache(1 accounts)"


@pytest.mark.parametrize(("seconds", "entries"), [(0, 1), (-1, 1), (1, 0)])
def test_a_cache_without_time_or_room_is_refused(seconds: float, entries: int) -> None:
    with pytest.raises(ValueError, match="credential cache"):
        CredentialCache(VirtualTime(), seconds=seconds, entries=entries)
