"""`botproof init`."""

from __future__ import annotations

import argparse
import asyncio
import re
import shlex
import shutil
import sys
import tempfile
from importlib import resources
from pathlib import Path
from typing import Any

import httpx

from botproof.bot_token import TOKEN
from botproof.fleet.options import add_files
from botproof.history import HarnessError
from botproof.init.look import ENDED, Found, look
from botproof.init.settings import Role, role_of
from botproof.init.source import Source, read_source
from botproof.init.start import Description
from botproof.init.trial import Trials
from botproof.init.write import as_toml, questions
from botproof.problems import UsageError, write_text
from botproof.report.terminal import Progress
from botproof.start_trouble import last_words
from botproof.targets.guarding import Guard
from botproof.targets.recorder import Recorder
from botproof.targets.session import interruptible
from botproof.targets.world import problem

_INTERRUPTED = 3
_ENVIRONMENTS = (".venv", "venv", "env")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `botproof init`."""
    parser.add_argument(
        "path", nargs="?", type=Path, default=Path("botproof.toml"), help="(botproof.toml)"
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--bot",
        metavar="COMMAND",
        help='how your server starts it, such as "python main.py" or "node bot.js"; a virtual '
        "environment beside it (.venv) is found",
    )
    how.add_argument("--image", metavar="IMAGE", help="the image that it runs in")
    add_files(parser, "--compose", "the Compose file of your fleet; may be repeated")
    parser.add_argument("--service", metavar="NAME", help="which service of --compose is the bot")
    parser.add_argument(
        "--force", action="store_true", help="write over a botproof.toml that is there already"
    )


def run(arguments: argparse.Namespace) -> int:
    """0: written; 1: written, but the bot never took an update; 3: ended by a signal."""
    path: Path = arguments.path
    if path.suffix != ".toml":  # with --force it would be written over
        raise UsageError(
            f"{path}: is no name for a botproof.toml, which is what is written there. The bot goes "
            f'by --bot: botproof init --bot "{_starts(path)}"'
        )
    if path.exists() and not arguments.force:
        raise UsageError(f"{path}: exists already and is left as it is; --force writes over it")
    if not path.resolve().parent.is_dir():
        raise UsageError(f"{path}: cannot be written: No such file or directory")
    if arguments.bot is None and not (arguments.image or arguments.compose):
        return _template(path)
    described = _described(arguments, path.resolve().parent)
    found = _look(described, path.resolve().parent)
    if found is None:
        print("ended before it was done: nothing was written, nothing is left running")
        return _INTERRUPTED
    text = as_toml(found)
    write_text(path, text)
    _tell(found, path, text)
    return 0 if found.started else 1


def _again(described: Description) -> str:
    """Return the command that gives the bot what it insists on, with a place for each value."""
    settings = "".join(f"{name}=… " for name in described.unknown)
    return f"botproof init --force --bot {shlex.quote(settings + described.called)}"


def _starts(path: Path) -> str:
    """Return the command by which a file of this name is likely to be started."""
    program = {".py": "python ", ".js": "node ", ".mjs": "node ", ".php": "php "}
    return f"{program.get(path.suffix, '')}{path}"


def _template(path: Path) -> int:
    template = resources.files("botproof").joinpath("botproof.template.toml")
    write_text(path, template.read_text(encoding="utf-8"))
    print(f"wrote {path}; fill it in, then run `botproof gate`")
    print('(botproof init --bot "COMMAND" starts the bot between the doubles, and fills it in)')
    return 0


def _described(arguments: argparse.Namespace, base: Path) -> Description:
    raw: dict[str, Any] = {"name": base.name or "my bot", "doubles": {"telegram": {}}}
    source, given = Source(), dict[str, str]()
    recordings = [str(path.relative_to(base)) for path in sorted(base.glob("recordings/*.har"))]
    if recordings and not problem():
        raw["doubles"]["http"] = {"recordings": recordings}
    if arguments.bot is not None:
        given, command = _command(arguments.bot, base)
        raw["bot"] = {"command": command, "ready": "telegram"}
        source = read_source(
            base, [word.replace("{venv:", "").replace("}", "") for word in command]
        )
    elif arguments.image:
        source = _of_image(arguments.image, base)
        raw["bot"] = {"image": arguments.image, "ready": "telegram"}
    else:
        # Only who has a fleet needs what asks Compose.
        from botproof.init.compose import describe  # noqa: PLC0415 - see above

        raw["bot"], source = describe(arguments.compose, arguments.service)
    called = TOKEN.sub("…", arguments.bot or "")
    return Description(raw=raw, source=source, given=given, called=called)


_SETTING = re.compile(r"([A-Za-z_]\w*)=(.*)\Z", re.DOTALL)

_FILLED = re.compile(r"\{(\{(?:(?:url|port):bot|users(?::[^{}]+)?|scratch|token)\})\}")
"""Doubled braces around what the run fills in: all others in a setting are the bot's own."""


