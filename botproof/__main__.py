"""`python -m botproof`: the same as the `botproof` command."""

from botproof.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
