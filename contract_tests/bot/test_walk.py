"""One update goes through the modules that docs/architecture.md names, in as many calls."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
WALK = (
    (ROOT / "docs" / "architecture.md")
    .read_text()
    .partition("### A walk of one update")[2]
    .partition("\n## ")[0]
)
MOST = 40
TIMES = 3
RENDER = "telegram_bot/render/"

Call = tuple[str, int, str, str]


def named_on_the_page() -> set[str]:
    """The files in the table of the walk, below reference_bot."""
    paths = re.findall(r"`([\w./]+\.py)`", WALK)
    beside = {each for each in paths if (ROOT / "reference_bot" / each).exists()}
    return beside | {f"telegram_bot/{each}" for each in {*paths} - beside}


@pytest.fixture
def walks(start_bot: Callable[..., Any], telegram: Any) -> list[dict[str, Any]]:
    """What is done for each of a few equal updates, as `traced.py` tells it.

    An update that a busy machine made wait is announced first, which is another walk.
    """
    program = str(Path(__file__).with_name("traced.py"))
    bot = start_bot("webhook", command=(program,)).until_ready()
    walks: list[dict[str, Any]] = []
    chat = 0
    while len(walks) < TIMES:
        chat += 1
        telegram.say("/price BTC", chat=chat)
        walked = bot.event("walked")
        if not any("_acknowledge" in call[3] for call in walked["calls"]):
            walks.append(walked)
    return walks


def calls_of(walks: list[dict[str, Any]]) -> list[Call]:
    """The calls that all of them make: a timer's are not among them."""
    first, *others = ([tuple(call) for call in walked["calls"]] for walked in walks)
    return [call for call in dict.fromkeys(first) if all(call in other for other in others)]


@pytest.mark.slow
def test_the_walk_of_one_update_is_as_the_page_tells_it(walks: list[dict[str, Any]]) -> None:
    between = [call for call in calls_of(walks) if call[0] and not call[3].endswith("__init__")]
    outside = [call for call in between if not call[0].startswith(RENDER)]
    [said] = map(int, re.findall(r"at (\d+) places", WALK))
    told = "\n".join(f"{call[0]}:{call[1]} {call[3]}" for call in outside)
    assert len(outside) <= said <= MOST, told

    modules = {name for call in outside for name in (call[0], call[2])}
    assert {each for each in modules if not each.startswith(RENDER)} - named_on_the_page() == set()

    jsons = [tuple(each) for each in walks[0]["jsons"]]
    assert len({*jsons}) == len(jsons), jsons  # nothing is parsed or dumped twice
    [(parsed, dumped)] = re.findall(r"parsed (\d+) times and dumped (\d+) times", WALK)
    done = [each[2] for each in jsons]
    assert (done.count("decode"), done.count("encode")) == (int(parsed), int(dumped)), jsons
