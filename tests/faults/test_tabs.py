"""One person in three tabs on two processes, which come and go in any order: one join and one leave, for everyone."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby

from tests.faults.checker import Row, stored
from tests.faults.nodes import LONG, Nodes, two
from tests.faults.people import Guest, Host, crowd
from tests.faults.unprotected import command

figures = logging.getLogger("figures")

PEOPLE = [f"p-{number}" for number in range(2000 if LONG else 500)]
TABS = 3
Step = tuple[str, list[int]]
"""Which tabs do something, all at once: `join`, `leave`, `drop` or `close`."""


def an_order(chance: random.Random) -> list[Step]:
    """Every tab joins and ends, somebody is there from the first join to the last end."""
    while True:
        moves = [tab for tab in range(TABS) for _ in ("join", "end")]
        chance.shuffle(moves)
        done: Counter[int] = Counter()
        steps: list[Step] = []
        here = 0
        for tab in moves:
            joins = not done[tab]
            done[tab] += 1
            here += 1 if joins else -1
            how = "join" if joins else chance.choice(("leave", "drop", "close"))
            if steps and steps[-1][0] == how and chance.random() < 0.7:
                steps[-1][1].append(tab)
            else:
                steps.append((how, [tab]))
            if not here:
                break
        if sum(done.values()) == 2 * TABS:
            return steps


async def one_trial(nodes: Nodes, hosts: Sequence[Host], ports: Sequence[int], guests: list[Guest], seed: int) -> None:
    """A person's tabs do as an order says; the last one goes when both hosts have seen the person."""
    chance = random.Random(seed)
    places = [ports[0], ports[1], chance.choice(ports)]
    chance.shuffle(places)
    steps = an_order(chance)
    for number, (how, tabs) in enumerate(steps):
        if number == len(steps) - 1:
            for host in hosts:
                await host.until(lambda host=host: guests[0].person in host.people)  # type: ignore[misc]
        if how == "join":
            await asyncio.gather(*(guests[tab].join(places[tab]) for tab in tabs))
        else:
            await asyncio.gather(*(getattr(guests[tab], how)() for tab in tabs))
        await asyncio.sleep(chance.choice((0, 0, 0.02)))  # a person's own pace, or there would be but one order


def presences(visits: Iterable[Row]) -> dict[str, int]:
    """Into how many pieces each person's presence falls."""
    found = {}
    for person, theirs in groupby(sorted(visits, key=lambda row: (row.person, row.joined)), lambda row: row.person):
        pieces, until = 0, None
        for row in theirs:
            assert row.left is not None
            if until is None or row.joined > until:
                pieces += 1
            until = row.left if until is None else max(until, row.left)
        found[person] = pieces
    return found


async def test_a_person_with_three_tabs_on_two_processes_joins_once_and_leaves_once(nodes: Nodes) -> None:
    nodes.grace, nodes.interval = 0.3, 20
    async with two(nodes) as both:
        session = await nodes.furnish(PEOPLE)
        hosts = [await nodes.host(node, session, f"host {number}") for number, node in enumerate(both)]
        ports = [node.port for node in both]
        began = asyncio.get_running_loop().time()
        await crowd(
            one_trial(nodes, hosts, ports, [Guest(nodes.log, session, person) for _ in range(TABS)], seed)
            for seed, person in enumerate(PEOPLE)
        )
        for host in hosts:
            await host.until_live(0)
        seconds = asyncio.get_running_loop().time() - began
        assert await nodes.until_well() == []
        for host in hosts:
            assert Counter(host.joined) == Counter(host.left) == Counter(PEOPLE)
    visits = stored(nodes.where)
    assert len(visits) == TABS * len(PEOPLE)
    pieces = presences(visits)
    assert pieces == dict.fromkeys(PEOPLE, 1)
    figures.info("%d trials in %.1f s: wrong joins 0, wrong leaves 0, torn presences 0", len(pieces), seconds)


async def test_where_a_leave_went_by_person_the_first_tab_to_close_would_take_the_others_along(nodes: Nodes) -> None:
    async with two(nodes, command("tabs")) as (here, there):
        session = await nodes.furnish(["ann"])
        host = await nodes.host(there, session)
        first, second = (Guest(nodes.log, session, "ann") for _ in range(2))
        await first.join(here.port)
        await second.join(there.port)
        await host.until_live(1)
        await first.leave()
        await host.until_live(0)
        assert host.left == ["ann"]
        assert f"visit {second.stay.visit} of ann goes on, and is closed: left" in nodes.findings()
