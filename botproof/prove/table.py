"""The table of planted defects, the bound of the escape rate, and both as files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from botproof.counting import several
from botproof.excerpts import one_line
from botproof.prove.playing import Became, Play
from botproof.stats import upper_bound

_WORDS = 160


def summary(plays: Sequence[Play]) -> str:
    """Return how many were seen, and what that says of defects of the same kinds at 95 %."""
    played = [play for play in plays if play.became is not Became.NOT_HERE]
    red = sum(play.became is Became.RED for play in played)
    void = [play.defect.name for play in played if play.void]
    bound = upper_bound(len(played), len(played) - red)
    line = (
        f"{red} of {len(played)} planted defects are red for the right reason; an escape rate "
        f"above {bound:.1%} is refuted at 95 % (for defects drawn as these were)"
    )
    escaping = sum(play.became is Became.ESCAPES for play in plays)
    if escaping:
        line += f"; {escaping} escape, as the catalogue says"
    if elsewhere := len(plays) - len(played):
        line += (
            f"; {several(elsewhere, 'defect')} more {'does' if elsewhere == 1 else 'do'} not apply"
        )
    return f"VOID: {line}; {', '.join(void)}" if void else line


def print_plays(plays: Sequence[Play], console: Console | None = None) -> None:
    """Defect, what was expected, what was found, the evidence, seconds."""
    console = console or Console(highlight=False)
    out = Table(show_lines=False, pad_edge=False)
    for name, ratio in (("defect", 3), ("expected", 2), ("found", 2), ("evidence", 5), ("s", None)):
        out.add_column(name, ratio=ratio, no_wrap=name == "s")
    for play in plays:
        style = "bold magenta" if play.void else "bold green"
        if play.became in (Became.ESCAPES, Became.NOT_HERE):
            style = "bold yellow"
        expected = f"{play.defect.check}: {play.defect.words[-1]}"
        found = Text(f"{'VOID: ' if play.void else ''}{play.became.value}", style)
        evidence = Text(one_line(play.line, _WORDS))
        row = (Text(play.defect.name), Text(expected), found, evidence, f"{play.seconds:.0f}")
        out.add_row(*row)
    console.print(out)
    console.print(Text(summary(plays)), soft_wrap=True)


def write_plays(path: Path, plays: Sequence[Play]) -> None:
    """Write the same for programs: a list of objects."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        {
            "defect": play.defect.name,
            "subject": play.defect.subject,
            "how": play.defect.how,
            "check": play.defect.check,
            "words": play.defect.words,
            "became": play.became.value,
            "void": play.void,
            "evidence": play.line,
            "seconds": round(play.seconds, 1),
        }
        for play in plays
    ]
    path.write_bytes(msgspec.json.format(msgspec.json.encode(rows)))
