"""What ends a benchmark early."""


class Wrong(Exception):
    """A benchmark that measured something else than it says, or can't measure here."""
