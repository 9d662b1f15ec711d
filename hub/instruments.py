"""Where each figure is read: the hub's own parts count, and this tells the scraper's side where."""

from __future__ import annotations

import math
import platform
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Protocol

from hub.bus import Bus
from hub.leases import Lease, Reaper
from hub.ledger import Ledger
from hub.looplag import LoopLag
from hub.metrics import Labels, Metrics, Reading
from hub.readiness import Readiness
from hub.rooms import Comparing, Rooms
from hub.sockets import closing
from hub.sockets.lobby import Lobby
from hub.store.database import Database
from hub.tally import KNOWN_ENDS, OTHER, Traffic
from hub.web.sse import Events

ALARMING = ("internal", "unavailable")
"""Codes that are told from the start, as closes are: a counter that begins at one has not risen, for an alert."""

Readers = Mapping[str, Callable[[], Reading]]


class House(Protocol):
    """What a hub is made of, as far as it counts."""

    database: Database
    bus: Bus
    ledger: Ledger
    lease: Lease
    reaper: Reaper
    rooms: Rooms
    comparing: Comparing
    lobby: Lobby
    lag: LoopLag
    readiness: Readiness


def figures(house: House, streams: Events) -> Metrics:
    """Every figure of the table, wired to where it is counted."""
    traffic = house.lobby.traffic
    traffic.closes.update(dict.fromkeys(((str(close.code),) for close in closing.ALL), 0))
    traffic.closes.update(dict.fromkeys(((str(code),) for code in (*KNOWN_ENDS, OTHER)), 0))
    traffic.refusals.update({(at, code): 0 for at in ("http", "handshake", "message") for code in ALARMING})
    metrics = Metrics()
    for readers in (
        _process(house),
        _people(house, streams),
        _told(traffic),
        _ledger(house),
        _bus(house),
        _leases(house),
        _doors(traffic),
    ):
        metrics.read(readers)
    return metrics


def _process(house: House) -> Readers:
    build: Mapping[Labels, float] = {(version("live-session-hub"), platform.python_version()): 1}

    return {
        "hub_build_info": lambda: build,
        "hub_ready": lambda: house.readiness.ready,
        "hub_draining": lambda: house.lobby.draining,
        "hub_event_loop_lag_seconds": lambda: house.lag.seconds,
    }


def _people(house: House, streams: Events) -> Readers:
    lobby, rooms = house.lobby, house.rooms
    most = lobby.total.most
    return {
        "hub_connections": lambda: _by_kind(len(lobby.connections), len(streams.followers)),
        "hub_connections_limit": lambda: math.inf if most is None else most,
        "hub_rooms": lambda: len(rooms),
        "hub_watchers": lambda: rooms.watchers,
        "hub_visits": lambda: rooms.visits,
        "hub_people_present": lambda: lobby.present.keys,
    }


def _by_kind(sockets: int, streams: int) -> Mapping[Labels, float]:
    return {("socket",): sockets, ("stream",): streams}


def _told(traffic: Traffic) -> Readers:
    sockets, streams = traffic.sockets, traffic.streams
    return {
        "hub_deliveries_total": lambda: _by_kind(sockets.sent, streams.sent),
        "hub_conflated_total": lambda: _by_kind(sockets.conflated, streams.conflated),
        "hub_dropped_total": lambda: sockets.dropped,
        "hub_closes_total": lambda: traffic.closes,
        "hub_slow_closes_total": lambda: traffic.slow_closes,
    }


def _ledger(house: House) -> Readers:
    ledger, database = house.ledger, house.database
    return {
        "hub_ledger_waiting": lambda: ledger.waiting,
        "hub_ledger_group_size": lambda: ledger.group_sizes,
        "hub_ledger_commit_seconds": lambda: ledger.commit_seconds,
        "hub_ledger_fenced_total": lambda: ledger.fenced,
        "hub_database_retries_total": lambda: database.retries,
    }


def _bus(house: House) -> Readers:
    bus, comparing = house.bus, house.comparing
    counts = bus.figures
    return {
        "hub_bus_up": lambda: bus.healthy,
        "hub_bus_lag_seconds": lambda: counts.delays,
        "hub_bus_published_total": lambda: counts.published,
        "hub_bus_delivered_total": lambda: counts.delivered,
        "hub_bus_dropped_total": lambda: counts.dropped,
        "hub_bus_refused_total": lambda: counts.undecodable,
        "hub_bus_reconnects_total": lambda: counts.reconnects,
        "hub_revisions_healed_total": lambda: comparing.healed,
    }


def _leases(house: House) -> Readers:
    lease, reaper = house.lease, house.reaper
    return {
        "hub_lease_beat_age_seconds": lambda: lease.silence,
        "hub_lease_beat_failures_total": lambda: lease.failures,
        "hub_leases_lost_total": lambda: lease.losses,
        "hub_visits_reaped_total": lambda: reaper.reaped,
    }


def _doors(traffic: Traffic) -> Readers:
    return {
        "hub_http_requests_total": lambda: traffic.answers,
        "hub_http_request_duration_seconds": lambda: traffic.answer_seconds,
        "hub_refusals_total": lambda: traffic.refusals,
    }
