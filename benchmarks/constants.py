"""What the benchmarks measured on one machine, two shared cores: the home of every figure that others reckon with.

KB of 1,024 bytes, µs of CPU of one core. The README's "How fast" has them too: a test compares both.
"""

from __future__ import annotations

# `idle`
PROCESS_MB = 95.0
WATCHING_KB = 4.8
JOINED_KB = 8.4
# `connect`
CONNECT_US = 181.0
JOIN_US = 343.0
# `fanout`: a delivery with cold caches, all that its change cost included
DELIVERY_US = 9.9
# `bookings`, 128 clients: SQLite, and PostgreSQL
BOOKING_US = 227.0
COMMITTED_A_SECOND = 3_186.0
# tests/faults/test_hot_session.py: changes of one session through two processes
ONE_SESSION_A_SECOND = 1_600.0
# DECISIONS, 14: seconds of a group with one change on PostgreSQL, and of each more in it
GROUP_SECONDS = 0.0043
MORE_SECONDS = 0.0002
# DECISIONS, 21: to announce a change through Redis, to hear one
TELL_US = 20.0
HEAR_US = 7.0
# `scale`: what the kernel keeps for an open socket that is idle, and what a process at rest asks PostgreSQL a second
KERNEL_KB = 3.7
RESTING_TRANSACTIONS = 4.0
# `scale`: bytes of a `session` message with its frame; TCP and IP add 52 on the way
STATE_BYTES = 228
PACKET_BYTES = 52
# `scale`: from SIGTERM, when nobody is there any more, to a successor that listens
SUCCESSOR_SECONDS = 1.5
