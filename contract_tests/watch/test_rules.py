"""The rules of the watch, with a moved clock: no process, no socket, no waiting."""

import json
import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from botproof.watch.judge import GAP_S, GONE_S, Alert, Judge, Sample
from botproof.watch.rules import RULES, Rule, by_name

ROOT = Path(__file__).parents[2]
TICK_S = 30.0
START = 1_767_225_600.0
MINUTE = 60.0
WEEK_S = 7 * 86400.0


def played(
    rule: Rule, value: Callable[[float], float | None], seconds: float, judge: Judge | None = None
) -> list[Alert]:
    """Alerts of one rule while its figure follows `value(seconds since the start)`."""
    judge = judge or Judge([rule])
    found: list[Alert] = []
    for tick in range(int(seconds / TICK_S)):
        at = tick * TICK_S
        figure = value(at)
        if figure is not None:
            found += judge.step(START + at, [Sample(rule.figure, "one", figure)])
    return found


def course(rule: Rule, begin: float, end: float) -> Callable[[float], float]:
    """A figure that is bad from `begin` to `end`, and good before and after it."""
    step = max(abs(rule.limit), 1.0)
    if rule.kind == "increase":
        # one more than the limit at once when the trouble begins; then nothing more
        return lambda at: 5.0 if at < begin else 5.0 + rule.limit + 1
    bad = rule.limit - step if rule.kind == "below" else rule.limit + step * 0.01
    good = rule.clear + step if rule.kind == "below" else rule.clear - step * 0.01
    return lambda at: bad if begin <= at < end else good


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_each_condition_raises_one_alert_in_its_minute_and_one_end(rule: Rule) -> None:
    begin = 2 * 3600.0
    end = begin + rule.for_s + 3600.0
    found = played(rule, course(rule, begin, end), end + rule.window_s + 3 * 3600)
    assert [alert.state for alert in found] == ["started", "ended"]
    started, ended = (alert.at - START for alert in found)
    assert begin + rule.for_s <= started <= begin + rule.for_s + MINUTE
    over = begin + rule.window_s if rule.kind == "increase" else end
    assert over + rule.clear_for_s - MINUTE <= ended <= over + rule.clear_for_s + MINUTE


@pytest.mark.parametrize(
    "rule", [rule for rule in RULES if rule.for_s >= 60], ids=lambda rule: rule.name
)
def test_a_condition_that_is_over_before_its_time_raises_nothing(rule: Rule) -> None:
    for lasts in (TICK_S, rule.for_s - TICK_S):
        assert played(rule, course(rule, 600.0, 600.0 + lasts), 7200.0) == []


@pytest.mark.parametrize(
    "rule",
    [rule for rule in RULES if rule.kind != "increase" and rule.clear != rule.limit],
    ids=lambda rule: rule.name,
)
def test_between_the_limit_and_its_end_nothing_changes(rule: Rule) -> None:
    """A figure that swings around the limit, as memory does: one alert, not one a swing."""
    middle = (rule.limit + rule.clear) / 2
    bad = rule.limit + (rule.limit - rule.clear) * 0.1

    def swinging(at: float) -> float:
        if at < rule.for_s + 600:
            return bad
        return bad if at // 120 % 2 else middle

    assert [a.state for a in played(rule, swinging, 86400.0)] == ["started"]


def test_the_limits_are_those_of_the_documents() -> None:
    rules = by_name()
    assert (rules["cpu"].limit, rules["cpu"].for_s) == (0.80, 600)
    assert (rules["memory"].limit, rules["memory_critical"].limit) == (0.80, 0.90)
    assert rules["disk"].limit == 0.85
    assert rules["offline"].for_s == 300
    assert (rules["errors"].limit, rules["errors"].window_s) == (10, 3600)
    assert rules["no_signal"].limit == 24 * 3600
    assert (rules["fleet_memory"].limit, rules["fleet_memory"].for_s) == (900e6, 300)
    assert rules["slow"].limit == 5


