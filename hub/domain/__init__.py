"""The rules, pure: no clock, no I/O, nothing but the standard library; `now` and ids are arguments."""
