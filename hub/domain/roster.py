"""The people present, kept from announcements, and what became of it since it was last told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hub.domain.events import Present, RosterRule, SessionChanged
from hub.domain.model import RosterVisibility


@dataclass(frozen=True, slots=True)
class RosterNews:
    """Who came and went between two revisions."""

    revision: int
    previous: int
    joined: tuple[Present, ...]
    left: tuple[str, ...]


def may_see_roster(rule: RosterRule, *, host: bool, live: int, limit: int) -> bool:
    """The host always; a participant while the roster is open to them and no more than `limit` are present."""
    return host or (rule.visibility is RosterVisibility.PARTICIPANTS and live <= limit)


class Roster:
    """Who is present at `revision`; `news` is what changed since it was last asked."""

    def __init__(self, revision: int, people: Iterable[Present]) -> None:
        self._heard = revision
        self._people = {someone.id: someone for someone in people}
        self._told = dict(self._people)
        self._told_revision = revision
        self._touched: dict[str, None] = {}
        self._early: dict[int, SessionChanged] = {}

    @property
    def revision(self) -> int:
        """The revision last told."""
        return self._told_revision

    def people(self) -> list[Present]:
        """Everyone who was told to be present, in order of coming."""
        return sorted(self._told.values(), key=lambda someone: (someone.joined_at, someone.id))

    @property
    def hole(self) -> bool:
        """Whether an announcement before one that was heard is missing; if it does not come, read the roster again."""
        return bool(self._early)

    @property
    def pending(self) -> bool:
        """Whether `news` may have something to tell."""
        return bool(self._touched)

    def hear(self, change: SessionChanged) -> bool:
        """Apply an announcement, in the order of revisions; False when it is old, or early and kept until its turn."""
        if change.state.revision > self._heard:
            self._early[change.state.revision] = change
        before = self._heard
        while (turn := self._early.pop(self._heard + 1, None)) is not None:
            self._apply(turn)
        return self._heard > before

    def _apply(self, change: SessionChanged) -> None:
        self._heard = change.state.revision
        for someone in change.joined:
            self._people[someone.id] = someone
            self._touched[someone.id] = None
        for user_id in change.left:
            self._people.pop(user_id, None)
            self._touched[user_id] = None

    def news(self) -> RosterNews | None:
        """Who came and went since the last call, which it now counts as told; None when nobody did.

        Someone who went and came back meanwhile has joined anew: their line replaces the one that was told.
        """
        touched, self._touched = self._touched, {}
        joined = tuple(
            self._people[user]
            for user in touched
            if user in self._people and self._people[user] != self._told.get(user)
        )
        left = tuple(user for user in touched if user in self._told and user not in self._people)
        if not joined and not left:
            return None
        news = RosterNews(self._heard, self._told_revision, joined, left)
        self._told.update((someone.id, someone) for someone in joined)
        for user_id in left:
            del self._told[user_id]
        self._told_revision = self._heard
        return news
