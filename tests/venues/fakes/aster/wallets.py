"""Wallets, their agents, and the checks that a signed request has to pass at the fake."""

from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl

from coincurve import PublicKey
from Crypto.Hash import keccak

from tests.venues.fakes.messages import AnsweredEarly, FakeRequest, json_response

CHAIN_IDS: Final = {"production": 1666, "sandbox": 714}
_WINDOW_US: Final = 10_000_000
_AHEAD_US: Final = 1_000_000
_REMEMBERED: Final = 100


def refuse(status: int, code: int, words: str) -> AnsweredEarly:
    """Return Aster's no, to be raised."""
    return AnsweredEarly(json_response(status, {"code": code, "msg": words}))


@dataclass(slots=True, kw_only=True)
class Agent:
    """One agent of a wallet, with the nonces that Aster remembers of it."""

    address: str
    may_trade: bool = True
    may_spot: bool = False
    may_withdraw: bool = False
    expires_ms: int = 1_867_945_395_040
    addresses: str = ""
    nonces: deque[int] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))

    def row(self) -> dict[str, Any]:
        return {
            "agentAddress": self.address,
            "agentName": "sparky",
            "ipWhitelist": self.addresses,
            "expired": self.expires_ms,
            "source": "api",
            "canRead": True,
            "canSpotTrade": self.may_spot,
            "canPerpTrade": self.may_trade,
            "canWithdraw": self.may_withdraw,
        }


@dataclass(slots=True, kw_only=True)
class Wallet:
    """One account of the venue."""

    address: str
    hedged: bool = False
    agents: dict[str, Agent] = field(default_factory=dict)
    leverage: dict[str, int] = field(default_factory=dict)


class Gate:
    """Lets signed requests in."""

    def __init__(self, chain_id: int) -> None:
        self._head = b"\x19\x01" + _separator(chain_id)
        self.wallets: dict[str, Wallet] = {}

    def enter(self, request: FakeRequest, now_us: int) -> tuple[Wallet, Agent, dict[str, str]]:
        """Return whose request it is and its own parameters; raises Aster's no."""
        text = request.query if request.method in {"GET", "DELETE"} else request.body.decode("ascii")
        if request.method == "POST":
            # Announced as a form, and with no name twice.
            request.form()
        message, mark, signature = text.rpartition("&signature=")
        if not mark:
            raise refuse(
                400, -1102, "Mandatory parameter 'signature' was not sent, was empty/null, or malformed."
            )
        params = dict(parse_qsl(message, keep_blank_values=True, strict_parsing=True))
        try:
            user, signer, nonce = params.pop("user"), params.pop("signer"), params.pop("nonce")
        except KeyError as missing:
            raise refuse(400, -1102, f"Mandatory parameter {missing} was not sent.") from None
        if self._signer(message, signature) != signer:
            raise refuse(401, -1022, "Signature for this request is not valid.")
        wallet = self.wallets.get(user)
        if wallet is None:
            raise refuse(400, -1000, "No aster user found")
        agent = wallet.agents.get(signer)
        if agent is None:
            raise refuse(400, -1000, "No agent found")
        if agent.expires_ms * 1000 <= now_us and request.path != "/fapi/v3/agent":
            raise refuse(400, -1000, "agent expired")
        _take(agent, int(nonce), now_us)
        return wallet, agent, params

    def _signer(self, message: str, signature: str) -> str:
        try:
            raw = bytes.fromhex(signature.removeprefix("0x"))
            if not signature.startswith("0x") or len(raw) != 65 or raw[64] not in {27, 28}:
                return ""
            digest = _keccak(
                self._head + _keccak(_keccak(b"Message(string msg)") + _keccak(message.encode()))
            )
            key = PublicKey.from_signature_and_message(raw[:64] + bytes([raw[64] - 27]), digest, hasher=None)
        except ValueError:
            return ""
        return "0x" + _keccak(key.format(compressed=False)[1:])[-20:].hex()


def _take(agent: Agent, nonce: int, now_us: int) -> None:
    if nonce - now_us > _AHEAD_US:
        raise refuse(400, -1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    full = len(agent.nonces) == _REMEMBERED
    if now_us - nonce > _WINDOW_US or nonce in agent.nonces or (full and nonce < min(agent.nonces)):
        raise refuse(400, -4225, "Nonce Expired")
    agent.nonces.append(nonce)


def _separator(chain_id: int) -> bytes:
    kind = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    names = b"".join(_keccak(text.encode()) for text in (kind, "AsterSignTransaction", "1"))
    return _keccak(names + chain_id.to_bytes(32, "big") + bytes(32))


def _keccak(data: bytes) -> bytes:
    return keccak.new(data=data, digest_bits=256).digest()
