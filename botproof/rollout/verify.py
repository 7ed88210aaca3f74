"""Asks the new fleet as a user would, and reads the answer."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from botproof.excerpts import one_line
from botproof.rollout.engine import StepFailedError

WANTED = (r"L/S: \d+\.\d+x", r"\b(EXTREME|HIGH|ABOVE AVG|NORMAL|LOW) \(\d")
"""What an answer to /price has to say: the ratio of buys to sells, and the activity."""
_SECONDS = 20.0


def lacking(text: str, wanted: Sequence[str]) -> list[str]:
    """Return the patterns that the text does not have."""
    return [pattern for pattern in wanted if re.search(pattern, text, re.DOTALL) is None]


def ask_canary(command: str, wanted: Sequence[str] = WANTED) -> float:
    """Run the operator's command, which asks in a chat and prints the answer; the seconds it took.

    Raises StepFailedError when it fails, or prints something else.
    """
    began = time.monotonic()
    try:
        done = subprocess.run(  # noqa: S602 - the operator's own command line, as they would type it
            command,
            shell=True,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise StepFailedError(f"the canary's command had no answer in {_SECONDS:g} s") from error
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()[-1]
        raise StepFailedError(f"the canary's command exited with {done.returncode}: {said}")
    _check(done.stdout, wanted, "the canary chat's answer")
    return time.monotonic() - began


def ask_service(url: str, body: Mapping[str, Any], wanted: Sequence[str]) -> float:
    """POST a question to a service; the seconds until its answer. Raises StepFailedError."""
    began = time.monotonic()
    try:
        answer = httpx.post(url, json=body, timeout=_SECONDS, trust_env=False)
    except httpx.HTTPError as error:
        raise StepFailedError(f"{url}: {type(error).__name__}") from error
    if answer.status_code != 200:
        raise StepFailedError(f"{url}: HTTP {answer.status_code}: {answer.text[:200]}")
    _check(answer.text, wanted, url)
    return time.monotonic() - began


def question(label: str) -> tuple[str, Any]:
    """Return the path and the body of a label `botproof.question: PATH JSON`.

    Raises StepFailedError for one that has another form.
    """
    path, _, body = label.strip().partition(" ")
    try:
        return path, json.loads(body or "{}")
    except ValueError as error:
        raise StepFailedError(f"the label botproof.question is no PATH JSON: {label!r}") from error


def _check(text: str, wanted: Sequence[str], where: str) -> None:
    if missing := lacking(text, wanted):
        shown = one_line(text, 200) or "nothing"
        raise StepFailedError(f"{where} lacks {' and '.join(missing)}; it says: {shown}")
