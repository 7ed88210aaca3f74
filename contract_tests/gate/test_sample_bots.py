"""The gate on bots that know nothing of botproof: one that passes, one that is refused."""

from pathlib import Path

import pytest

from contract_tests.gate_run import GateRun

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

BOTS = Path(__file__).parents[2] / "fixtures" / "bots"


def gate(bot: str, folder: Path, **env: str) -> GateRun:
    return GateRun(folder, "--config", str(BOTS / bot / "botproof.toml"), cwd=folder, env=env)


def shows(run: GateRun, left: str, right: str) -> bool:
    """Whether the two-column diff has a row with these two sides."""
    rows = [line.partition(" |") for line in run.output.splitlines()]
    return any((a.strip(), b.strip()) == (left, right) for a, bar, b in rows if bar)


def test_a_bot_that_crashes_behind_a_supervisor_is_refused_by_name(tmp_path: Path) -> None:
    """It comes back within a fraction of a second and answers everything, once."""
    run = gate("supervised", tmp_path)

    assert run.exit_code == 1, run.output
    assert run.verdict_of("boot") == "FAIL"
    assert run.verdict_of("golden") == "PASS"
    # A process that has hardly begun when it ends is no established one; its update is known.
    assert "delivered again: the bot asked for it once more" in run.output


def test_a_conversation_that_is_not_begun_twice_is_no_question_that_is_lost(
    tmp_path: Path,
) -> None:
    run = gate("conversing", tmp_path)
    assert run.verdict_of("door") == "PASS", run.output
    assert run.verdict_of("prove") == "PASS"  # what this bot cannot show is not planted
    told = run.checks["door"]["evidence"]
    assert any("what the first answer asks for, by the same user: Boy" in line for line in told)


def test_a_bot_that_knows_an_update_by_its_text_loses_a_question(tmp_path: Path) -> None:
    run = gate("conversing", tmp_path, FORM="once")
    assert run.verdict_of("door") == "FAIL", run.output
    assert "whoever asks the same once more gets nothing" in run.output


def test_the_same_bot_passes_where_it_does_not_crash(tmp_path: Path) -> None:
    run = gate("supervised", tmp_path, CRASHES="no")

    assert run.verdict_of("boot") == run.verdict_of("golden") == "PASS", run.output


def test_a_bot_in_aiogram_passes_in_both_modes(tmp_path: Path) -> None:
    run = gate("aiogram_bot", tmp_path)

    assert run.exit_code == 0, run.output
    assert run.verdict_of("boot") == run.verdict_of("golden") == run.verdict_of("parity") == "PASS"


def test_entry_points_that_drifted_apart_are_refused_with_the_difference_in_plain_sight(
    tmp_path: Path,
) -> None:
    run = gate("drifted", tmp_path)

    assert run.exit_code == 1, run.output
    assert run.verdict_of("boot") == "PASS"  # each of them starts, is healthy, and answers
    assert run.verdict_of("parity") == "FAIL"
    assert "3 of 5 cases differ between modes" in run.output
    # What the webhook's entry point lacks, beside what the other one says.
    assert shows(run, "polling", "webhook")
    assert shows(run, "🧠 MARKET INTELLIGENCE", "")
    assert shows(run, "--- message", "--- nothing")
    assert "volume: /volume ETH" in run.output
    assert "cvd: /cvd BTC" in run.output
    # What the two have in common is not shown as a difference.
    assert "price-unknown: /price NOPE" not in run.output


def test_a_bot_that_is_healthy_and_mute_is_shown_with_what_it_did_instead(tmp_path: Path) -> None:
    run = gate("mute", tmp_path)

    assert run.exit_code == 1, run.output
    assert run.verdict_of("boot") == "FAIL"
    assert run.verdict_of("golden") in {"FAIL", "INCONCLUSIVE"}  # the latter on a busy machine
    for line in (
        "raises, refused: the bot answered none of 1 update",
        "log of bot: KeyError: 'symbol'",
        'meanwhile: 200 {"status": "healthy"}',
        "price (raises): was never answered",
        'raise KeyError("symbol")',
        "sendMessage: 400 Bad Request: can't parse entities",
    ):
        assert line in run.output
    assert "its webhook answered HTTP 500" in run.output
