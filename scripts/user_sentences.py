"""Every sentence that a user can see, read out of the code: for docs/commands.md.

A sentence is a text with a space in it in the modules that write answers. Texts for the log, for
programmers (other errors than those shown to users), words that are looked for in Telegram's
answers, and patterns are none. What is put in later is a gap in braces, what is a constant
stands there as it is, and the sentences of a module are sorted: so the code can be written in
another way, and the page stays.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
_BOT: Final = "reference_bot/telegram_bot"
_SERVICE: Final = "reference_bot/market_data"
MODULES: Final = (
    f"{_BOT}/handlers.py",
    f"{_BOT}/outgoing/replier.py",
    f"{_BOT}/market_data.py",
    f"{_BOT}/trading.py",
    f"{_BOT}/commands",
    f"{_BOT}/render",
    f"{_SERVICE}/symbols.py",
    f"{_SERVICE}/service.py",
    f"{_SERVICE}/interests.py",
    f"{_SERVICE}/analytics.py",
)
_NOT_SHOWN: Final = frozenset(
    {"ValueError", "TypeError", "LookupError", "AssertionError", "TooOldError", "LeaseLostError"}
    | {"bot_failed", "failed", "held"}  # for /ready and the log
)
_PASSED_ON: Final = frozenset({"bad_request", "not_offered"})
"""market-data writes for other programs; the texts of these of its errors the bot shows as they
are.
"""
_LATER: Final = "{…}"
"""Stands for what is put in later."""
_FIELD: Final = re.compile(r"\{\w*\}")


def sentences() -> dict[str, list[str]]:
    """The sentences by the module that they stand in, each once, sorted."""
    found: dict[str, list[str]] = {}
    for name in MODULES:
        whole = ROOT / name
        for path in sorted(whole.rglob("*.py")) if whole.is_dir() else [whole]:
            service = name.startswith(_SERVICE)
            said = sorted(set(_passed_on(path) if service else _in_module(path)))
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
    plain = re.sub(r"</?\w+>", "", sentence).replace("\n", " ")
    plain = plain.replace("|", "\\|").replace("<", "&lt;").strip()
    return f"`{plain}`" if "`" not in plain else plain


def _in_module(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text("utf-8"))
    parents = _parents(tree)
    constants = _constants(tree)
    parts = {
        value.value.id
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for value in node.values
        if isinstance(value, ast.FormattedValue) and isinstance(value.value, ast.Name)
    }
    parts |= {  # words that are listed in one text, and taken apart
        node.value.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr == "split"
        if isinstance(node.value, ast.Name)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant | ast.JoinedStr):
            continue
        text = _text(node, constants)
        around = list(_around(node, parents))
        if _reads(text) and _is_shown(around, parts) and not text.startswith("Bearer "):
            yield text


def _is_shown(around: list[ast.AST], parts: set[str]) -> bool:
    """Whether a text that stands in ``around``, from the inside out, is one that users see."""
    if isinstance(around[0], ast.JoinedStr | ast.FormattedValue | ast.Expr):
        return False  # a part of a text that is told whole; a docstring
    if isinstance(around[0], ast.Call) and isinstance(around[1], ast.FormattedValue):
        return False  # the same
    if any(isinstance(one, ast.Compare | ast.MatchValue) for one in around):
        return False  # Telegram's words, looked for in its refusals
    if isinstance(around[0], ast.AnnAssign) and _name(around[0].target) in parts:
        return False
    calls = {_name(one.func) for one in around if isinstance(one, ast.Call)}
    return not (calls & _NOT_SHOWN or any(call.startswith(("_log.", "re.")) for call in calls))


def _passed_on(path: Path) -> Iterator[str]:
    """The texts of market-data's errors that the bot passes on."""
    tree = ast.parse(path.read_text("utf-8"))
    parents = _parents(tree)
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call):
            continue
        match _name(call.func), call.args:
            case "SpellingError" | "for_coins_only", [*_, text]:
                yield from _values(text, call, parents)
            case "AnswerError", [_, ast.Constant(code), text, *_] if code in _PASSED_ON:
                if not any(_about_exchange(one) for one in call.keywords):  # the bot names none
                    yield from _values(text, call, parents)


def _about_exchange(keyword: ast.keyword) -> bool:
    return isinstance(keyword.value, ast.Constant) and keyword.value.value == "exchange"


def _values(text: ast.expr, call: ast.AST, parents: Mapping[ast.AST, ast.AST]) -> Iterator[str]:
    """The text itself, or all that the variable may hold."""
    if not isinstance(text, ast.Name):
        if _reads(_text(text, {})):
            yield _text(text, {})
        return
    function = next(one for one in _around(call, parents) if isinstance(one, _FUNCTIONS))
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and text.id in map(_name, node.targets):
            yield _text(node.value, {})


_FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)


def _parents(tree: ast.AST) -> dict[ast.AST, ast.AST]:
    return {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}


def _constants(tree: ast.Module) -> dict[str, str]:
    """The module's own texts by their names."""
    found: dict[str, str] = {}
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and node.value is not None:
            found[_name(node.target)] = _text(node.value, found)
    return {name: text for name, text in found.items() if text}


def _around(node: ast.AST, parents: Mapping[ast.AST, ast.AST]) -> Iterator[ast.AST]:
    while (parent := parents.get(node)) is not None:
        yield parent
        node = parent


def _reads(text: str) -> bool:
    """Whether it has two words, or one beside what is put in, and a word of its own."""
    words = [word for word in text.split() if any(one.isalpha() for one in word)]
    return bool(words) and len(text.split()) > 1


def _text(node: ast.AST, constants: Mapping[str, str]) -> str:
    if isinstance(node, ast.Constant):
        return _FIELD.sub(_LATER, node.value) if isinstance(node.value, str) else ""
    if not isinstance(node, ast.JoinedStr):
        return ""
    return "".join(
        _put_in(value.value, constants)
        if isinstance(value, ast.FormattedValue)
        else _text(value, constants)
        for value in node.values
    )


def _put_in(value: ast.AST, constants: Mapping[str, str]) -> str:
    """The text of a constant, also in a call (``bold("No trade")``); else the gap."""
    if isinstance(value, ast.Call) and value.args:
        return _text(value.args[0], constants) or _LATER
    return constants.get(_name(value), _LATER)


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
