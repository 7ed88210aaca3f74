"""botproof.toml: what the bot under test is, how to start it, what to send it, how to judge it.

`tables` has all that it may hold, `rules` and `images` what can be wrong with it, `placeholders`
what is put into its values, and `reading` reads it.
"""

from botproof.config.images import with_images
from botproof.config.placeholders import (
    STRETCH,
    VENV,
    longest_deadline,
    stretches,
    substitute,
    venvs,
)
from botproof.config.reading import config_of, load_config, parse_config
from botproof.config.tables import (
    ALL_CHECKS,
    BOT,
    EXCHANGES,
    HTTP,
    LOG,
    TELEGRAM,
    USER,
    Case,
    Config,
    ConfigError,
    Degradation,
    Delivery,
    Doubles,
    Load,
    Mode,
    Normaliser,
    Process,
    Replies,
    Scalar,
    Signals,
    TelegramDouble,
)

__all__ = [
    "ALL_CHECKS",
    "BOT",
    "EXCHANGES",
    "HTTP",
    "LOG",
    "STRETCH",
    "TELEGRAM",
    "USER",
    "VENV",
    "Case",
    "Config",
    "ConfigError",
    "Degradation",
    "Delivery",
    "Doubles",
    "Load",
    "Mode",
    "Normaliser",
    "Process",
    "Replies",
    "Scalar",
    "Signals",
    "TelegramDouble",
    "config_of",
    "load_config",
    "longest_deadline",
    "parse_config",
    "stretches",
    "substitute",
    "venvs",
    "with_images",
]
