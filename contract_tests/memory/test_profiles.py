"""Profiles under memray: commands, captures, budgets, and the planted defects that they name."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from botproof.budgets import MB, Override
from botproof.profiles.budgets import ProcessBudget, ProfileBudgetError, read_budgets
from botproof.profiles.capture import (
    CaptureError,
    Owner,
    Profile,
    Stack,
    owner_of,
    project_line,
    read_profile,
    survivors,
)
from botproof.profiles.command import NotPythonError, under_memray
from botproof.profiles.flame import flame_page, tree
from botproof.profiles.judge import judge_libraries, judge_peak
from botproof.profiles.leak import LeakPlanError, read_plan
from botproof.verdict import Verdict

ROOT = Path(__file__).parents[2]
CAPTURE = Path("x.bin")
MEMRAY = ("-m", "memray", "run", "--quiet", "--force", "--trace-python-allocators")


@pytest.mark.parametrize(
    ("command", "flags", "rest", "project"),
    [
        (("{python}", "-m", "shop.bot", "--once"), (), ("-m", "shop.bot", "--once"), "shop"),
        (("/usr/bin/python3.12", "run.py", "-v"), (), ("run.py", "-v"), "run"),
        (("python3", "-X", "dev", "-u", "-m", "bot"), ("-X", "dev", "-u"), ("-m", "bot"), "bot"),
    ],
)
def test_python_commands_are_rewritten(
    command: tuple[str, ...], flags: tuple[str, ...], rest: tuple[str, ...], project: str
) -> None:
    found = under_memray(command, CAPTURE)
    assert found.command == (command[0], *flags, *MEMRAY, "--output", "x.bin", *rest)
    assert found.project == project


@pytest.mark.parametrize(
    "command", [("node", "bot.js"), ("python3", "-c", "x = 1"), ("python3",), ("./pythonista",)]
)
def test_commands_that_memray_cannot_run_are_refused(command: tuple[str, ...]) -> None:
    with pytest.raises(NotPythonError):
        under_memray(command, CAPTURE)


SITE = "/venv/lib/python3.11/site-packages"
FROZEN = ("_find_and_load", "<frozen importlib._bootstrap>", 1147)
STANDARD = ("loads", "/usr/lib/python3.11/json/__init__.py", 346)
LIBRARY = ("<module>", f"{SITE}/pandas/core/frame.py", 9)
OWN = ("<module>", "/home/someone/shop/prices.py", 3)
MEMRAY_FRAME = ("_run_tracker", f"{SITE}/memray/commands/run.py", 60)


@pytest.mark.parametrize(
    ("frames", "owner"),
    [
        ((FROZEN, LIBRARY, OWN), "pandas"),
        ((STANDARD, OWN), "shop"),
        ((STANDARD, FROZEN, MEMRAY_FRAME), "python"),
        ((("f", f"{SITE}/typing_extensions.py", 1),), "typing_extensions"),
        ((("f", f"{SITE}/_brotli.cpython-311-x86_64-linux-gnu.so", 0),), "_brotli"),
        ((("f", "/usr/lib/python3/dist-packages/yaml/__init__.py", 4),), "yaml"),
        ((), "python"),
    ],
)
def test_memory_belongs_to_whoever_asked_for_it(
    frames: tuple[tuple[str, str, int], ...], owner: str
) -> None:
    assert owner_of(frames, "shop") == owner


def test_the_line_of_the_project_that_led_there_is_the_innermost() -> None:
    outer = ("<module>", "/home/someone/shop/__main__.py", 1)
    assert project_line((FROZEN, LIBRARY, OWN, outer), "shop") == "prices.py:3"
    assert project_line((FROZEN, LIBRARY), "shop") == ""


def budget(peak: float, other: float, **libraries: float) -> ProcessBudget:
    return ProcessBudget(
        peak_heap_mb=Override(peak, "a note"),
        other_library_mb=Override(other, "a note"),
        library_mb={name: Override(limit, "a note") for name, limit in libraries.items()},
    )


def profile(**sizes: float) -> Profile:
    owners = [Owner(name, int(size * MB), 10, {f"shop.py:{7}": 1}) for name, size in sizes.items()]
    stack = Stack((OWN,), sum(owner.size for owner in owners), 10)
    return Profile(peak=stack.size, allocations=99, owners=owners, stacks=[stack])


def test_an_import_of_ten_megabytes_is_named_with_the_line_that_brought_it() -> None:
    found = profile(pandas=11.0, shop=2.0)
    result = judge_libraries("bot", found, budget(40, 1, shop=3))
    assert result.verdict is Verdict.FAIL
    assert result.measurement == "pandas 11.0 MB of 1 MB"
    assert result.evidence == ("pandas 11.0 MB of 1 MB, not listed, by shop.py:7",)
    assert judge_peak("bot", found, budget(40, 1)).verdict is Verdict.PASS
    assert judge_peak("bot", found, budget(13, 1)).verdict is Verdict.FAIL


def test_a_listed_library_has_its_own_limit() -> None:
    assert judge_libraries("bot", profile(pandas=11), budget(40, 1, pandas=12)).verdict is (
        Verdict.PASS
    )


def test_the_budgets_that_come_with_the_project_can_be_read_and_say_where_they_come_from() -> None:
    for process in read_budgets(ROOT / "memory_profiles" / "budgets.toml").values():
        limits = [process.peak_heap_mb, process.other_library_mb, *process.library_mb.values()]
        assert all(limit.limit > 0 and limit.source != "botproof.toml" for limit in limits)
    assert read_plan(ROOT / "memory_profiles" / "leak.toml").target


@pytest.mark.parametrize(
    ("text", "said"),
    [("[bot]\npeak = 3", "peak"), ("[bot", "is|at|line|Expected"), ("[bot]\n", "peak_heap_mb")],
)
def test_budgets_that_cannot_be_used_name_the_file(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "budgets.toml"
    file.write_text(text)
    with pytest.raises(ProfileBudgetError, match=rf"(?s)budgets\.toml: .*({said})"):
        read_budgets(file)


def test_a_leak_plan_asks_each_process_in_one_way(tmp_path: Path) -> None:
    file = tmp_path / "leak.toml"
    file.write_text('[[target]]\nprocess = "bot"\n')
    with pytest.raises(LeakPlanError, match="bot needs either `post` or `say`"):
        read_plan(file)


PROGRAM = """
import time
kept = {}
def remember(number):
    kept[number] = bytes(1_000)
