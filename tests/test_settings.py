"""Every HUB_ setting: what it is unset, what it takes, and how a wrong value is told."""

from __future__ import annotations

import base64
from dataclasses import fields
from datetime import timedelta
from typing import Any

import pytest

from hub import app, values
from hub.settings import READERS, Settings, WrongSetting, examined, from_environment, must_serve, remark

SECRET = "s" * 32
KEY = bytes(range(32))
KEY_TEXT = base64.b64encode(KEY).decode()
WHSEC = "whsec_" + base64.b64encode(b"w" * 24).decode()

DEFAULTS: dict[str, Any] = {
    "HUB_DATABASE_URL": "sqlite:///hub.db",
    "HUB_REDIS_URL": None,
    "HUB_HOST": "127.0.0.1",
    "HUB_PORT": 8000,
    "HUB_WORKERS": 1,
    "HUB_METRICS_PORT": None,
    "HUB_METRICS_HOST": "127.0.0.1",
    "HUB_JWT_SECRET": None,
    "HUB_JWT_JWKS_URL": None,
    "HUB_JWT_AUDIENCE": None,
    "HUB_JWT_ISSUER": None,
    "HUB_ALLOWED_ORIGINS": frozenset(),
    "HUB_SECRET_KEY": None,
    "HUB_SECRET_KEYS_ACCEPTED": (),
    "HUB_HOLD_MINUTES": 15,
    "HUB_DOORS_OPEN_MINUTES": 15,
    "HUB_LEAVE_GRACE_SECONDS": 10,
    "HUB_STOP_SECONDS": 25,
    "HUB_COUNT_INTERVAL_MS": 100,
    "HUB_ROSTER_LIMIT": 200,
    "HUB_MAX_MESSAGE_BYTES": 16384,
    "HUB_MAX_CONNECTIONS": None,
    "HUB_MAX_CONNECTIONS_PER_PERSON": 20,
    "HUB_MAX_CONNECTIONS_PER_ADDRESS": 1000,
    "HUB_RATE_LIMIT": 600,
    "HUB_MESSAGE_RATE_LIMIT": 120,
    "HUB_PAYMENT_WEBHOOK_SECRET": None,
    "HUB_LOG_FORMAT": "text",
    "HUB_LOG_REQUESTS": "changes",
}

