"""Write docs/commands.md from the bot's table of commands and its approved replies.

Run it after a change of the table or of a reply: ``python scripts/generate_commands_doc.py``.
contract_tests/bot/test_commands_doc.py fails while the page and the table differ.
"""

import html
import re
import sys
from pathlib import Path
from typing import Final

from reference_bot.telegram_bot.commands.model import Argument, Command
from reference_bot.telegram_bot.commands.table import COMMANDS

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))  # the test loads this file by its path
import user_sentences  # noqa: E402 - from there

PAGE: Final = ROOT / "docs" / "commands.md"
_REPLIES: Final = {
    "start": "start",
    "help": "help",
    "price": "price-btc",
    "top10": "top10-spot",
    "analysis": "analysis-btc",
    "volume": "volume-btc",
    "cvd": "cvd-btc",
    "volscan": "volscan-by-itself",
    "oi": "oi-by-itself",
    "balance": "balance",
    "positions": "positions",
    "pnl": "pnl",
    "signal": "signal-btc",
    "pairs": "pairs",
}
_HEAD: Final = """\
# Commands

Generated from `reference_bot/telegram_bot/commands/table.py` and `golden/` by
`python scripts/generate_commands_doc.py`; do not edit.

Symbols are understood in any usual spelling: `BTC`, `btc/usdt`, `BTC-USDT`, `BTCUSDT`. What stands
in brackets may be left out. A bad argument gets one line that says what is wrong and what would be
right. Buttons change an argument or refresh the answer; a tap edits the message. The replies below
are approved ones, from the seeded market; the pictures are of the Telegram double's chat page
(`python scripts/take_pictures.py`).
"""
_SENTENCES: Final = """\
## Every sentence

All that the bot can say, read out of the code by `scripts/user_sentences.py`. `{…}` is what is put
in later.
"""


def page() -> str:
    """The page as it should be."""
    overview = [
        "| command | does |",
        "|---|---|",
        *(f"| `{_cell(one.usage)}` | {one.summary} |" for one in COMMANDS),
    ]
    sections = (_section(one) for one in COMMANDS)
    return "\n".join([_HEAD, *overview, "", *sections, _SENTENCES, user_sentences.table(), ""])


def _section(command: Command) -> str:
    lines = [f"## /{command.name}", "", f"{command.summary.capitalize()}: `{command.usage}`.", ""]
    if command.typed:
        lines += ["| argument | left out | buttons |", "|---|---|---|"]
        lines += [_argument(each) for each in command.typed]
        lines.append("")
    lines += [f"![the answer in the chat](pictures/{command.name}.png)", ""]
    lines += ["<details><summary>as text</summary>", ""]
    lines += ["```text", _reply(_REPLIES[command.name]), "```", "", "</details>", ""]
    return "\n".join(lines)


def _argument(argument: Argument) -> str:
    default = "–" if argument.default is None else f"`{argument.default}`"
    choices = " ".join(f"`{choice}`" for choice in argument.choices) or "–"
    return f"| {argument.name} | {default} | {choices} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _reply(case: str) -> str:
    """An approved reply as people see it: without markup, buttons by their labels."""
    lines = (ROOT / "golden" / f"{case}.txt").read_text("utf-8").splitlines()
    shown = [line for line in lines if not line.startswith("--- message")]
    return html.unescape("\n".join(_plain(line) for line in shown))


def _plain(line: str) -> str:
    if line.startswith("[") and " → " in line:
        return re.sub(r" → [^\]]*", "", line)
    return re.sub(r"</?(?:b|code)>", "", line)


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
