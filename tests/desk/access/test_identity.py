"""Logins with an OpenID Connect provider: a real one, and one that lies."""

import re
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from joserfc.jwk import OctKey, RSAKey
from pydantic import SecretStr

from common.errors import LoginRefusedError, UsageError
from common.process.settings.desk import AccessSettings
from common.store.tables import Role
from desk.access.identity import BACK, IdentityProvider
from tests.desk.access.providers import OwnProvider

ORIGIN = "http://localhost:8000"
SECRET = "a-secret-of-the-desk"


def settings(issuer: str, **more: Any) -> AccessSettings:
    secret = SecretStr(SECRET)
    named = {"oidc_issuer": issuer, "oidc_client_id": "desk", "oidc_client_secret": secret}
    return AccessSettings(**named | more)


def went_and_came_back(address: str, subject: str, *, action: str = "") -> dict[str, str]:
    """What a person in a browser does at oidc-provider-mock."""
    form = {"sub": subject} | ({"action": action} if action else {})
    answer = requests.post(address, data=form, allow_redirects=False, timeout=60)
    assert answer.status_code == 302, answer.text
    back = urlsplit(answer.headers["Location"])
    assert f"{back.scheme}://{back.netloc}{back.path}" == f"{ORIGIN}{BACK}"
    return {name: values[0] for name, values in parse_qs(back.query).items()}


def test_a_person_comes_back_from_a_provider_that_others_wrote(issuer: str) -> None:
    claims = {"name": "Ελένη", "groups": ["staff", "reviewer"]}
    requests.put(f"{issuer}/users/s-7", json=claims, timeout=60).raise_for_status()
    desk = IdentityProvider(settings(issuer, oidc_role_claim="groups"))
    departure = desk.begin(origin=ORIGIN)
    answer = went_and_came_back(departure.address, "s-7")
    found = desk.finish(origin=ORIGIN, cookie=departure.cookie, answer=answer)
    assert (found.subject, found.name, found.role) == ("s-7", "Ελένη", Role.REVIEWER)
    with pytest.raises(LoginRefusedError, match=r"refused the login \(invalid_grant\)"):
        desk.finish(origin=ORIGIN, cookie=departure.cookie, answer=answer)


def test_who_says_no_there_is_not_logged_in(issuer: str) -> None:
    desk = IdentityProvider(settings(issuer))
    departure = desk.begin(origin=ORIGIN)
    answer = went_and_came_back(departure.address, "s-1", action="deny")
    answer.setdefault("state", parse_qs(urlsplit(departure.address).query)["state"][0])
    with pytest.raises(LoginRefusedError, match=r"refused the login \(access_denied\)"):
        desk.finish(origin=ORIGIN, cookie=departure.cookie, answer=answer)


def test_an_answer_counts_in_the_browser_that_asked_and_in_no_other(issuer: str) -> None:
    desk = IdentityProvider(settings(issuer))
    mine, other = desk.begin(origin=ORIGIN), desk.begin(origin=ORIGIN)
    answer = went_and_came_back(mine.address, "s-1")
    for cookie in (None, "", other.cookie, "é", mine.cookie.lower()):
        with pytest.raises(LoginRefusedError, match="began in another browser"):
            desk.finish(origin=ORIGIN, cookie=cookie, answer=answer)
    for state in ("", "é", "\ud800", answer["state"] + "x"):
        with pytest.raises(LoginRefusedError, match="began in another browser"):
            desk.finish(origin=ORIGIN, cookie=mine.cookie, answer=answer | {"state": state})
    assert mine.cookie not in mine.address
    assert desk.finish(origin=ORIGIN, cookie=mine.cookie, answer=answer).subject == "s-1"


def test_the_address_asks_for_a_code_with_challenge_state_and_nonce(provider: OwnProvider) -> None:
    departure = IdentityProvider(settings(provider.issuer)).begin(origin=ORIGIN)
    asked = {
        name: values[0] for name, values in parse_qs(urlsplit(departure.address).query).items()
    }
    assert asked["response_type"] == "code"
    assert asked["client_id"] == "desk"
    assert asked["redirect_uri"] == f"{ORIGIN}{BACK}"
    assert asked["scope"] == "openid profile"
    assert asked["code_challenge_method"] == "S256"
    secrets = [asked[name] for name in ("code_challenge", "state", "nonce")] + [departure.cookie]
    assert len(set(secrets)) == 4
    assert all(re.fullmatch(r"[\w-]{43}", secret) for secret in secrets)
    assert SECRET not in departure.address


def finish(provider: OwnProvider, *, answer: dict[str, str] | None = None, **more: Any) -> Any:
    desk = IdentityProvider(settings(provider.issuer, **more))
    departure = desk.begin(origin=ORIGIN)
    said = provider.login(departure.address, **(answer or {}))
    return desk.finish(origin=ORIGIN, cookie=departure.cookie, answer=said)


def test_a_token_that_is_true_is_believed_and_the_verifier_is_sent(provider: OwnProvider) -> None:
    found = finish(provider, answer={"iss": provider.issuer})
    assert (found.subject, found.name, found.role) == ("s-1", "", None)
    (sent,) = provider.token_requests
    assert sent["redirect_uri"] == f"{ORIGIN}{BACK}"
    assert len(sent["code_verifier"]) == 43


