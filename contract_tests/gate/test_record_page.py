"""report.html in a browser: a person walks through a run and finds the cause of each defect."""

from __future__ import annotations

import contextlib
import random
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from botproof import history
from botproof.budgets import Override, resolve
from botproof.chats import ReplyRules
from botproof.checks import golden_files
from botproof.checks.judging import Judging, JudgingSettings, run_checks
from botproof.checks.registry import CHECKS
from botproof.cli import main
from botproof.config import Replies
from botproof.history import BotApiCall, History
from botproof.prove.alterations import ALTERATIONS
from botproof.prove.altering import Record
from botproof.prove.catalogue import Defect, read_defects
from botproof.report.html import write_html
from botproof.report.live import Follower, Server
from botproof.report.page import packed
from botproof.report.record import as_record
from botproof.report.talks import talks_of
from contract_tests.browser import Browser, BrowserError, chromium
from contract_tests.gate.story_around import around
from contract_tests.readable import CONTRAST, UNREACHED

EVIL = "</script><script>document.title='x'</script><img src=x onerror=\"document.title='x'\">"
REPLIES = Replies(acknowledgement="^⏳")

# What a person has to see of each defect, and what is clicked before it is seen.
CAUSES: dict[str, tuple[str, ...]] = {
    "entry-point-deleted": ("ended before it was ready, with exit code 1",),
    "crash-in-service": ("bot ended on its own with signal SIGKILL",),
    "sigterm-ignored": ("bot ignored SIGTERM for 10 s and had to be killed",),
    "exit-code": ("bot ended with exit code 1 on SIGTERM",),
    "healthy-and-mute": ("the bot answered none of", "no answer after"),
    "updates-not-confirmed": ("were never confirmed to Telegram", "waits for"),
    "figure-changed": ("“last 1” became “last 2”", "+last 2"),
    "section-lost": ("“last 1” is missing", "-last 1"),
    "reply-lost": ("rich: was never answered", "no answer after 2.00 s", "-last 1"),
    "reply-twice": ("rich: 2 messages came where the answer has 1",),
    "stranger-answered": ("edited: must stay unanswered", "Welcome"),
    "section-in-one-mode-only": ("“last 1” is missing", "(no such line)"),
    "parse-mode-lost": ("“--- message (HTML)” became “--- message”",),
    "buttons-lost": ("“[more → m]” is missing",),
    "wrong-chat": ("rich: was never answered", "sendMessage to 987654321"),
    "reply-late": ("rich: the answer took 2.60 s, the limit is 2 s",),
    "load-late": ("requests of the load took 2 s or more", "after 2.50 s"),
    "half-a-percent-fails": ("requests of the load failed", "HTTP 500"),
    "stands-still": ("5 requests in a row over 5 s", "after 6.00 s"),
    "service-outgrows-its-budget": ("market_data takes 120.0 MB, the limit is 70 MB",),
    "fleet-outgrows-the-machine": ("the fleet takes 910.0 MB, the limit is 800 MB",),
    "conversation-answered-differently": ("polling and webhook answered differently", "/start"),
    "event-loop-a-request": ("the first update after the start is answered otherwise",),
    "update-again": ("remember update_id",),
}
# What trials find: the record holds questions and answers of their stacks, and no chats.
TRIALS: dict[str, str] = {
    "update-lost-over-a-stop": "never answered",
    "token-in-a-log": "the secret bot token stands in the log of bot",
    "stranger-is-told": "was told what is the operator",
    "zero-for-nothing": "a zero was invented",
    "signal-again-after-a-restart": "2 times to chat",
    "sent-again-when-its-answer-was-lost": "was answered 2 times",
    "secret-in-an-error-page": "stands in what the webhook answers to a wrong secret",
    "users-in-the-metrics": "GET /metrics of bot names 9 users by their ids",
    "retry-after-not-kept": "Retry-After is not kept",
    "venue-hammered": "is called again and again",
    "age-told-too-low": "the age is told too low",
    "subscriber-left-out": "was left out",
    "signals-to-whoever-did-not-ask": "which had not asked for it",
    # And what no moment of the record shows.
    "ready-too-early": "said that it was ready, and took no update for",
    "metrics-page-fails": "GET /metrics of bot answers HTTP 500",
    "tap-acknowledged-late": "answerCallbackQuery came after",
    "not-modified-taken-for-a-failure": "must stay unanswered",
    "same-question-taken-for-a-repetition": "whoever asks the same once more gets nothing",
    "small-bodies-only": "HTTP 413",
    "service-that-hangs-is-waited-for": "no answer in 12 s",
    "files-never-closed": "piles up open files",
    "file-for-each-update": "piles up files in the directory",
    "log-floods-the-disk": "the log fills the disk",
}
CLICKS: dict[str, tuple[str, ...]] = {
    # Golden complains first; the modes beside each other are a click away.
    "section-in-one-mode-only": ("#walk-side",),
    # What the bot called for other chats is hidden while one looks at one chat.
    "wrong-chat": ("#walk-only",),
    "conversation-answered-differently": ("#panel-happened .bad summary",),
}


