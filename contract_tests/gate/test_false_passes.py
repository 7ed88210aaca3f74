"""False passes of other judges, as they were reported in public: none of them passes here.

Each test names the thread in which users told how a judge of load tests or of roll-outs said "good"
about something that it had not seen, or that was bad.
"""

import pytest

from botproof import history
from botproof.checks import errors, latency, memory, rollback
from botproof.checks.judging import Judging, run_checks
from botproof.checks.registry import CHECKS
from botproof.compare.judge import judge
from botproof.compare.run import Measured
from botproof.compare.sides import Side
from botproof.config import load_config
from botproof.history import History
from botproof.problems import UsageError
from botproof.sequential import SequentialErrorRate
from botproof.stats import percentile
from botproof.verdict import CheckResult, Verdict, combine
from botproof.workloads.expectation import lacking

LOAD_CHECKS = (errors, latency, rollback, memory)
PASS, FAIL, INCONCLUSIVE, ERROR = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.ERROR


@pytest.mark.parametrize("check", LOAD_CHECKS, ids=lambda each: each.__name__.rpartition(".")[2])
def test_zero_samples_are_not_a_pass(check) -> None:
    """grafana/k6#2540: `http_req_failed: 0 of 0` with a green tick beside `rate<0.1`."""
    assert check.check(History([]), Judging()).verdict is INCONCLUSIVE
    run = history.Run(t=0.0, modes=("polling", "webhook"))
    assert check.check(History([run]), Judging()).verdict is INCONCLUSIVE


def test_a_latency_that_nobody_measured_is_not_zero() -> None:
    """athrvk/vayu#1536: 5,999 of 5,999 requests failed, "p99 latency 0 ms: passed"."""
    with pytest.raises(ValueError, match="nothing"):
        percentile([], 0.99)


def test_requests_that_all_failed_at_once_have_no_good_latency(story, judged) -> None:
    """athrvk/vayu#1536: refused connections are quick; quick is not answered."""
    for mode in story.modes:
        story.case(mode, "price", "text")
        for _ in range(1_000):
            story.clock += 0.01
            story.add(
                history.Request(
                    t=story.clock,
                    intended=story.clock - 0.001,
                    latency_s=0.001,
                    ok=False,
                    error="no answer: ConnectionRefusedError",
                    **story.labels(mode),
                )
            )
    assert latency.check(story.history(), judged).verdict is FAIL
    assert errors.check(story.history(), judged).verdict is FAIL


def test_a_metric_that_was_never_recorded_is_missed(story, judged) -> None:
    """grafana/k6#1346: a metric without data is neither shown nor judged. Here: no memory."""
    for mode in story.modes:
        story.load(mode, 3_000)
    assert memory.check(story.history(), judged).verdict is INCONCLUSIVE


def test_a_measurement_that_was_broken_off_is_not_a_success(story, judged) -> None:
    """argoproj/argo-rollouts#1329: a terminated metric counts as `successful: 1`."""
    story.load("polling", 500)
    verdicts = [check.check(story.history(), judged).verdict for check in LOAD_CHECKS]
    assert PASS not in verdicts


def test_one_check_that_fails_does_not_make_the_others_pass(story, judged) -> None:
    """argoproj/argo-rollouts#2158: one item fails, the others are aborted and marked successful."""
    story.load("polling", 40, failures=40)
    results = {check.__name__: check.check(story.history(), judged) for check in LOAD_CHECKS}
    assert results["botproof.checks.errors"].verdict is FAIL
    rest = [result.verdict for name, result in results.items() if "errors" not in name]
    assert PASS not in rest


def test_measurements_that_all_failed_do_not_end_in_a_pass(story, judged) -> None:
    """argoproj/argo-rollouts#4479: every measurement errored or failed, the run "Successful"."""

    def broken(*_: object) -> CheckResult:
        raise RuntimeError("no metric can be read")

    results = run_checks(dict.fromkeys(CHECKS, broken), CHECKS, story.history(), judged)
    assert {result.verdict for result in results} == {ERROR}
    assert combine(result.verdict for result in results) is ERROR


def test_a_failure_is_not_forgotten_because_it_got_better(story, judged) -> None:
    """argoproj/argo-rollouts#1411: an analysis failed, later the same metric "succeeded"."""
    for mode in story.modes:
        story.load(mode, 100, failures=60)
        story.load(mode, 20_000)
    assert errors.check(story.history(), judged).verdict is FAIL


def test_traffic_that_ends_soon_proves_nothing(story, judged) -> None:
    """fluxcd/flagger#1011: traffic at first, later none, and the roll-out still advances."""
    story.load("polling", 50)
    story.clock += 600
    assert errors.check(story.history(), judged).verdict is INCONCLUSIVE
    assert rollback.check(story.history(), judged).verdict is INCONCLUSIVE  # one mode had none


