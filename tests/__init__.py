"""The tests of the hub, which keep what Python compiled whatever the environment says.

Some machines tell Python to keep none (PYTHONDONTWRITEBYTECODE). Then each worker of a run compiles all tests anew, with
their assertions rewritten, and each of the hubs that the tests start the whole hub: a minute of two cores in all.
"""

import os
import sys

sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