def good_story(make_story: Callable[..., Any]) -> Any:
    """A run that passes and in which every defect can show."""
    story = make_story()
    settings = JudgingSettings(
        checks=tuple(CHECKS), replies=REPLIES, budgets=dict(budgets()), golden_dir="nowhere"
    )
    run = history.Run(
        t=0.0,
        modes=story.modes,
        started_at="2026-01-01T09:00:00+00:00",
        judging=msgspec.to_builtins(settings),
    )
    story.events[0] = run
    story.healthy()
    for mode in story.modes:
        keyboard = {"inline_keyboard": [[{"text": "more", "callback_data": "m"}]]}
        story.case(mode, "rich", "<b>BTC</b>\nlast 1", say="/rich")
        call = story.events[-1]
        params = {**call.params, "reply_markup": keyboard}
        story.events[-1] = msgspec.structs.replace(call, params=params)
    story.events = [with_update(event) for event in story.events]
    return story


def with_update(event: history.Event) -> history.Event:
    """As the double records it: what was sent, and in which chat."""
    if isinstance(event, history.CasePlayed):
        who = {"id": event.chat_id, "first_name": "Ada", "type": "private"}
        sent = {"message": {"text": event.title, "date": 0, "chat": who, "from": who}}
        return msgspec.structs.replace(event, sent=sent)
    if isinstance(event, history.UpdateInjected):
        chat = {"id": 1000 + event.update_id, "type": "private"}
        update = {"update_id": event.update_id, "message": {"text": "hello", "chat": chat}}
        return msgspec.structs.replace(event, update=update)
    return event


def budgets() -> Any:
    return resolve({"market_data_memory_mb": Override(limit=70, source="this test")})


@pytest.fixture(scope="module")
def good_around(make_story: Callable[..., Any]) -> tuple[History, Judging]:
    """The same with all that is around a conversation."""
    story = good_story(make_story)
    around(story)
    return judged_by_itself(story.history())


@pytest.fixture(scope="module")
def good(make_story: Callable[..., Any]) -> tuple[History, Judging]:
    return judged_by_itself(good_story(make_story).history())


def judged_by_itself(record: History) -> tuple[History, Judging]:
    """A record, and a judging that approves of what was said in it."""
    judging = Judging(budgets=budgets(), rules=ReplyRules.of(REPLIES))
    by_case = golden_files.received(record.counted(), judging)
    approved = {name: each.texts["polling"] for name, each in by_case.items()}
    return record, replace(judging, approved=approved)


def write(directory: Path, record: History, judging: Judging) -> Path:
    """The page of a run, with golden files where its record says that they are."""
    golden = directory / "golden"
    golden.mkdir(parents=True, exist_ok=True)
    for name, text in judging.approved.items():
        (golden / f"{name}.txt").write_text(text)
    run = record.run
    assert run is not None
    about = msgspec.structs.replace(run, judging={**run.judging, "golden_dir": str(golden)})
    record = History([about if event is run else event for event in record])
    results = run_checks(CHECKS, CHECKS, record, judging)
    write_html(directory, results, record, judging.budgets, 1.0)
    return directory / "report.html"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("chromium")) as browser:
        browser.size(1400, 1000)
        yield browser


def open_page(browser: Browser, page: Path, fragment: str = "") -> None:
    browser.open("about:blank")
    browser.open(page.as_uri() + fragment)
    browser.until("document.documentElement.dataset.drawn")


def seen(browser: Browser) -> str:
    """The text of the record that a person can see now."""
    return str(browser.run("return document.getElementById('walk').innerText"))