LIES: dict[str, dict[str, Any]] = {
    "another nonce": {"nonce": "x"},
    "no nonce": {"nonce": None},
    "another audience": {"aud": "another client"},
    "no audience": {"aud": None},
    "for others too, and not for us": {"aud": ["desk", "other"], "azp": "other"},
    "for others too": {"aud": ["desk", "other"]},
    "another issuer": {"iss": "https://evil.example"},
    "no issuer": {"iss": None},
    "expired": {"exp": int(time.time()) - 3600},
    "never expires": {"exp": None},
    "not yet": {"nbf": int(time.time()) + 3600},
    "of the future": {"iat": int(time.time()) + 3600},
    "nobody": {"sub": None},
    "a number": {"sub": 7},
    "of another access token": {"at_hash": "AAAA"},
    "an odd time": {"exp": "tomorrow"},
}


@pytest.mark.parametrize("lie", LIES)
def test_a_token_that_lies_is_not_believed(provider: OwnProvider, lie: str) -> None:
    provider.claims = LIES[lie]
    with pytest.raises(LoginRefusedError, match="without a valid signature"):
        finish(provider)


@pytest.mark.parametrize("subject", ["", "a\nb", "x" * 256, "a\u202eb"])
def test_a_subject_in_an_odd_form_is_nobody(provider: OwnProvider, subject: str) -> None:
    provider.claims = {"sub": subject}
    with pytest.raises(LoginRefusedError, match="valid signature|the name of the person"):
        finish(provider)


def test_a_token_that_somebody_else_signed_is_not_believed(provider: OwnProvider) -> None:
    provider.signs_with = RSAKey.generate_key(2048, {"kid": "one"})
    with pytest.raises(LoginRefusedError, match="valid signature"):
        finish(provider)


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
def test_a_token_that_anybody_could_sign_is_not_believed(
    provider: OwnProvider, algorithm: str
) -> None:
    provider.header = {"alg": algorithm, "kid": "one"}
    public, secret = provider.public_key_as_password(), OctKey.import_key(SECRET)
    for key in (public, secret):
        provider.signs_with = key
        for offered in (["RS256"], ["RS256", algorithm]):
            provider.configuration = {"id_token_signing_alg_values_supported": offered}
            with pytest.raises(LoginRefusedError, match="valid signature"):
                finish(provider)


def test_a_new_key_is_fetched_when_it_is_first_seen(provider: OwnProvider) -> None:
    desk = IdentityProvider(settings(provider.issuer))
    for kid in ("one", "two"):
        provider.key = RSAKey.generate_key(2048, {"kid": kid})
        provider.header = {"alg": "RS256", "kid": kid}
        departure = desk.begin(origin=ORIGIN)
        answer = provider.login(departure.address)
        assert desk.finish(origin=ORIGIN, cookie=departure.cookie, answer=answer)
    provider.header = {"alg": "RS256", "kid": "three"}
    answer = provider.login(departure.address)
    with pytest.raises(LoginRefusedError, match="valid signature"):
        desk.finish(origin=ORIGIN, cookie=departure.cookie, answer=answer)


@pytest.mark.parametrize(
    ("status", "content"),
    [
        (401, b'{"error": "invalid_client", "error_description": "<script> a-secret-of-the-desk"}'),
        (400, b'{"error": "<script>alert(1)</script>"}'),
        (500, b"oops a-secret-of-the-desk"),
        (302, b""),
        (200, b""),
        (200, b"[]"),
        (200, b"{}"),
        (200, b'{"id_token": 7, "access_token": "t"}'),
        (200, b'{"id_token": "a.b.c", "access_token": "t"}'),
        (200, b'{"id_token": "", "access_token": 7}'),
        (200, b"[" * 100_000),
        (200, b"\xff"),
    ],
)
def test_an_odd_answer_ends_in_a_sentence_without_secrets(
    provider: OwnProvider, status: int, content: bytes
) -> None:
    provider.token_answer = (status, content)
    with pytest.raises(LoginRefusedError, match="The identity provider at 127") as refused:
        finish(provider)
    assert SECRET not in str(refused.value)
    assert "script" not in str(refused.value)


@pytest.mark.parametrize(
    "answer",
    [
        {"code": ""},
        {"code": "x" * 5000},
        {"code": "", "error": "<script>"},
        {"code": "", "error": "login_required\r\nSet-Cookie: a=b"},
        {"iss": "https://evil.example"},
    ],
)
def test_an_odd_way_back_ends_in_a_sentence(provider: OwnProvider, answer: dict[str, str]) -> None:
    with pytest.raises(LoginRefusedError, match="refused the login|Another identity") as refused:
        finish(provider, answer=answer)
    assert not re.search("script|Cookie|evil", str(refused.value))
    assert provider.token_requests == []


@pytest.mark.parametrize(
    ("said", "role"),
    [
        ("operator", Role.OPERATOR),
        (["viewer", "reviewer", "x"], Role.REVIEWER),
        ("Operator", None),
        (["x"] * 1001 + ["operator"], None),
        ({"operator": True}, None),
        ([["operator"], {}, None, 7], None),
        (None, None),
        (7, None),
    ],
    ids=lambda said: str(said)[:40],
)
def test_a_role_is_a_known_word_of_the_claim(
    provider: OwnProvider, said: object, role: Role | None
) -> None:
    provider.claims = {"groups": said}
    assert finish(provider, oidc_role_claim="groups").role == role


def test_a_client_proves_itself_as_the_provider_likes_it(provider: OwnProvider) -> None:
    finish(provider)
    provider.configuration = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    finish(provider)
    finish(provider, oidc_client_secret=None)
    sent = [request.get("client_secret") for request in provider.token_requests]
    assert sent == [None, SECRET, None]
    assert provider.token_requests[2]["client_id"] == "desk"


def test_without_settings_there_is_no_provider() -> None:
    with pytest.raises(UsageError, match="Set OIDC_ISSUER"):
        IdentityProvider(AccessSettings())
