import re

import pytest
from supabase import AuthApiError, AuthWeakPasswordError

from tests.integration.stack.target import PASSWORD, Target, Trader, new_email


def test_sign_up_gives_a_session_with_the_claims_of_gotrue(jwt_target: Target) -> None:
    client = jwt_target.client()
    email = new_email()
    answer = client.auth.sign_up({"email": email, "password": PASSWORD, "options": {"data": {"name": "Ann"}}})
    assert answer.session is not None
    assert answer.user is not None
    assert answer.user.user_metadata["name"] == "Ann"
    claims = client.auth.get_claims(answer.session.access_token)
    assert claims is not None
    found: dict[str, object] = dict(claims["claims"])
    assert found["sub"] == answer.user.id
    assert found["email"] == email
    assert found["role"] == found["aud"] == "authenticated"
    assert found["app_metadata"] == {"provider": "email", "providers": ["email"]}
    assert found["user_metadata"] == answer.user.user_metadata
    assert found["aal"] == "aal1"
    assert str(found["iss"]).endswith("/auth/v1")
    assert found["is_anonymous"] is False
    assert found["session_id"]


def test_the_wrong_password_is_refused(target: Target, ann: Trader) -> None:
    with pytest.raises(AuthApiError) as refused:
        target.client().auth.sign_in_with_password({"email": ann.email, "password": "not it at all"})
    assert refused.value.code == "invalid_credentials"
    assert refused.value.status == 400


def test_a_second_account_with_the_same_address_is_refused(target: Target, ann: Trader) -> None:
    with pytest.raises(AuthApiError) as refused:
        target.client().auth.sign_up({"email": ann.email, "password": PASSWORD})
    assert refused.value.code == "user_already_exists"


def test_a_weak_password_is_refused(target: Target) -> None:
    with pytest.raises(AuthWeakPasswordError):
        target.client().auth.sign_up({"email": new_email(), "password": "123"})


def test_a_refreshed_session_has_a_new_refresh_token(newcomer: Trader) -> None:
    before = newcomer.client.auth.get_session()
    assert before is not None
    after = newcomer.client.auth.refresh_session().session
    assert after is not None
    assert after.refresh_token != before.refresh_token


def test_get_user_returns_the_one_signed_in(ann: Trader) -> None:
    answer = ann.client.auth.get_user()
    assert answer is not None
    assert answer.user.id == ann.id
    assert answer.user.email == ann.email


def test_sign_out_ends_the_session(newcomer: Trader) -> None:
    session = newcomer.client.auth.get_session()
    assert session is not None
    newcomer.client.auth.sign_out()
    with pytest.raises(AuthApiError):
        newcomer.client.auth.refresh_session(session.refresh_token)


def test_the_code_of_a_recovery_mail_lets_the_password_be_changed(local: Target, newcomer: Trader) -> None:
    client = local.client()
    client.auth.reset_password_for_email(
        newcomer.email, {"redirect_to": "http://127.0.0.1:3000/new-password"}
    )
    code = re.search(r"\b(\d{6})\b", _mail(local, newcomer.email))
    assert code is not None
    session = client.auth.verify_otp({"email": newcomer.email, "token": code[1], "type": "recovery"}).session
    assert session is not None
    client.auth.update_user({"password": "another password"})
    again = local.client().auth.sign_in_with_password(
        {"email": newcomer.email, "password": "another password"}
    )
    assert again.session is not None
    with pytest.raises(AuthApiError):
        local.client().auth.sign_in_with_password({"email": newcomer.email, "password": PASSWORD})


def test_the_link_of_a_recovery_mail_leads_through_the_api_to_the_page_asked_for(
    local: Target, newcomer: Trader
) -> None:
    page = "http://127.0.0.1:3000/new-password"
    local.client().auth.reset_password_for_email(newcomer.email, {"redirect_to": page})
    link = re.search(r'https?://[^"\\\s<>]*/verify[^"\\\s<>]*', _mail(local, newcomer.email))
    assert link is not None
    url = link[0].replace("&amp;", "&")
    assert url.startswith(f"{local.url}/auth/v1/verify")
    with local.http() as http:
        http.headers.pop("apikey")
        answer = http.get(url)
    assert answer.status_code in (302, 303)
    assert answer.headers["location"].startswith(page)
    assert "access_token=" in answer.headers["location"]
    assert "type=recovery" in answer.headers["location"]


def test_recovery_of_an_unknown_address_tells_nothing(local: Target) -> None:
    email = new_email()
    local.client().auth.reset_password_for_email(email, {})
    assert _mail(local, email) == ""


def test_an_admin_creates_finds_changes_and_deletes_a_trader(target: Target) -> None:
    admin = target.service().auth.admin
    email = new_email()
    made = admin.create_user(
        {"email": email, "password": PASSWORD, "email_confirm": True, "app_metadata": {"plan": "pro"}}
    ).user
    assert made.app_metadata["plan"] == "pro"
    assert admin.get_user_by_id(made.id).user.email == email
    assert made.id in {user.id for user in admin.list_users(per_page=200)}
    changed = admin.update_user_by_id(
        made.id, {"user_metadata": {"name": "Bo"}, "password": "another password"}
    ).user
    assert changed.user_metadata == {"name": "Bo"}
    assert changed.app_metadata["plan"] == "pro"
    signed_in = target.client().auth.sign_in_with_password({"email": email, "password": "another password"})
    assert signed_in.session is not None
    admin.delete_user(made.id)
    with pytest.raises(AuthApiError) as refused:
        admin.get_user_by_id(made.id)
    assert refused.value.code == "user_not_found"


@pytest.mark.usefixtures("ann", "ben")
def test_users_are_listed_in_pages(target: Target) -> None:
    admin = target.service().auth.admin
    first, second = admin.list_users(page=1, per_page=1), admin.list_users(page=2, per_page=1)
    assert [len(first), len(second)] == [1, 1]
    assert first[0].id != second[0].id


def test_an_admin_may_not_create_the_same_address_twice(target: Target, ann: Trader) -> None:
    with pytest.raises(AuthApiError) as refused:
        target.service().auth.admin.create_user({"email": ann.email, "password": PASSWORD})
    assert refused.value.code == "email_exists"
    assert refused.value.status == 422


def test_a_banned_trader_cannot_sign_in(target: Target, newcomer: Trader) -> None:
    target.service().auth.admin.update_user_by_id(newcomer.id, {"ban_duration": "24h"})
    with pytest.raises(AuthApiError) as refused:
        target.client().auth.sign_in_with_password({"email": newcomer.email, "password": PASSWORD})
    assert refused.value.code == "user_banned"


@pytest.mark.usefixtures("publishable")
def test_a_trader_is_no_admin(ann: Trader) -> None:
    with pytest.raises(AuthApiError) as refused:
        ann.client.auth.admin.list_users()
    assert refused.value.status in (401, 403)


def _mail(target: Target, email: str) -> str:
    with target.http(key=target.secret_key) as http:
        mails = http.get("/__stack/mail").json()
    return "\n".join(str(mail["text"]) for mail in mails if email in str(mail["to"]))
