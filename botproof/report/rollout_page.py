"""A roll-out that is on record, as a page: its steps on a time line, its end, its ledger."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence

from botproof.report import page as parts
from botproof.rollout.answers import Asked
from botproof.rollout.ledger import Ledger, as_lines
from botproof.rollout.record import RolloutRecord, Step

_MOST_MESSAGES = 200
_SIGNS = {"done": ("PASS", "✓"), "FAILED": ("FAIL", "✗"), "undone": ("INCONCLUSIVE", "↩")}
_OPEN = ("INCONCLUSIVE", "…")


def as_html(rollout: RolloutRecord) -> str:
    """Return the whole page. It needs nothing but itself, and runs no script."""
    failed = any(step.how == "FAILED" for step in rollout.steps)
    verdict = "FAIL" if failed else "PASS" if rollout.end else "INCONCLUSIVE"
    changes = "".join(f"<li>{_e(each)}</li>" for each in rollout.changes)
    why = next((f"{s.name}: {s.reason}" for s in rollout.steps if s.how == "FAILED"), "")
    worst = f'<p class="worst">{_e(why)}</p>' if why else ""
    header = (
        f'<header class="{verdict}"><h1 class="verdict">{_e(rollout.what)}: '
        f"{_e(rollout.end or 'not at its end yet')}</h1>{worst}"
        f'<p class="facts">{_e(rollout.name)}</p><ul>{changes}</ul></header>'
    )
    ledger = "" if rollout.ledger is None else _ledger(rollout.ledger)
    body = f"{header}{_steps(rollout.steps)}{ledger}"
    title = f"botproof: {rollout.what} {rollout.name}"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{parts.policy()}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_e(title)}</title><style>{parts.style()}</style></head>"
        f"<body><main>{body}</main></body></html>\n"
    )


def _steps(steps: Sequence[Step]) -> str:
    whole = max((step.after_s + (step.took_s or 0.0) for step in steps), default=0.0) or 1.0
    rows = "".join(_step(step, whole) for step in steps)
    head = "<th>UTC</th><th>step</th><th>end</th><th>took</th><th>when</th><th>reason</th>"
    return (
        '<section><h2>Steps</h2><div class="trend" role="group" aria-label="Steps" tabindex="0">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div></section>"
    )


def _step(step: Step, whole: float) -> str:
    verdict, sign = _SIGNS.get(step.how, _OPEN)
    took = "–" if step.took_s is None else f"{step.took_s:.1f} s"
    left, width = (100 * each / whole for each in (step.after_s, step.took_s or 0.0))
    said = f"from {step.after_s:.1f} s on, {took}"
    bar = (
        f'<svg class="margin {verdict}" width="160" role="img" aria-label="{_e(said)}">'
        f'<rect x="{left:.1f}%" width="{max(width, 1.0):.1f}%" height="6"/></svg>'
    )
    cells = (f"{step.at:%H:%M:%S}", step.name, f"{sign} {step.how}", took)
    shown = "".join(f"<td>{_e(cell)}</td>" for cell in cells)
    return f'<tr>{shown}<td>{bar}</td><td class="{verdict}">{_e(step.reason)}</td></tr>'


def _ledger(ledger: Ledger) -> str:
    lines = "\n".join(_e(line) for line in as_lines(ledger))
    source = f'<p class="facts">Source: {_e(ledger.source)}</p>'
    block = f'<pre role="group" aria-label="The ledger" tabindex="0">{lines}</pre>'
    return f"<section><h2>The hand-over</h2>{source}{block}</section>{_messages(ledger.rows)}"


def _messages(rows: Sequence[Asked]) -> str:
    """Return each message with its answer; those that were lost or answered again come first."""
    if not rows:
        return ""
    worst = sorted(rows, key=lambda row: (len(row.answers) == 1, -_wait(row)))
    first = min(row.sent for row in rows)
    body = "".join(f"<tr>{''.join(_message(row, first))}</tr>" for row in worst[:_MOST_MESSAGES])
    left = len(rows) - _MOST_MESSAGES
    more = f'<p class="facts">… and {left:,} more, answered once</p>' if left > 0 else ""
    head = "<th>message</th><th>chat</th><th>sent at</th><th>answered after</th><th>by</th>"
    return (
        '<section><h2>Messages</h2><div class="trend" role="group" aria-label="Messages" '
        f'tabindex="0"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
        f"{more}</section>"
    )


def _message(row: Asked, first: float) -> Iterator[str]:
    for cell in (row.text, row.chat, f"{row.sent - first:.2f} s"):
        yield f"<td>{_e(cell)}</td>"
    waits = ", ".join(f"{at - row.sent:.2f} s" for at, _ in row.answers)
    bad = ' class="FAIL"' if len(row.answers) != 1 else ""
    yield f"<td{bad}>{_e(waits or row.words or '✗ never')}</td>"
    yield f"<td>{_e(', '.join(who for _, who in row.answers))}</td>"


def _wait(row: Asked) -> float:
    return row.answers[0][0] - row.sent if row.answers else 0.0


def _e(text: object) -> str:
    return html.escape(str(text))
