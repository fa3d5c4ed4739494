import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparky.domain.identifiers import SignalId, client_order_id

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@pytest.mark.parametrize(
    ("signal_id", "leg", "expected"),
    [
        ("00000000-0000-0000-0000-000000000000", 1, "spESPHQ0QBDMY75HYXTTMSX3EFHX"),
        ("0b6c1d5e-8a54-4f0e-9a53-0d8c3a1f2b4c", 1, "spB0CGFZQRZP2JBTM0C1RSA37QJV"),
        ("0b6c1d5e-8a54-4f0e-9a53-0d8c3a1f2b4c", 2, "sp3TBYWC34WXHWN0EH2C8R5D7K66"),
    ],
)
def test_client_order_ids_are_these_for_ever(signal_id: str, leg: int, expected: str) -> None:
    assert client_order_id(SignalId(signal_id), leg) == expected


def test_an_upper_case_signal_id_gives_the_same_order_id() -> None:
    lower = SignalId("0b6c1d5e-8a54-4f0e-9a53-0d8c3a1f2b4c")
    assert client_order_id(SignalId(lower.upper()), 1) == client_order_id(lower, 1)


@given(st.uuids(), st.integers(min_value=1, max_value=9))
def test_client_order_id_spells_the_first_130_bits_of_the_hash(signal_id: object, leg: int) -> None:
    digest = hashlib.sha256(f"{signal_id}/{leg}".encode()).digest()
    bits = "".join(f"{byte:08b}" for byte in digest)[:130]
    spelt = "".join(ALPHABET[int(bits[start : start + 5], 2)] for start in range(0, 130, 5))
    order_id = client_order_id(SignalId(str(signal_id)), leg)
    assert order_id == "sp" + spelt
    assert re.fullmatch(r"sp[0-9A-Z]{26}", order_id)


def test_legs_are_numbered_from_one() -> None:
    with pytest.raises(ValueError, match="numbered from 1"):
        client_order_id(SignalId("0b6c1d5e-8a54-4f0e-9a53-0d8c3a1f2b4c"), 0)
