"""Defects that are planted for real: the catalogue, how they are planted, what becomes of them."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from botproof import cli
from botproof.config import ALL_CHECKS
from botproof.planted_run import changed
from botproof.problems import UsageError
from botproof.prove import table
from botproof.prove.planted import (
    Catalogue,
    Patch,
    Plan,
    Planted,
    read_catalogue,
    read_wires_of_any_bot,
)
from botproof.prove.planting import DoesNotApplyError, Job, patched, planted
from botproof.prove.playing import Became, Ended, Play, judged, shows_nothing

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "botproof.toml"
CHECKS = {*ALL_CHECKS, "delivery"}


INCIDENTS = {
    "section-in-one-mode-only": "polling mode on a laptop, and was missing in webhook mode",
    "entry-point-deleted": "a clean-up deleted the entry point",
    "command-of-another-machine": "a manual command: that exists only in production",
    "port-8080-against-5000": "listens on the port of its default, the proxy asks another",
    "no-health-endpoint": "the health check asks for a path that the bot does not have",
    "healthy-while-nothing-starts": "the bot never starts under a preloading server",
    "two-instances-with-one-token": "still polls with the token when the new one starts",
    "wrong-token-of-another-environment": "the token of the staging bot is in production",
    "webhook-at-an-address-that-is-not-ours": "registered at the address of the last deployment",
    "https-assumed-where-http-is-served": "speaks TLS to a service that does not",
    "image-fifteen-hours-old": "an image fifteen hours old",
    "pair-spelling-renamed": "forex pairs were renamed",
    "learning-loop-without-a-bound": "every question is remembered, none is ever forgotten",
    "imports-110-mb": "an import of 110 MB",
    "restart-that-loses-the-override": "a restart loses the override",
    "empty-list-lets-everyone-in": "an empty allow-list lets everyone in",
}
"""What happened to the team, as its five documents tell it."""


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return read_catalogue(ROOT / "fixtures" / "defects")


def a_defect(**fields: Any) -> Planted:
    given = {"name": "a", "subject": "golden", "story": "s", "check": "golden", "plan": "p"}
    return msgspec.convert({**given, "words": ["differ", "BTC"], **fields}, Planted)


def ended(*checks: dict[str, Any], **fields: Any) -> Ended:
    given = {"measurement": "m", "evidence": []}
    return Ended({"checks": [{**given, **check} for check in checks]}, seconds=1.0, **fields)


# -- the catalogue ---------------------------------------------------------------------------------


def test_the_catalogue_has_all_kinds_and_enough_of_them(catalogue: Catalogue) -> None:
    assert len(catalogue.defects) >= 120
    assert {defect.how for defect in catalogue.defects} == {"patch", "wire", "change"}
    assert {defect.check for defect in catalogue.defects} <= CHECKS
    subjects = {defect.subject for defect in catalogue.defects}
    assert subjects >= {"entry points", "parity", "golden", "delivery", "security", "degradation"}
    assert 8 <= sum(defect.ci for defect in catalogue.defects) <= 16


def test_every_incident_of_the_team_is_in_it_and_none_may_escape(catalogue: Catalogue) -> None:
    defects = {defect.name: defect for defect in catalogue.defects}
    for name, told in INCIDENTS.items():
        assert told in defects[name].story
        assert not defects[name].escapes, name


def test_every_defect_can_be_planted_into_the_bot_as_it_is(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    """Who changes the bot's code finds here which defects have to be changed with it."""
    problems = []
    for defect in catalogue.defects:
        try:
            for file, text in patched(ROOT, defect).items():
                if text is not None and "SyntaxError" not in defect.words:
                    compile(text, file, "exec")
            if not defect.patch:
                changed(planted(CONFIG, catalogue.plans[defect.plan], defect, tmp_path))
        except (DoesNotApplyError, UsageError, SyntaxError) as error:
            problems.append(f"{defect.name}: {error}")
    assert problems == []


