"""The tables' history, applied in order by `hub migrate`."""