def missing(browser: Browser, wanted: tuple[str, ...]) -> list[str]:
    """What of the wanted texts a person does not see, once everything is drawn."""
    shown = "document.getElementById('walk').innerText.replace(/\\s+/g, ' ')"
    with contextlib.suppress(BrowserError):  # not drawn within the time of a script: told below
        browser.until(f"given[0].every((text) => {shown}.includes(text))", wanted)
    return [text for text in wanted if text not in " ".join(seen(browser).split())]


def altered(good: tuple[History, Judging], defect: Defect) -> History:
    record, judging = good
    every = defect.modes == "all"
    own = Record.of(record.for_check(defect.check), judging, every_mode=every)
    found = ALTERATIONS[defect.alter](own)
    assert found is not None
    return found.history


def test_every_defect_of_the_catalogue_is_looked_for() -> None:
    assert {*CAUSES, *TRIALS} == {defect.name for defect in read_defects()}
    assert len(CAUSES) >= 20
    assert all(len(clicks) <= 3 for clicks in CLICKS.values())


@pytest.mark.browser
@pytest.mark.parametrize("defect", read_defects(), ids=lambda defect: defect.name)
def test_the_cause_of_a_defect_is_found_from_the_page_alone(
    browser: Browser,
    good: tuple[History, Judging],
    good_around: tuple[History, Judging],
    tmp_path: Path,
    defect: Defect,
) -> None:
    run = good_around if defect.name in TRIALS else good
    open_page(browser, write(tmp_path, altered(run, defect), run[1]))
    for css in CLICKS.get(defect.name, ()):
        browser.run("document.querySelector(arguments[0]).scrollIntoView({block: 'center'})", css)
        browser.click(css)
        wait(browser)
    causes = CAUSES.get(defect.name) or (TRIALS[defect.name],)
    assert missing(browser, causes) == []


