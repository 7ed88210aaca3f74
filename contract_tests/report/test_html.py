"""report.html: what it says, that it needs nothing else, and that it fits a phone."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from botproof.budgets import DEFAULTS
from botproof.history import (
    Event,
    History,
    MemorySample,
    ProcessExited,
    ProcessReady,
    ProcessStarted,
    Request,
    Run,
)
from botproof.report.charts import Axis, Chart, Series, decades, draw, linear
from botproof.report.files import write_reports
from botproof.report.html import as_html, reproduce, write_html
from botproof.report.plots import latency_charts, memory_charts
from botproof.verdict import CheckResult, Verdict

EVIL = "<script>alert('x')</script>"


def result(check: str, verdict: Verdict, *evidence: str, used: float | None = None) -> CheckResult:
    return CheckResult(
        check=check,
        verdict=verdict,
        budget=f"the budget of {check}",
        measurement=f"what {check} measured",
        least_evidence="one of everything",
        evidence=evidence,
        source="AWS Deployment Plan",
        used=used,
    )


def run() -> History:
    events: list[Event] = [
        Run(
            t=0, modes=("polling", "webhook"), config="botproof.toml", started_at="2026-01-01T09:00"
        )
    ]
    for number, mode in enumerate(("polling", "webhook")):
        who: dict[str, Any] = {"process": "bot", "role": "bot", "stack": mode, "mode": mode}
        start = 100.0 * number
        events.append(ProcessStarted(t=start, pid=1, command=("bot",), **who))
        events.append(ProcessReady(t=start + 1, after_s=1.5, **who))
        events.append(ProcessExited(t=start + 60, code=0, expected=True, after_s=0.3, **who))
        for step in range(50):
            memory: dict[str, Any] = {"pss": 45_000_000 + step, "anonymous": 1, "rss": 1, "peak": 1}
            events.append(MemorySample(t=start + step, **memory, **who))
            latency = 3.0 if step == 30 else 0.01
            events.append(
                Request(
                    t=start + step + latency,
                    intended=start + step,
                    latency_s=latency,
                    ok=True,
                    stack=mode,
                    mode=mode,
                )
            )
    return History(events)


RESULTS = [
    result("boot", Verdict.PASS, "all started", used=0.06),
    result("parity", Verdict.FAIL, "--- polling", "-one line", "+another", EVIL),
    result("memory", Verdict.INCONCLUSIVE, used=1.5),
]


@pytest.fixture
def page() -> str:
    return as_html(RESULTS, run(), DEFAULTS, 45.0)


class Texts(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002 - the signature
        if tag not in ("meta", "line", "i", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag != "i" and (not self.open or self.open.pop() != tag):
            self.wrong.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        pass

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_the_verdict_is_on_top_and_what_failed_comes_before_what_passed(page: str) -> None:
    parser = Texts()
    parser.feed(page)
    assert (parser.wrong, parser.open) == ([], [])
    text = " ".join(parser.words)
    assert text.index("FAIL") < text.index("Do not ship this build.")
    order = [page.index(f'id="{check}"') for check in ("parity", "memory", "boot")]
    assert order == sorted(order)


def test_each_check_has_budget_measurement_margin_evidence_and_source(page: str) -> None:
    for part in (
        "what boot measured",
        "Budget: the budget of boot.",
        "6 % of the budget used, 94 % left",
        "1.5 times the budget",
        "all started",
        "AWS Deployment Plan",
        "least evidence: one of everything",
    ):
        assert part in page


def test_evidence_is_open_where_it_matters_and_diffs_have_colours(page: str) -> None:
    failed = page[page.index('id="parity"') : page.index('id="memory"')]
    assert "<details open>" in failed
    assert "<del>-one line</del>\n<ins>+another</ins>" in failed
    assert "<details><summary>Evidence" in page[page.index('id="boot"') :]


def test_nothing_from_the_run_becomes_markup_and_nothing_is_loaded(page: str) -> None:
    assert "&lt;script&gt;" in page
    said = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    assert re.findall(r"<script[^>]*>", said) == ['<script type="text/plain" id="record">']
    assert not re.search(r"https?://|//cdn|@import|<link|<img|url\(", said)


def test_charts_show_every_mode_the_budget_and_what_failed(page: str) -> None:
    latency, memory = latency_charts(run(), DEFAULTS), memory_charts(run(), DEFAULTS)
    assert [chart.title for chart in latency] == [
        "Distribution of the load's latency",
        "Latency over time, polling",
        "Latency over time, webhook",
    ]
    assert [chart.title for chart in memory] == ["Fleet: memory (PSS)", "bot: memory (PSS)"]
    budget = memory[0].budget
    assert budget is not None
    assert (budget[0], budget[1]) == (800, "budget 800 MB")
    assert [series.name for series in memory[1].series] == ["polling", "webhook"]
    (mark,) = latency[1].series[1].marks
    assert mark[:2] == (30.0, 3.0)
    assert page.count("<figure>") == 5
    assert "polling: 50 requests, p50 10 ms" in page


def test_a_history_without_load_or_samples_has_no_charts_and_no_error() -> None:
    page = as_html([result("boot", Verdict.ERROR)], History([]), DEFAULTS, 0.1)
    assert "<figure>" not in page
    assert "nothing can be said about the build" in page


def memory_papers(directory: Path) -> None:
    """As `memory_profiles/run.py` leaves them."""
    directory.mkdir(parents=True)
    over = result("bot libraries", Verdict.FAIL, "scipy 17.9 MB of 1 MB, not listed")
    about = Run(t=0, command="profile", started_at="2026-01-01T08:00:00+00:00")
    write_reports(directory, [over], about, 9.0)
    (directory / "flame-bot.html").write_text("<p>flames")


@pytest.mark.parametrize("home", ["memory/profiles", "gate/profiles"])
def test_flame_graphs_of_a_run_beside_it_are_shown_and_linked(tmp_path: Path, home: str) -> None:
    memory_papers(tmp_path / home)
    gate = tmp_path / "gate"
    write_html(gate, RESULTS, run(), DEFAULTS, 45.0)
    page = (gate / "report.html").read_text()
    assert "Memory: who allocates (memray)" in page
    assert "A run of its own of 2026-01-01 08:00:00 UTC: no part of the verdict above." in page
    assert "scipy 17.9 MB of 1 MB, not listed" in page
    [link] = re.findall(r'href="([^"#]+)"', page)
    assert (gate / link).read_text() == "<p>flames"
    assert "botproof: FAIL" in page


def test_a_directorys_own_papers_are_shown_and_not_those_beside_it(tmp_path: Path) -> None:
    memory_papers(tmp_path / "look" / "profiles")
    memory_papers(tmp_path / "memory" / "profiles")
    write_html(tmp_path / "look", RESULTS, run(), DEFAULTS, 45.0)
    page = (tmp_path / "look" / "report.html").read_text()
    assert re.findall(r'href="([^"#]+)"', page) == ["profiles/flame-bot.html"]


def test_a_profile_has_a_page_of_its_own(tmp_path: Path) -> None:
    memory_papers(tmp_path / "profiles")
    about = Run(t=0, command="profile")
    write_html(tmp_path / "profiles", RESULTS, History([about]), DEFAULTS, 9.0)
    page = (tmp_path / "profiles" / "report.html").read_text()
    assert '<a href="flame-bot.html">bot</a>' in page
    assert "python memory_profiles/run.py" in page
    assert "botproof gate" not in page


@pytest.mark.parametrize("text", ["", "{", '{"checks": 5}'])
def test_papers_that_cannot_be_read_are_left_out(tmp_path: Path, text: str) -> None:
    (tmp_path / "memory" / "leak").mkdir(parents=True)
    (tmp_path / "memory" / "leak" / "verdict.json").write_text(text)
    write_html(tmp_path / "gate", RESULTS, run(), DEFAULTS, 45.0)
    assert "does it grow" not in (tmp_path / "gate" / "report.html").read_text()


def test_reproducing_names_the_checks_that_did_not_pass() -> None:
    said = list(reproduce(RESULTS, run().run))
    assert said[0] == "botproof gate --config botproof.toml"
    assert said[1] == "botproof gate --config botproof.toml --only parity,memory"
    assert said[2].startswith("botproof judge history.jsonl")


def test_reproducing_names_the_images_that_were_judged() -> None:
    about = Run(t=0, config="botproof.toml", images={"bot": "bot:1", "api": "api:2"})
    said = next(reproduce(RESULTS, about))
    assert said == "botproof gate --config botproof.toml --image bot=bot:1,api=api:2"


def test_the_page_names_the_image_that_ran_by_its_id() -> None:
    about: dict[str, Any] = {"role": "bot", "pid": 7, "command": ()}
    began = ProcessStarted(t=0, process="bot", image="bot:1", image_id="sha256:5fe1", **about)
    assert "image bot:1 sha256:5fe1" in as_html(RESULTS, History([began]), DEFAULTS, 45.0)


def test_reproducing_names_the_modes_that_were_chosen() -> None:
    about = Run(t=0, config="botproof.toml", modes=("polling",), chosen_modes=("polling",))
    assert next(reproduce(RESULTS, about)) == "botproof gate --config botproof.toml --mode polling"


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0, 0), (0, 864.0), (3, 3.001), (0, 1e-6)])
def test_linear_axes_have_a_few_round_ticks_inside(low: float, high: float) -> None:
    axis = linear(low, high, "MB", str)
    assert 2 <= len(axis.ticks) <= 7
    assert all(axis.low <= tick <= axis.high for tick, _ in axis.ticks)


def test_values_beyond_an_axis_stay_on_the_chart() -> None:
    axis = decades(0.001, 2, "latency", str)
    assert [tick for tick, _ in axis.ticks] == pytest.approx([0.001, 0.01, 0.1, 1, 10])
    assert axis.place(0) == 0
    assert axis.place(1e9) == 1
    assert axis.place(0.1) == pytest.approx(0.5)


def test_a_single_point_is_still_seen() -> None:
    axis = Axis(0, 1, [], "x")
    assert ' h0"' in draw(Chart("one", axis, axis, [Series("only", [(0.5, 0.5)])]))


CHROMIUM = shutil.which("chromium")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--allow-file-access-from-files", "--virtual-time-budget=2000", "--dump-dom"),
)
PHONE = """<iframe id="f" width="390" height="800" src="report.html"></iframe><pre id="out"></pre>
<script>f.onload = () => {
  const page = f.contentDocument, root = page.documentElement;
  const box = page.querySelector("header").getBoundingClientRect();
  out.textContent = JSON.stringify({inner: f.contentWindow.innerWidth, wide: root.scrollWidth,
    top: box.top, figures: page.querySelectorAll("figure").length,
    text: parseFloat(f.contentWindow.getComputedStyle(page.body).fontSize)});
}</script>"""


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_on_a_phone_nothing_is_wider_than_the_screen(tmp_path: Path) -> None:
    wide = result("golden", Verdict.FAIL, "x" * 400)
    write_html(tmp_path, [*RESULTS, wide], run(), DEFAULTS, 45.0)
    (tmp_path / "phone.html").write_text(PHONE)
    command = [CHROMIUM or "", *FLAGS, f"--user-data-dir={tmp_path / 'profile'}"]
    done = subprocess.run(
        [*command, (tmp_path / "phone.html").as_uri()],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    found = re.search(r'<pre id="out">(\{.*?\})</pre>', done.stdout)
    assert found, done.stdout[-500:]
    seen = json.loads(found[1])
    assert seen["wide"] <= seen["inner"] == 390
    assert seen["top"] < 40
    assert seen["figures"] == 5
    assert seen["text"] >= 14


def test_the_headline_is_the_worst_thing_and_long_evidence_is_linked(tmp_path: Path) -> None:
    long = CheckResult(
        check="parity",
        verdict=Verdict.FAIL,
        budget="-",
        measurement="16 of 16 cases differ",
        least_evidence="-",
        evidence=("price, start",),
        files={"parity.txt": "one\ntwo\n"},
    )
    results = [result("boot", Verdict.FAIL), long, result("latency", Verdict.INCONCLUSIVE)]
    page = as_html(results, run(), DEFAULTS, 1.0)
    assert '<p class="worst">boot: what boot measured</p>' in page
    assert '<p class="why">Do not ship this build. FAIL as well: parity.</p>' in page
    assert '<a href="parity.txt">parity.txt</a> (2 lines)' in page
    write_reports(tmp_path, results, None, 1.0)
    assert (tmp_path / "parity.txt").read_text() == "one\ntwo\n"
    checks = json.loads((tmp_path / "verdict.json").read_text())["checks"]
    assert [check["evidence_files"] for check in checks] == [[], ["parity.txt"], []]
