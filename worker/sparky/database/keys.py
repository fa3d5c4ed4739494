"""Exchange keys as the database keeps them: handed out for live work only, one audit row each time."""

from dataclasses import dataclass
from typing import Final

from sparky.database.rpc import RpcClient
from sparky.domain import fields
from sparky.domain.errors import DatabaseContractError, LostClaim, MalformedSealError, WorkOrderError
from sparky.domain.identifiers import AccountId, WorkerId
from sparky.keys.secret import Secret

_PLACE: Final = "open_keys"
_FORMS: Final = frozenset({"sealed", "plain"})


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredKeys:
    """The keys of an account: sealed text, or JSON of plain fields as the dashboard saved them."""

    is_sealed: bool
    text: Secret
    key_version: int


class KeyVault:
    """The calls about keys.

    All raise DatabaseUnavailable and DatabaseContractError (see `RpcClient.call`).
    """

    def __init__(self, rpc: RpcClient, worker: WorkerId) -> None:
        self._rpc = rpc
        self._worker = worker

    async def open_keys(self, account: AccountId) -> StoredKeys:
        """Return the keys of an account.

        Raises:
            LostClaim: no worker holds a lease on any work of the account.
            MalformedSealError: the database cannot read what it has stored.
        """
        answer = await self._rpc.call("open_keys", {"p_worker": self._worker, "p_account_id": account})
        try:
            return _stored(answer)
        except WorkOrderError as error:
            # Without the cause: it could quote the answer.
            raise DatabaseContractError(f"open_keys: {error.reason}") from None

    async def reseal_keys(self, account: AccountId, key_version: int, sealed: str) -> bool:
        """Put sealed text in the place of plain keys; False when they are not those any more."""
        params = {
            "p_worker": self._worker,
            "p_account_id": account,
            "p_key_version": key_version,
            "p_sealed": sealed,
        }
        return await self._rpc.call("reseal_keys", params) is True

    async def rotate_keys(self, account: AccountId, key_version: int, sealed: str) -> int | None:
        """Put sealed text in the place of the keys of a version, and return the new version.

        None: other keys are stored by now, or no worker has work on the account any more.
        """
        params = {
            "p_worker": self._worker,
            "p_account_id": account,
            "p_key_version": key_version,
            "p_sealed": sealed,
        }
        answer = await self._rpc.call("rotate_keys", params)
        if answer is not None and type(answer) is not int:
            raise DatabaseContractError("rotate_keys answered something else than a version")
        return answer


def _stored(answer: object) -> StoredKeys:
    source = fields.mapping(answer, _PLACE)
    if not fields.boolean(source, "opened", _PLACE):
        if source.get("reason") == "no_live_work":
            raise LostClaim("no worker has work on the account any more, so its keys are not opened")
        raise MalformedSealError("The stored exchange keys are damaged: save them again.")
    # Wrapped before anything else is looked at.
    text = Secret(fields.text(source, "secret", _PLACE))
    form = fields.text(source, "form", _PLACE)
    if form not in _FORMS:
        raise WorkOrderError(f"{_PLACE}.form", "is neither sealed nor plain")
    return StoredKeys(
        is_sealed=form == "sealed",
        text=text,
        key_version=fields.integer(source, "key_version", _PLACE, least=1),
    )
