"""Identity providers over real HTTP: one that others wrote, and one that lies when asked to."""

import json
import subprocess
import sys
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

_RUN = """
import sys, warnings
warnings.simplefilter("ignore")
import oidc_provider_mock
with oidc_provider_mock.run_server_in_thread(require_nonce=True) as server:
    print(server.server_port, flush=True)
    sys.stdin.read()
"""


@contextmanager
def real_provider() -> Iterator[str]:
    """The address of oidc-provider-mock; it lets everybody be whom they say."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([sys.executable, "-c", _RUN], text=True, **pipes) as process:
        try:
            assert process.stdout is not None
            yield f"http://localhost:{int(process.stdout.readline())}"
        finally:
            process.kill()


@dataclass
class OwnProvider:
    """What the provider says; a test changes it before the desk asks."""

    issuer: str = ""
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "one"}))
    configuration: dict[str, Any] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=lambda: {"alg": "RS256", "kid": "one"})
    signs_with: Any = None
    token_answer: tuple[int, bytes] | None = None
    asked: list[str] = field(default_factory=list)
    token_requests: list[Mapping[str, str]] = field(default_factory=list)
    nonce: str = ""
    challenge: str = ""

    def login(self, address: str, **more: str) -> dict[str, str]:
        """What the provider answers a browser that was sent to this address."""
        said = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert said["code_challenge_method"] == "S256"
        self.nonce, self.challenge = said["nonce"], said["code_challenge"]
        return {"code": "a-code", "state": said["state"]} | more

    def answer(self, path: str, body: Mapping[str, str]) -> tuple[int, bytes]:
        self.asked.append(path)
        if path == "/.well-known/openid-configuration":
            places = {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
            }
            return 200, json.dumps(places | self.configuration).encode()
        if path == "/keys":
            return 200, json.dumps({"keys": [self.key.as_dict(private=False)]}).encode()
        self.token_requests.append(body)
        return self.token_answer or self._token(body)

    def _token(self, body: Mapping[str, str]) -> tuple[int, bytes]:
        digest = sha256(body["code_verifier"].encode()).digest()
        if urlsafe_b64encode(digest).rstrip(b"=").decode() != self.challenge:
            return 400, b'{"error": "invalid_grant"}'
        now = int(time.time())
        claims = {"iss": self.issuer, "sub": "s-1", "aud": "desk", "nonce": self.nonce}
        claims |= {"iat": now, "exp": now + 60} | self.claims
        claims = {name: value for name, value in claims.items() if value is not None}
        if self.header["alg"] == "none":
            signed = ".".join((_encoded(self.header), _encoded(claims), ""))
        else:
            algorithms = [self.header["alg"]]
            signed = jwt.encode(self.header, claims, self.signs_with or self.key, algorithms)
        token = {"access_token": "t", "token_type": "Bearer", "id_token": signed}
        return 200, json.dumps(token).encode()

    def public_key_as_password(self) -> OctKey:
        """The published key as if it were a shared secret: a well-known forgery."""
        return OctKey.import_key(self.key.as_pem(private=False).hex())


def _encoded(part: Mapping[str, Any]) -> str:
    return urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


@contextmanager
def own_provider() -> Iterator[OwnProvider]:
    provider = OwnProvider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer({})

        def do_POST(self) -> None:
            sent = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self._answer({name: values[0] for name, values in parse_qs(sent).items()})

        def _answer(self, body: Mapping[str, str]) -> None:
            status, content = provider.answer(self.path, body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        provider.issuer = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield provider
        server.shutdown()
        thread.join()
