"""Which images a command line asks for, and whether they are here."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from botproof.config import BOT, Config
from botproof.problems import UsageError
from botproof.targets.docker import image_id


def parse_images(option: str, texts: Iterable[str], config: Config) -> dict[str, str]:
    """`REF` (every process of the target) or `NAME=REF[,NAME=REF…]`, as images by process.

    `option` is what errors call it. Raises UsageError for a name that the target does not have.
    """
    names = (BOT, *config.services)
    images: dict[str, str] = {}
    for part in (part.strip() for text in texts for part in text.split(",")):
        name, equals, image = part.partition("=")
        if not equals:
            images.update(dict.fromkeys(names, part))
        elif name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise UsageError(f"{option} {part}: {hint}Processes are {', '.join(names)}")
        else:
            images[name] = image
    if not all(images.values()):
        raise UsageError(f"{option} {','.join(texts)}: an image is missing; write NAME=IMAGE")
    return images


def pinned(images: dict[str, str]) -> dict[str, str]:
    """Return the same images by id: a tag that moves meanwhile changes nothing. Raises
    UsageError."""
    return {name: image_id(image) for name, image in images.items()}


def check_images(config: Config) -> None:
    """Raise UsageError, naming the place in botproof.toml, when an image is not here."""
    for path, image in config.images().items():
        try:
            image_id(image)
        except UsageError as error:
            raise UsageError(f"{path}: {error}") from error