@pytest.fixture(scope="module")
def red(good: tuple[History, Judging], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run whose second mode loses a line of one reply."""
    (defect,) = (each for each in read_defects() if each.name == "section-in-one-mode-only")
    directory = tmp_path_factory.mktemp("red")
    log = directory / "logs" / "webhook" / "bot.log"
    log.parent.mkdir(parents=True)
    log.write_text("an early line\nthe last section failed\n")
    record = altered(good, defect)
    who: Any = {"process": "bot", "role": "bot", "stack": "webhook", "mode": "webhook"}
    case = next(e for e in record.of(history.CasePlayed, stack="webhook") if e.case == "rich")
    reads = [
        history.LogRead(t=case.t - 5, size=len("an early line\n"), **who),
        history.LogRead(t=case.t + 0.05, size=log.stat().st_size, **who),
    ]
    return write(directory, History([*record, *reads]), good[1])


def wait(browser: Browser) -> None:
    """Until what was asked for is drawn."""
    browser.run(
        "return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )


@pytest.mark.browser
def test_it_opens_at_the_first_finding_with_chat_calls_and_log_of_that_second(
    browser: Browser, red: Path
) -> None:
    open_page(browser, red)
    text = seen(browser)
    assert "finding 1 of" in text
    assert (
        browser.run("return document.querySelector('#walk-stacks [aria-pressed=true]').textContent")
        == "webhook"
    )
    bubbles = (
        "return [...document.querySelectorAll('#walk-messages .body')].map(b => b.textContent)"
    )
    assert browser.run(bubbles) == ["/rich", "BTC"]
    assert (
        browser.run("return document.querySelector('#walk-messages .body b').textContent") == "BTC"
    )
    assert browser.run("return document.querySelector('#walk-messages .key').textContent") == "more"
    log = browser.run("return document.getElementById('panel-log').innerText")
    assert "the last section failed" in log
    assert "an early line" not in log
    browser.click("#panel-calls summary")
    assert missing(browser, ("request", '"parse_mode": "HTML"')) == []
    browser.size(1300, 900)  # what was opened stays open when all is drawn anew
    wait(browser)
    wait(browser)
    assert missing(browser, ('"parse_mode": "HTML"',)) == []
    browser.size(1400, 1000)
    assert browser.run("return scrollY") == 0


@pytest.mark.browser
def test_the_cursor_moves_by_key_and_pointer_and_the_chat_goes_with_it(
    browser: Browser, red: Path
) -> None:
    open_page(browser, red)
    count = "return document.querySelectorAll('#walk-messages .bubble').length"
    browser.type("#walk-time", "\ue011")  # Home: nothing was said yet
    wait(browser)
    assert browser.run(count) == 0
    browser.type("#walk-time", "\ue010")  # End
    wait(browser)
    now = browser.run("return document.getElementById('walk-time').getAttribute('aria-valuenow')")
    highest = browser.run(
        "return document.getElementById('walk-time').getAttribute('aria-valuemax')"
    )
    assert now == highest
    browser.click("#walk-time")
    wait(browser)
    middle = float(
        browser.run("return document.getElementById('walk-time').getAttribute('aria-valuenow')")
    )
    assert middle < float(highest)


@pytest.mark.browser
def test_every_case_and_moment_has_a_link_that_leads_back_to_it(
    browser: Browser, red: Path
) -> None:
    open_page(browser, red, "#case=price&mode=polling")
    assert "/price BTC" in seen(browser)
    assert browser.run("return document.querySelector('[aria-current]').dataset.case") == "price"
    browser.click("#walk-cases [data-case=start]")
    browser.until("document.querySelector('[aria-current]')?.dataset.case === 'start'")
    link = browser.run("return location.hash")
    assert "case=start" in link
    open_page(browser, red, link)
    assert browser.run("return document.querySelector('[aria-current]').dataset.case") == "start"
    assert (
        browser.run("return document.querySelector('#walk-messages .mine .body').textContent")
        == "/start"
    )


@pytest.mark.browser
def test_a_search_finds_replies_logs_and_cases_and_leads_there(browser: Browser, red: Path) -> None:
    open_page(browser, red)
    for words, kind in {
        "last section": "log of bot",
        "welcome": "bot api call",
        "rich": "case",
    }.items():
        browser.run("document.getElementById('walk-search').value = ''")
        browser.type("#walk-search", words)
        found = browser.run("return document.getElementById('walk-found').innerText")
        assert kind in found, found
    browser.run("document.getElementById('walk-search').value = ''")
    browser.type("#walk-search", "welcome\n")
    wait(browser)
    assert "Welcome" in browser.run("return document.getElementById('walk-messages').innerText")


@pytest.mark.browser
def test_two_modes_stand_side_by_side_stopped_at_the_first_difference(
    browser: Browser, red: Path
) -> None:
    open_page(browser, red, "#case=price&mode=polling")
    browser.click("#walk-side")
    wait(browser)
    sides = browser.run(
        "return [...document.querySelectorAll('.side')].map((s) => ["
        "s.querySelector('h3').textContent,"
        " s.querySelector('.messages').lastElementChild.querySelector('.body').textContent])"
    )
    assert sides == [["polling", "BTC\nlast 1"], ["webhook", "BTC"]]
    differs = (
        "return [...document.querySelectorAll('.lines .differs')].map(r => r.innerText.trim())"
    )
    assert browser.run(differs) == ["≠\tlast 1\t(no such line)"]
    assert "case=rich" in browser.run("return location.hash")
    open_page(browser, red, "#finding=2")
    assert "webhook answer differently" in seen(browser)
    assert browser.run("return document.querySelectorAll('.side').length") == 2


@pytest.mark.browser
def test_two_runs_stand_side_by_side_opened_at_the_first_difference(
    browser: Browser, good: tuple[History, Judging], tmp_path: Path
) -> None:
    (defect,) = (each for each in read_defects() if each.name == "section-in-one-mode-only")
    paths = []
    for name, record in (("first", good[0]), ("second", altered(good, defect))):
        paths.append(str(tmp_path / name))
        with history.HistoryWriter(tmp_path / name / "history.jsonl") as writer:
            for event in record:
                later = 1_000 * len(paths) if event.t else 0  # they ran at different times
                writer.write(msgspec.structs.replace(event, t=event.t + later))
    page = tmp_path / "two.html"
    assert main(["show", *paths, "--mode", "webhook", "--output", str(page)]) == 0
    open_page(browser, page)
    text = seen(browser)
    assert "finding 1 of 1" in text
    assert "“last 1” is missing" in text
    heads = "return [...document.querySelectorAll('.side h3')].map((h) => h.textContent)"
    assert browser.run(heads) == ["webhook, first run", "webhook, second run"]
    assert browser.run("return document.querySelector('.differs').innerText.trim()").startswith("≠")
    assert main(["show", *paths, "--mode", "lambda"]) == 64

    # Without a mode it is the one in which most cases differ: nothing does in polling.
    assert main(["show", *paths, "--output", str(page)]) == 0
    open_page(browser, page)
    assert browser.run(heads) == ["webhook, first run", "webhook, second run"]
    why = browser.run("return document.querySelector('header .why').innerText")
    assert re.fullmatch(
        r"polling: 0 of (\d+) cases answered differently; "
        r"webhook: 1 of \1 cases answered differently",
        why,
    )


@pytest.fixture(scope="module")
def evil(good: tuple[History, Judging], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run in which everything that comes from outside tries to be markup."""
    directory = tmp_path_factory.mktemp("evil")
    log = directory / "logs" / "webhook" / "bot.log"
    log.parent.mkdir(parents=True)
    log.write_text(f"{EVIL}\n")
    labels: Any = {"stack": "webhook", "mode": "webhook"}
    t = 500.0
    sent = {"message": {"text": EVIL, "chat": {"id": 7, "first_name": EVIL}, "from": {"id": 7}}}
    case: Any = {"case": EVIL, "title": EVIL, "command": EVIL, "chat_id": 7, "expect": "silence"}
    button = {"text": EVIL, "url": "javascript:document.title='x'"}
    params = {"chat_id": 7, "text": EVIL, "reply_markup": {"inline_keyboard": [[button]]}}
    keys = {"chat_id": 7, "text": "?", "reply_markup": {"keyboard": [["Boy", {"text": EVIL}]]}}
    more = [
        history.CasePlayed(t=t, update_id=99, sent=sent, **case, **labels),
        BotApiCall(t=t + 0.1, method=EVIL, params=params, description=EVIL, **labels),
        BotApiCall(
            t=t + 0.1, method="sendMessage", params=params, result={"message_id": 5}, **labels
        ),
        BotApiCall(
            t=t + 0.12, method="sendMessage", params=keys, result={"message_id": 6}, **labels
        ),
        history.VenueCall(t=t + 0.1, venue=EVIL, path=EVIL, query={EVIL: EVIL}, **labels),
        history.LogRead(t=t + 0.1, process="bot", role="bot", size=9_999, **labels),
        history.LogTrouble(t=t + 0.1, process="bot", role="bot", lines=(EVIL,), **labels),
        history.ProcessExited(
            t=t + 0.1, process=EVIL, role="bot", code=1, expected=False, **labels
        ),
    ]
    return write(directory, History([*good[0], *more]), good[1])


@pytest.mark.browser
def test_what_comes_from_outside_stays_text(browser: Browser, evil: Path) -> None:
    open_page(browser, evil, "#t=500.15&mode=webhook")
    browser.run(
        "document.querySelectorAll('#walk details').forEach((each) => { each.open = true; })"
    )
    browser.type("#walk-search", "script>")
    wait(browser)
    assert EVIL in browser.run("return document.getElementById('walk-messages').textContent")
    keyboard = f"keyboard: Boy · {EVIL}"  # it stands where the user's own was, not in a bubble
    assert keyboard in browser.run("return document.getElementById('walk-messages').textContent")
    assert EVIL in browser.run("return document.getElementById('walk-panels').textContent")
    assert EVIL in browser.run("return document.getElementById('walk-cases').textContent")
    assert browser.run("return document.title") == "botproof: FAIL"
    assert browser.run("return document.images.length") == 0
    assert browser.run("return document.scripts.length") == 2
    assert browser.run("return document.querySelectorAll('#walk a[href^=javascript]').length") == 0


def test_the_policy_allows_the_pages_own_script_alone(red: Path) -> None:
    page = red.read_text()
    found = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)
    assert found
    rules = dict(rule.split(" ", 1) for rule in found[1].split("; "))
    assert rules["default-src"] == rules["connect-src"] == "'none'"
    assert re.fullmatch(r"'sha256-[\w+/=]+'", rules["script-src"])
    assert re.fullmatch(r"'sha256-[\w+/=]+'", rules["style-src"])
    assert "innerHTML" not in page
    assert "insertAdjacentHTML" not in page
    assert " style=" not in page


