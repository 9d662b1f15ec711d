"""Which revisions of a session were heard. Each commit announces one, so a hole means that something was missed."""

from __future__ import annotations


class Heard:
    """Everything until `upto`, and some beyond: what is between may still come, late."""

    def __init__(self, upto: int) -> None:
        self.upto = upto
        self._beyond: set[int] = set()

    def hear(self, revision: int) -> None:
        """One more was heard; again is no matter."""
        if revision > self.upto:
            self._beyond.add(revision)
        while self.upto + 1 in self._beyond:
            self.upto += 1
            self._beyond.discard(self.upto)

    def know(self, revision: int) -> None:
        """All until `revision` is known otherwise."""
        if revision > self.upto:
            self.upto = revision
            self._beyond = {later for later in self._beyond if later > revision}
            self.hear(revision)

    @property
    def hole(self) -> bool:
        """Whether something between is missing."""
        return bool(self._beyond)
