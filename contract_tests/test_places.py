"""The docs that say where something is added name every place, and no other."""

import re
import tomllib
from pathlib import Path

import pytest

from botproof.checks.registry import CHECKS
from botproof.config import ALL_CHECKS
from botproof.report.moments import FINDERS

ROOT = Path(__file__).parents[1]
PAGES = sorted(ROOT.glob("docs/add-a*.md"))
EXAMPLE = "bitget"
COMMAND = "volscan"
SKIPPED = {"__pycache__", "node_modules", "defects", ".md", ".bin"}


def places(page: Path) -> set[str]:
    """The paths in the first column of a page's table."""
    rows = re.findall(r"^\| (`.+?) \|", page.read_text(), re.MULTILINE)
    return {path for row in rows for path in re.findall(r"`([^`]+)`", row)}


def sources() -> list[Path]:
    """Every file of the project in which code, settings or data may name a venue."""
    rooms = ("reference_bot", "botproof", "deploy", "fixtures", "fuzz", "load", "scripts")
    files = [path for room in rooms for path in (ROOT / room).rglob("*") if path.is_file()]
    kept = [each for each in files if not SKIPPED & {*each.parts, each.suffix}]
    named = ("botproof.toml", ".env.example", "noxfile.py", "contract_tests/market_data/weights.py")
    return [*kept, *(ROOT / name for name in named)]


def test_the_page_about_venues_names_every_file_that_names_one() -> None:
    named = {
        str(path.relative_to(ROOT))
        for path in sources()
        if EXAMPLE in path.read_text(errors="replace").lower()
    }
    assert places(ROOT / "docs" / "add-a-venue.md") == named


def test_the_page_about_commands_names_every_file_that_names_one() -> None:
    """Or the folder that it is in."""
    page = places(ROOT / "docs" / "add-a-command.md")
    listed = [ROOT / path.replace("<name>", COMMAND) for path in page]
    word = re.compile(rf"\b{COMMAND}\b")
    named = [path for path in sources() if word.search(path.read_text(errors="replace"))]
    assert ROOT / "reference_bot/telegram_bot/commands" / f"{COMMAND}.py" in named
    assert [path for path in named if not {path, *path.parents} & {*listed}] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_place_that_is_named_exists(page: Path) -> None:
    named = places(page)
    assert named
    missing = [path for path in named if "<" not in path and not (ROOT / path).exists()]
    assert not missing


def test_each_check_stands_in_every_list_of_all_of_them() -> None:
    assert tuple(CHECKS) == ALL_CHECKS
    assert [check for check in ALL_CHECKS if check not in FINDERS] == []
    for page in ("docs/gate.md", "README.md"):
        rows = re.findall(r"^\| (\w+) \|", (ROOT / page).read_text(), re.MULTILINE)
        assert [check for check in ALL_CHECKS if check not in rows] == [], page


def test_where_things_are_decided_is_where_the_page_says() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    named = re.findall(r"^\| where .*", text, re.MULTILINE)
    assert len(named) == 5
    for path in re.findall(r"`([\w./]+\.py)`", "\n".join(named)):
        assert (ROOT / path).exists(), path


def test_a_budget_of_what_was_measured_names_the_page_that_says_so() -> None:
    budgets = tomllib.loads((ROOT / "botproof.toml").read_text())["budgets"]
    measured = {name: each for name, each in budgets.items() if "measured" in each["source"]}
    assert measured
    for name, each in measured.items():
        page = (ROOT / each["source"].partition(":")[0]).read_text()
        assert f"| `{name}` | {each['limit']:g} " in page