def test_ten_errors_an_hour_are_borne_and_eleven_are_told() -> None:
    rule = by_name()["errors"]
    ten = played(rule, lambda at: at // 360, 86400.0)  # one in six minutes: ten in any hour
    eleven = played(rule, lambda at: at // 320, 86400.0)
    assert ten == []
    assert [alert.state for alert in eleven] == ["started"]


def test_a_counter_that_begins_again_is_no_fall() -> None:
    rule = by_name()["restarted"]
    assert played(rule, lambda at: 7.0 if at < 3600 else 0.0, 7200.0) == []
    once = played(rule, lambda at: 7.0 if at < 3600 else 1.0, 7200.0)
    assert [alert.state for alert in once] == ["started", "ended"]


def test_a_figure_that_is_missing_starts_and_ends_nothing() -> None:
    rule = by_name()["cpu"]

    def hole(at: float) -> float | None:
        if at < 300 or at >= 300 + GAP_S + 60:
            return 0.95
        return None

    found = played(rule, hole, 300 + GAP_S + 60 + rule.for_s + 120)
    assert [alert.state for alert in found] == ["started"]
    assert found[0].at - START >= 300 + GAP_S + rule.for_s  # counted anew after the hole

    judge = Judge([rule])
    [started] = played(rule, lambda _: 0.95, rule.for_s + 60, judge)
    later = started.at + 10 * GAP_S
    assert judge.step(later, [Sample(rule.figure, "one", 0.95)]) == []  # it still goes on
    assert judge.firing() == [("cpu", "one")]


@pytest.mark.parametrize(("measured", "ends"), [(1.0, True), (0.0, False)])
def test_an_alert_about_what_is_no_more_ends_and_what_is_out_of_sight_goes_on(
    measured: float, ends: bool
) -> None:
    """An exchange that was taken out, as the runbook says; or market-data cannot be asked."""
    rule = by_name()["venue"]
    judge = Judge([rule])
    [started] = played(rule, lambda _: 0.0, rule.for_s + 60, judge)
    found: list[Alert] = []
    for tick in range(int((GONE_S + 120) / TICK_S)):
        samples = [Sample("venue_reachable", "two", 1), Sample("measured", "exchanges", measured)]
        judge = restarted(judge, rule)
        found += judge.step(started.at + TICK_S * (tick + 1), samples)
    assert [(alert.state, alert.subject) for alert in found] == [("ended", "one")] * ends
    assert judge.firing() == ([] if ends else [("venue", "one")])
    for alert in found:
        assert GONE_S <= alert.at - started.at <= GONE_S + MINUTE
        assert alert.text().endswith("it is not there to be measured any more")
        assert alert.document()["value"] == 0
    again = played(rule, lambda _: 0.0, rule.for_s + 60, judge)
    assert len(again) == ends  # it is there again: a new alert, or still the old one


def restarted(judge: Judge, rule: Rule) -> Judge:
    """Another watch that goes on from what this one has kept."""
    following = Judge([rule])
    following.restore(json.loads(json.dumps(judge.document())))
    return following


def test_a_state_that_an_older_watch_has_kept_is_gone_on_with() -> None:
    rule = by_name()["cpu"]
    judge = Judge([rule])
    [_] = played(rule, lambda _: 0.95, rule.for_s + 60, judge)
    kept = judge.document()
    for course in kept.values():
        del course["absent_since"]
    following = Judge([rule])
    following.restore(kept)
    assert following.firing() == [("cpu", "one")]


def test_a_clock_that_is_put_back_neither_raises_nor_forgets() -> None:
    rule = by_name()["cpu"]
    judge = Judge([rule])
    [_] = played(rule, lambda _: 0.95, rule.for_s + 60, judge)
    for tick in range(100):
        sample = Sample(rule.figure, "one", 0.95)
        assert judge.step(START - 86400 + tick * TICK_S, [sample]) == []
    assert judge.firing() == [("cpu", "one")]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_restart_at_any_tick_changes_nothing(rule: Rule) -> None:
    value = course(rule, 3600.0, 3600.0 + rule.for_s + 3600.0)
    seconds = 3600.0 + rule.for_s + 3600.0 + rule.window_s + 7200.0
    whole = played(rule, value, seconds)
    found: list[Alert] = []
    judge = Judge([rule])
    for tick in range(int(seconds / TICK_S)):
        kept = json.loads(json.dumps(judge.document()))
        judge = Judge([rule])
        judge.restore(kept)
        at = tick * TICK_S
        found += judge.step(START + at, [Sample(rule.figure, "one", value(at))])
    assert found == whole


figures = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e9, max_value=1e9)


@given(
    rule=st.sampled_from(RULES),
    steps=st.lists(st.tuples(st.floats(-900, 7200), figures, st.booleans()), max_size=60),
)
def test_starts_and_ends_alternate_whatever_comes(
    rule: Rule, steps: list[tuple[float, float, bool]]
) -> None:
    judge, now = Judge([rule]), START
    states: list[str] = []
    for seconds, far, near in steps:
        now += seconds
        value = rule.limit + math.copysign(0.001, far) if near else far
        if rule.kind == "increase":
            value = abs(value)
        states += [a.state for a in judge.step(now, [Sample(rule.figure, "one", value)])]
        assert judge.firing() == ([(rule.name, "one")] if states[-1:] == ["started"] else [])
    assert states == ["started", "ended"] * (len(states) // 2) + ["started"] * (len(states) % 2)


def recorded() -> list[list[Sample]]:
    """Looks at a healthy fleet between doubles, as `fixtures/watch/README.md` says."""
    lines = (ROOT / "fixtures/watch/healthy.jsonl").read_text().splitlines()
    return [[Sample(*row) for row in json.loads(line)] for line in lines]


def healthy_week() -> Iterator[tuple[float, list[Sample]]]:
    """The recorded looks again and again, with what a good week has of troubles beside them."""
    looks = recorded()
    for tick in range(int(WEEK_S / TICK_S)):
        at = tick * TICK_S
        yield at, [_on_a_day(at, sample) for sample in looks[tick % len(looks)]]


def _between(hour: float, begin: float, end: float, then: float, value: float) -> float:
    return then if begin <= hour < end else value


DAY: dict[str, Callable[[float, Sample], float]] = {
    # the machine of the recording was busy with tests; a t3.micro has a backup at four
    "cpu_ratio": lambda hour, _: _between(hour, 4, 4.15, 0.97, 0.1),
    # over the day memory swells and shrinks again
    "memory_ratio": lambda hour, _: 0.62 + 0.1 * math.sin(hour / 24 * 2 * math.pi),
    "disk_ratio": lambda hour, _: 0.5 + 0.001 * hour,
    # one roll-out a day, 90 seconds without an answer
    "up": lambda hour, sample: _between(hour, 10, 10.025, 0.0, sample.value),
    "ready": lambda hour, sample: _between(hour, 10, 10.04, 0.0, sample.value),
    "pending_updates": lambda hour, sample: _between(hour, 10, 10.03, 40.0, sample.value),
    # Binance is in maintenance for eight minutes
    "venue_reachable": lambda hour, sample: _between(
        hour, 6, 6.13 if sample.subject == "binance" else 6, 0.0, sample.value
    ),
    # the exchanges are slow for two minutes
    "answer_seconds": lambda hour, sample: _between(hour, 12, 12.03, 6.0, sample.value),
}
"""What a good day has of troubles, by hour."""


def _on_a_day(at: float, sample: Sample) -> Sample:
    change = DAY.get(sample.figure)
    return sample if change is None else sample._replace(value=change(at / 3600 % 24, sample))


def alerts_of(week: Iterable[tuple[float, list[Sample]]]) -> list[Alert]:
    judge = Judge()
    found: list[Alert] = []
    for at, samples in week:
        errors = Sample("error_lines", "bot", at // 1200)  # three an hour
        found += judge.step(START + at, [*samples, errors])
    return found


def test_a_healthy_week_raises_no_alert() -> None:
    assert [alert.text() for alert in alerts_of(healthy_week())] == []


def test_the_recording_has_what_the_rules_look_at() -> None:
    """What the week does not hold could raise nothing, and would prove nothing."""
    figures_of_week = {sample.figure for look in recorded() for sample in look}
    elsewhere = {"certificate_days", "error_lines"}  # no TLS and no log file in the recording
    assert {rule.figure for rule in RULES} - figures_of_week == elsewhere
