"""Tells whether a Telegram market bot is safe to ship."""

__version__ = "0.1.0"
