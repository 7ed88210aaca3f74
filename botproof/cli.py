"""The `botproof` command.

Each subcommand imports what it needs when it is called: `botproof double telegram` has to be up
at once and must not load scipy, and `--help` nothing at all.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from pathlib import Path

import botproof
from botproof.fleet.options import add_compose_arguments
from botproof.output import lasting_output
from botproof.problems import UsageError
from botproof.subcommands import EXIT_CODES, OF_BOTS, OF_RECORDS, OnDemand
from botproof.verdict import Verdict

USAGE_ERROR = 64
"""EX_USAGE of sysexits.h: must not be mistaken for one of the verdicts."""

Run = Callable[[argparse.Namespace], int]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]  # ends the process, as there
        self.print_usage(sys.stderr)
        choice = re.search(r"invalid choice: '([^']+)' \(choose from (.*)\)\Z", message)
        if choice:
            words = [word.strip(" '") for word in choice[2].split(",")]
            near = difflib.get_close_matches(choice[1], words, n=1)
            message += f"; did you mean {near[0]}?" if near else ""
        self.exit(USAGE_ERROR, f"{self.prog}: {message}\n")

    def parse_known_args(  # type: ignore[override]  # only what botproof itself calls
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse as always, but let the command itself say what it does not know."""
        found, rest = super().parse_known_args(args, namespace)
        if rest:
            self.error(_not_taken(rest[0], self._option_string_actions))
        return found, rest


def _not_taken(word: str, options: Iterable[str]) -> str:
    if not word.startswith("-"):
        return f"{word!r} is more than it takes; see --help"
    known = [option for option in options if option.startswith("--") and option != "--help"]
    near = difflib.get_close_matches(word.partition("=")[0], known, n=1)
    return f"there is no {word}; " + (f"did you mean {near[0]}?" if near else "see --help")