def test_defects_of_any_bot_need_only_its_traffic() -> None:
    catalogue = read_wires_of_any_bot()
    assert len(catalogue.defects) >= 15
    assert {defect.how for defect in catalogue.defects} == {"wire"}
    assert {plan.cases for plan in catalogue.plans.values()} == {()}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no defects"),
        ("[[defect]]\nname = 1", "name"),
        ('[[defect]]\nname = "a"\nwrong = 1', "unknown field `wrong`"),
    ],
)
def test_a_catalogue_that_cannot_be_read_names_file_and_reason(
    tmp_path: Path, text: str, said: str
) -> None:
    if text:
        (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(UsageError, match=re.escape(str(tmp_path))) as refused:
        read_catalogue(tmp_path)
    assert said in str(refused.value)


def test_a_defect_that_no_name_stands_for_is_refused(catalogue: Catalogue) -> None:
    with pytest.raises(UsageError, match="--defect nosuch: there is none; subjects are"):
        catalogue.chosen(("nosuch",))
    assert {d.subject for d in catalogue.chosen(("security",))} == {"security"}


# -- planting --------------------------------------------------------------------------------------


@pytest.fixture
def a_bot(tmp_path: Path) -> Path:
    """The botproof.toml of a bot with one package."""
    folder = tmp_path / "bot" / "my_bot"
    folder.mkdir(parents=True)
    (folder / "main.py").write_text("ANSWER = 42\n")
    config = tmp_path / "bot" / "botproof.toml"
    config.write_text(
        'name = "mine"\n[bot]\ncommand = ["{python}", "-m", "my_bot.main"]\nready = "telegram"\n'
        '[bot.env]\nTOKEN = "{token}"\n[modes.polling]\n'
        '[[workload.cases]]\nname = "one"\nsay = "/one"\n'
        '[[workload.cases]]\nname = "two"\nsay = "/two"\n'
    )
    return config


def a_patch(old: str, new: str = "43") -> Planted:
    return a_defect(patch=[{"file": "my_bot/main.py", "old": old, "new": new}])


def test_a_patch_changes_a_copy_that_the_bot_finds_first(a_bot: Path, tmp_path: Path) -> None:
    job = planted(a_bot, Plan(), a_patch("42"), tmp_path / "play")
    assert (a_bot.parent / "my_bot" / "main.py").read_text() == "ANSWER = 42\n"
    first = changed(job).bot.env["PYTHONPATH"]
    assert (Path(str(first)) / "my_bot" / "main.py").read_text() == "ANSWER = 43\n"


@pytest.mark.parametrize(
    ("defect", "said"),
    [
        (a_patch("41"), "holds 0 times, not once: '41'"),
        (a_patch("A"), "holds 2 times"),
        (
            a_defect(patch=[Patch("my_bot/no.py", "a", "b")]),
            "no.py: there is no such file beside",
        ),
        (a_defect(patch=[Patch("other/no.py", "a", "b")]), "other/no.py: there is no such file"),
        (a_defect(delete=["my_bot/no.py"]), "no.py: there is no such file beside"),
        (a_defect(wire=[{"kind": "delay"}]), "wire: delay: needs `seconds`"),
    ],
)
def test_what_does_not_apply_says_why(
    a_bot: Path, tmp_path: Path, defect: Planted, said: str
) -> None:
    (a_bot.parent / "my_bot" / "main.py").write_text("ANSWER = 42; A\n")
    with pytest.raises(DoesNotApplyError, match=re.escape(said)):
        planted(a_bot, Plan(), defect, tmp_path / "play")


def test_a_change_is_laid_over_botproof_toml_and_a_key_taken_away(
    a_bot: Path, tmp_path: Path
) -> None:
    change = {"bot": {"env": {"MORE": "1"}, "command": ["other"]}}
    defect = a_defect(change=change, remove=["bot.env.TOKEN"])
    bot = changed(planted(a_bot, Plan(), defect, tmp_path / "play")).bot
    assert (bot.command, bot.env) == (("other",), {"MORE": "1"})
    gone = a_defect(remove=["bot.env.NONE"])
    with pytest.raises(UsageError, match=r"has no bot\.env\.NONE to take away"):
        changed(planted(a_bot, Plan(), gone, tmp_path / "play"))


def test_a_plan_plays_some_cases_with_their_approved_replies(a_bot: Path, tmp_path: Path) -> None:
    (a_bot.parent / "golden").mkdir()
    for name in ("one", "two", "_bot", "_signals"):  # the last two are of no case
        (a_bot.parent / "golden" / f"{name}.txt").write_text(name)
    job = planted(a_bot, Plan(cases=("two",)), a_patch("42"), tmp_path / "play")
    config = changed(job)
    assert [case.name for case in config.workload.cases] == ["two"]
    taken = sorted(path.name for path in Path(config.gate.golden_dir).iterdir())
    assert taken == ["_bot.txt", "_signals.txt", "two.txt"]
    with pytest.raises(UsageError, match="there is no three"):
        changed(msgspec.structs.replace(job, plan=Plan(cases=("three",))))


def test_a_wire_is_an_option_of_the_double(a_bot: Path, tmp_path: Path) -> None:
    defect = a_defect(wire=[{"kind": "drop"}])
    option, file = changed(planted(a_bot, Plan(), defect, tmp_path / "p")).doubles.telegram.args
    assert (option, json.loads(Path(file).read_text())) == ("--wire", [{"kind": "drop"}])


# -- what became of it -----------------------------------------------------------------------------

RED = {"check": "golden", "verdict": "FAIL", "measurement": "1 of 2 replies differ"}
GOOD = {"check": "golden", "verdict": "PASS"}
LATE = {"check": "latency", "verdict": "FAIL", "measurement": "1 reply is missing"}


@pytest.mark.parametrize(
    ("run", "became"),
    [
        (ended({**RED, "evidence": ["price: /price BTC"]}), Became.RED),
        (ended({**RED, "evidence": ["price: /price"]}), Became.OTHER_WORDS),
        (ended({"check": "golden", "verdict": "PASS"}), Became.GREEN),
        (ended({"check": "golden", "verdict": "INCONCLUSIVE"}), Became.UNDECIDED),
        (
            ended({"check": "golden", "verdict": "INCONCLUSIVE"}, {**LATE, "evidence": ["none"]}),
            Became.RED,
        ),
        (
            ended({"check": "golden", "verdict": "INCONCLUSIVE"}, {**LATE, "evidence": ["late"]}),
            Became.OTHER_CHECK,
        ),
        (
            ended({"check": "golden", "verdict": "PASS"}, {"check": "boot", "verdict": "FAIL"}),
            Became.OTHER_CHECK,
        ),
        (ended({"check": "harness", "verdict": "ERROR"}), Became.NOT_APPLIED),
        (Ended({}, 1.0, "no verdict after 240 s", timed_out=True), Became.TIMED_OUT),
        (Ended({}, 1.0, "botproof.toml: is wrong"), Became.NOT_APPLIED),
    ],
)
def test_only_red_with_the_declared_words_counts(run: Ended, became: Became) -> None:
    play = judged(a_defect(also={"latency": ("none",)}), run)
    assert (play.became, play.void) == (became, became is not Became.RED)


RED_WITHOUT = ended({**RED, "evidence": ["help"]})
ALL_SAID_WITHOUT = ended({**RED, "evidence": ["price: /price BTC"]})
BOOT = {"check": "boot", "verdict": "FAIL"}


@pytest.mark.parametrize(
    ("without", "run", "became"),
    [
        (RED_WITHOUT, ended({**RED, "evidence": ["price: /price BTC"]}), Became.RED),
        (RED_WITHOUT, ended({**RED, "evidence": ["help"]}), Became.CONTROL),
        (ended(GOOD, BOOT), ended(GOOD, BOOT), Became.GREEN),
        (ended(GOOD, BOOT), ended(GOOD, BOOT, LATE), Became.OTHER_CHECK),
    ],
)
def test_what_is_red_without_the_defect_shows_it_by_new_words_alone(
    without: Ended, run: Ended, became: Became
) -> None:
    assert judged(a_defect(), run, without).became is became


@pytest.mark.parametrize(
    ("without", "said"),
    [
        (ended(GOOD), ""),
        (ended({"check": "golden", "verdict": "INCONCLUSIVE"}), ""),
        (RED_WITHOUT, ""),
        (ALL_SAID_WITHOUT, "golden: 1 of 2 replies differ"),
        (ended({"check": "golden", "verdict": "ERROR"}), "golden: m"),
        (ended(GOOD, {"check": "harness", "verdict": "ERROR"}), "golden"),
        (ended(BOOT), "golden"),
    ],
)
def test_nothing_follows_where_the_build_without_it_says_the_same(
    without: Ended, said: str
) -> None:
    assert shows_nothing(a_defect(), without) == said


def test_an_escape_that_is_declared_is_counted_and_not_void() -> None:
    green = ended({"check": "golden", "verdict": "PASS"})
    play = judged(a_defect(escapes="nobody compares it yet"), green)
    assert (play.became, play.void, play.line) == (Became.ESCAPES, False, "nobody compares it yet")
    assert table.summary([play]).startswith("0 of 1 planted defects are red")
    assert "; 1 escape" in table.summary([play])


def test_the_bound_of_the_escape_rate_is_the_rule_of_three() -> None:
    plays = [Play(a_defect(name=f"d{n}"), Became.RED) for n in range(100)]
    assert "100 of 100" in table.summary(plays)
    assert "an escape rate above 3.0% is refuted at 95 %" in table.summary(plays)
    void = [*plays, Play(a_defect(name="seen-by-nobody"), Became.GREEN)]
    assert table.summary(void).startswith("VOID: 100 of 101")
    assert table.summary(void).endswith("; seen-by-nobody")


def test_papers_name_what_was_found(tmp_path: Path) -> None:
    path = tmp_path / "new" / "prove.json"
    table.write_plays(path, [Play(a_defect(), Became.GREEN, "golden: PASS", 2.04)])
    (row,) = json.loads(path.read_text())
    assert (row["became"], row["void"], row["seconds"]) == ("stayed green", True, 2.0)


def test_the_command_lists_its_defects(capsys: pytest.CaptureFixture[str]) -> None:
    of = ("prove", "--config", str(CONFIG))
    assert cli.main([*of, "--list", "--ci"]) == 0
    assert "entry-point-deleted: a clean-up deleted the entry point" in capsys.readouterr().out
    assert cli.main([*of, "--mine", "--list"]) == 0
    assert "every-answer-twice" in capsys.readouterr().out
    assert cli.main([*of, "--defect", "nosuch"]) == 64
    assert "--defect nosuch: there is none" in capsys.readouterr().err


# -- for real --------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_real_defects_are_red_and_a_defect_that_is_none_is_void(tmp_path: Path) -> None:
    """One of each way of planting, and a patch that changes nothing anybody can see."""
    (tmp_path / "few.toml").write_text(
        """
[plan.few]
only = ["golden"]
modes = ["polling"]
cases = ["start", "price-nonsense"]
[[defect]]
name = "patched"
subject = "golden"
story = "s"
plan = "few"
check = "golden"
words = ["price-nonsense", "differ"]
[[defect.patch]]
file = "reference_bot/telegram_bot/render/html.py"
old = "    return html.escape(_INV"
new = "    return text or html.escape(_INV"
[[defect]]
name = "wired"
subject = "golden"
story = "s"
plan = "few"
check = "golden"
words = ["more messages than"]
wire = [{ kind = "repeat", method = "sendMessage" }]
[[defect]]
name = "none"
subject = "golden"
story = "s"
plan = "few"
check = "golden"
words = ["differ"]
change = { bot = { env = { NOBODY_READS = "1" } } }
"""
    )
    command = (sys.executable, "-m", "botproof", "prove", "--config", str(CONFIG))
    done = subprocess.run(
        [*command, "--defects", str(tmp_path), "--report-dir", str(tmp_path / "papers")],
        capture_output=True,
        text=True,
        check=False,
    )
    print(done.stdout, done.stderr)
    assert done.returncode == 3
    rows = json.loads((tmp_path / "papers" / "prove.json").read_text())
    assert {row["defect"]: row["became"] for row in rows} == {
        "patched": Became.RED.value,
        "wired": Became.RED.value,
        "none": Became.GREEN.value,
    }
    assert "VOID: 2 of 3" in done.stdout


def test_a_job_survives_its_file() -> None:
    job = Job(config="c", report_dir="r", plan=Plan(cases=("a",)), change={"bot": {"env": {}}})
    assert msgspec.json.decode(msgspec.json.encode(job), type=Job) == job