@pytest.mark.browser
@pytest.mark.parametrize(
    ("width", "scheme"),
    [
        (1400, "light"),
        (390, "dark"),
        pytest.param(1400, "dark", marks=pytest.mark.slow),
        pytest.param(390, "light", marks=pytest.mark.slow),
    ],
)
def test_it_can_be_read_wide_and_narrow_light_and_dark(
    browser: Browser, red: Path, evil: Path, width: int, scheme: str
) -> None:
    browser.size(width, 900, scheme)
    try:
        for page, fragment in (
            (red, ""),
            (evil, "#t=500.15&mode=webhook"),
            (red, "#case=rich&beside=webhook"),
        ):
            open_page(browser, page, fragment)
            browser.run(
                "document.querySelectorAll('details').forEach((each) => { each.open = true; })"
            )
            assert browser.run(CONTRAST) == []
            assert browser.run(UNREACHED) == []
            heads = "return [...document.querySelectorAll('h1')].map((head) => head.innerText)"
            assert browser.run(heads) == ["✗ FAIL"]
            assert browser.run("return document.documentElement.scrollWidth <= innerWidth")
    finally:
        browser.size(1400, 1000)


CUT = """
    const cut = (node) => ["auto", "scroll"].includes(getComputedStyle(node).overflowY)
        && node.scrollHeight > node.clientHeight + 1;
    return [...document.querySelectorAll("main *")]
        .filter((node) => node.checkVisibility())
        .filter((node) => cut(node) || node.matches("input, button:not(.messages *)"))
        .map((node) => node.outerHTML.slice(0, 80));
"""


