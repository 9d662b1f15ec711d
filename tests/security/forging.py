"""Tokens that nobody should believe, by the requirement that they answer (J1, J2, J3, J7), and some that are good."""

from __future__ import annotations

import base64
import hmac
import json
import socket
import threading
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.issuer import EC, RSA, Private, algorithm_of, jwk
from tests.running import SECRET, now

AUDIENCE, ISSUER = "hub", "https://learn.example"
MARK = "canary"
"""Stands in each claim and header that a forger may fill: no log may hold it."""
STRANGER = generate_private_key(65537, 2048)
STRANGER_ED = Ed25519PrivateKey.generate()
PEM = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

Table = dict[str, str]


class Canary:
    """Listens, and counts who connects: nobody should."""

    def __init__(self, listening: socket.socket) -> None:
        self._listening = listening
        self.url = f"http://127.0.0.1:{listening.getsockname()[1]}/{MARK}"
        self.came = 0

    def listen(self) -> None:
        """Until the socket is shut."""
        with suppress(OSError):
            while True:
                visitor, _ = self._listening.accept()
                self.came += 1
                visitor.close()


@contextmanager
def canary() -> Iterator[Canary]:
    """One that listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        bird = Canary(listening)
        thread = threading.Thread(target=bird.listen)
        thread.start()
        try:
            yield bird
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def b64(octets: bytes) -> str:
    """Base64url without padding (RFC 7515 §2)."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def claims(**changes: Any) -> dict[str, Any]:
    """Good ones; None takes one out."""
    at = int(now().timestamp())
    whole = {"sub": MARK, "role": "student", "name": MARK, "aud": AUDIENCE, "iss": ISSUER, "iat": at, "exp": at + 600}
    return {name: value for name, value in (whole | changes).items() if value is not None}


@dataclass(frozen=True)
class Mint:
    """Makes tokens with a key: a secret, or a private one. `kid` is what it is known by."""

    key: bytes | Private
    kid: str | None = None

    @property
    def algorithm(self) -> str:
        """What it signs by."""
        return "HS256" if isinstance(self.key, bytes) else algorithm_of(self.key)

    def header(self, **more: Any) -> dict[str, Any]:
        """The JOSE header of its tokens."""
        named = {} if self.kid is None else {"kid": self.kid}
        return {"alg": self.algorithm, "typ": "JWT"} | named | more

    def token(self, header: Mapping[str, Any] | None = None, **changes: Any) -> str:
        """A token of good claims with these changes, and a header with those."""
        return self.raw(json.dumps(self.header(**header or {})).encode(), json.dumps(claims(**changes)).encode())

    def raw(self, header: bytes, payload: bytes) -> str:
        """Whatever octets, rightly signed."""
        return self.signed(f"{b64(header)}.{b64(payload)}")

    def signed(self, signing_input: str) -> str:
        """Whatever letters, rightly signed."""
        if isinstance(self.key, bytes):
            signature = hmac.digest(self.key, signing_input.encode(), "sha256")
        else:
            signature = jwt.get_algorithm_by_name(self.algorithm).sign(signing_input.encode(), self.key)
        return f"{signing_input}.{b64(signature)}"


SHARED = Mint(SECRET.encode())
PUBLIC = Mint(RSA, "rsa")