for number in range(300):
    remember(number)
time.sleep(0.1)
BEGIN = time.time_ns() // 1_000_000
time.sleep(0.1)
for number in range(300, 3_300):
    remember(number)
    bytes(50_000)
time.sleep(0.1)
END = time.time_ns() // 1_000_000
time.sleep(0.1)
print(BEGIN, END)
"""


@pytest.fixture(scope="module")
def captured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int, int]:
    """A capture of a small program that keeps a kilobyte a call, and when it did so."""
    directory = tmp_path_factory.mktemp("capture")
    script, capture = directory / "learner.py", directory / "learner.bin"
    script.write_text(PROGRAM)
    command = under_memray((sys.executable, str(script)), capture).command
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    begin, end = map(int, done.stdout.split())
    return capture, begin, end


def test_a_capture_tells_the_peak_and_whose_it_is(captured: tuple[Path, int, int]) -> None:
    found = read_profile(captured[0], "learner")
    own = next(owner for owner in found.owners if owner.name == "learner")
    assert own.size > 3_300 * 1_000
    assert own.led_by == "learner.py:5"
    assert found.peak >= own.size
    assert sum(owner.size for owner in found.owners) == found.peak


def test_survivors_name_the_line_that_keeps_what_it_allocates(
    captured: tuple[Path, int, int],
) -> None:
    capture, begin, end = captured
    worst = survivors(capture, "learner", begin_ms=begin, end_ms=end)[0]
    assert (worst.place, worst.function) == ("learner.py:5", "remember")
    # the 3,000 of the span, not the 300 before it, and nothing of what was freed again
    assert 3_000 * 1_000 < worst.size < 3_300 * 1_100


def test_a_cut_off_capture_is_an_error_not_an_empty_profile(tmp_path: Path) -> None:
    (tmp_path / "cut.bin").write_bytes(b"memray")
    with pytest.raises(CaptureError):
        read_profile(tmp_path / "cut.bin", "bot")


def test_the_flame_graph_needs_nothing_else_and_cannot_be_broken_by_a_name() -> None:
    evil = ("</script><script>alert(1)//", "/home/shop/x.py", 3)
    page = flame_page("bot: <memory>", Profile(10, 1, [], [Stack((evil,), 10, 1)]), "shop")
    assert page.count("<script>") == page.count("</script>") == 1
    assert "bot: &lt;memory&gt;" in page
    assert not re.search(r"https?://|src=|@import|<link", page)


def test_the_flame_graph_leaves_out_what_only_imports() -> None:
    root = tree([Stack((LIBRARY, FROZEN, OWN, MEMRAY_FRAME), 10, 1)], "shop")
    (own,) = root.below.values()
    (library,) = own.below.values()
    assert (own.name, own.owner) == ("prices.py:3", "shop")
    assert (library.name, library.owner, library.size) == ("pandas/core/frame.py:9", "pandas", 10)


Planted = Callable[[str], Path]


@pytest.fixture
def planted(tmp_path: Path) -> Planted:
    """The project's botproof.toml with an incident in the place of market-data."""

    def make(incident: str) -> Path:
        text = (ROOT / "botproof.toml").read_text()
        command = '["{python}", "-m", "reference_bot.market_data"]'
        assert command in text
        script = ROOT / "fixtures" / "incidents" / incident
        text = text.replace(command, json.dumps(["{python}", str(script)]))
        text = text.replace("load/price.py", str(ROOT / "load" / "price.py"))
        path = tmp_path / "botproof.toml"
        path.write_text(text)
        return path

    return make


