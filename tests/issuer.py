"""An issuer of tokens that really listens: its keys, what it says, and who came to ask."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as ec_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from tests.running import PATIENCE, now

RSA = generate_private_key(65537, 2048)
OLD, NEW = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
EC = ec_key(SECP256R1())
Private = Ed25519PrivateKey | RSAPrivateKey | EllipticCurvePrivateKey


def jwk(key: Private, **members: Any) -> dict[str, Any]:
    """The public half of a key, as a JWKS holds it."""
    if isinstance(key, RSAPrivateKey):
        return RSAAlgorithm.to_jwk(key.public_key(), as_dict=True) | members
    if isinstance(key, EllipticCurvePrivateKey):
        return ECAlgorithm.to_jwk(key.public_key(), as_dict=True) | members
    return OKPAlgorithm.to_jwk(key.public_key(), as_dict=True) | members


def key_set(**keys: Private) -> bytes:
    """The JWKS of these keys, by `kid`."""
    return json.dumps({"keys": [jwk(key, kid=kid) for kid, key in keys.items()]}).encode()


def algorithm_of(key: Private) -> str:
    """What a key signs by."""
    if isinstance(key, RSAPrivateKey):
        return "RS256"
    return "ES256" if isinstance(key, EllipticCurvePrivateKey) else "EdDSA"


def signed(key: Private, kid: str, sub: str = "ann") -> str:
    """A student's token."""
    claims = {"sub": sub, "role": "student", "name": sub, "exp": int(now().timestamp()) + 600}
    return jwt.encode(claims, key, algorithm=algorithm_of(key), headers={"kid": kid})


class Issuer(ThreadingHTTPServer):
    """Gives out `says`, raw bytes instead of an answer when `raw` is set, only after `open` is set; counts who came."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Door)
        self.says = key_set(old=OLD)
        self.raw = b""
        self.status = 200
        self.asked = 0
        self.open = threading.Event()
        self.open.set()
        self.came = threading.Event()

    @property
    def url(self) -> str:
        """Where the keys are."""
        return f"http://127.0.0.1:{self.server_port}/keys"


class Door(BaseHTTPRequestHandler):
    """One answer of the issuer."""

    server: Issuer

    def do_GET(self) -> None:
        """The keys, or what else was asked for."""
        self.server.asked += 1
        self.server.came.set()
        self.server.open.wait(PATIENCE)
        with suppress(ConnectionError):
            if self.server.raw:
                self.wfile.write(self.server.raw)
                return
            self.send_response(self.server.status)
            self.end_headers()
            self.wfile.write(self.server.says)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def issuing() -> Iterator[Issuer]:
    """An issuer that listens."""
    with Issuer() as issuer:
        serving = threading.Thread(target=issuer.serve_forever, args=(0.01,))
        serving.start()
        try:
            yield issuer
        finally:
            issuer.open.set()
            issuer.shutdown()
            serving.join()
