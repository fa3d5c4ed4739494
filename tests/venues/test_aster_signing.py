"""Aster's signatures: the published scheme to the byte, fast, and without the key in sight."""

import time
from typing import Final

import pytest

from sparky.venues.aster.signing import AgentKey
from tests.venues.fakes.aster.wallets import CHAIN_IDS, Gate

# A key that is public and holds nothing; three independent implementations agree on its signature.
KEY: Final = "ff3bdd43534543d421f05aec535965b5050ad6ac15345435345435453495e771"
ADDRESS: Final = "0xb67f9a782d3678a0bac50c22eacbb4924fe9d4cf"
MESSAGE: Final = (
    f"nonce=1777576052922000&user={ADDRESS}&signer={ADDRESS}&symbol=ASTERUSDT&side=BUY&type=LIMIT&quantity=10"
    "&price=0.7&timeInForce=GTC&newClientOrderId=sparky-01"
)
SIGNATURE: Final = (
    "0x685062631e2b06cffd696bd48e175d8de7d4a32bcbf7715793ed4e2958d10bcd"
    "45cd057925a247151bd41d8056c707236b58b8cd99224046ec0b0411754daf081c"
)
MOST_MILLISECONDS: Final = 0.3
ROUNDS: Final = 200


def test_the_signature_of_the_known_message_is_the_known_one() -> None:
    key = AgentKey(bytes.fromhex(KEY))
    assert key.address == ADDRESS
    assert key.sign("production", MESSAGE) == SIGNATURE


@pytest.mark.parametrize("environment", CHAIN_IDS)
def test_a_signature_is_good_in_its_own_environment_alone(environment: str) -> None:
    signature = AgentKey(bytes.fromhex(KEY)).sign(environment, MESSAGE)
    signers = {name: Gate(chain)._signer(MESSAGE, signature) for name, chain in CHAIN_IDS.items()}
    assert [name for name, signer in signers.items() if signer == ADDRESS] == [environment]
    assert Gate(CHAIN_IDS[environment])._signer(MESSAGE + "0", signature) != ADDRESS


@pytest.mark.alone
def test_a_signature_takes_less_than_a_third_of_a_millisecond() -> None:
    key = AgentKey(bytes.fromhex(KEY))
    best = float("inf")
    # The best of several rounds: what is measured is the code, not who else is on the machine.
    for _ in range(5):
        begun = time.process_time()
        for _ in range(ROUNDS):
            key.sign("production", MESSAGE)
        best = min(best, (time.process_time() - begun) / ROUNDS * 1000)
    print(f"one signature: {best:.3f} ms, limit {MOST_MILLISECONDS} ms")
    assert best <= MOST_MILLISECONDS


def test_a_key_shows_its_address_alone() -> None:
    assert repr(AgentKey(bytes.fromhex(KEY))) == f"AgentKey({ADDRESS})"


@pytest.mark.parametrize("secret", [bytes(32), b"\xff" * 32, b"short"])
def test_what_is_no_key_of_the_curve_is_named_without_being_shown(secret: bytes) -> None:
    with pytest.raises(ValueError, match="not a private key") as caught:
        AgentKey(secret)
    assert caught.value.__cause__ is None
    assert secret.hex() not in str(caught.value)
