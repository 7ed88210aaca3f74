"""`botproof key new` and `botproof verify`, and the sealing of a gate's verdict."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from botproof.fleet.options import add_compose_arguments, add_files, compose_of
from botproof.problems import UsageError
from botproof.seal import keys
from botproof.seal.statement import SEALED, Statement
from botproof.seal.verify import Expected, Refusal, verify

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def add_key_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `botproof key`."""
    parser.add_argument("action", choices=("new",))
    parser.add_argument(
        "path",
        nargs="?",
        type=Path,
        default=Path("~/.config/botproof/signing-key.pem"),
        help="where the private key goes (~/.config/botproof/signing-key.pem); the public one lies "
        "beside it, with .pub behind its name",
    )


def run_key(arguments: argparse.Namespace) -> int:
    """Make a key pair and say what to do with the two files."""
    path = arguments.path.expanduser()
    public = keys.new_key(path)
    print(f"wrote {path}: keep it secret; {keys.KEY_VARIABLE}={path} makes `botproof gate` sign")
    print(f"wrote {keys.public_path(path)}: give it to `botproof verify --key`")
    print(f"key id: {keys.key_id(public)}")
    return 0


def add_verify_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `botproof verify`."""
    add = parser.add_argument
    add("envelope", type=Path, help=f"a {SEALED}")
    add_files(parser, "--key", "a public key that is trusted; may be repeated")
    add("--allow-unsigned", action="store_true", help="a verdict without a signature will do")
    add(
        "--images",
        metavar="NAME=IMAGE[,NAME=IMAGE]",
        action="append",
        default=[],
        help="what is to run, by the names of botproof.toml: sha256:… as `docker image inspect "
        "--format {{.Id}}` prints it, or an image of this machine",
    )
    add(
        "--source",
        metavar="DIR",
        type=Path,
        help="the source tree that is to run, where processes were judged",
    )
    add(
        "--config",
        metavar="FILE",
        type=Path,
        help="the botproof.toml (with its golden files) that must have been judged by",
    )
    files = "with --config: a Compose file that the gate must have taken the fleet from; may be "
    add_compose_arguments(parser, files=f"{files}repeated", project=None)
    add("--history", metavar="FILE", type=Path, help="the history.jsonl that must have been judged")
    add("--environment", metavar="NAME", help="what it must have been judged for")
    add(
        "--accept-inconclusive",
        metavar="REASON",
        help="accept INCONCLUSIVE; the reason is kept in ENVELOPE.overrides.jsonl",
    )
    add("--allow-dirty", action="store_true", help="a tree that differed from its commit will do")
    add("--allow-partial", action="store_true", help="a gate of some checks or modes only will do")
    add("--json", action="store_true", help="print one JSON document instead of lines")


def run_verify(arguments: argparse.Namespace) -> int:
    """0: it may be relied on; 1: every reason why not is printed."""
    try:
        data = arguments.envelope.read_bytes()
    except OSError as error:
        raise UsageError(f"{arguments.envelope}: cannot be read: {error.strerror}") from error
    if not arguments.key and not arguments.allow_unsigned:
        raise UsageError(
            "no key is trusted: --key FILE names a public key; --allow-unsigned needs no signature"
        )
    now = datetime.datetime.now(datetime.UTC)
    document, refusals = verify(data, _expected(arguments, now))
    if arguments.accept_inconclusive and document is not None and not refusals:
        _record_override(arguments, document, now)
    _print(arguments, document, refusals)
    return 1 if refusals else 0


def _expected(arguments: argparse.Namespace, now: datetime.datetime) -> Expected:
    # What reads botproof.toml and trees is imported only where it is asked for: a look at the
    # signature and the images has to be quick.
    policy = history = None
    subject = _images(arguments.images)
    if arguments.source is not None:
        from botproof.seal.digests import source_tree  # noqa: PLC0415 - see above

        tree = source_tree(arguments.source)
        subject = {**(subject or {}), "source": tree.digest}
    if arguments.config is not None:
        from botproof.config import load_config  # noqa: PLC0415 - see above
        from botproof.seal.gather import policy as gathered  # noqa: PLC0415 - see above

        resources = gathered(load_config(arguments.config), arguments.config)
        policy = {resource.name: resource.digest for resource in resources}
        if arguments.compose:
            policy["compose"] = _compose(arguments)
    elif arguments.compose:
        raise UsageError("--compose needs --config: both are what the verdict was judged by")
    if arguments.history is not None:
        from botproof.seal.digests import digest_of_file  # noqa: PLC0415 - see above

        history = {"sha256": digest_of_file(arguments.history)}
    return Expected(
        trusted=[keys.read_public(path) for path in arguments.key],
        accept_unsigned=arguments.allow_unsigned,
        subject=subject,
        policy=policy,
        history=history,
        environment=arguments.environment,
        accept_inconclusive=arguments.accept_inconclusive is not None,
        accept_dirty=arguments.allow_dirty,
        accept_partial=arguments.allow_partial,
        now=now,
    )


def _compose(arguments: argparse.Namespace) -> Mapping[str, str]:
    from botproof.fleet.host import resolved  # noqa: PLC0415 - asks Compose
    from botproof.fleet.target import digest_of  # noqa: PLC0415 - as above

    compose = compose_of(arguments)
    return {"sha256": digest_of(resolved(compose), compose.files[0].parent)}


def _images(texts: list[str]) -> dict[str, Mapping[str, str]] | None:
    if not texts:
        return None
    found: dict[str, Mapping[str, str]] = {}
    for part in (part.strip() for text in texts for part in text.split(",")):
        name, _, image = part.partition("=")
        if not name or not image:
            raise UsageError(f"--images {part}: write NAME=IMAGE, such as bot=sha256:…")
        if not _DIGEST.fullmatch(image):
            from botproof.targets.docker import image_id  # noqa: PLC0415 - asks the engine

            image = image_id(image)
        found[name] = {"sha256": image.removeprefix("sha256:")}
    return found


def _record_override(
    arguments: argparse.Namespace, document: Statement, now: datetime.datetime
) -> None:
    """Leave a trace of an INCONCLUSIVE verdict that somebody accepts, or it is not accepted."""
    if document.predicate.result != "WARNED":
        return
    path = arguments.envelope.with_name(arguments.envelope.name + ".overrides.jsonl")
    line = {
        "at": now.isoformat(timespec="seconds"),
        "reason": arguments.accept_inconclusive,
        "by": os.environ.get("SUDO_USER") or os.environ.get("USER", ""),
        "unclear": list(document.predicate.warned),
    }
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be written ({error.strerror}), so the override cannot be kept"
        ) from error


def _print(
    arguments: argparse.Namespace, document: Statement | None, refusals: list[Refusal]
) -> None:
    if arguments.json:
        rows = [{"kind": refusal.kind, "message": refusal.message} for refusal in refusals]
        print(json.dumps({"accepted": not refusals, "refusals": rows}))
        return
    if not refusals and document is not None:
        details = document.predicate.details
        what = ", ".join(resource.name for resource in document.subject)
        print(f"accepted: {details.verdict} for {what}, judged {details.judged_at}")
        return
    print(f"refused: {arguments.envelope}", file=sys.stderr)
    for refusal in refusals:
        print(f"  {refusal.kind}: {refusal.message}", file=sys.stderr)