GOOD = [
    ("HUB_DATABASE_URL", "sqlite:////var/lib/hub/hub.db", "sqlite:////var/lib/hub/hub.db"),
    ("HUB_DATABASE_URL", "postgresql://hub:s3cret@db/hub", "postgresql://hub:s3cret@db/hub"),
    (
        "HUB_DATABASE_URL",
        "postgres://hub@[::1]:5433/hub?sslmode=require",
        "postgresql://hub@[::1]:5433/hub?sslmode=require",
    ),
    ("HUB_DATABASE_URL", "postgresql+psycopg:///hub", "postgresql:///hub"),
    ("HUB_HOST", "0.0.0.0", "0.0.0.0"),
    ("HUB_PORT", "0", 0),
    ("HUB_PORT", "65535", 65535),
    ("HUB_WORKERS", "1", 1),
    ("HUB_METRICS_PORT", "65535", 65535),
    ("HUB_METRICS_HOST", "10.0.0.5", "10.0.0.5"),
    ("HUB_JWT_SECRET", SECRET, SECRET),
    ("HUB_JWT_SECRET", "ß" * 16, "ß" * 16),
    ("HUB_JWT_JWKS_URL", "https://id.example/keys", "https://id.example/keys"),
    *(
        ("HUB_JWT_JWKS_URL", url, url)
        for url in ("http://localhost:8080/keys", "http://127.0.0.1/keys", "http://127.9.9.9/keys", "http://[::1]/keys")
    ),
    ("HUB_JWT_AUDIENCE", "hub", "hub"),
    ("HUB_JWT_ISSUER", "https://id.example", "https://id.example"),
    ("HUB_ALLOWED_ORIGINS", "https://a.example", {"https://a.example"}),
    (
        "HUB_ALLOWED_ORIGINS",
        "https://a.example, http://b.example:8080,",
        {"https://a.example", "http://b.example:8080"},
    ),
    ("HUB_SECRET_KEY", KEY_TEXT, KEY),
    ("HUB_SECRET_KEYS_ACCEPTED", KEY_TEXT, (KEY,)),
    ("HUB_SECRET_KEYS_ACCEPTED", f"{KEY_TEXT}, {KEY_TEXT},", (KEY, KEY)),
    ("HUB_HOLD_MINUTES", "1", 1),
    ("HUB_DOORS_OPEN_MINUTES", "0", 0),
    ("HUB_LEAVE_GRACE_SECONDS", "0", 0),
    ("HUB_LEAVE_GRACE_SECONDS", "2.5", 2.5),
    ("HUB_STOP_SECONDS", "1", 1),
    ("HUB_COUNT_INTERVAL_MS", "0", 0),
    ("HUB_ROSTER_LIMIT", "0", 0),
    ("HUB_MAX_MESSAGE_BYTES", "65536", 65536),
    ("HUB_MAX_CONNECTIONS", "5000", 5000),
    ("HUB_MAX_CONNECTIONS", "off", None),
    ("HUB_MAX_CONNECTIONS_PER_PERSON", "1", 1),
    ("HUB_MAX_CONNECTIONS_PER_PERSON", "off", None),
    ("HUB_MAX_CONNECTIONS_PER_ADDRESS", "OFF", None),
    ("HUB_RATE_LIMIT", "off", None),
    ("HUB_RATE_LIMIT", "60", 60),
    ("HUB_MESSAGE_RATE_LIMIT", "off", None),
    ("HUB_PAYMENT_WEBHOOK_SECRET", WHSEC, WHSEC),
    ("HUB_LOG_FORMAT", "json", "json"),
    ("HUB_LOG_FORMAT", " text ", "text"),
    ("HUB_LOG_REQUESTS", "all", "all"),
    ("HUB_LOG_REQUESTS", "refusals", "refusals"),
]

