"""`python -m botproof.parity`: the same as `botproof parity`."""

from __future__ import annotations

import sys

from botproof.cli import main

if __name__ == "__main__":
    sys.exit(main(["parity", *sys.argv[1:]]))