def algorithms(mint: Mint) -> Table:
    """J1: other algorithms than the key's one, and signatures that are not the key's (RFC 8725 §3.1, §3.2)."""
    good = mint.token()
    head, body, signature = good.split(".")
    other = mint.token(sub="another", role="expert")
    named = partial(json.dumps, separators=(",", ":"))
    wrong: list[Any] = ["none", "None", "NONE", "nOnE", "", "HS384", "HS512", "RS512", "PS256", "ES384", "hs256", 7]
    wrong += [None, True, ["HS256"], {"alg": "HS256"}, "RS256\0", f"{mint.algorithm} "]
    table = {f"alg {alg!r} signed with the hub's key": mint.token({"alg": alg}) for alg in wrong}
    if isinstance(mint.key, bytes):
        for alg, digest in (("HS384", "sha384"), ("HS512", "sha512")):
            signing_input = f"{b64(named(mint.header(alg=alg)).encode())}.{body}"
            mac = hmac.digest(mint.key, signing_input.encode(), digest)
            table[f"{alg} by the hub's key"] = f"{signing_input}.{b64(mac)}"
    else:
        own = {"kid": mint.kid}
        table |= {
            f"{alg} by the hub's": jwt.encode(claims(), mint.key, alg, own) for alg in ("RS384", "RS512", "PS256")
        }
    table |= {
        f"alg {alg!r} without a signature": f"{b64(named({'alg': alg}).encode())}.{body}."
        for alg in ("none", "nOnE", "NONE", "", "HS256", "RS256")
    }
    keys: Mapping[str, bytes] = {
        "the public key in PEM": PEM,
        "the public key in PEM without its last line": PEM.rstrip(),
        "the public key as a JWK": json.dumps(jwk(RSA)).encode(),
        "nothing": b"",
        "another secret": b"x" * 32,
        "the secret's beginning": SECRET.encode()[:16],
        "a zero": b"\0",
    }
    table |= {f"HS256 signed with {name}": Mint(key, mint.kid).token() for name, key in keys.items()}
    strangers: Mapping[str, Private] = {"RS256": STRANGER, "EdDSA": STRANGER_ED}
    table |= {f"{alg} signed by a stranger": Mint(key, mint.kid).token() for alg, key in strangers.items()}
    table["the other family"] = (PUBLIC if mint is SHARED else SHARED).token()
    table["a key of another type than the kid's"] = Mint(EC, mint.kid or "ec").token()
    table |= {
        "no alg": mint.raw(named({"typ": "JWT"}).encode(), named(claims()).encode()),
        "no signature": f"{head}.{body}.",
        "the signature of another token": f"{head}.{body}.{other.rpartition('.')[2]}",
        "the claims of another token": f"{head}.{other.split('.')[1]}.{signature}",
        "header and claims the other way round": f"{body}.{head}.{signature}",
        "claims and signature the other way round": f"{head}.{signature}.{body}",
        "a signature cut short": good[:-2],
        "a signature of zeros": f"{head}.{body}.{b64(bytes(len(signature) * 3 // 4))}",
        "one letter of the claims changed": f"{head}.{body[:-1]}{'A' if body[-1] != 'A' else 'Q'}.{signature}",
        "an end that is past, and a stranger's signature": Mint(b"x" * 32, mint.kid).token(exp=1),
    }
    return table


NO_NUMBERS = ["4000000000", True, [4e9], {"at": 4e9}, 10**300, -(10**14)]


def stale(mint: Mint) -> Table:
    """J2: claims that are missing, of another type, for others, or of another time (RFC 8725 §3.8 to §3.12)."""
    at, said = int(now().timestamp()), json.dumps(claims(exp=None))
    plain = json.dumps(mint.header()).encode()
    changes: dict[str, list[Any]] = {
        "exp": NO_NUMBERS,
        "nbf": [*NO_NUMBERS[:4], at + 60, at + 3600, 10**300],
        "iat": [*NO_NUMBERS[:4], at + 60, 10**300],
        "sub": ["", 7, 1.5, True, [MARK], {"id": MARK}, "a" * 256, "a\nb", "a\0", "\u202ea", " ", "   "],
        "role": ["", "admin", "Expert", "student ", 1, True, ["student"], {"student": True}],
        "name": [7, True, [MARK], {"first": MARK}],
        "aud": ["", "other", "hub ", "HUB", ["other"], [["hub"]], ["hub", 7], [], {"hub": 1}, 7],
        "iss": ["", "https://evil.example", f"{ISSUER}/", f"{ISSUER}.evil.example", [ISSUER], 7],
        "jti": [7],
    }
    table = {
        f"{name} {value!r:.40}, {type(value).__name__}": mint.token(**{name: value})
        for name, odd in changes.items()
        for value in odd
    }
    table |= {f"no {name}": mint.token(**{name: None}) for name in ("exp", "sub", "role", "aud", "iss")}
    table |= {
        f"{name} null": mint.raw(plain, json.dumps(claims() | {name: None}).encode())
        for name in ("exp", "sub", "role", "name", "iat", "nbf", "aud", "iss")
    }
    no_numbers = ("NaN", "Infinity", "1e999", "-1e999", "01")
    table |= {f"exp {exp}": mint.raw(plain, f'{said[:-1]}, "exp": {exp}}}'.encode()) for exp in no_numbers}
    ended: dict[str, dict[str, Any]] = {
        "another audience": {"aud": "other"},
        "another issuer": {"iss": "https://evil.example"},
        "no role": {"role": None},
        "no sub": {"sub": None},
        "a number for a name": {"name": 7},
        "an nbf to come": {"nbf": at + 60},
    }
    table |= {f"an end that is past, and {name}": mint.token(exp=at - 60, **more) for name, more in ended.items()}
    return table