WRONG = [
    ("HUB_DATABASE_URL", "mysql://db/hub", "`sqlite:///FILE` or `postgresql://"),
    ("HUB_DATABASE_URL", "postgresql+asyncpg://db/hub", "`sqlite:///FILE` or `postgresql://"),
    ("HUB_DATABASE_URL", "postgresql://", "`sqlite:///FILE` or `postgresql://"),
    ("HUB_DATABASE_URL", "postgresql://[", "`sqlite:///FILE` or `postgresql://"),
    ("HUB_DATABASE_URL", "postgresql://hub:s3cr@et@db/hub", "is written as `%40`"),
    ("HUB_DATABASE_URL", "postgresql://hub@db:port/hub", "HOST:PORT"),
    ("HUB_DATABASE_URL", "sqlite:///:memory:", "sqlite:///FILE"),
    ("HUB_DATABASE_URL", "sqlite:///", "sqlite:///FILE"),
    ("HUB_PORT", "http", "a whole number from 0 to 65535"),
    ("HUB_PORT", "65536", "a whole number from 0 to 65535"),
    ("HUB_PORT", "-1", "a whole number from 0 to 65535"),
    ("HUB_PORT", "٨٠", "a whole number from 0 to 65535"),
    ("HUB_PORT", "000000000000099999999", "a whole number from 0 to 65535"),
    ("HUB_WORKERS", "0", "a whole number from 1"),
    ("HUB_METRICS_PORT", "0", "a whole number from 1 to 65535"),
    ("HUB_WORKERS", "2", "needs PostgreSQL and Redis: set HUB_DATABASE_URL to `postgresql://…` and HUB_REDIS_URL"),
    ("HUB_REDIS_URL", "http://cache", "takes `redis://[user:password@]host"),
    ("HUB_REDIS_URL", "redis://cache", "must share a database: set HUB_DATABASE_URL to `postgresql://…`"),
    ("HUB_STOP_SECONDS", "0", "seconds from 1 to 3600"),
    ("HUB_STOP_SECONDS", "soon", "seconds from 1 to 3600"),
    ("HUB_JWT_SECRET", "s" * 31, "32 bytes or more"),
    (
        "HUB_JWT_SECRET",
        f"-----BEGIN PUBLIC KEY-----\n{'A' * 64}\n-----END PUBLIC KEY-----",
        "not a key that others know",
    ),
    ("HUB_JWT_SECRET", f"ssh-ed25519 {'A' * 68}", "not a key that others know"),
    ("HUB_JWT_SECRET", '{"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQ"}', "not a key that others know"),
    ("HUB_JWT_JWKS_URL", "id.example", "https:// address"),
    ("HUB_JWT_JWKS_URL", "http://[", "https:// address"),
    *(
        ("HUB_JWT_JWKS_URL", f"{scheme}://{host}/keys", "or http:// of localhost, 127.0.0.0/8 or [::1]")
        for scheme, host in [
            ("http", "id.example"),
            ("http", "10.0.0.1"),
            ("http", "localhost.evil.example"),
            ("http", "[fd00::1]"),
            ("http", "localhost@id.example"),
            ("HTTP", "id.example"),
            ("http", "0.0.0.0"),
            ("http", "127.1"),
            ("http", "128.0.0.1"),
            ("ftp", "127.0.0.1"),
        ]
    ),
    ("HUB_ALLOWED_ORIGINS", "*", "origins like `https://learn.example`"),
    ("HUB_ALLOWED_ORIGINS", "a.example", "origins like `https://learn.example`"),
    ("HUB_ALLOWED_ORIGINS", "https://a.example/", "origins like `https://learn.example`"),
    ("HUB_ALLOWED_ORIGINS", "https://A.example", "origins like `https://learn.example`"),
    ("HUB_ALLOWED_ORIGINS", "https://a.example https://b.example", "origins like `https://learn.example`"),
    ("HUB_ALLOWED_ORIGINS", "http://[", "origins like `https://learn.example`"),
    ("HUB_SECRET_KEY", "short", "32 random bytes in base64"),
    ("HUB_SECRET_KEY", base64.b64encode(b"k" * 31).decode(), "32 random bytes in base64"),
    ("HUB_SECRET_KEY", "ключ", "32 random bytes in base64"),
    ("HUB_SECRET_KEYS_ACCEPTED", f"{KEY_TEXT},short", "32 random bytes in base64, or several by commas"),
    ("HUB_HOLD_MINUTES", "0", "a whole number from 1"),
    ("HUB_HOLD_MINUTES", "1.5", "a whole number from 1"),
    ("HUB_DOORS_OPEN_MINUTES", "soon", "a whole number from 0"),
    ("HUB_LEAVE_GRACE_SECONDS", "-1", "seconds from 0 to 3600"),
    ("HUB_LEAVE_GRACE_SECONDS", "nan", "seconds from 0 to 3600"),
    ("HUB_COUNT_INTERVAL_MS", "100ms", "a whole number from 0"),
    ("HUB_ROSTER_LIMIT", "off", "a whole number from 0"),
    ("HUB_MAX_MESSAGE_BYTES", "16k", "a whole number from 256"),
    ("HUB_MAX_CONNECTIONS", "0", "or `off`"),
    ("HUB_MAX_CONNECTIONS_PER_PERSON", "none", "or `off`"),
    ("HUB_MAX_CONNECTIONS_PER_ADDRESS", "0", "or `off`"),
    ("HUB_RATE_LIMIT", "unlimited", "or `off`"),
    ("HUB_MESSAGE_RATE_LIMIT", "-5", "or `off`"),
    ("HUB_PAYMENT_WEBHOOK_SECRET", "whsec_", "`whsec_` and 16 bytes"),
    ("HUB_PAYMENT_WEBHOOK_SECRET", "тайна", "`whsec_` and 16 bytes"),
    ("HUB_LOG_FORMAT", "xml", "`text` or `json`"),
    ("HUB_LOG_REQUESTS", "off", "`changes` or `all` or `refusals`"),
]


def field(variable: str) -> str:
    """The member of Settings behind a variable."""
    return variable.removeprefix("HUB_").lower()


