"""Who listens here to which session, and what they are told.

A room is one session's listeners. Counts are coalesced, a change of status is told at once, and a frame is encoded once
for all. A listener that can't take a frame gets the newest state when it can, never a backlog.
"""

from __future__ import annotations

from hub.rooms.comparing import Comparing
from hub.rooms.listening import Interest, Listener, Newest, Snapshot, Source
from hub.rooms.registry import Rooms
from hub.rooms.room import Room

__all__ = ["Comparing", "Interest", "Listener", "Newest", "Room", "Rooms", "Snapshot", "Source"]
