"""Settings: every wrong one at once, names that are no settings, and secrets that can be guessed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from difflib import get_close_matches

from hub.checks.finding import SECRETS, SETTINGS, Finding, green, red, yellow
from hub.sealing import Vault
from hub.settings import MAKE_A_KEY, Settings, lacking, variable_of
from hub.store.condition import Keys

FEW_LETTERS = 12
"""Different ones in a secret: 32 random hex digits have fewer than that once in 10,000 times."""
FEW_BYTES = 16
"""Different ones in a key of 32: random ones have fewer in no lifetime."""
USUAL = ("secret", "password", "changeme", "change-me", "example", "12345")
MAKE_A_SECRET = "make one with `openssl rand -base64 48`, and give it to whoever signs tokens"  # nosec B105  # a sentence, no secret


def look(environment: Mapping[str, str], settings: Settings, wrong: Mapping[str, str]) -> Iterator[Finding]:
    """What is to be said of them; `wrong` as `examined` tells it."""
    faults = [*wrong.values(), *lacking(settings, wrong).values()]
    for fault in faults:
        variable, _, takes = fault.partition(": ")
        yield red(SETTINGS, variable, takes)
    strange = list(_strange(environment))
    yield from strange
    if not faults and not strange:
        yield green(SETTINGS, "complete")
    weak = list(_weak(settings))
    yield from weak
    if not weak and settings.secret_key is not None:
        yield green(SECRETS, "long, and not to be guessed by their look")


def key_names(settings: Settings) -> Keys | None:
    """The names of the keys that meetings are sealed with; None without a key."""
    if settings.secret_key is None:
        return None
    vault = Vault(settings.secret_key, settings.secret_keys_accepted)
    return Keys(vault.key_ids, vault.key_id)


def _strange(environment: Mapping[str, str]) -> Iterator[Finding]:
    known = [variable_of(setting.name) for setting in fields(Settings)]
    for name in sorted(environment):
        if name.startswith("HUB_") and name not in known:
            meant = get_close_matches(name, known, 1, 0.8)
            mend = f"write {meant[0]}" if meant else "take it away, or look its name up in the README"
            yield yellow(SETTINGS, f"{name} is no setting, and does nothing", mend)
    if "PORT" in environment and environment.get("HUB_PORT", environment["PORT"]) != environment["PORT"]:
        yield yellow(SETTINGS, "PORT and HUB_PORT differ: HUB_PORT counts", "take one of them away")


def _weak(settings: Settings) -> Iterator[Finding]:
    secret = settings.jwt_secret
    if secret is not None and (len(set(secret)) < FEW_LETTERS or any(word in secret.lower() for word in USUAL)):
        yield yellow(SECRETS, "HUB_JWT_SECRET looks like one that can be guessed", MAKE_A_SECRET)
    for name, key in (("HUB_SECRET_KEY", settings.secret_key), *_accepted(settings)):
        if key is not None and len(set(key)) < FEW_BYTES:
            yield yellow(
                SECRETS, f"{name} does not look random", f"{MAKE_A_KEY}, then change the key as the README says"
            )


def _accepted(settings: Settings) -> Iterator[tuple[str, bytes]]:
    yield from (("HUB_SECRET_KEYS_ACCEPTED", key) for key in settings.secret_keys_accepted)
