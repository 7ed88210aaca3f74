"""The subcommands of `botproof` that are imported only when they are asked for.

`botproof verify` has to be quick, `botproof watch` runs for months on a small machine, and `--help`
needs nothing at all.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from importlib import import_module
from typing import Any

EXIT_CODES = """\
exit codes:
  0  PASS          every check passed, each with enough evidence
  1  FAIL          at least one check failed
  2  INCONCLUSIVE  no check failed, but the evidence does not do for PASS
  3  ERROR         the harness itself or one of its doubles failed
  64 the command line or botproof.toml cannot be used; nothing was run
"""


@dataclass(frozen=True, slots=True)
class OnDemand:
    """One of them: `module` has `add_arguments` and `run`, or, where it is `of_several`, these with
    the name in them: `add_deploy_arguments` and `run_deploy`. `config` adds `--config`."""

    name: str
    module: str
    help: str
    description: str
    epilog: str = ""
    config: bool = False
    of_several: bool = False

    def load(self, parser: argparse.ArgumentParser) -> Any:
        """Add its arguments to its parser; the function that runs it."""
        module = import_module(self.module)
        parser.epilog = self.epilog or getattr(module, "EXIT_CODES", "")
        if "\n" in parser.epilog:
            parser.formatter_class = argparse.RawDescriptionHelpFormatter
        add, run = "add_arguments", "run"
        if self.of_several:
            add, run = f"add_{self.name}_arguments", f"run_{self.name}"
        getattr(module, add)(parser)
        return getattr(module, run)


OF_RECORDS = (
    OnDemand(
        "show",
        "botproof.report.show",
        help="make the page of a recorded run",
        description="Makes the page that shows what happened in a run, from its history.jsonl: of "
        "the gate, of `botproof delivery`, `botproof parity` or any other run. Judged as the "
        "record asks for; nothing is started.",
    ),
    OnDemand(
        "watch-run",
        "botproof.report.live",
        help="show a run in the browser while it goes on",
        description="Serves the page of a run on 127.0.0.1 while its record is written, by the "
        "same page as report.html. Start it in a second terminal, before or after the run.",
    ),
    OnDemand(
        "prove",
        "botproof.proving",
        help="plant defects and tell which of them the gate sees",
        description="Without options: plants defects, one at a time, into the record of a run that "
        "passed, and judges each altered record; nothing is started. With --play or --mine: starts "
        "the bot with one defect after the other, each under a shortened gate.",
        epilog="exit codes:\n  0  every defect turned its check red, and the check said why\n"
        "  2  the run did not pass, or can show no defect\n  3  VOID: a defect stayed unseen, was "
        "red for another reason, took too long or could not be\n     planted, so that no PASS "
        "of this judge can be relied on\n  64 the command line or a file cannot be used\n",
        config=True,
    ),
)
"""What is made of recorded runs."""
OF_BOTS = (
    OnDemand(
        "init",
        "botproof.init.cli",
        help="look at your bot between the doubles, and write its botproof.toml",
        description="Starts the bot between the doubles, finds out how it learns where Telegram "
        "is, plays what it seems to understand twice, and writes a botproof.toml with what it saw: "
        "cases, rules for what differs, modes, budgets. What it could not find out stands there as "
        "a question. Without --bot, --image or --compose it writes a commented template. Never "
        "overwrites a file unless --force is given.",
        epilog="exit codes: 0 written; 1 written, but the bot never took an update; 3 ended by a "
        "signal, nothing was written; 64 the command line cannot be used",
    ),
    OnDemand(
        "record",
        "botproof.recording",
        help="let the bot ask the real hosts once, and keep their answers for every gate",
        description="Starts the bot of botproof.toml once and plays its conversation, Telegram and "
        "the exchanges being doubles as always. Every other host is asked for real, and what it "
        "answers is written to a HAR 1.2 file, without keys, tokens, cookies and signatures. "
        "[doubles.http] then plays it in every run. It takes root, and the network.",
        epilog="exit codes: 0 written; 2 nothing was asked, or a host could not be reached; 3 the "
        "bot or the harness failed; 64 the command line or botproof.toml cannot be used",
        config=True,
    ),
    OnDemand(
        "parity",
        "botproof.parity.cli",
        help="generate conversations and compare what the modes answer",
        description="Generates conversations of several people and chats, plays each in every mode "
        "at once, and compares what was sent. A difference is shrunk to the shortest conversation "
        "that shows it, printed, and saved to be played again.",
        epilog=EXIT_CODES + "\nwrites into the report directory: verdict.json, summary.md, "
        "junit.xml, history.jsonl, stacks.jsonl, logs/; of each finding KIND-ID.json and .txt",
    ),
    OnDemand(
        "delivery",
        "botproof.delivery.cli",
        help="kill the bot again and again, and judge what became of each update",
        description="Sends many updates at a steady rate while the bot is killed at random "
        "moments, and judges whether any was lost, repeated without a reason, or answered out "
        "of order.",
        epilog=EXIT_CODES + "\nwrites for each run: verdict.json, summary.md, junit.xml, "
        "history.jsonl, logs/; and delivery.json over all runs",
    ),
    OnDemand(
        "compare",
        "botproof.compare.cli",
        help="measure two builds turn by turn, and tell whether the second is worse",
        description="Starts two commits or container images (or loads two URLs) by turns, and "
        "compares the runs: latency and memory of B against A, with effect sizes and intervals.",
        epilog=EXIT_CODES + "\nwrites into the report directory: compare.html, verdict.json, "
        "summary.md, junit.xml, runs/",
    ),
    OnDemand(
        "key",
        "botproof.verifying",
        help="make a key pair that signs verdicts",
        description="Makes an Ed25519 key pair: the gate signs with the private key, `botproof "
        "verify` needs the public one. Never overwrites a file, never writes into a repository.",
        of_several=True,
    ),
    OnDemand(
        "verify",
        "botproof.verifying",
        help="tell whether a sealed verdict may be relied on",
        description="Compares a sealed verdict with what is to run, offline, and names everything "
        "that speaks against it.",
        epilog="exit codes:\n  0  it may be relied on\n  1  it may not; each reason is printed\n"
        "  64 the command line or a file cannot be used\n",
        of_several=True,
    ),
    OnDemand(
        "drift",
        "botproof.fleet.cli",
        help="name what runs here otherwise than it is committed or was judged",
        description="Compares the containers of a Compose project with its files, with the sealed "
        "verdict, with git and with the webhook that Telegram has. One line a difference, with the "
        "command that puts it right. Nothing is changed.",
        epilog="exit codes:\n  0  nothing differs\n  1  differences\n  3  something could not be "
        "asked\n  64 the command line cannot be used\n",
    ),
    OnDemand(
        "watch",
        "botproof.watch.cli",
        help="watch a running bot, and tell once when something is wrong and when it is over",
        description="Asks a running fleet every 30 seconds how it is, and a real question every "
        "two minutes. Alerts go to stdout as JSON lines, to the operator's chat and to a command.",
    ),
    OnDemand(
        "restore",
        "botproof.drill",
        help="try a backup: does the bot start from it, and answer?",
        description="Checks the databases of a backup, starts the bot of botproof.toml between "
        "doubles on a copy of them, and judges it by the gate's smoke. Nothing of production is "
        "touched.",
        epilog=EXIT_CODES,
    ),
    OnDemand(
        "checklist",
        "botproof.watch.checklist",
        help="tick what has to be so before, during and after a roll-out",
        description="Measures what the watch can measure (watch.toml), by the same rules as its "
        "alerts, and asks a person for the rest.",
    ),
    OnDemand(
        "deploy",
        "botproof.rollout.cli",
        help="bring judged images to users, without losing an update, or undo it",
        description="Checks the machine, backs up, starts the new containers beside the old ones, "
        "hands over, asks the new fleet as a user would, and only then removes the old containers. "
        "A step that fails has everything before it undone. Killed at any moment, the next call "
        "goes on.",
        epilog="exit codes:\n  0  deployed, or nothing to do\n  1  refused, or undone: the old "
        "fleet works\n  3  neither could be done; the next call goes on\n  64 the command line "
        "cannot be used\n",
        of_several=True,
    ),
    OnDemand(
        "rehearse",
        "botproof.rollout.cli",
        help="try a roll-out, each way of failing and the way back on a twin between doubles",
        description="Starts the fleet between doubles, with users who ask, in a fence of 904 MB. "
        "Switches between OLD and NEW, kills deployments at each of their steps, goes back by each "
        "level, and plays each way in which a new version can fail.",
        epilog="exit codes:\n  0  all is as it has to be\n  1  something is not; each is named\n"
        "  3  the rehearsal itself failed\n  64 the command line cannot be used\n",
        of_several=True,
    ),
    OnDemand(
        "rollback",
        "botproof.rollout.cli",
        help="go back to what was deployed before: settings, images, or all with the data",
        description="Undoes a roll-out that has not ended; else goes back to before the last one. "
        "What the newer version has taken in and not answered is answered by the older one.",
        epilog="exit codes:\n  0  what was before works\n  1  refused: nothing was changed\n"
        "  3  it could not be done; the next call goes on\n  64 the command line cannot be used, "
        "or there is nothing to go back to\n",
        of_several=True,
    ),
)
"""What bots, builds and fleets are asked."""
