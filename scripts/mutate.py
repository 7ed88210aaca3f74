"""Change one operator of the judge's own code, run its tests, and tell whether one of them noticed.

    python scripts/mutate.py                                # 30 mutants of all modules below
    python scripts/mutate.py --seed 2 --mutants 60
    python scripts/mutate.py --module botproof/stats.py     # of one module; may be repeated

The operators are those of mutmut and cosmic-ray: a comparison, `and`/`or`, arithmetic, `not`, a
number, True/False, `min`/`max`, `any`/`all`, `continue`/`break`. Each mutant is planted into a copy
of the tree; nothing of the tree itself is changed. Exit code: 0 each was noticed, 1 some survived.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
MODULES = (
    "botproof/chats.py",
    "botproof/history/record.py",
    "botproof/sequential.py",
    "botproof/stats.py",
    "botproof/prove/prove.py",
    *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "botproof/checks").glob("*.py")),
)
"""What a verdict is made by: how chats are read and normalised, the statistics, every check."""
_OF_THE_GATE = (
    *("checks", "chats", "false_passes", "history", "sequential", "stats", "verdict", "prove"),
    *("shortcomings", "starvation", "comebacks", "door", "pollers", "repeated", "trials"),
    *("replies_checked", "measured", "growth", "signals_watched", "piles", "taps", "pages"),
    "together",
)
TESTS = (
    *(f"contract_tests/gate/test_{name}.py" for name in _OF_THE_GATE),
    "contract_tests/delivery/test_check.py",
    "contract_tests/delivery/test_in_hand.py",
    "contract_tests/memory/test_leak.py",
    "contract_tests/parity/test_check.py",
    "contract_tests/load/test_rollback.py",
)
"""Those of the judge that start no process."""
_SWAPPED: dict[type[ast.AST], Any] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
}
_NAMES = {"min": "max", "max": "min", "any": "all", "all": "any"}
_MOST_S = 600.0


@dataclass(frozen=True)
class Mutant:
    """One node of a module, and the source that replaces it."""

    file: str
    line: int
    begin: int
    end: int
    before: str
    after: str

    def planted(self, source: bytes) -> bytes:
        """The module with the mutant in it; `begin` and `end` count bytes."""
        return source[: self.begin] + f"({self.after})".encode() + source[self.end :]


def mutants(file: str) -> list[Mutant]:
    """All that the operators make of a module, in its order."""
    source = (ROOT / file).read_bytes()
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    found = []
    for node in _code(ast.parse(source)):
        for changed in _changed(node):
            begin = starts[node.lineno - 1] + node.col_offset
            end = starts[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)
            before = source[begin:end].decode()
            found.append(Mutant(file, node.lineno, begin, end, before, ast.unparse(changed)))
    return found


def _code(tree: ast.AST) -> Iterator[ast.expr]:
    """Every expression that decides: no annotations, no options of a class, and nothing inside of
    f-strings (Python 3.11 does not tell where it is)."""
    options = {"annotation", "returns", "decorator_list"}
    for name, value in ast.iter_fields(tree):
        if name in options or (name == "keywords" and isinstance(tree, ast.ClassDef)):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or isinstance(child, ast.JoinedStr):
                continue
            if isinstance(child, ast.expr):
                yield child
            yield from _code(child)


def _changed(node: ast.expr) -> Iterator[ast.expr]:
    match node:
        case ast.Compare():
            yield from _compared(node)
        case ast.BoolOp(op, values):
            yield ast.BoolOp(_SWAPPED[type(op)](), values)
        case ast.BinOp(left, op, right) if type(op) in _SWAPPED and _numbers(left, right):
            yield ast.BinOp(left, _SWAPPED[type(op)](), right)
        case ast.UnaryOp(ast.Not(), operand):
            yield operand
        case ast.Constant(bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(int() | float() as value):
            yield ast.Constant(value + 1)
        case ast.Call(ast.Name(name), arguments, keywords) if name in _NAMES:
            yield ast.Call(ast.Name(_NAMES[name]), arguments, keywords)


def _compared(node: ast.Compare) -> Iterator[ast.expr]:
    for at, op in enumerate(node.ops):
        if swapped := _SWAPPED.get(type(op)):
            ops = [*node.ops[:at], swapped(), *node.ops[at + 1 :]]
            yield ast.Compare(node.left, ops, node.comparators)


def _numbers(*operands: ast.expr) -> bool:
    """Whether they may be numbers: nothing can be taken from a text or a list."""
    texts = (ast.JoinedStr, ast.List, ast.Tuple, ast.Dict)
    return not any(
        isinstance(each, texts) or isinstance(getattr(each, "value", None), str)
        for each in operands
    )


def judged(mutant: Mutant, copy: Path, tests: Sequence[str]) -> str:
    """The test that noticed the mutant; "" where none did."""
    path = copy / mutant.file
    whole = path.read_bytes()
    path.write_bytes(mutant.planted(whole))
    stem = Path(mutant.file).stem
    tests = sorted(
        tests, key=lambda test: stem not in test
    )  # who is most likely to notice is first
    command = (sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests)
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            [*command, "-m", "not slow and not docker", "--timeout", "120"],
            cwd=copy,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_MOST_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "no test ended"
    finally:
        path.write_bytes(whole)
    if done.returncode == 0:
        return ""
    lines = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return lines[0].split(" - ")[0] if lines else f"pytest: exit code {done.returncode}"


def main() -> int:
    """Play some mutants, a line each."""
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n", maxsplit=1)[0] if __doc__ else ""
    )
    parser.add_argument("--mutants", type=int, default=30, help="how many (30)")
    parser.add_argument("--seed", type=int, default=1, help="which are drawn (1)")
    parser.add_argument("--module", action="append", help="of these only; may be repeated")
    chosen = parser.parse_args()
    every = [mutant for file in chosen.module or MODULES for mutant in mutants(file)]
    drawn = random.Random(chosen.seed).sample(every, min(chosen.mutants, len(every)))  # noqa: S311 - no secret
    survived = 0
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copy = Path(folder) / "tree"
        ignored = shutil.ignore_patterns(
            ".git", ".nox", "__pycache__", "reports", ".mypy_cache", ".ruff_cache"
        )
        shutil.copytree(ROOT, copy, ignore=ignored)
        for number, mutant in enumerate(drawn, 1):
            by = judged(mutant, copy, TESTS)
            survived += not by
            said = f"noticed by {by}" if by else "SURVIVED"
            where = f"{mutant.file}:{mutant.line}"
            print(
                f"{number}/{len(drawn)} {where}: {mutant.before!r} -> {mutant.after!r}: {said}",
                flush=True,
            )
    print(
        f"{len(drawn) - survived} of {len(drawn)} mutants were noticed ({len(every)} are possible)"
    )
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
