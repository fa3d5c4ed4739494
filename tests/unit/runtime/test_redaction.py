from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparky.keys.secret import Secret
from sparky.runtime.redaction import REDACTED, Redactor

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoiYW5vbiJ9.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    "text",
    [
        "GET https://abc.co/realtime/v1/websocket?vsn=1.0.0&apikey=hunter22&x=1",
        "GET https://abc.co/orders?symbol=X&signature=hunter22",
        "Authorization: Bearer hunter22",
        "authorization: Basic hunter22 hunter22",
        "> apikey: hunter22",
        "X-MBX-APIKEY: hunter22",
        "headers=[(b'Authorization', b'Bearer hunter22'), (b'apikey', b'hunter22')]",
        "(b'Set-Cookie', b'sid=hunter22; Path=/; token=hunter22')",
        '{"access_token":"hunter22","x":1}',
        '{\\"api_secret\\": \\"hunter22\\"}',
        "{'password': 'hunter22'}",
        "the header was Bearer hunter22",
        "postgres://sparky:hunter22@127.0.0.1/db",
        "worker_token = hunter22",
        f"sent {JWT} to nobody",
        "key sb_secret_hunter22",
        "key whsec_hunter22",
        "sealed sparky1.0123456789abcdef.hunter22",
    ],
)
def test_secrets_are_known_by_their_form(text: str) -> None:
    shown = Redactor().text(text)
    assert "hunter22" not in shown
    assert JWT not in shown
    assert REDACTED in shown


@pytest.mark.parametrize(
    "text",
    [
        "order sp3F0000000000000000000000AB accepted at 27000.5",
        "the token, which is short, was refused",
        "monkey=3 and donkey: 4",
        "key id 630dcd2966c43366 is not held",
        "claimed 3 signals in 12 ms",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert Redactor().text(text) == text


def test_registered_values_are_cut_out_wherever_they_stand() -> None:
    redactor = Redactor()
    redactor.register("plain-words-secret")
    redactor.register("plain-words-secret-longer")
    assert redactor.text("a plain-words-secret-longer b plain-words-secret c") == (
        f"a {REDACTED} b {REDACTED} c"
    )
    assert repr(redactor) == "Redactor(2 secrets)"


def test_values_too_short_to_tell_from_words_are_not_registered() -> None:
    redactor = Redactor()
    redactor.register("")
    redactor.register("buy")
    assert redactor.text("buy one") == "buy one"


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("worker_token", False),
        ("api_key", False),
        ("apikey", False),
        ("API-Secret", False),
        ("Authorization", False),
        ("password", False),
        ("sealed", False),
        ("signature", False),
        ("set-cookie", False),
        ("key_id", True),
        ("key_version", True),
        ("sealing_key_files", True),
        ("secret_count", True),
        ("signal_id", True),
        ("reason_code", True),
    ],
)
def test_entries_are_known_by_their_name(name: str, *, kept: bool) -> None:
    entry = Redactor().entry({name: "value"})
    assert entry == {name: "value" if kept else REDACTED}


def test_nested_and_foreign_values_become_plain_ones() -> None:
    redactor = Redactor()
    redactor.register("registered-secret")

    class Careless:
        def __str__(self) -> str:
            return "Careless(registered-secret)"

    entry = redactor.entry(
        {
            "fields": {"api_secret": ["x"], "ok": (1, None, True, 2.5), 3: {"registered-secret"}},
            "quantity": Decimal("1.50"),
            "secret_holder": None,
            "body": b"registered-secret",
            "object": Careless(),
            "credentials": Secret("registered-secret"),
        }
    )
    assert entry == {
        "fields": {"api_secret": REDACTED, "ok": [1, None, True, 2.5], "3": [REDACTED]},
        "quantity": "1.50",
        "secret_holder": None,
        "body": f"b'{REDACTED}'",
        "object": f"Careless({REDACTED})",
        "credentials": REDACTED,
    }


def test_bottomless_values_end_somewhere() -> None:
    loop: dict[str, Any] = {}
    loop["self"] = loop
    assert "self" in Redactor().entry(loop)


@given(st.text(), st.text())
def test_a_registered_secret_never_passes(before: str, after: str) -> None:
    redactor = Redactor()
    redactor.register("registered-secret")
    assert "registered-secret" not in redactor.text(f"{before}registered-secret{after}")


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "piece", ["a", "token", "eyJ", "://a", "b'secret'", "cookie ", "secret ", "eyJabcd."]
)
def test_long_texts_are_cut_and_take_no_long_time(piece: str) -> None:
    assert len(Redactor().text(piece * 200_000)) < 40_000
