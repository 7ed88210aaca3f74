"""docs/telegram-double.md says what the double makes up, as its code has it."""

import os
import re
from pathlib import Path

from botproof.doubles.telegram.methods import METHODS
from botproof.doubles.telegram.methods.stand_ins import STAND_INS, table
from botproof.doubles.telegram.spec import methods

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "telegram-double.md"
PART = re.compile(r"(<!-- made up: [^\n]*-->\n)(.*?)(<!-- end of what is made up -->)", re.DOTALL)


def test_the_page_names_what_is_made_up() -> None:
    """Write it anew with `BOTPROOF_WRITE_DOCS=1 pytest contract_tests/double/test_docs.py`."""
    page = PAGE.read_text(encoding="utf-8")
    wanted = f"\n{table(METHODS, methods())}\n\n"
    found = PART.search(page)
    assert found is not None
    if os.environ.get("BOTPROOF_WRITE_DOCS"):
        head, tail = page[: found.start(2)], page[found.end(2) :]
        PAGE.write_text(head + wanted + tail, encoding="utf-8")
    assert found[2] == wanted or os.environ.get("BOTPROOF_WRITE_DOCS")


def test_every_stand_in_is_used_where_it_says() -> None:
    folder = ROOT / "botproof" / "doubles" / "telegram" / "methods"
    code = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    used = set(re.findall(r'made_up\(turn, "(\w+)"\)', code))
    assert used == set(STAND_INS)
