"""Every figure, once: what a scraper is told, what the README says and what is wired to it come from this table."""

from __future__ import annotations

from dataclasses import dataclass

GAUGE, COUNTER, HISTOGRAM = "gauge", "counter", "histogram"


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: its name by Prometheus' conventions, its kind, what is counted, and what that means in a sentence.

    Labels take a few values that are known beforehand: never an id, an address, or what a caller says.
    """

    name: str
    kind: str
    unit: str
    meaning: str
    labels: tuple[str, ...] = ()


FIGURES = (
    Figure("hub_build_info", GAUGE, "1", "Which version of the hub this is, on which Python.", ("version", "python")),
    Figure("hub_ready", GAUGE, "0 or 1", "Whether `/readyz` said so at its last look, a second ago at most."),
    Figure("hub_draining", GAUGE, "0 or 1", "Whether it was told to stop, and sends people home."),
    # Who is here.
    Figure("hub_connections", GAUGE, "connections", "Open sockets and streams of events.", ("kind",)),
    Figure("hub_connections_limit", GAUGE, "connections", "As many as there may be; without a limit +Inf."),
    Figure("hub_rooms", GAUGE, "sessions", "Sessions that someone here looks at."),
    Figure("hub_watchers", GAUGE, "watches", "Watches of sessions; a socket that watches two has two."),
    Figure("hub_visits", GAUGE, "visits", "Visits of the sockets here; a person with three tabs has three."),
    Figure("hub_people_present", GAUGE, "people", "People who are in a session by a socket of this process."),
    # What they are told.
    Figure("hub_deliveries_total", COUNTER, "messages", "Messages of rooms that were sent.", ("kind",)),
    Figure(
        "hub_conflated_total",
        COUNTER,
        "messages",
        "Messages that a slow reader was not sent because a newer one took their place.",
        ("kind",),
    ),
    Figure(
        "hub_dropped_total",
        COUNTER,
        "messages",
        "Messages kept for a slow socket that ended, or lost its right to them, before it caught up.",
    ),
    Figure("hub_closes_total", COUNTER, "sockets", "Sockets that ended, by close code; 1006 is a lost one.", ("code",)),
    Figure("hub_slow_closes_total", COUNTER, "sockets", "Those that took too little or showed no sign of life."),
    # The ledger and its database.
    Figure("hub_ledger_waiting", GAUGE, "changes", "Changes that wait for their turn; at 5,000 more are refused."),
    Figure("hub_ledger_group_size", HISTOGRAM, "changes", "Changes in one transaction."),
    Figure("hub_ledger_commit_seconds", HISTOGRAM, "seconds", "How long a transaction took, failed ones too."),
    Figure("hub_ledger_fenced_total", COUNTER, "changes", "Changes refused because this process had lost its lease."),
    Figure("hub_database_retries_total", COUNTER, "transactions", "Transactions begun again; on SQLite none ever is."),
    # Between processes.
    Figure("hub_bus_up", GAUGE, "0 or 1", "Whether other processes can be reached; in memory there is none to reach."),
    Figure(
        "hub_bus_lag_seconds",
        HISTOGRAM,
        "seconds",
        "From publishing until it was delivered: in memory to all here; through Redis until the process heard itself: "
        "a beat a second, and one announcement at a time.",
    ),
    Figure("hub_bus_published_total", COUNTER, "announcements", "Announcements that Redis took."),
    Figure("hub_bus_delivered_total", COUNTER, "announcements", "Announcements of other processes."),
    Figure("hub_bus_dropped_total", COUNTER, "announcements", "Announcements that Redis did not take."),
    Figure("hub_bus_refused_total", COUNTER, "announcements", "Announcements that were not believed."),
    Figure("hub_bus_reconnects_total", COUNTER, "connections", "Times that a lost subscription was made anew."),
    Figure("hub_revisions_healed_total", COUNTER, "sessions", "News that the bus lost and comparing revisions found."),
    Figure("hub_lease_beat_age_seconds", GAUGE, "seconds", "Since the lease was last prolonged."),
    Figure("hub_lease_beat_failures_total", COUNTER, "beats", "Times that the lease could not be prolonged."),
    Figure("hub_leases_lost_total", COUNTER, "leases", "Times that others took the lease away."),
    Figure("hub_visits_reaped_total", COUNTER, "visits", "Visits of dead processes that this one closed."),
    # The doors.
    Figure(
        "hub_http_requests_total",
        COUNTER,
        "requests",
        "Requests answered, by the route's template; what is no route is `other`.",
        ("method", "route", "status"),
    ),
    Figure(
        "hub_http_request_duration_seconds",
        HISTOGRAM,
        "seconds",
        "From a request until its answer began.",
        ("method", "route"),
    ),
    Figure(
        "hub_refusals_total",
        COUNTER,
        "refusals",
        "Refusals by their code, of requests (`http`), of handshakes and of messages on a socket.",
        ("at", "code"),
    ),
    Figure("hub_event_loop_lag_seconds", HISTOGRAM, "seconds", "By how much a timer was late, of ten a second."),
)
"""In the order in which they are told."""


def row(figure: Figure) -> str:
    """The figure's line in the README."""
    name = f"{figure.name}{{{','.join(figure.labels)}}}" if figure.labels else figure.name
    return f"| `{name}` | {figure.kind} | {figure.unit} | {figure.meaning} |"


PROCESS = (
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "process_virtual_memory_bytes",
    "process_start_time_seconds",
    "process_open_fds",
    "process_max_fds",
)
"""Those of Prometheus' own client about the process, on Linux."""