@pytest.mark.browser
def test_on_paper_all_is_shown_whole_and_nothing_is_to_be_pressed(
    browser: Browser, red: Path
) -> None:
    open_page(browser, red)
    assert browser.run(CUT)
    browser.size(700, 1000, media="print")
    try:
        assert browser.run(CUT) == []
        assert browser.run("return document.documentElement.scrollWidth <= innerWidth")
    finally:
        browser.size(1400, 1000)


NAMELESS = """
    const named = (node) => (node.getAttribute("aria-label") || node.innerText
        || document.getElementById(node.getAttribute("aria-labelledby"))?.innerText
        || [...(node.labels ?? [])].map((label) => label.textContent).join("") || "").trim();
    const css = "button, a, input, select, [role], nav, section[aria-labelledby]";
    return [...document.querySelectorAll(css)]
        .filter((node) => node.checkVisibility() && node.role !== "status" && !named(node))
        .map((node) => node.outerHTML.slice(0, 80));
"""


@pytest.mark.browser
def test_a_screen_reader_is_told_what_each_thing_is(browser: Browser, red: Path) -> None:
    open_page(browser, red)
    assert browser.run(NAMELESS) == []
    slider = browser.run(
        "return document.getElementById('walk-time').getAttribute('aria-valuetext')"
    )
    assert "rich" in slider
    assert slider.endswith("webhook")
    ids = browser.run("return [...document.querySelectorAll('[id]')].map((node) => node.id)")
    assert len(ids) == len(set(ids))


@pytest.mark.browser
def test_without_the_means_to_open_the_record_the_page_says_so(
    browser: Browser, red: Path, tmp_path: Path
) -> None:
    page = red.read_text()
    broken = re.sub(r'(id="record">).*?</script>', r"\1no record</script>", page)
    (tmp_path / "report.html").write_text(broken)
    browser.open((tmp_path / "report.html").as_uri())
    browser.until("document.getElementById('walk-state').textContent.includes('cannot open')")
    assert browser.run("return document.querySelector('#golden .measured').checkVisibility()")


@pytest.mark.slow
def test_a_large_run_makes_a_page_below_a_megabyte_and_says_what_it_lacks(
    good: tuple[History, Judging], tmp_path: Path
) -> None:
    chance = random.Random(1)  # noqa: S311 - noise that gzip cannot make small
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    labels: Any = {"stack": "webhook", "mode": "webhook"}
    many = [
        history.VenueCall(
            t=500 + n / 100,
            venue="x",
            path="/x",
            query="".join(chance.choices(letters, k=400)),
            **labels,
        )
        for n in range(5_000)
    ]
    record, judging = good
    page = write(tmp_path, History([*record, *many]), judging)
    assert page.stat().st_size < 1_000_000
    results = run_checks(CHECKS, CHECKS, record, judging)
    _, kept = packed(as_record(History([*record, *many]), results, judging))
    assert "answers that no chat shows" in kept["left_out"]
    assert len(kept["cases"]) == len(as_record(record, results, judging)["cases"])


