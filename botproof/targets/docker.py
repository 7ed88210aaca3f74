"""The `docker` command, as far as botproof needs it; Podman's command of the same name does too.

The command and not a library: it brings the user's contexts, credentials and rights, and the
harness needs nothing more installed.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Sequence

from botproof.problems import UsageError

PROGRAM = "docker"
_TIMEOUT_S = 60.0


class DockerError(Exception):
    """A `docker` command failed. Says which, and what it said."""


def image_id(image: str) -> str:
    """Return the id of an image on this machine, which stays when its tag moves on.

    Raises UsageError, with the command that would help: no Docker, no engine, no such image.
    """
    if shutil.which(PROGRAM) is None:
        raise UsageError(
            f"image {image}: there is no `{PROGRAM}` command on PATH; containers need Docker, or "
            "Podman with its `docker` command"
        )
    command = (PROGRAM, "image", "inspect", "--format", "{{.Id}}", image)
    done = ask(*command[1:])
    if done.returncode == 0:
        return done.stdout.strip()
    said = _said(done.stderr)
    if "no such image" not in said.lower():
        raise UsageError(f"image {image}: `{' '.join(command[:3])} {image}` failed: {said}")
    raise UsageError(
        f"image {image}: is not on this machine; `docker pull {image}` fetches it, "
        f"`docker build --tag {image} .` makes it"
    )


def ask(*words: str) -> subprocess.CompletedProcess[str]:
    """Return how `docker …` ended, and what it said.

    Raises UsageError where the engine does not answer at all.
    """
    try:
        return subprocess.run(
            (PROGRAM, *words), capture_output=True, text=True, check=False, timeout=_TIMEOUT_S
        )
    except subprocess.TimeoutExpired as error:
        said = f"`{_shown(words)}` did not end in {_TIMEOUT_S:g} s: the container engine hangs"
        raise UsageError(said) from error


async def docker(*words: str) -> str:
    """Return what `docker …` prints. Raises DockerError."""
    process = await spawn(*words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            out, err = await process.communicate()
    except TimeoutError as error:
        process.kill()
        await process.wait()
        raise DockerError(f"`{_shown(words)}` did not end in {_TIMEOUT_S:g} s") from error
    if process.returncode:
        raise DockerError(f"`{_shown(words)}` failed: {_said(err.decode(errors='replace'))}")
    return out.decode(errors="replace").strip()


async def spawn(*words: str, stdout: int, stderr: int) -> asyncio.subprocess.Process:
    """Return a `docker` command that goes on. Raises DockerError where there is none."""
    try:
        return await asyncio.create_subprocess_exec(
            PROGRAM,
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,  # Ctrl-C is for the harness, which then ends its containers
        )
    except OSError as error:
        raise DockerError(f"`{PROGRAM}` cannot be run: {error.strerror}") from error


def _shown(words: Sequence[str]) -> str:
    return f"{PROGRAM} {words[0]}"


def _said(text: str) -> str:
    """Return the line that tells most: the engine's own words, when it said any, else the client's
    last that is not a hint at its help."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    engine = [line for line in lines if line.startswith("Error response from daemon:")]
    useful = [line for line in lines if not line.startswith(("See '", "Run '"))]
    return (engine or useful or lines or ["it said nothing"])[-1]
