"""The same target with its processes in containers, and what can be wrong with images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from botproof.config.tables import BOT, Config, ConfigError, Process


def _in_image(process: Process, image: str | None) -> Process:
    if image is None:
        return process
    inside = process.cwd.startswith(("/", "{scratch}"))
    return msgspec.structs.replace(process, image=image, cwd=process.cwd if inside else ".")


def image_problems(config: Config) -> Iterator[str]:
    """Yield what is wrong with how processes run in containers."""
    for path, process in config.every_process():
        if process.container_args and not process.image:
            yield f"{path}.container_args: are for a container; there is no `image` beside them"
        if process.image and process.cwd != "." and not process.cwd.startswith(("/", "{scratch}")):
            yield (
                f"{path}.cwd: is {process.cwd!r}; with `image` it is a directory inside the "
                "container, such as /app, or {scratch}"
            )


def with_images(config: Config, images: Mapping[str, str]) -> Config:
    """Return the same target with processes, by name, in containers of these images.

    Their commands stay as they are, with the image's own `python` for `{python}`. Modes of
    delivery runs that have a command of their own stay processes. Raises ConfigError where
    that cannot be.
    """
    replace = msgspec.structs.replace
    services = {
        name: _in_image(service, images.get(name)) for name, service in config.services.items()
    }
    modes = {name: replace(mode, image=None) for name, mode in config.modes.items()}
    changed = replace(config, services=services)
    if BOT in images:
        changed = replace(changed, bot=_in_image(config.bot, images[BOT]), modes=modes)
    if BOT in images and config.delivery is not None:
        extra = {
            name: replace(mode, image=None if mode.command is None else "")
            for name, mode in config.delivery.modes.items()
        }
        changed = replace(changed, delivery=replace(config.delivery, modes=extra))
    problems = list(image_problems(changed))
    if problems:
        raise ConfigError("\n".join(problems))
    return changed
