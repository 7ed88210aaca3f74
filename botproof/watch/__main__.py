"""`python -m botproof.watch`: the watch without the rest of the harness in memory."""

from __future__ import annotations

import sys

from botproof.watch.cli import main

if __name__ == "__main__":
    sys.exit(main())
