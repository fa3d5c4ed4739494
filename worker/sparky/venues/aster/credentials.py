"""What a trader gives for an Aster account: his wallet's address and the private key of an agent.

Aster calls the agent an "API wallet" and makes it under "Pro API" on www.asterdex.com/en/api-wallet. The
key of the wallet itself is refused: it can move the money, and nothing here needs it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from sparky.domain.errors import CredentialsInvalid
from sparky.keys.secret import Secret
from sparky.venues.aster.signing import AgentKey

_USER_FIELDS: Final = ("api_key", "user")
_SECRET_FIELDS: Final = ("api_secret", "private_key")
_ADDRESS: Final = re.compile(r"0x[0-9a-f]{40}", re.ASCII)
_PRIVATE_KEY: Final = re.compile(r"(?:0x)?([0-9a-f]{64})", re.ASCII)
_OLD_KEY: Final = re.compile(r"[0-9a-z]{64}", re.ASCII)

MAKE_ONE: Final = (
    'Make an API wallet under "Pro API" on www.asterdex.com/en/api-wallet, with perpetual trading and '
    "without withdrawals, and enter your wallet's address as api_key and the API wallet's private key as "
    "api_secret."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AsterKeys:
    """The wallet that owns the account, as 0x and lower-case hex, and the agent that signs for it."""

    user: str
    agent: AgentKey = field(repr=False)


def read_keys(credentials: Mapping[str, Secret], account_number: str | None) -> AsterKeys:
    """Read the credential fields of an Aster account.

    `account_number` is what the trader has noted as the account, if it is an address: a key of another
    wallet would trade another account than the one whose positions are known here.

    Raises:
        CredentialsInvalid: a field is missing or is not what it should be. The sentence shows no secret.
    """
    user = _field(credentials, _USER_FIELDS, "the address of your wallet")
    secret = _field(credentials, _SECRET_FIELDS, "the private key of the API wallet")
    if _ADDRESS.fullmatch(user) is None:
        if _OLD_KEY.fullmatch(user):
            raise CredentialsInvalid(
                f"These are keys of Aster's old API, which are not served here. {MAKE_ONE}"
            )
        raise CredentialsInvalid(
            f"Aster's api_key is not a wallet's address (0x and 40 hex digits). {MAKE_ONE}"
        )
    agent = _agent(secret)
    if agent.address == user:
        raise CredentialsInvalid(
            "This is the private key of the wallet itself, which can move the money: it is not used here, "
            f"and should be given to nobody. {MAKE_ONE}"
        )
    noted = (account_number or "").strip().lower()
    if _ADDRESS.fullmatch(noted) and noted != user:
        raise CredentialsInvalid(
            f"The keys are of wallet {user}, but the account is noted as {noted}: save keys of that wallet, "
            "or connect the other wallet as an account of its own."
        )
    return AsterKeys(user=user, agent=agent)


def _field(credentials: Mapping[str, Secret], names: tuple[str, str], what: str) -> str:
    for name in names:
        value = credentials.get(name)
        if value is not None and value.reveal().strip():
            return value.reveal().strip().lower()
    raise CredentialsInvalid(f"Aster's {names[0]} is missing: it is {what}. {MAKE_ONE}")


def _agent(secret: str) -> AgentKey:
    match = _PRIVATE_KEY.fullmatch(secret)
    try:
        if match is not None:
            return AgentKey(bytes.fromhex(match[1]))
    except ValueError:
        # Zero, or a number beyond the curve's order.
        pass
    raise CredentialsInvalid(f"Aster's api_secret is not a private key (64 hex digits). {MAKE_ONE}") from None
