import pytest
from postgrest import APIError

from tests.integration.stack.target import Target, Trader

pytestmark = pytest.mark.usefixtures("empty")
NOTES = "conformance_notes"


@pytest.mark.usefixtures("publishable")
def test_a_trader_sees_only_own_rows(ann: Trader, ben: Trader, target: Target) -> None:
    ann.client.table(NOTES).insert({"title": "mine"}).execute()
    assert [row["title"] for row in _rows(ann)] == ["mine"]
    assert _rows(ben) == []
    assert target.client().table(NOTES).select("*").execute().data == []


def test_a_trader_cannot_write_for_another(ann: Trader, ben: Trader) -> None:
    with pytest.raises(APIError) as refused:
        ben.client.table(NOTES).insert({"owner": ann.id}).execute()
    assert refused.value.code == "42501"


def test_a_trader_cannot_change_or_hand_over_rows(ann: Trader, ben: Trader) -> None:
    ann.client.table(NOTES).insert({"title": "mine"}).execute()
    assert ben.client.table(NOTES).update({"title": "taken"}).eq("title", "mine").execute().data == []
    with pytest.raises(APIError) as refused:
        ann.client.table(NOTES).update({"owner": ben.id}).eq("title", "mine").execute()
    assert refused.value.code == "42501"
    assert [row["title"] for row in _rows(ann)] == ["mine"]


def test_without_a_delete_policy_nothing_is_deleted(ann: Trader) -> None:
    ann.client.table(NOTES).insert({"title": "stays"}).execute()
    assert ann.client.table(NOTES).delete().eq("title", "stays").execute().data == []
    assert len(_rows(ann)) == 1


def test_the_secret_key_sees_all(ann: Trader, ben: Trader, target: Target) -> None:
    for trader in (ann, ben):
        trader.client.table(NOTES).insert({"title": ""}).execute()
    rows = target.service().table(NOTES).select("owner").in_("owner", [ann.id, ben.id]).execute().data
    assert len(rows) == 2


@pytest.mark.usefixtures("publishable")
@pytest.mark.parametrize("signed_in", [True, False])
def test_a_revoked_table_is_refused(ann: Trader, target: Target, *, signed_in: bool) -> None:
    client = ann.client if signed_in else target.client()
    with pytest.raises(APIError) as refused:
        client.table("conformance_vault").select("*").execute()
    assert refused.value.code == "42501"


def test_deleting_a_trader_deletes_the_rows(newcomer: Trader, target: Target) -> None:
    newcomer.client.table(NOTES).insert({"title": ""}).execute()
    target.service().auth.admin.delete_user(newcomer.id)
    assert target.service().table(NOTES).select("*").eq("owner", newcomer.id).execute().data == []


def _rows(trader: Trader) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = trader.client.table(NOTES).select("*").execute().data  # type: ignore[assignment]
    return rows