@pytest.mark.parametrize("variable", DEFAULTS)
def test_an_unset_or_empty_variable_leaves_the_default(variable: str) -> None:
    for environment in ({}, {variable: ""}, {variable: "  "}):
        assert getattr(from_environment(environment), field(variable)) == DEFAULTS[variable]


@pytest.mark.parametrize(("variable", "text", "value"), GOOD)
def test_a_good_value_is_taken(variable: str, text: str, value: Any) -> None:
    assert getattr(from_environment({variable: text}), field(variable)) == value


@pytest.mark.parametrize(("variable", "text", "takes"), WRONG)
def test_a_wrong_value_names_the_variable_and_what_it_takes(variable: str, text: str, takes: str) -> None:
    with pytest.raises(WrongSetting) as told:
        from_environment({variable: text})
    assert str(told.value).startswith(f"{variable}: ")
    assert takes in str(told.value)


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("HUB_JWT_SECRET", "a-short-secret"),
        ("HUB_SECRET_KEY", "a-short-key"),
        ("HUB_SECRET_KEYS_ACCEPTED", "a-short-key"),
        ("HUB_PAYMENT_WEBHOOK_SECRET", "whsec_x"),
        ("HUB_DATABASE_URL", "mysql://hub:s3cret@db/hub"),
        ("HUB_REDIS_URL", "http://:s3cret@cache"),
    ],
)
def test_a_refused_secret_is_not_repeated(variable: str, text: str) -> None:
    with pytest.raises(WrongSetting) as told:
        from_environment({variable: text})
    assert text not in str(told.value)
    assert "s3cret" not in str(told.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite:////var/lib/hub.db", "sqlite:////var/lib/hub.db"),
        ("postgresql://hub:s3cret@db:5433/hub?sslmode=require", "postgresql://db:5433/hub"),
        ("postgresql://db/hub?password=s3cret", "postgresql://db/hub"),
        ("postgresql:///hub", "postgresql:///hub"),
        ("postgresql://hub:s3@cret@db/hub", "postgresql://…"),
        ("postgresql://hub:s3/cret@db/hub", "postgresql://…"),
        ("postgresql://hub:s3?cret@db/hub", "postgresql://…"),
        ("postgresql://db/hub?password=s3@cret", "postgresql://…"),
    ],
)
def test_an_address_is_shown_without_its_password(url: str, shown: str) -> None:
    assert values.shown(url) == shown


PG, BUS = "postgresql://db/hub", "redis://cache"


@pytest.mark.parametrize(
    "url",
    [
        "redis://cache",
        "rediss://user:secret@cache:6380/1",
        "unix:///run/redis.sock",
        "redis+sentinel://a,b:26380/main/2",
        "rediss+sentinel://a/main",
        "redis+cluster://a:7000,b:7001",
        "rediss+cluster://a",
    ],
)
def test_a_bus_is_taken_beside_postgresql(url: str) -> None:
    settings = from_environment({"HUB_DATABASE_URL": PG, "HUB_REDIS_URL": url, "HUB_WORKERS": "4"})
    assert (settings.redis_url, settings.workers) == (url, 4)
    assert remark(settings) is None


@pytest.mark.parametrize(
    ("environment", "missing"),
    [
        ({}, "set HUB_DATABASE_URL to `postgresql://…` and HUB_REDIS_URL"),
        ({"HUB_DATABASE_URL": PG}, "set HUB_REDIS_URL"),
        ({"HUB_REDIS_URL": BUS}, "set HUB_DATABASE_URL to `postgresql://…`"),
    ],
)
def test_more_workers_than_one_say_what_they_miss(environment: dict[str, str], missing: str) -> None:
    with pytest.raises(WrongSetting) as told:
        from_environment({**environment, "HUB_WORKERS": "2"})
    assert str(told.value) == f"HUB_WORKERS: more than 1 needs PostgreSQL and Redis: {missing}"


def test_every_worker_must_have_a_port_for_its_figures() -> None:
    many = {"HUB_DATABASE_URL": PG, "HUB_REDIS_URL": BUS, "HUB_WORKERS": "4"}
    assert from_environment({**many, "HUB_METRICS_PORT": "65532"}).metrics_port == 65532
    with pytest.raises(WrongSetting, match=r"^HUB_METRICS_PORT: takes a port and, for 4 workers, as many after it"):
        from_environment({**many, "HUB_METRICS_PORT": "65533"})


