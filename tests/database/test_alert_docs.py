"""docs/alerts.md names every field, alias and reason that there is."""

from pathlib import Path

import pytest

from sparky.domain.alert import Action
from sparky.domain.reasons import Reason
from tests.database.alert_cases import ALIASES
from tests.database.world import World

DOCUMENT = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text()


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_explained_to_traders(reason: Reason) -> None:
    assert f"`{reason}`" in DOCUMENT


@pytest.mark.parametrize("action", sorted(set(Action) - {Action.PROTECT}))
def test_every_action_is_explained_to_traders(action: Action) -> None:
    assert f"`{action}`" in DOCUMENT


def test_every_field_and_alias_is_explained_to_traders(shared: World) -> None:
    names = {name for canonical, others, *_ in ALIASES for name in (canonical, *others)}
    for name in names | {"close_percent", "sell_percentage", "take_profits", "legs", "strike", "expiration"}:
        assert f"`{name}`" in DOCUMENT, name
        assert shared.value("select private.field_kind(private.canonical_name(%s))", name), name
