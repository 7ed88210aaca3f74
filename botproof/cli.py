"""The `botproof` command.

Each subcommand imports what it needs when it is called: `botproof double telegram` has to be up
at once and must not load scipy, and `--help` nothing at all.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

import botproof
from botproof.fleet.options import add_compose_arguments
from botproof.problems import UsageError

_EXIT_CODES = """\
exit codes:
  0  PASS          every check passed, each with enough evidence
  1  FAIL          at least one check failed
  2  INCONCLUSIVE  no check failed, but the evidence does not do for PASS
  3  ERROR         the harness itself or one of its doubles failed
  64 the command line or botproof.toml cannot be used; nothing was run
"""
USAGE_ERROR = 64
"""EX_USAGE of sysexits.h: must not be mistaken for one of the verdicts."""

Run = Callable[[argparse.Namespace], int]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]  # ends the process, as there
        self.print_usage(sys.stderr)
        self.exit(USAGE_ERROR, f"{self.prog}: {message}\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parsed = _parser(arguments).parse_args(arguments)
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
    _add_show(commands, chosen=arguments[:1] == ["show"])
    _add_watch_run(commands, chosen=arguments[:1] == ["watch-run"])
    _add_prove(commands, chosen=arguments[:1] == ["prove"])
    _add_golden(commands)
    _add_init(commands, chosen=arguments[:1] == ["init"])
    _add_record(commands, chosen=arguments[:1] == ["record"])
    _add_parity(commands, chosen=arguments[:1] == ["parity"])
    _add_delivery(commands, chosen=arguments[:1] == ["delivery"])
    _add_compare(commands, chosen=arguments[:1] == ["compare"])
    _add_seal(commands, chosen=arguments[0] if arguments[:1] in (["key"], ["verify"]) else "")
    _add_drift(commands, chosen=arguments[:1] == ["drift"])
    _add_watch(commands, chosen=arguments[:1] == ["watch"])
    _add_restore(commands, chosen=arguments[:1] == ["restore"])
    _add_checklist(commands, chosen=arguments[:1] == ["checklist"])
    _add_rollout(
        commands,
        chosen=arguments[0] if arguments[:1] in (["deploy"], ["rollback"], ["rehearse"]) else "",
    )
    _add_double(commands, chosen=arguments[1:2] if arguments[:1] == ["double"] else [])
    return parser


def _add_gate(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = commands.add_parser(
        "gate",
        help="run the bot in every mode and judge the record",
        description="Starts the doubles, the services and the bot in each mode, plays the "
        "conversation of botproof.toml, loads the services, records everything and judges the "
        "record against the budgets.",
        epilog=_EXIT_CODES + "\nwrites into the report directory: report.html, verdict.json, "
        "summary.md, junit.xml, history.jsonl, verdict.intoto.json, logs/",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _config_argument(parser)
    parser.add_argument(
        "--only",
        metavar="CHECK[,CHECK]",
        action="append",
        default=[],
        help="judge only these: boot, golden, parity, conversations, latency, errors, rollback, "
        "memory; "
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
        epilog=_EXIT_CODES,
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


def _add_show(commands: argparse._SubParsersAction[_Parser], *, chosen: bool) -> None:
    """What it needs is imported only when it is asked for."""
    parser = commands.add_parser(
        "show",
        help="make the page of a recorded run",
        description="Makes the page that shows what happened in a run, from its history.jsonl: of "
        "the gate, of `botproof delivery`, `botproof parity` or any other run. Judged as the "
        "record asks for; nothing is started.",
    )
    if chosen:
        module = import_module("botproof.report.show")
        module.add_arguments(parser)
        parser.set_defaults(run=_plainly(lambda: module.run))


def _add_watch_run(commands: argparse._SubParsersAction[_Parser], *, chosen: bool) -> None:
    """What it needs is imported only when it is asked for."""
    parser = commands.add_parser(
        "watch-run",
        help="show a run in the browser while it goes on",
        description="Serves the page of a run on 127.0.0.1 while its record is written, by the "
        "same page as report.html. Start it in a second terminal, before or after the run.",
    )
    if chosen:
        module = import_module("botproof.report.live")
        module.add_arguments(parser)
        parser.set_defaults(run=_plainly(lambda: module.run))


def _add_prove(commands: argparse._SubParsersAction[_Parser], *, chosen: bool) -> None:
    """What it needs is imported only when it is asked for."""
    parser = commands.add_parser(
        "prove",
        help="plant defects and tell which of them the gate sees",
        description="Without options: plants defects, one at a time, into the record of a run that "
        "passed, and judges each altered record; nothing is started. With --play or --mine: starts "
        "the bot with one defect after the other, each under a shortened gate.",
        epilog="exit codes:\n  0  every defect turned its check red, and the check said why\n"
        "  2  the run did not pass, or can show no defect\n  3  VOID: a defect stayed unseen, was "
        "red for another reason, took too long or could not be\n     planted, so that no PASS "
        "of this judge can be relied on\n  64 the command line or a file cannot be used\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _config_argument(parser)
    if chosen:
        module = import_module("botproof.prove.cli")
        module.add_arguments(parser)
        parser.set_defaults(run=_plainly(lambda: module.run))


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


def _add_init(commands: argparse._SubParsersAction[_Parser], *, chosen: bool) -> None:
    parser = commands.add_parser(
        "init",
        help="look at your bot between the doubles, and write its botproof.toml",
        description="Starts the bot between the doubles, finds out how it learns where Telegram "
        "is, plays what it seems to understand twice, and writes a botproof.toml with what it saw: "
        "cases, rules for what differs, modes, budgets. What it could not find out stands there as "
        "a question. Without --bot, --image or --compose it writes a commented template. Never "
        "overwrites a file unless --force is given.",
        epilog="exit codes: 0 written; 1 written, but the bot never took an update; 3 ended by a "
        "signal, nothing was written; 64 the command line cannot be used",
    )
    if chosen:
        module = import_module("botproof.init.cli")
        module.add_arguments(parser)
        parser.set_defaults(run=_plainly(lambda: module.run))


def _add_record(commands: argparse._SubParsersAction[_Parser], *, chosen: bool) -> None:
    """What it needs is imported only when it is asked for."""
    parser = commands.add_parser(
        "record",
        help="let the bot ask the real hosts once, and keep their answers for every gate",
        description="Starts the bot of botproof.toml once and plays its conversation, Telegram and "
        "the exchanges being doubles as always. Every other host is asked for real, and what it "
        "answers is written to a HAR 1.2 file, without keys, tokens, cookies and signatures. "
        "[doubles.http] then plays it in every run. It takes root, and the network.",
        epilog="exit codes: 0 written; 2 nothing was asked, or a host could not be reached; 3 the "
        "bot or the harness failed; 64 the command line or botproof.toml cannot be used",
    )
    if chosen:
        module = import_module("botproof.recording")
        _config_argument(parser)
        module.add_arguments(parser)
        parser.set_defaults(run=_plainly(lambda: module.run))


def _add_parity(commands: argparse._SubParsersAction[_Parser], *, chosen: bool) -> None:
    """Its defaults are those of the search, which Hypothesis does: imported when asked for."""
    parser = commands.add_parser(
        "parity",
        help="generate conversations and compare what the modes answer",
        description="Generates conversations of several people and chats, plays each in every mode "
        "at once, and compares what was sent. A difference is shrunk to the shortest conversation "
        "that shows it, printed, and saved to be played again.",
        epilog=_EXIT_CODES + "\nwrites into the report directory: verdict.json, summary.md, "
        "junit.xml, history.jsonl, stacks.jsonl, logs/; of each finding KIND-ID.json and .txt",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    if chosen:
        module = import_module("botproof.parity.cli")
        module.add_arguments(parser)
        parser.set_defaults(run=_plainly(lambda: module.run))


def _add_compare(commands: argparse._SubParsersAction[_Parser], *, chosen: bool) -> None:
    """What it needs is imported only when it is asked for."""
    parser = commands.add_parser(
        "compare",
        help="measure two builds turn by turn, and tell whether the second is worse",
        description="Starts two commits or container images (or loads two URLs) by turns, and "
        "compares the runs: latency and memory of B against A, with effect sizes and intervals.",
        epilog=_EXIT_CODES + "\nwrites into the report directory: compare.html, verdict.json, "
        "summary.md, junit.xml, runs/",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    if chosen:
        module = import_module("botproof.compare.cli")
        module.add_arguments(parser)
        parser.set_defaults(run=_plainly(lambda: module.run))


def _add_seal(commands: argparse._SubParsersAction[_Parser], *, chosen: str) -> None:
    """`verify` has to be quick, so that nothing but the seal is imported for it."""
    key = commands.add_parser(
        "key",
        help="make a key pair that signs verdicts",
        description="Makes an Ed25519 key pair: the gate signs with the private key, `botproof "
        "verify` needs the public one. Never overwrites a file, never writes into a repository.",
    )
    check = commands.add_parser(
        "verify",
        help="tell whether a sealed verdict may be relied on",
        description="Compares a sealed verdict with what is to run, offline, and names everything "
        "that speaks against it.",
        epilog="exit codes:\n  0  it may be relied on\n  1  it may not; each reason is printed\n"
        "  64 the command line or a file cannot be used\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    if chosen:
        module = import_module("botproof.seal.cli")
        module.add_key_arguments(key)
        module.add_verify_arguments(check)
        key.set_defaults(run=_plainly(lambda: module.run_key))
        check.set_defaults(run=_plainly(lambda: module.run_verify))


def _add_drift(commands: argparse._SubParsersAction[_Parser], *, chosen: bool) -> None:
    """What it needs is imported only when it is asked for."""
    parser = commands.add_parser(
        "drift",
        help="name what runs here otherwise than it is committed or was judged",
        description="Compares the containers of a Compose project with its files, with the sealed "
        "verdict, with git and with the webhook that Telegram has. One line a difference, with the "
        "command that puts it right. Nothing is changed.",
        epilog="exit codes:\n  0  nothing differs\n  1  differences\n  3  something could not be "
        "asked\n  64 the command line cannot be used\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    if chosen:
        module = import_module("botproof.fleet.cli")
        module.add_arguments(parser)
        parser.set_defaults(run=_plainly(lambda: module.run))


def _add_watch(commands: argparse._SubParsersAction[_Parser], *, chosen: bool) -> None:
    """It runs for months on a small machine, so that nothing but the watch is imported for it."""
    parser = commands.add_parser(
        "watch",
        help="watch a running bot, and tell once when something is wrong and when it is over",
        description="Asks a running fleet every 30 seconds how it is, and a real question every "
        "two minutes. Alerts go to stdout as JSON lines, to the operator's chat and to a command.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    if chosen:
        module = import_module("botproof.watch.cli")
        parser.epilog = module.EXIT_CODES
        module.add_arguments(parser)
        parser.set_defaults(run=_plainly(lambda: module.run))


def _add_rollout(commands: argparse._SubParsersAction[_Parser], *, chosen: str) -> None:
    """What it needs is imported only when it is asked for."""
    deploy = commands.add_parser(
        "deploy",
        help="bring judged images to users, without losing an update, or undo it",
        description="Checks the machine, backs up, starts the new containers beside the old ones, "
        "hands over, asks the new fleet as a user would, and only then removes the old containers. "
        "A step that fails has everything before it undone. Killed at any moment, the next call "
        "goes on.",
        epilog="exit codes:\n  0  deployed, or nothing to do\n  1  refused, or undone: the old "
        "fleet works\n  3  neither could be done; the next call goes on\n  64 the command line "
        "cannot be used\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    twin = commands.add_parser(
        "rehearse",
        help="try a roll-out, each way of failing and the way back on a twin between doubles",
        description="Starts the fleet between doubles, with users who ask, in a fence of 904 MB. "
        "Switches between OLD and NEW, kills deployments at each of their steps, goes back by each "
        "level, and plays each way in which a new version can fail.",
        epilog="exit codes:\n  0  all is as it has to be\n  1  something is not; each is named\n"
        "  3  the rehearsal itself failed\n  64 the command line cannot be used\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    back = commands.add_parser(
        "rollback",
        help="go back to what was deployed before: settings, images, or all with the data",
        description="Undoes a roll-out that has not ended; else goes back to before the last one. "
        "What the newer version has taken in and not answered is answered by the older one.",
        epilog="exit codes:\n  0  what was before works\n  1  refused: nothing was changed\n"
        "  3  it could not be done; the next call goes on\n  64 the command line cannot be used, "
        "or there is nothing to go back to\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    if chosen:
        module = import_module("botproof.rollout.cli")
        module.add_deploy_arguments(deploy)
        module.add_rollback_arguments(back)
        module.add_rehearse_arguments(twin)
        twin.set_defaults(run=_plainly(lambda: module.run_rehearse))
        deploy.set_defaults(run=_plainly(lambda: module.run_deploy))
        back.set_defaults(run=_plainly(lambda: module.run_rollback))


def _add_restore(commands: argparse._SubParsersAction[_Parser], *, chosen: bool) -> None:
    """What it needs is imported only when it is asked for."""
    parser = commands.add_parser(
        "restore",
        help="try a backup: does the bot start from it, and answer?",
        description="Checks the databases of a backup, starts the bot of botproof.toml between "
        "doubles on a copy of them, and judges it by the gate's smoke. Nothing of production is "
        "touched.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    if chosen:
        module = import_module("botproof.drill")
        module.add_arguments(parser)
        parser.set_defaults(run=_plainly(lambda: module.run))


def _add_checklist(commands: argparse._SubParsersAction[_Parser], *, chosen: bool) -> None:
    """What it needs is imported only when it is asked for."""
    parser = commands.add_parser(
        "checklist",
        help="tick what has to be so before, during and after a roll-out",
        description="Measures what the watch can measure (watch.toml), by the same rules as its "
        "alerts, and asks a person for the rest.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    if chosen:
        module = import_module("botproof.watch.checklist")
        parser.epilog = module.EXIT_CODES
        module.add_arguments(parser)
        parser.set_defaults(run=_plainly(lambda: module.run))


def _add_delivery(commands: argparse._SubParsersAction[_Parser], *, chosen: bool) -> None:
    """Its options name what can go wrong, so they are imported only when it is asked for."""
    parser = commands.add_parser(
        "delivery",
        help="kill the bot again and again, and judge what became of each update",
        description="Sends many updates at a steady rate while the bot is killed at random "
        "moments, and judges whether any was lost, repeated without a reason, or answered out "
        "of order.",
        epilog=_EXIT_CODES + "\nwrites for each run: verdict.json, summary.md, junit.xml, "
        "history.jsonl, logs/; and delivery.json over all runs",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    if chosen:
        module = import_module("botproof.delivery.cli")
        module.add_arguments(parser)
        parser.set_defaults(run=_plainly(lambda: module.run))


_DOUBLES = {
    "telegram": ("botproof.doubles.telegram.cli", "the Telegram Bot API"),
    "exchanges": ("botproof.doubles.exchanges.cli", "the exchanges, one seeded market"),
    "http": ("botproof.doubles.http.cli", "any host, by recordings of its answers"),
}


def _add_double(commands: argparse._SubParsersAction[_Parser], *, chosen: Sequence[str]) -> None:
    """The doubles bring their own arguments; only the one that is asked for is imported."""
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
    """The subcommand `name` of `botproof.commands`, imported when it is called."""
    return _plainly(lambda: getattr(import_module("botproof.commands"), name))


def _plainly(load: Callable[[], Run]) -> Run:
    """What the user can put right is told in plain words, without a traceback."""

    def run(arguments: argparse.Namespace) -> int:
        command = load()
        try:
            return command(arguments)
        except UsageError as error:
            print(error, file=sys.stderr)
            return USAGE_ERROR

    return run
