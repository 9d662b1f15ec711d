"""What is known of sessions: the newest state of each, and who is present, kept by `previous`."""

from __future__ import annotations

from hub.client.messages import Change, Whole
from hub.client.told import Person, RosterChanged, SessionState


class Roster:
    """Who is present in one session, as far as we are shown."""

    def __init__(self) -> None:
        self.people: dict[str, Person] | None = None
        self.revision = 0
        self.fresh = False
        """Whether this connection has brought it."""
        self.asked = False
        """Whether it was asked for again: what comes then is believed whatever its revision."""
        self.torn = False
        """Whether a change is missing."""

    def believes(self, revision: int) -> bool:
        """Whether a whole roster of this revision is news."""
        return self.asked or not self.fresh or revision > self.revision

    def follows(self, change: Change) -> bool:
        """Whether a change is the next one after what is known."""
        return self.fresh and self.people is not None and change.previous == self.revision


class Known:
    """States and rosters. `new_connection` says that the next ones are snapshots, believed whatever their revision."""

    def __init__(self) -> None:
        self.states: dict[int, SessionState] = {}
        self.rosters: dict[int, Roster] = {}
        self._fresh: set[int] = set()

    def new_connection(self) -> None:
        """What is told from now on may come from another process, or from a database that was set back."""
        self._fresh.clear()
        for roster in self.rosters.values():
            roster.fresh = roster.asked = roster.torn = False

    def forget(self, session: int) -> None:
        """Nobody wants to know of it any more."""
        self.states.pop(session, None)
        self.rosters.pop(session, None)
        self._fresh.discard(session)

    def forget_people(self, session: int) -> None:
        """We are not in it any more."""
        self.rosters.pop(session, None)

    def state(self, told: SessionState) -> bool:
        """Take a state; whether it is news."""
        session = told.session
        known = self.states.get(session)
        if known is not None:
            if session in self._fresh:
                if told.revision <= known.revision:
                    return False
            elif told == known:
                self._fresh.add(session)
                return False
        self._fresh.add(session)
        self.states[session] = told
        return True

    def whole(self, told: Whole) -> RosterChanged | None:
        """Take a whole roster; what it changes."""
        roster = self.rosters.setdefault(told.session, Roster())
        if not roster.believes(told.revision):
            return None
        first = roster.people is None
        known = roster.people or {}
        people = {someone.id: someone for someone in told.participants}
        roster.people, roster.revision = people, told.revision
        roster.fresh, roster.asked, roster.torn = True, False, False
        joined = [someone for someone in people.values() if known.get(someone.id) != someone]
        left = [someone for user, someone in known.items() if user not in people]
        return RosterChanged(told.session, people, tuple(joined), tuple(left)) if joined or left or first else None

    def change(self, told: Change) -> RosterChanged | None:
        """Take who came and went; what it changes. Afterwards `hole` tells whether the roster must be asked for."""
        roster = self.rosters.setdefault(told.session, Roster())
        if not roster.follows(told):
            return None
        assert roster.people is not None
        left = [roster.people[gone.id] for gone in told.left if gone.id in roster.people]
        people = dict(roster.people)  # what was told before stays as it was
        for someone in left:
            del people[someone.id]
        for someone in told.joined:
            people.pop(someone.id, None)  # who came back arrived anew
            people[someone.id] = someone
        roster.people, roster.revision = people, told.revision
        return RosterChanged(told.session, people, told.joined, tuple(left))

    def hole(self, told: Change) -> bool:
        """Whether a change can't be used and is not old, and the roster was not asked for yet: it is to be now."""
        roster = self.rosters[told.session]
        if roster.asked or (roster.fresh and roster.people is not None and told.revision <= roster.revision):
            return False
        roster.asked = roster.torn = True
        return True

    def shut(self, session: int) -> RosterChanged | None:
        """The hub does not show the roster any more; what that changes."""
        roster = self.rosters.pop(session, None)
        return None if roster is None or roster.people is None else RosterChanged(session, None)

    def doubtful(self, session: int) -> bool:
        """Whether a roster that is not asked for already lacks a change, or counts otherwise than a newer state does.

        The hub just stops telling it to participants once too many are present.
        """
        roster, state = self.rosters.get(session), self.states.get(session)
        if roster is None or roster.asked:
            return False
        if roster.torn or roster.people is None or state is None:
            return roster.torn
        return state.revision > roster.revision and state.live != len(roster.people)