@pytest.mark.parametrize("slow", [1, 3, 7])
def test_points_a_hundred_times_higher_are_seen(story, judged, slow: int) -> None:
    """spinnaker/spinnaker#6278: up to seven of ten points a hundred times higher "pass".

    Ranks hide how high a point is; here a late answer is a failure by itself.
    """
    for mode in story.modes:
        for _ in range(300):
            story.load(mode, 10 - slow, latency_s=0.05)
            story.load(mode, slow, latency_s=5.0)
    assert errors.check(story.history(), judged).verdict is FAIL
    assert latency.check(story.history(), judged).verdict is FAIL


@pytest.mark.parametrize("high", [1, 2, 5, 7, 10])
def test_a_comparison_does_not_pass_on_points_a_hundred_times_higher(high: int) -> None:
    """spinnaker/spinnaker#6278, the same numbers: the test by ranks alone passes B with one."""
    control, canary = [1.0] * 10, [100.0] * high + [1.0] * (10 - high)
    a, b = Measured(Side("A"), {"p99": control}), Measured(Side("B"), {"p99": canary})
    p99, _ = judge(a, b, tolerance=0.1, error_limit=0.001)
    assert p99.verdict is not PASS


def test_no_objective_is_not_an_objective_that_was_met() -> None:
    """iter8-tools/iter8#785: "should succeed, since there are no objectives"; and
    galax-io/gatling-kafka-plugin#249: Gatling exits with 0 where no assertion is declared."""
    assert combine([]) is INCONCLUSIVE
    assert combine(result.verdict for result in run_checks(CHECKS, (), History([]), Judging())) is (
        INCONCLUSIVE
    )


def test_one_kind_of_request_that_always_fails_is_not_diluted(story, judged) -> None:
    """gatling/gatling#1618: 95 % are good in all, and one kind of request is never answered."""
    for _ in range(500):
        for mode in story.modes:
            story.load(mode, 20, failures=1)
    assert errors.check(story.history(), judged).verdict is FAIL


def test_the_limit_of_no_failures_at_all_is_refused_not_ignored() -> None:
    """A budget of zero can be proved by no number of requests."""
    with pytest.raises(ValueError, match="fraction"):
        SequentialErrorRate(0.0)


def test_a_load_that_its_own_script_broke_off_is_no_pass_of_what_came_before(story, judged) -> None:
    """grafana/k6#4283: the script raises before its check, "0 of 0 checks: ok"; and
    artilleryio/artillery#2766: workers failed, and the main process exits with 0."""
    story.healthy()
    said = "load/price.py failed; its last lines: KeyError"
    story.add(history.HarnessError(t=story.clock, where="harness", message=said))
    results = run_checks(CHECKS, ["errors", "latency"], story.history(), judged)
    assert combine(result.verdict for result in results) is ERROR


@pytest.mark.parametrize("expected", ["data.first,data.last", "data.last,data.first"])
def test_a_field_that_is_there_does_not_cover_one_that_is_missing(expected: str) -> None:
    """apache/jmeter#5734: of several assertions the last one decides, whatever the others said."""
    assert "data.first" in lacking({"data": {"last": 1}}, "/price", expected)


def test_objectives_that_pass_do_not_cover_one_whose_value_could_not_be_had(story, judged) -> None:
    """keptn/keptn#6096: a provider said "fail" and a value of 0; the evaluation passed."""
    story.healthy()
    record = History(e for e in story.events if not isinstance(e, history.MemorySample))
    results = {
        each.check: each for each in run_checks(CHECKS, ["errors", "memory"], record, judged)
    }
    assert results["errors"].verdict is PASS
    assert results["memory"].verdict is INCONCLUSIVE
    assert combine(each.verdict for each in results.values()) is INCONCLUSIVE


def test_a_check_that_nobody_knows_is_refused_not_left_out(tmp_path) -> None:
    """fluxcd/flagger#1581: metrics of unknown names are not looked at, and each roll-out passes."""
    path = tmp_path / "botproof.toml"
    path.write_text(
        '[bot]\ncommand = ["x"]\nready = "telegram"\n[modes.polling]\n'
        '[gate]\nchecks = ["istio_requests_total"]\n'
    )
    with pytest.raises(UsageError, match="istio_requests_total"):
        load_config(path)


def test_a_percentile_is_a_value_that_was_measured_and_none_that_most_exceed() -> None:
    """tsenart/vegeta#41: "95 %: 2.3 ms" of requests whose mean was 5.3 ms: an estimate went astray
    on a few slow ones."""
    measured = [0.002] * 940 + [3.0] * 60
    assert percentile(measured, 0.95) == 3.0
    assert percentile(list(reversed(measured)), 0.95) == 3.0
    assert percentile(measured, 0.9) == 0.002
