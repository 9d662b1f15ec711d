"""HUB_REDIS_URL → where Redis is: one server, Sentinel, or a Cluster. Pure; nothing here connects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import parse_qsl, unquote, urlsplit

ACCEPTED = (
    "takes `redis://[user:password@]host[:port][/number]` (`rediss://` for TLS), `unix:///path/to/socket[?db=number]`, "
    "`redis+sentinel://host:port,host:port/master-name[/number]` or `redis+cluster://host:port,host:port[/number]` "
    "(`rediss+…` for TLS)"
)
PORT = 6379
SENTINEL_PORT = 26379


class Kind(StrEnum):
    """How the servers are arranged."""

    SINGLE = "single"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True)
class Address:
    """One server: a host and a TCP port, or the path of a Unix socket, and then neither."""

    host: str
    port: int
    path: str = ""

    def __str__(self) -> str:
        return self.path or f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisUrl:
    """What the URL says. `namespace` is its number: pub/sub is global on a server, so hubs that share one differ in it.

    Certificates are checked against the machine's store, or `ca_file` alone, unless `verify` is off.
    """

    kind: Kind
    addresses: tuple[Address, ...]
    namespace: int = 0
    master: str = ""
    tls: bool = False
    username: str | None = None
    password: str | None = None
    sentinel_username: str | None = None
    sentinel_password: str | None = None
    ca_file: str | None = None
    verify: bool = True


SCHEMES: Mapping[str, tuple[Kind, bool]] = {
    "redis": (Kind.SINGLE, False),
    "rediss": (Kind.SINGLE, True),
    "redis+sentinel": (Kind.SENTINEL, False),
    "rediss+sentinel": (Kind.SENTINEL, True),
    "redis+cluster": (Kind.CLUSTER, False),
    "rediss+cluster": (Kind.CLUSTER, True),
}


def parse(url: str) -> RedisUrl:
    """Where Redis is; raises ValueError with a sentence that says what is accepted, and never repeats a password.

    After `?`: `ssl_ca_certs=FILE` and `ssl_cert_reqs=none` with TLS, `sentinel_username` and `sentinel_password` for
    Sentinels that ask for their own, `db` for a Unix socket. Names and passwords are percent-encoded.
    """
    try:
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
    except ValueError:
        raise ValueError(ACCEPTED) from None
    login, _, hosts = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    who = (unquote(user) or None, unquote(password) or None)
    if parts.fragment:
        raise ValueError(f"{ACCEPTED}; nothing after `#`: write it as `%23` when it belongs to a password")
    if parts.scheme == "unix":
        if hosts or len(parts.path) < 2:
            raise ValueError(ACCEPTED)
        _only(options, {"db"})
        address = Address("", 0, unquote(parts.path))
        namespace = _number("/" + options.get("db", ""))
        return RedisUrl(kind=Kind.SINGLE, addresses=(address,), namespace=namespace, username=who[0], password=who[1])
    if parts.scheme not in SCHEMES:
        raise ValueError(ACCEPTED)
    return _of_hosts(*SCHEMES[parts.scheme], hosts, parts.path, options, who)


def _of_hosts(
    kind: Kind, tls: bool, hosts: str, path: str, options: Mapping[str, str], login: tuple[str | None, str | None]
) -> RedisUrl:
    known = {"ssl_ca_certs", "ssl_cert_reqs"} if tls else set()
    master = ""
    if kind is Kind.SENTINEL:
        known |= {"sentinel_username", "sentinel_password"}
        master, slash, number = path.removeprefix("/").partition("/")
        path = slash + number
        if not master:
            raise ValueError(f"{ACCEPTED}; Sentinel needs the master's name after the hosts")
    _only(options, known)
    if options.get("ssl_cert_reqs", "required") not in ("none", "required"):
        raise ValueError("takes `ssl_cert_reqs=none` or `ssl_cert_reqs=required`")
    addresses = tuple(_address(one, SENTINEL_PORT if kind is Kind.SENTINEL else PORT) for one in hosts.split(","))
    if kind is Kind.SINGLE and len(addresses) > 1:
        raise ValueError(f"{ACCEPTED}; several hosts are for Sentinel and Cluster")
    return RedisUrl(
        kind=kind,
        addresses=addresses,
        namespace=_number(path),
        master=unquote(master),
        tls=tls,
        sentinel_username=options.get("sentinel_username"),
        sentinel_password=options.get("sentinel_password"),
        ca_file=options.get("ssl_ca_certs"),
        verify=options.get("ssl_cert_reqs") != "none",
        username=login[0],
        password=login[1],
    )


def _only(options: Mapping[str, str], known: set[str]) -> None:
    strange = sorted(options.keys() - known)
    if strange:
        raise ValueError(f"does not take `{strange[0]}` after `?` here")


def _number(path: str) -> int:
    text = path.removeprefix("/")
    if text and not (text.isascii() and text.isdigit() and len(text) <= 6):
        raise ValueError(f"{ACCEPTED}; after the last `/` stands a whole number")
    return int(text or 0)


def _address(text: str, default_port: int) -> Address:
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or port == 0:
        raise ValueError(ACCEPTED)
    return Address(host, default_port if port is None else port)