def headers(mint: Mint, bird: str) -> Table:
    """J3: headers that name a key, or ask for more than the hub understands (RFC 8725 §3.10, §3.11, RFC 7515 §4.1)."""
    chain = [base64.b64encode(MARK.encode()).decode()]
    types: list[Any] = ["refresh+jwt", "dpop+jwt", "logout+jwt", "application/dpop+jwt", "secevent+jwt", "JOSE", "JWS"]
    types += ["", " JWT", "JWT ", "application/", "application/application/jwt", "text/jwt", "at+jwt\0", "jw\u0165"]
    types += [7, None, True, ["JWT"], {"typ": "JWT"}]
    own = Mint(STRANGER if mint is PUBLIC else b"x" * 32, mint.kid)
    ways = {"jku": bird, "x5u": bird, "jwk": jwk(STRANGER), "x5c": chain, "x5t": MARK}
    table = {f"a stranger's {name}": own.token({name: value}) for name, value in ways.items()}
    table |= {f"a stranger's {name} without a kid": Mint(STRANGER).token({name: value}) for name, value in ways.items()}
    table |= {f"typ {typ!r}": mint.token({"typ": typ}) for typ in types}
    table["all of them at once"] = Mint(STRANGER, bird).token(ways)
    kids: list[Any] = [
        "../../../../dev/null",
        "/dev/null",
        "' OR 1=1 --",
        "rsa' UNION SELECT 'x",
        bird,
        "file:///dev/null",
    ]
    kids += ["", "RSA", "rsa ", "rsa\0", "k" * 4_000, 7, True, ["rsa"], {"kid": "rsa"}]
    table |= {f"kid {kid!r:.30} and a key of nothing": Mint(b"").token({"kid": kid}) for kid in kids}
    table |= {f"kid {kid!r:.30} and a stranger's key": Mint(STRANGER).token({"kid": kid}) for kid in kids}
    table |= {f"kid {kid!r} and the hub's key": mint.token({"kid": kid}) for kid in (7, None, ["rsa"])}
    crits: list[Any] = [["exp"], ["x"], [], "exp", [7], ["b64"], None, 1]
    table |= {f"crit {crit!r}": mint.token({"crit": crit, "exp": 1, "x": 1}) for crit in crits}
    whole = json.dumps(claims()).encode()
    unencoded = json.dumps(mint.header(b64=False, crit=["b64"])).encode()
    zipped = zlib.compressobj(wbits=-15)
    deflated = zipped.compress(whole) + zipped.flush()
    table |= {
        "b64 false, claims as they are": mint.signed(f"{b64(unencoded)}.{whole.decode()}"),
        "b64 false, claims in base64url": mint.raw(unencoded, whole),
        "b64 false, no claims": mint.signed(f"{b64(unencoded)}."),
        "b64 false, not critical": mint.raw(json.dumps(mint.header(b64=False)).encode(), whole),
        "zip": mint.raw(json.dumps(mint.header(zip="DEF")).encode(), deflated),
        "alg twice, none last": mint.raw(json.dumps(mint.header()).encode()[:-1] + b', "alg": "none"}', whole),
        "alg twice, none first": mint.raw(b'{"alg": "none", ' + json.dumps(mint.header()).encode()[1:], whole),
    }
    return table


