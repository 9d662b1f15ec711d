"""The tests of the hub, which keep what Python compiled whatever the environment says.

Some machines tell it to keep nothing (PYTHONDONTWRITEBYTECODE). Then each worker of a run compiles all tests anew, with
their assertions rewritten, and each hub that a test starts the whole hub: together a minute of a core.
"""

import os
import sys

sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
