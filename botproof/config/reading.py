"""Reads a botproof.toml; every problem of a file is reported at once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from botproof.config.rules import problems_of
from botproof.config.tables import ALL_CHECKS, Config, ConfigError
from botproof.problems import UsageError
from botproof.shape import Shape, tables_of, toml_of


def load_config(path: Path) -> Config:
    """Read and check a botproof.toml. Raises ConfigError with all that is wrong."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError(
            f"{path}: line {line} is not UTF-8 text; save the file as UTF-8"
        ) from error
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read: {error.strerror}; `botproof init` writes one to start from"
        ) from error
    return parse_config(text, str(path))


def parse_config(text: str, name: str = "botproof.toml") -> Config:
    """Parse and check the text of a botproof.toml; `name` is what errors call it."""
    try:
        raw = toml_of(text, name)
    except UsageError as error:
        raise ConfigError(str(error)) from error
    return config_of(raw, name)


def config_of(raw: Mapping[str, Any], name: str = "botproof.toml") -> Config:
    """Check a botproof.toml that was read already. Raises ConfigError with all that is wrong."""
    shape = Shape(tables_of(Config))
    right = shape.read(raw)
    problems = list(shape.problems)
    if shape.whole:
        config = _with_checks(msgspec.convert(right, Config), right)
        problems += [each for each in problems_of(config) if not shape.concerns(each)]
        if not problems:
            return config
    raise ConfigError("\n".join(f"{name}: {problem}" for problem in dict.fromkeys(problems)))


def _with_checks(config: Config, raw: Mapping[str, Any]) -> Config:
    """Without the checks that there is nothing for, unless the file names its checks."""
    if "checks" in raw.get("gate", {}):
        return config
    missing = set() if config.signals is not None else {"signals"}
    missing |= set() if config.doubles.exchanges is not None else {"degradation"}
    missing |= set() if len(config.modes) > 1 or config.parity.against else {"parity"}
    missing |= {"conversations"} if len(config.modes) < 2 or config.alone_because() else set()
    checks = tuple(check for check in ALL_CHECKS if check not in missing)
    return msgspec.structs.replace(config, gate=msgspec.structs.replace(config.gate, checks=checks))
