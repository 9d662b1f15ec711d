"""The messages of `/ws` against the table: what each cell should be answered, and what may be heard in it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.running import Client
from tests.security.matrix_rest import unlike
from tests.security.matrix_table import (
    LISTING,
    MISSING,
    PUBLIC_STATE,
    Row,
    message_rows,
    sees_meeting,
)
from tests.security.matrix_world import PASSWORD, PERSON, URL, Caller, Thing, World, standing
from tests.sockets import gather_heard

ABOUT_SESSIONS = ("watch", "unwatch", "leave", "roster", "join")
ABOUT_NOTHING = ("ping", "catalog")
NO_IDS = ("abc", "1", 0, -1, 1.5, None, True, 2**31, [1], {"id": 1})
NOWHERE = Thing("0", "nothing")


@dataclass(frozen=True, slots=True)
class Said:
    """One message of the matrix."""

    kind: str
    caller: Caller
    thing: Thing
    row: Row

    @property
    def label(self) -> str:
        """For people."""
        return f"{self.kind} by {self.caller.name} of {self.thing.label}"

    @property
    def standing(self) -> str:
        """What the caller is to the session."""
        return standing(self.caller, self.thing)

    @property
    def expected(self) -> str:
        """`ok`, `pong`, or the code of the refusal."""
        if self.thing.kind == "malformed":
            return "invalid_input"
        if self.thing.kind == "missing" and not (self.kind == "join" and self.caller.role is None):
            return MISSING[self.kind]
        return self.row.outcome(self.standing, self.thing.state)

    @property
    def hears_roster(self) -> bool:
        """Whether names are told once it is answered `ok`."""
        if self.standing == "owner":
            return self.kind in ("watch", "join")
        return self.kind == "join" and self.thing.visibility == "participants"

    @property
    def message(self) -> dict[str, Any]:
        """What is sent."""
        if self.kind == "catalog":
            return {"type": "watch", "catalog": True}
        if self.kind == "ping":
            return {"type": "ping"}
        session = json.loads(self.thing.id)
        return {"type": self.kind, **({"sessions": [session]} if "watch" in self.kind else {"session": session})}


def cells(world: World, caller: Caller, *kinds: str) -> Iterator[Said]:
    """Every message of `caller`; of `kinds` alone, if any are given."""
    rows = message_rows()
    things = [thing for thing in world.things if thing.kind != "malformed"]
    things += [Thing(json.dumps(value), "malformed") for value in NO_IDS]
    for kind in kinds or ABOUT_SESSIONS + ABOUT_NOTHING:
        for thing in [NOWHERE] if kind in ABOUT_NOTHING else things:
            yield Said(kind, caller, thing, rows[kind])


async def differences(world: World, client: Client, said: Said) -> list[str]:
    """How the hub differs from the table in one cell. What was begun is ended again."""
    answer = await client.ask(**said.message)
    got = str(answer.get("code", answer["type"]))
    wrong = unlike("the answer", got, said.expected)
    if got == "ok":
        wrong += wrong_answer(said, answer)
        wrong += await wrong_news(said, client)
    elif "canary" in json.dumps(answer) or PERSON in json.dumps(answer):
        wrong.append("the refusal told a secret")
    heard = await gather_heard(client)
    wrong += overheard(said, heard)
    changed = world.changed()
    if changed:
        if said.kind != "join" or said.expected != "ok" or changed - {"session_participants", "users", said.thing.id}:
            wrong.append(f"changed {sorted(changed)}")
        world.stays()
    elif (said.kind, got) == ("join", "ok"):
        wrong.append("changed nothing")
    return [f"{said.label}: {what}" for what in wrong]


def wrong_answer(said: Said, answer: Mapping[str, Any]) -> list[str]:
    """What `ok` holds."""
    members = {"watch": {"missing"}, "catalog": {"missing"}, "join": {"participant", "meeting"}}
    wrong = unlike("the members", set(answer), {"type", "id"} | members.get(said.kind, set()))
    if said.kind == "watch":
        wrong += unlike("missing", answer["missing"], [] if said.thing.is_session else [int(said.thing.id)])
    if said.kind == "join":
        entitled = sees_meeting(said.standing, said.thing.state)
        wrong += unlike("meeting", answer["meeting"], {"url": URL, "password": PASSWORD} if entitled else None)
    return wrong


async def wrong_news(said: Said, client: Client) -> list[str]:
    """What follows on `ok`; then it is undone."""
    wrong = []
    session = int(said.thing.id)
    if said.thing.is_session and said.kind in ("watch", "join"):
        await client.expect("session", session=session)
        if said.hears_roster:
            people = (await client.expect("roster", session=session))["participants"]
            here = {one["id"] for one in people} - {said.caller.sub}
            there = {PERSON + "present"} if (said.thing.kind, said.thing.state) in THERE else set()
            wrong += unlike("the roster", here, there - {said.caller.sub})
        await client.send({"type": "roster", "session": session, "id": "again"})
        if said.hears_roster:
            await client.expect("roster", session=session)
        else:
            again = await client.until(lambda heard: heard.get("id") == "again" or heard["type"] == "roster")
            wrong += unlike("the second roster", again.get("code", "shown"), "forbidden")
        wrong += overheard(said, await gather_heard(client))
    if said.kind == "watch":
        await client.ask(type="unwatch", sessions=[session])
    if said.kind == "catalog":
        await client.ask(type="unwatch", catalog=True)
    if said.kind == "join":
        await client.ask(type="leave", session=session)
        wrong += unlike("a roster after leaving", (await client.ask(type="roster", session=session))["type"], "error")
    return wrong


THERE = {("related", "open"), ("related", "active")}


def overheard(said: Said, heard: list[dict[str, Any]]) -> list[str]:
    """What this caller should not have heard."""
    wrong = []
    for message in heard:
        kind, text = message["type"], json.dumps(message)
        if kind in ("roster", "presence") and not (said.hears_roster and str(message["session"]) == said.thing.id):
            wrong.append(f"heard {text}")
        if "canary" in text or (PERSON in text and kind not in ("roster", "presence")):
            wrong.append(f"heard a secret: {text}")
        if kind == "session":
            wrong += unlike("the state", set(message), PUBLIC_STATE)
        if kind == "catalog":
            wrong += unlike("the catalog", set(message["session"]), LISTING)
    return wrong
