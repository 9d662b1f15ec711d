"""What is pushed as it happens, typed once: to watchers, participants, followers of the catalog."""

from __future__ import annotations

from hub.domain import events
from hub.domain.model import Status
from hub.views import GoneView, Instant, PresentView, SessionListing, View


class SessionMessage(View, tag_field="type", tag="session"):
    """A session's whole public state at `revision`; a client drops one that is not newer."""

    session: int
    revision: int
    status: Status
    live: int
    peak_live: int
    participants: int
    max_participants: int | None
    starts_at: Instant
    started_at: Instant | None
    ended_at: Instant | None


class RosterMessage(View, tag_field="type", tag="roster"):
    """Everyone present at `revision`."""

    session: int
    revision: int
    participants: list[PresentView]


class PresenceMessage(View, tag_field="type", tag="presence"):
    """Who came and went since `previous`; a client whose last roster revision differs asks for the roster again.

    Lines are by `id`: one in `joined` that is known already replaces the old one (they left and came back).
    """

    session: int
    revision: int
    previous: int
    joined: list[PresentView]
    left: list[GoneView]


class CatalogMessage(View, tag_field="type", tag="catalog"):
    """A session was created, edited, started, ended or cancelled."""

    session: SessionListing


def session_message(state: events.PublicState) -> SessionMessage:
    """What every watcher gets."""
    return SessionMessage(
        session=state.session,
        revision=state.revision,
        status=state.status,
        live=state.live,
        peak_live=state.peak_live,
        participants=state.participants,
        max_participants=state.max_participants,
        starts_at=state.starts_at,
        started_at=state.started_at,
        ended_at=state.ended_at,
    )
