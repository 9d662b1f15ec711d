"""Who is there: a person, and an actor, who is a person with a right to act until some instant."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from hub.errors import Forbidden


class Role(StrEnum):
    """What a token says its bearer is."""

    EXPERT = "expert"
    STUDENT = "student"


@dataclass(frozen=True, slots=True)
class Person:
    """A person as others see them: `id` is the token's `sub`."""

    id: str
    name: str
    role: Role


@dataclass(frozen=True, slots=True)
class Actor(Person):
    """A person whose token was verified; it ends at `until` (UTC)."""

    until: datetime

    @property
    def person(self) -> Person:
        """The same without the token's end, as it is stored and shown."""
        return Person(self.id, self.name, self.role)

    @property
    def seats_of(self) -> str | None:
        """Whose seats this actor may use: a student's own. An expert of the same id is not who booked them."""
        return self.id if self.role is Role.STUDENT else None

    def needs(self, role: Role) -> None:
        """Refuse unless the actor has `role`."""
        if self.role is not role:
            raise Forbidden(f"This needs a token with the role {role.value!r}; yours says {self.role.value!r}.")
