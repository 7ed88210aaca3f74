"""Every sentence that a user can see, read out of the code: for docs/commands.md.

A sentence is a text with a space in it in the modules that write answers. Texts for the log, for
programmers (other errors than those shown to users) and patterns are none. What is put in later
stands in braces, with the name that the code has for it.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
_BOT: Final = "reference_bot/telegram_bot"
MODULES: Final = (
    f"{_BOT}/handlers.py",
    f"{_BOT}/outgoing/replier.py",
    f"{_BOT}/market_data.py",
    f"{_BOT}/trading.py",
    f"{_BOT}/commands",
    f"{_BOT}/render",
    "reference_bot/market_data/symbols.py",
    "reference_bot/market_data/service.py",
    "reference_bot/market_data/forex.py",
)
_NOT_SHOWN: Final = frozenset(
    {"ValueError", "TypeError", "LookupError", "AssertionError", "TooOldError", "LeaseLostError"}
)
_SHOWN_BY: Final = {"reference_bot/market_data": frozenset({"AnswerError", "SpellingError"})}
"""market-data writes its texts for other programs; of these errors the bot passes them on."""


def sentences() -> dict[str, list[str]]:
    """The sentences by the module that they stand in, each once."""
    found: dict[str, list[str]] = {}
    for name in MODULES:
        whole = ROOT / name
        for path in sorted(whole.rglob("*.py")) if whole.is_dir() else [whole]:
            said = list(dict.fromkeys(_in_module(path)))
            if said:
                found[str(path.relative_to(ROOT))] = said
    return found


def table() -> str:
    """The sentences as a table for the page."""
    lines = ["| says | where |", "|---|---|"]
    for module, said in sentences().items():
        where = module.removeprefix("reference_bot/").removesuffix(".py")
        lines += [f"| {_cell(sentence)} | {where} |" for sentence in said]
    return "\n".join(lines)


def _cell(sentence: str) -> str:
    plain = sentence.replace("\n", " ").replace("|", "\\|").replace("<", "&lt;").strip()
    return f"`{plain}`" if "`" not in plain else plain


def _in_module(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text("utf-8"))
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    only = next(
        (
            names
            for part, names in _SHOWN_BY.items()
            if str(path.relative_to(ROOT)).startswith(part)
        ),
        None,
    )
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant | ast.JoinedStr):
            continue
        text = _text(node)
        around = list(_around(node, parents))
        if not _reads(text) or isinstance(around[0], ast.JoinedStr | ast.FormattedValue):
            continue
        if isinstance(around[0], ast.Expr):  # a docstring
            continue
        calls = {_name(one.func) for one in around if isinstance(one, ast.Call)}
        if calls & _NOT_SHOWN or any(call.startswith(("_log.", "re.")) for call in calls):
            continue
        if any(isinstance(one, ast.Compare) for one in around) or text.startswith("Bearer "):
            continue  # Telegram's words, looked for in its refusals; a header
        if only is None or calls & only:
            yield text


def _around(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> Iterator[ast.AST]:
    while (parent := parents.get(node)) is not None:
        yield parent
        node = parent


def _reads(text: str) -> bool:
    """Whether it has two words, or one beside what is put in."""
    words = [word for word in text.split() if any(one.isalpha() for one in word)]
    return len(words) > 1 or (len(text.split()) > 1 and bool(words) and "{" not in text)


def _text(node: ast.Constant | ast.JoinedStr) -> str:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    parts = []
    for value in node.values:
        if isinstance(value, ast.FormattedValue):
            parts.append("{" + _name(value.value) + "}")
        else:
            parts.append(_text(value) if isinstance(value, ast.Constant) else "")
    return "".join(parts)


def _name(node: ast.AST) -> str:
    """What stands for a value: the last name that its expression has."""
    match node:
        case ast.Name(name):
            return name
        case ast.Attribute(value, name):
            return f"{_name(value)}.{name}" if _name(value) in {"_log", "re"} else name
        case ast.Call(function, arguments):
            first = [one for one in arguments if not isinstance(one, ast.Constant)]
            return _name(first[0]) if first else _name(function)
        case ast.Subscript(value):
            return _name(value)
    return "…"


if __name__ == "__main__":
    print(table())
