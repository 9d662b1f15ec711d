"""HUB_REDIS_URL: what is taken, what is refused with a sentence, and that no password is repeated."""

from __future__ import annotations

import pytest

from hub.redisurl import Address, Kind, RedisUrl, parse

SINGLE, SENTINEL, CLUSTER = Kind.SINGLE, Kind.SENTINEL, Kind.CLUSTER


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://cache", RedisUrl(kind=SINGLE, addresses=(Address("cache", 6379),))),
        ("redis://cache:7000/3", RedisUrl(kind=SINGLE, addresses=(Address("cache", 7000),), namespace=3)),
        ("redis://[::1]:7000/", RedisUrl(kind=SINGLE, addresses=(Address("::1", 7000),))),
        (
            "rediss://ann:p%40ss%2F@cache/0",
            RedisUrl(kind=SINGLE, addresses=(Address("cache", 6379),), tls=True, username="ann", password="p@ss/"),
        ),
        ("redis://:word@cache", RedisUrl(kind=SINGLE, addresses=(Address("cache", 6379),), password="word")),
        (
            "rediss://cache?ssl_cert_reqs=none",
            RedisUrl(kind=SINGLE, addresses=(Address("cache", 6379),), tls=True, verify=False),
        ),
        (
            "rediss+cluster://a,b:7001?ssl_ca_certs=/etc/ca.pem",
            RedisUrl(kind=CLUSTER, addresses=(Address("a", 6379), Address("b", 7001)), tls=True, ca_file="/etc/ca.pem"),
        ),
        (
            "redis+cluster://a:1,b:2/4",
            RedisUrl(kind=CLUSTER, addresses=(Address("a", 1), Address("b", 2)), namespace=4),
        ),
        ("unix:///run/redis.sock", RedisUrl(kind=SINGLE, addresses=(Address("", 0, "/run/redis.sock"),))),
        (
            "unix://:word@/run/redis.sock?db=2",
            RedisUrl(kind=SINGLE, addresses=(Address("", 0, "/run/redis.sock"),), namespace=2, password="word"),
        ),
        (
            "redis+sentinel://u:p@a,b:7001/main/5?sentinel_password=s",
            RedisUrl(
                kind=SENTINEL,
                addresses=(Address("a", 26379), Address("b", 7001)),
                master="main",
                namespace=5,
                username="u",
                password="p",
                sentinel_password="s",
            ),
        ),
    ],
)
def test_what_is_taken(url: str, expected: RedisUrl) -> None:
    assert parse(url) == expected


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "takes `redis://"),
        ("cache:6379", "takes `redis://"),
        ("http://cache", "takes `redis://"),
        ("redis://", "takes `redis://"),
        ("redis://:6379", "takes `redis://"),
        ("redis://cache:port", "takes `redis://"),
        ("redis://cache:0", "takes `redis://"),
        ("redis://cache:70000", "takes `redis://"),
        ("redis://[::1", "takes `redis://"),
        ("redis://a,b", "several hosts are for Sentinel and Cluster"),
        ("redis://cache/zero", "a whole number"),
        ("redis://cache/-1", "a whole number"),
        ("redis://cache/1/2", "a whole number"),
        ("redis://cache?db=1", "does not take `db`"),
        ("redis://cache?ssl_cert_reqs=none", "does not take `ssl_cert_reqs`"),
        ("rediss://cache?ssl_cert_reqs=maybe", "`ssl_cert_reqs=none`"),
        ("redis://cache?db", "takes `redis://"),
        ("redis://:a#b@cache", "%23"),
        ("redis+cluster://a,,b", "takes `redis://"),
        ("redis+sentinel://a:1,b:2", "the master's name"),
        ("redis+sentinel://a:1/main/x", "a whole number"),
        ("unix://host/run/redis.sock", "takes `redis://"),
        ("unix:///", "takes `redis://"),
    ],
)
def test_what_is_refused_says_what_is_taken(url: str, said: str) -> None:
    with pytest.raises(ValueError, match="take") as refused:
        parse(url)
    assert said in str(refused.value)


@pytest.mark.parametrize("url", ["redis://u:canary@cache:x", "redis+sentinel://:canary@a:1", "redis://:canary@a/b/c"])
def test_a_refusal_never_repeats_a_password(url: str) -> None:
    with pytest.raises(ValueError, match="takes") as refused:
        parse(url)
    assert "canary" not in str(refused.value)
