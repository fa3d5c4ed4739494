from collections.abc import Mapping
from typing import Any, cast

import pytest

from sparky.database.keys import KeyVault
from sparky.database.rpc import RpcClient
from sparky.domain.errors import DatabaseContractError, LostClaim, MalformedSealError
from sparky.domain.identifiers import AccountId, WorkerId

ACCOUNT = AccountId("2f6f8a1e-7b43-4a52-8a2e-1f6f5f6f7a7b")
PLAIN = '{"api_key": "very-secret"}'
OPENED = {"opened": True, "form": "plain", "secret": PLAIN, "key_version": 3}


class Functions:
    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.calls: list[tuple[str, Mapping[str, Any]]] = []

    async def call(self, function: str, params: Mapping[str, Any]) -> Any:
        self.calls.append((function, params))
        return self.answer


def vault(answer: Any) -> tuple[KeyVault, Functions]:
    functions = Functions(answer)
    return KeyVault(cast("RpcClient", functions), WorkerId("w")), functions


@pytest.mark.parametrize("form", ["plain", "sealed"])
async def test_keys_are_asked_for_by_account_and_never_show(form: str) -> None:
    keys, functions = vault({**OPENED, "form": form})
    stored = await keys.open_keys(ACCOUNT)
    assert functions.calls == [("open_keys", {"p_worker": "w", "p_account_id": ACCOUNT})]
    assert (stored.is_sealed, stored.key_version) == (form == "sealed", 3)
    assert stored.text.reveal() == PLAIN
    assert "very-secret" not in repr(stored) + str(stored)


async def test_without_live_work_the_claim_is_lost() -> None:
    keys, _ = vault({"opened": False, "reason": "no_live_work"})
    with pytest.raises(LostClaim):
        await keys.open_keys(ACCOUNT)


async def test_a_secret_that_the_database_cannot_read_is_to_be_saved_again() -> None:
    keys, _ = vault({"opened": False, "reason": "unreadable"})
    with pytest.raises(MalformedSealError, match="save them again"):
        await keys.open_keys(ACCOUNT)


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        PLAIN,
        {},
        {**OPENED, "opened": "yes"},
        {**OPENED, "form": "other"},
        {**OPENED, "secret": {"api_key": "very-secret"}},
        {**OPENED, "secret": ""},
        {**OPENED, "key_version": 0},
    ],
)
async def test_an_answer_that_does_not_fit_breaks_the_contract_and_shows_nothing(answer: Any) -> None:
    keys, _ = vault(answer)
    with pytest.raises(DatabaseContractError) as broken:
        await keys.open_keys(ACCOUNT)
    assert "very-secret" not in str(broken.value)
    assert broken.value.__cause__ is None


@pytest.mark.parametrize("answer", [True, False, None])
async def test_sealed_text_is_handed_over_with_the_version_it_was_made_of(answer: Any) -> None:
    keys, functions = vault(answer)
    assert await keys.reseal_keys(ACCOUNT, 3, "sparky1.x") is (answer is True)
    assert functions.calls == [
        (
            "reseal_keys",
            {"p_worker": "w", "p_account_id": ACCOUNT, "p_key_version": 3, "p_sealed": "sparky1.x"},
        )
    ]


@pytest.mark.parametrize("answer", [4, None])
async def test_rotated_keys_get_the_next_version_or_none(answer: Any) -> None:
    keys, functions = vault(answer)
    assert await keys.rotate_keys(ACCOUNT, 3, "sparky1.x") == answer
    assert functions.calls == [
        (
            "rotate_keys",
            {"p_worker": "w", "p_account_id": ACCOUNT, "p_key_version": 3, "p_sealed": "sparky1.x"},
        )
    ]


@pytest.mark.parametrize("answer", [True, "4", {}, []])
async def test_a_version_of_another_shape_breaks_the_contract(answer: Any) -> None:
    keys, _ = vault(answer)
    with pytest.raises(DatabaseContractError):
        await keys.rotate_keys(ACCOUNT, 3, "sparky1.x")