def _command(text: str, base: Path) -> tuple[dict[str, str], list[str]]:
    """Return the settings that stand before the command, and the command as botproof.toml has it:
    with the bot's own virtual environment in it. A token that stands there is not taken: the run
    has one of its own."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"--bot {text!r}: is not a command: {error}") from error
    given: dict[str, str] = {}
    while words and (found := _SETTING.match(words[0])):
        value = re.sub(r"[{}]", r"\g<0>\g<0>", found[2])
        value = _FILLED.sub(r"\1", value)
        given[found[1]] = "{token}" if role_of(found[1]) is Role.TOKEN else value
        words = words[1:]
    if not words:
        raise UsageError("--bot is empty: give the command that your server starts the bot by")
    venv = next((each for each in _ENVIRONMENTS if (base / each / "pyvenv.cfg").is_file()), "")
    inside = re.match(r"(?:\./)?([\w.-]+)/bin/(\S+)\Z", words[0])
    if inside and (base / inside[1] / "pyvenv.cfg").is_file():
        words[0] = f"{{venv:{inside[1]}}}/bin/{inside[2]}"
    elif venv and (base / venv / "bin" / words[0]).exists():
        words[0] = f"{{venv:{venv}}}/bin/{words[0]}"
    elif not ("/" in words[0] and (base / words[0]).exists()) and shutil.which(words[0]) is None:
        raise UsageError(_no_program(words[0], base))
    script = words[1] if len(words) > 1 else ""
    if re.search(r"\.(py|js|mjs|cjs|ts|rb|php)\Z", script) and not (base / script).is_file():
        there = sorted(each.name for each in base.glob(f"*{Path(script).suffix}"))[:8]
        listed = f"; there are {', '.join(there)}" if there else ""
        raise UsageError(f"--bot: there is no file {script} in {base}{listed}")
    return given, words


def _no_program(word: str, base: Path) -> str:
    near = {"python": "python3", "pip": "pip3", "nodejs": "node"}.get(word, "")
    if word in ("cd", "source", ".", "export"):
        return (
            f"--bot: {word!r} is a word of the shell; write --bot \"sh -c '…'\", or call init there"
        )
    if (base / word).is_file() and "/" not in word:
        return f"--bot: {word} is a file of {base}: write ./{word}, or name what runs it before it"
    hint = f" Is {near} meant?" if near and shutil.which(near) else ""
    return (
        f"--bot: there is no program {word!r} on PATH, nor a file of that name in {base}.{hint} "
        "Give the command as your server has it"
    )


def _of_image(image: str, base: Path) -> Source:
    from botproof.init.compose import source_of_image  # noqa: PLC0415 - few bots are in images

    return source_of_image(image, base)


def _look(described: Description, base: Path) -> Found | None:
    """Look at the bot; None when a signal ended it. Raises UsageError for a failure of ours."""
    recorder, say = Recorder(), Progress()
    done: list[Found] = []
    with tempfile.TemporaryDirectory(prefix="botproof-init-") as folder:

        async def work() -> None:
            async with Guard() as guard, httpx.AsyncClient(trust_env=False, timeout=30) as client:
                trials = Trials(base, Path(folder), recorder, guard, client, say)
                done.append(await look(trials, described))

        asyncio.run(interruptible(work(), recorder))
    if done:
        return done[0]
    record = recorder.history()
    if record.interrupted:
        return None
    errors = record.of(HarnessError)
    raise UsageError(f"the bot could not be looked at: {errors[-1].message if errors else '?'}")


def _tell(found: Found, path: Path, text: str) -> None:
    described, proposals = found.described, found.proposals
    print()
    if not found.started:
        why = described.look.failure or "see below"
        ended = why.endswith(ENDED)
        what = "it ended while it was tried" if ended else "it never took an update from the double"
        print(f"{what}: {why}")
        for line in last_words(described.look.log, 12):
            print(f"  | {line}")
        if described.trouble is not None:
            print("\n".join(f"  {line}" for line in described.trouble.lines()))
        print(f"wrote {path} with what is known; mend that, and call botproof init --force again")
        return
    how = described.answers_to or "the name api.telegram.org"
    print(f"reaches Telegram by: {how}")
    print(f"modes: {', '.join(described.modes)}; ready after {found.warm_s:.1f} s")
    print(
        f"cases: {len(proposals.cases)} proposed, {len(proposals.left_out)} left out, "
        f"{len(found.private)} by strangers; rules for what differs: {len(proposals.normalisers)}"
    )
    print(f"memory: {found.memory_mb:.0f} MB at most")
    asked = questions(text)
    if asked:
        print(f"questions that stand in the file, with what would answer them there: {len(asked)}")
        for number, each in enumerate(asked, 1):
            print(f"  {number}. {each.text}")
            print("".join(f"       {line}\n" for line in each.answer), end="")
    sudo = "sudo " if described.by_name and sys.platform == "linux" else ""
    if described.unknown and described.called:
        print(f"with your values in place of …: {sudo}{_again(described)}")
    print(f"wrote {path}. Next: {sudo}botproof gate, then botproof golden approve")
