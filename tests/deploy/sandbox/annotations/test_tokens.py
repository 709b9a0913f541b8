"""Tokens: how a client gets one, and when the Annotation API refuses it."""

from typing import Any

import pytest
import requests

from deploy.sandbox.annotations.tokens import ApiClient, read_client
from deploy.sandbox.server import Sandbox
from tests.deploy.sandbox.annotations.conftest import Writer, WriterOf, tag, writing
from tests.waiting import wait_for

GRANT = {"grant_type": "client_credentials"}
SANDBOX = {"client_id": "sandbox", "client_secret": "sandbox-secret"}


def ask(sandbox: Sandbox, form: dict[str, str], **options: Any) -> requests.Response:
    url = f"{sandbox.auth_url}/protocol/openid-connect/token"
    return requests.post(url, data=form, timeout=10, **options)


def test_credentials_may_stand_in_the_form_or_in_the_header(room: Sandbox) -> None:
    in_form = ask(room, GRANT | SANDBOX)
    in_header = ask(room, GRANT, auth=("sandbox", "sandbox-secret"))
    for response in (in_form, in_header):
        assert response.status_code == 200
        assert response.json().keys() == {"access_token", "expires_in", "token_type"}
        assert (response.json()["expires_in"], response.json()["token_type"]) == (300, "Bearer")


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        (GRANT | SANDBOX | {"client_secret": "guessed"}, 401, "invalid_client"),
        (GRANT | SANDBOX | {"client_id": "stranger"}, 401, "invalid_client"),
        (GRANT, 401, "invalid_client"),
        (SANDBOX | {"grant_type": "password"}, 400, "unsupported_grant_type"),
    ],
)
def test_a_wrong_request_gets_no_token(
    room: Sandbox, form: dict[str, str], status: int, error: str
) -> None:
    response = ask(room, form)
    assert (response.status_code, response.json()["error"]) == (status, error)
    assert response.json()["error_description"]


def test_a_write_needs_a_valid_token(writer: Writer) -> None:
    writer.headers = {"Authorization": "Bearer guessed"}
    assert writer.post(tag()).status_code == 401
    writer.headers = {"X-Api-Key": "sandbox"}
    refused = writer.post(tag())
    assert refused.status_code == 401
    assert refused.json()["success"] is False
    assert writer.annotations.standing() == []


def test_a_token_expires() -> None:
    with writing(token_seconds=1) as writer:
        wait_for(lambda: writer.post(tag()).status_code == 401)
        writer.log_in()
        assert writer.post(tag(49)).status_code == 201


def test_all_tokens_can_be_ended(writer: Writer) -> None:
    writer.annotations.end_tokens()
    assert writer.post(tag()).status_code == 401
    writer.log_in()
    assert writer.post(tag()).status_code == 201


def test_a_client_without_a_role_may_not_write(as_client: WriterOf) -> None:
    assert as_client("reader").post(tag()).status_code == 403
    assert as_client("portal").post(tag()).status_code == 201


def test_a_client_is_read_from_a_text() -> None:
    assert read_client("me:secret") == ApiClient("me", "secret", "publisher")
    assert read_client("me:secret:none") == ApiClient("me", "secret", "none")
    for wrong in ("me", "me:", ":secret", "me:secret:king", "me:secret:user:more"):
        with pytest.raises(ValueError, match="ID:SECRET"):
            read_client(wrong)