@pytest.mark.parametrize(
    ("figures", "port", "workers"), [("8000", "8000", "1"), ("8000", "8003", "4"), ("7998", "", "4")]
)
def test_the_ports_of_the_figures_are_not_that_of_the_public(figures: str, port: str, workers: str) -> None:
    many = {"HUB_DATABASE_URL": PG, "HUB_REDIS_URL": BUS, "HUB_WORKERS": workers, "HUB_METRICS_PORT": figures}
    with pytest.raises(WrongSetting, match=rf"^HUB_METRICS_PORT: takes .* HUB_PORT \({port or 8000}\), not {figures}$"):
        from_environment({**many, "HUB_PORT": port})


def test_ports_beside_each_other_and_any_free_one_are_no_overlap() -> None:
    many = {"HUB_DATABASE_URL": PG, "HUB_REDIS_URL": BUS, "HUB_WORKERS": "4", "HUB_METRICS_PORT": "8000"}
    assert [from_environment({**many, "HUB_PORT": port}).metrics_port for port in ("7999", "8004", "0")] == [8000] * 3
    _, wrong = examined({**many, "PORT": "http"})
    assert list(wrong) == ["PORT"]  # what rests on a wrong one is not told as well


def test_one_process_on_postgresql_needs_no_bus_but_is_told_that_it_must_stay_alone() -> None:
    assert "only process" in str(remark(from_environment({"HUB_DATABASE_URL": PG})))
    assert remark(from_environment({})) is None


def test_port_counts_where_hub_port_is_not_set_and_is_named_when_it_is_wrong() -> None:
    assert from_environment({"PORT": "9000"}).port == 9000
    assert from_environment({"PORT": "9000", "HUB_PORT": "9001"}).port == 9001
    assert from_environment({"PORT": "nonsense", "HUB_PORT": "9001"}).port == 9001
    with pytest.raises(WrongSetting, match=r"^PORT: takes a whole number"):
        from_environment({"PORT": "nonsense"})


def test_both_families_of_tokens_at_once_are_refused() -> None:
    with pytest.raises(WrongSetting, match="HUB_JWT_SECRET and HUB_JWT_JWKS_URL"):
        from_environment({"HUB_JWT_SECRET": SECRET, "HUB_JWT_JWKS_URL": "https://id.example/keys"})


def test_serving_needs_a_way_to_sign_in_and_a_key() -> None:
    with pytest.raises(WrongSetting, match="HUB_JWT_SECRET"):
        must_serve(Settings(secret_key=KEY))
    with pytest.raises(WrongSetting, match="HUB_SECRET_KEY"):
        must_serve(Settings(jwt_secret=SECRET))
    must_serve(Settings(jwt_secret=SECRET, secret_key=KEY))
    must_serve(Settings(jwt_jwks_url="https://id.example/keys", secret_key=KEY))


def test_every_setting_is_read_is_tested_here_and_says_its_unit_in_its_name() -> None:
    names = {setting.name for setting in fields(Settings)}
    assert set(READERS) == names
    assert {field(variable) for variable in DEFAULTS} == names - {"lease_seconds"}
    # HUB_REDIS_URL has no good value by itself: a bus needs PostgreSQL.
    assert {field(variable) for variable, _, _ in GOOD} == names - {"lease_seconds", "redis_url"}


def test_durations_come_with_their_unit() -> None:
    settings = Settings(hold_minutes=2, doors_open_minutes=3, leave_grace_seconds=4, lease_seconds=5)
    assert (settings.hold, settings.doors) == (timedelta(minutes=2), timedelta(minutes=3))
    assert (settings.grace, settings.lease) == (timedelta(seconds=4), timedelta(seconds=5))


def test_connections_are_as_many_as_asked_for_or_as_descriptors_allow() -> None:
    assert app.max_connections(Settings(max_connections=7)) == 7
    assert app.max_connections(Settings()) > 100