def shapes(mint: Mint) -> Table:
    """J7: what is no token at all, or one of another shape, depth or size (RFC 7515 §7.1, RFC 8725 §2.7)."""
    good = mint.token()
    head, body, signature = good.split(".")
    plain, whole = json.dumps(mint.header()).encode(), json.dumps(claims()).encode()
    payloads = {
        "an array": b"[%b]" % whole,
        "a string": json.dumps(whole.decode()).encode(),
        "a number": b"7",
        "null": b"null",
        "nothing": b"",
        "no JSON": b"{'sub': 'a'}",
        "two objects": whole + whole,
        "no UTF-8": whole[:-1] + b', "x": "\xff"}',
        "UTF-16": whole.decode().encode("utf-16"),
        "a byte order mark": b"\xef\xbb\xbf" + whole,
        "a lone surrogate": whole[:-1] + b', "x": "\\ud800"}',
        "a token": good.encode(),
        "a deep array": whole[:-1] + b', "x": ' + b"[" * 2_500 + b"]" * 2_500 + b"}",
        "a deep object": whole[:-1] + b', "x": ' + b'{"":' * 1_000 + b"1" + b"}" * 1_000 + b"}",
        "arrays that do not end": b"[" * 5_000,
        "a number of 5,000 digits": whole[:-1] + b', "x": ' + b"9" * 5_000 + b"}",
        "role twice": whole[:-1] + b', "role": "expert"}',
        "sub twice": b'{"sub": "admin", ' + whole[1:],
        "exp twice": b'{"exp": 1, ' + whole[1:],
    }
    table = {f"claims: {name}": mint.raw(plain, octets) for name, octets in payloads.items()}
    table |= {f"header: {name}": mint.raw(octets, whole) for name, octets in payloads.items()}
    table |= {
        "a nested token": mint.raw(json.dumps(mint.header(cty="JWT")).encode(), good.encode()),
        "five parts (JWE)": ".".join([b64(b'{"alg":"dir","enc":"A256GCM"}'), "", b64(b"i" * 12), body, b64(b"t" * 16)]),
        "JSON (RFC 7515 §7.2)": json.dumps({"protected": head, "payload": body, "signature": signature}),
        "too long by its claims": mint.token(x="x" * 8_192),
        "too long by its header": mint.token({"x": "x" * 8_192}),
        "too long by its signature": good + "A" * 8_192,
    }
    odd = ["", ".", "..", "...", head, f"{head}.{body}", f"{good}.", f".{good}", f"{good}.{signature}"]
    odd += [f"{good},{good}", f"{good} x", f'"{good}"', good.replace(".", ":"), good.replace(".", "..")]
    odd += [good + more for more in ("=", "==", "\u00a0", "\u0085", ";", "+", "/", "~")]
    odd += [f"{head}=.{body}.{signature}", f"{head}.{body}==.{signature}", f"{head}. {body}.{signature}"]
    odd += ["null", "undefined", "{}", "0", "\u00fc.\u00fc.\u00fc", "A" * 9_000]
    return table | {f"letters: {token:.20} … {token[-4:]!r}, {len(token)}": token for token in odd}


def unspeakable(mint: Mint) -> Table:
    """J7: what no HTTP header can hold, or would hold otherwise: for the `auth` message alone."""
    good = mint.token()
    odd = [f"{good}\n", f"{good}\r\n", f"\n{good}", f" {good}", f"{good} ", f"{good}\t", f"{good}\0", f"{good}\u2028"]
    odd += [good.replace(".", "\u3002"), f"Bearer {good}", "\uff11" + good, good[:20] + "\u200b" + good[20:]]
    return {f"letters: {token[:3]!r} … {token[-3:]!r}": token for token in odd}


def good(mint: Mint, bird: str) -> Table:
    """What must pass beside all of these."""
    at, body = int(now().timestamp()), json.dumps(claims()).encode()
    return {
        "a plain one": mint.token(),
        "no name": mint.token(name=None),
        "no iat": mint.token(iat=None),
        "an end with a fraction": mint.token(exp=at + 600.5),
        "several audiences": mint.token(aud=["other", AUDIENCE]),
        "an issuer's clock that is five seconds ahead": mint.token(iat=at + 5, nbf=at + 5),
        "addresses in the header, which nobody follows": mint.token({"jku": bird, "x5u": bird}),
        "no type": mint.raw(json.dumps({"alg": mint.algorithm, "kid": mint.kid or ""}).encode(), body),
        **{
            f"the type {typ}": mint.token({"typ": typ})
            for typ in ("jwt", "at+jwt", "AT+JWT", "application/at+jwt", "Application/JWT")
        },
        "claims of its own": mint.token(permissions=["a"], nested={"a": [1, 2.5, None]}),
    }