def _misplaced(arguments: Sequence[str]) -> str:
    """Say of an option before the command that it belongs behind it; "" where there is none."""
    first = arguments[0] if arguments else ""
    if not first.startswith("-") or first in ("-h", "--help", "--version"):
        return ""
    names = {row.name for row in (*OF_RECORDS, *OF_BOTS)} | {"gate", "judge", "golden", "double"}
    at = next((n for n, word in enumerate(arguments) if word in names), None)
    if at is None:
        return "the command comes first, such as botproof gate"
    moved = " ".join((arguments[at], *arguments[:at], *arguments[at + 1 :]))
    return f"{first} belongs behind the command: botproof {moved}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; its exit code.

    What the user can put right is told in plain words. An error of botproof itself, or a signal
    where none is expected, is ERROR: Python's own exit code for it, 1, is FAIL.
    """
    try:
        return _run(list(sys.argv[1:] if argv is None else argv))
    except UsageError as error:
        print(error, file=sys.stderr)
        return USAGE_ERROR
    except (Exception, KeyboardInterrupt):
        with contextlib.suppress(OSError):  # nobody may be there to read it
            traceback.print_exc()
            print("ERROR: botproof itself failed; nothing was judged", file=sys.stderr)
        return Verdict.ERROR.exit_code


def _run(arguments: Sequence[str]) -> int:
    parser = _parser(arguments)
    if misplaced := _misplaced(arguments):
        parser.error(misplaced)
    parsed = parser.parse_args(arguments)
    run: Run = parsed.run
    return run(parsed)


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    parser = _Parser(
        prog="botproof",
        description="Tells whether a Telegram bot is safe to ship: real processes between "
        "doubles of Telegram and the exchanges, one verdict.",
    )
    parser.add_argument("--version", action="version", version=f"botproof {botproof.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_gate(commands)
    _add_judge(commands)
    _add_on_demand(commands, OF_RECORDS, arguments)
    _add_golden(commands)
    _add_on_demand(commands, OF_BOTS, arguments)
    _add_double(commands, chosen=arguments[1:2] if arguments[:1] == ["double"] else [])
    return parser


def _add_on_demand(
    commands: argparse._SubParsersAction[_Parser],
    rows: Iterable[OnDemand],
    arguments: Sequence[str],
) -> None:
    for row in rows:
        parser = commands.add_parser(row.name, help=row.help, description=row.description)
        if arguments[:1] == [row.name]:
            if row.config:
                _config_argument(parser)
            run: Run = row.load(parser)
            parser.set_defaults(run=run)


def _add_gate(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = commands.add_parser(
        "gate",
        help="run the bot in every mode and judge the record",
        description="Starts the doubles, the services and the bot in each mode, plays the "
        "conversation of botproof.toml, loads the services, records everything and judges the "
        "record against the budgets.",
        epilog=EXIT_CODES + "\nwrites into the report directory: report.html, verdict.json, "
        "summary.md, junit.xml, history.jsonl, verdict.intoto.json, logs/",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _config_argument(parser)
    parser.add_argument(
        "--only",
        metavar="CHECK[,CHECK]",
        action="append",
        default=[],
        help="judge only these: boot, door, security, golden, parity, conversations, degradation, "
        "delivery, signals, latency, errors, rollback, memory; "
        "no load is run when none of them needs it",
    )
    parser.add_argument(
        "--mode",
        metavar="MODE",
        action="append",
        default=[],
        help="run only this mode of botproof.toml; may be repeated (parity needs two)",
    )
    parser.add_argument(
        "--image",
        metavar="IMAGE",
        action="append",
        default=[],
        help="judge a container image: IMAGE for every process of botproof.toml, or "
        "NAME=IMAGE[,NAME=IMAGE] for some",
    )
    add_compose_arguments(
        parser,
        files="judge the fleet of these Compose files: images, commands, environment, rights and "
        "limits as production has them, between the doubles of botproof.toml; may be repeated",
        project="as for Compose, with --from-host",
    )
    parser.add_argument(
        "--from-host",
        action="store_true",
        help="with --compose: judge what really runs here instead of what the files say: command, "
        "environment and image of each container as it is",
    )
    parser.add_argument(
        "--report-dir", metavar="DIR", type=Path, help="where the reports go (reports/gate)"
    )
    parser.add_argument(
        "--repeat",
        metavar="N",
        type=int,
        default=1,
        help="run the gate N times and print a table; each run reports into a directory of its own",
    )
    parser.add_argument(
        "--keep",
        action="store_true",
        help="keep the scratch directories of the bot (its inbox, for one) after the run",
    )
    parser.add_argument(
        "--github",
        action="store_true",
        help="in GitHub Actions: annotate what failed, and add the summary to the job's",
    )
    parser.add_argument(
        "--sign-with",
        metavar="FILE",
        type=Path,
        help="sign the verdict with this private key (`botproof key new` makes one); without "
        "it BOTPROOF_SIGNING_KEY names one, or nobody signs",
    )
    parser.add_argument(
        "--environment",
        metavar="NAME",
        default="",
        help="what the verdict is meant for, such as production: written into the sealed verdict",
    )
    parser.add_argument(
        "--valid-days",
        metavar="DAYS",
        type=float,
        default=7.0,
        help="how long the sealed verdict is valid (7)",
    )
    parser.set_defaults(run=_command("gate"))


def _add_judge(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = commands.add_parser(
        "judge",
        help="judge a recorded history again, offline",
        description="Judges a history.jsonl again: by the budgets that it was recorded with, or by "
        "those of another botproof.toml. Nothing is started.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("history", type=Path, help="a history.jsonl")
    parser.add_argument(
        "--config",
        metavar="FILE",
        type=Path,
        help="judge by this botproof.toml instead of the settings in the history",
    )
    parser.add_argument(
        "--budget",
        metavar="NAME=LIMIT",
        action="append",
        default=[],
        help="judge by another limit, such as reply_time_s=1; may be repeated",
    )
    parser.add_argument(
        "--report-dir", metavar="DIR", type=Path, help="also write the reports there"
    )
    parser.set_defaults(run=_command("judge"))


def _add_golden(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = commands.add_parser(
        "golden",
        help="show or approve the replies of the last run",
        description="Golden files are approved replies, one file a case. `diff` shows what the "
        "last run sent otherwise; `approve` makes what it sent the approved replies. A reply that "
        "never came or came in part is refused; one that reads like an error is asked about.",
    )
    parser.add_argument("action", choices=("diff", "approve"))
    _config_argument(parser)
    parser.add_argument(
        "--history",
        metavar="FILE",
        type=Path,
        help="take the replies of this run (history.jsonl of the gate's report directory)",
    )
    parser.add_argument(
        "--accept-errors",
        action="store_true",
        help="approve replies that read like errors or apologies without asking",
    )
    parser.set_defaults(run=_command("golden"))


_DOUBLES = {
    "telegram": ("botproof.doubles.telegram.cli", "the Telegram Bot API"),
    "exchanges": ("botproof.doubles.exchanges.cli", "the exchanges, one seeded market"),
    "http": ("botproof.doubles.http.cli", "any host, by recordings of its answers"),
}


def _add_double(commands: argparse._SubParsersAction[_Parser], *, chosen: Sequence[str]) -> None:
    """Add the doubles, each with its own arguments; import only the one that is asked for."""
    parser = commands.add_parser(
        "double",
        help="run a stand-in for Telegram, the exchanges or any host by itself",
        description="Runs one double until SIGTERM or Ctrl-C. It prints one line of JSON with its "
        "address once it listens.",
    )
    kinds = parser.add_subparsers(title="doubles", metavar="DOUBLE", required=True)
    for kind, (module_name, what) in _DOUBLES.items():
        child = kinds.add_parser(kind, help=what, description=f"A double of {what}.")
        if kind in chosen:
            module = import_module(module_name)
            module.add_arguments(child)
            child.set_defaults(run=module.run)


def _config_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config",
        metavar="FILE",
        type=Path,
        default=Path("botproof.toml"),
        help="what to test and how (botproof.toml)",
    )


def _command(name: str) -> Run:
    """Return the subcommand `name` of `botproof.commands`, imported when it is called."""

    def run(arguments: argparse.Namespace) -> int:
        command: Run = getattr(import_module("botproof.commands"), name)
        with lasting_output():
            return command(arguments)

    return run