def test_a_case_that_does_not_hold_its_message_is_shown_once_by_its_update(
    make_story: Callable[..., Any],
) -> None:
    story = make_story(modes=("polling",))
    story.case("polling", "price", "BTC 1")
    events = [
        with_update(event) if isinstance(event, history.UpdateInjected) else event
        for event in story.events
    ]
    (talk,) = talks_of(History(events), ReplyRules())
    assert [(item["by"], item["case"]) for item in talk.items] == [
        ("user", "price"),
        ("bot", "price"),
    ]
    [asked], [answered] = (item["v"] for item in talk.items)
    sent = History(events).events[asked[1]]
    assert isinstance(sent, history.UpdateInjected)
    assert (sent.update[asked[2]]["text"], answered[1]["text"]) == ("hello", "BTC 1")


@pytest.mark.browser
def test_a_run_that_goes_on_is_shown_by_the_same_page(
    browser: Browser, good: tuple[History, Judging], tmp_path: Path
) -> None:
    record, _ = good
    lines = [history.encode(event) + b"\n" for event in record]
    path = tmp_path / "history.jsonl"
    with Server(Follower(path), 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            browser.open(server.url)
            state = "document.getElementById('walk-state').textContent.includes(arguments[0])"
            browser.until(state.replace("arguments[0]", "'has not begun'"))
            half = len(lines) // 2
            path.write_bytes(b"".join(lines[:half]) + lines[half][:20])
            browser.until(state.replace("arguments[0]", "'Live: '"))
            before = float(browser.run("return document.getElementById('walk-time').ariaValueNow"))
            with path.open("ab") as file:
                file.write(lines[half][20:] + b"".join(lines[half + 1 :]))
            (tmp_path / "verdict.json").write_text("{}")
            browser.until(state.replace("arguments[0]", "'The run is over: '"))
            wait(browser)
            after = float(browser.run("return document.getElementById('walk-time').ariaValueNow"))
            assert after > before
            assert "rich" in seen(browser)
        finally:
            server.shutdown()
            thread.join()


def test_who_watches_before_the_run_is_told_what_is_waited_for_and_what_to_run(
    tmp_path: Path, good: tuple[History, Judging]
) -> None:
    # SIGINT is ignored in what a shell started in the background, and in all below it.
    start = "import signal as s, botproof.cli; s.signal(s.SIGINT, s.default_int_handler); "
    command = [sys.executable, "-c", start + "raise SystemExit(botproof.cli.main())"]
    command += ["watch-run", str(tmp_path / "none")]
    pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, **pipes) as watcher:
        try:
            assert watcher.stdout is not None
            told = [watcher.stdout.readline() for _ in range(3)]
            assert told[0].startswith("http://127.0.0.1:")
            assert f"waiting for a run: {tmp_path / 'none' / 'history.jsonl'}" in told[1]
            assert "botproof gate" in told[2]
            with history.HistoryWriter(tmp_path / "none" / "history.jsonl") as writer:
                writer.write(good[0].events[0])
            assert watcher.stdout.readline() == "the run has begun\n"
        finally:
            watcher.send_signal(signal.SIGINT)
        assert watcher.stdout.read() == ""
        assert watcher.wait() == 0


def test_a_file_that_is_no_record_is_not_watched(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "report.html"
    page.write_text("")
    assert main(["watch-run", str(page)]) == 64
    assert "give the directory that a run writes its report to" in capsys.readouterr().err


def test_a_case_that_may_still_be_answered_is_not_called_wrong(
    good: tuple[History, Judging],
) -> None:
    record, judging = good
    asked = [e for e in record.of(history.CasePlayed) if e.case == "rich"]
    young = History([e for e in record if e.t <= asked[0].t or isinstance(e, history.Run)])
    for over in (True, False):
        cases = as_record(young, [], judging, over=over)["cases"]
        (place,) = next(case["at"] for case in cases if case["name"] == "rich")
        assert ("wrong" in place) is over


def test_the_live_page_is_for_this_machine_and_no_other_name(tmp_path: Path) -> None:
    with Server(Follower(tmp_path / "history.jsonl"), 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            with httpx.Client(base_url=server.url, trust_env=False, timeout=30) as client:
                page = client.get("/")
                assert page.status_code == 200
                assert "connect-src 'self'" in page.text
                assert client.get("/record").status_code == 204
                for path in ("/", "/record"):
                    answer = client.get(path, headers={"Host": "rebound.example"})
                    assert answer.status_code == 421
                    assert "record" not in answer.text
                assert client.get("/../history.jsonl").status_code == 404
                assert client.post("/record").status_code == 501
        finally:
            server.shutdown()
            thread.join()
        assert server.server_address[0] == "127.0.0.1"