def script(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "memory_profiles" / name), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=800, check=False)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_planted_import_is_named_and_the_rest_of_the_profile_is_written(
    planted: Planted, tmp_path: Path
) -> None:
    done = script(
        "run.py",
        *("--config", str(planted("heavy_import.py"))),
        *("--report-dir", str(tmp_path), "--requests", "50"),
    )
    assert done.returncode == 1, done.stdout + done.stderr
    verdict = json.loads((tmp_path / "profiles" / "verdict.json").read_text())
    by_check = {check["check"]: check for check in verdict["checks"]}
    assert by_check["market_data libraries"]["verdict"] == "FAIL"
    assert "scipy" in by_check["market_data libraries"]["measurement"]
    blamed = " ".join(by_check["market_data libraries"]["evidence"])
    assert "heavy_import.py:10" in blamed
    assert by_check["bot libraries"]["verdict"] == "PASS", by_check["bot libraries"]
    assert (tmp_path / "profiles" / "flame-bot.html").exists()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_planted_leak_is_found_and_its_line_named(planted: Planted, tmp_path: Path) -> None:
    plan = tmp_path / "leak.toml"
    plan.write_text(
        'requests = 400\nrounds = 8\nwarm_up = 1\n[[target]]\nprocess = "market_data"\n'
        'post = "/combined_price"\nbody = { symbol = "BTC" }\n'
    )
    done = script(
        "leak.py",
        *("--config", str(planted("leak_learning_loop.py"))),
        *("--plan", str(plan), "--report-dir", str(tmp_path)),
    )
    assert done.returncode == 1, done.stdout + done.stderr
    verdict = json.loads((tmp_path / "leak" / "verdict.json").read_text())
    (check,) = verdict["checks"]
    assert check["verdict"] == "FAIL"
    grown = check["data"]["market_data (polling)"]
    assert grown == pytest.approx(1_050, rel=0.25)  # kB per 1,000 requests
    named = [line for line in check["evidence"] if "leak_learning_loop.py:25" in line]
    assert named, check["evidence"]
    assert "in application keeps 1," in named[0]
