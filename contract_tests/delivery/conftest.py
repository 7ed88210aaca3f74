"""Delivery runs of real bots, and a real Redis for those that share one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest

from botproof.config import Config, load_config
from botproof.delivery.options import DeliveryOptions
from botproof.delivery.report import as_text
from botproof.delivery.run import run_delivery
from botproof.outcome import Outcome

ROOT = Path(__file__).parents[2]


class Deliver(Protocol):
    """Runs a delivery run of the bot whose botproof.toml lies in a directory of the project."""

    def __call__(
        self, where: str = ".", *, change: Callable[[Config], Config] = ..., **options: Any
    ) -> Outcome: ...


@pytest.fixture
def deliver(tmp_path: Path) -> Deliver:
    """A delivery run that reports into the test's own directory, and prints what a person sees."""

    def run(
        where: str = ".",
        *,
        change: Callable[[Config], Config] = lambda config: config,
        **options: Any,
    ) -> Outcome:
        path = ROOT / where / "botproof.toml"
        config = change(load_config(path))
        given = DeliveryOptions(
            config=config, config_path=path, report_dir=tmp_path / "report", **options
        )
        outcome = run_delivery(given)
        print("\n".join(as_text([(given.name, outcome)])))
        for result in outcome.results:
            print(result.check, result.verdict.value, *result.evidence, sep="\n  ")
        return outcome

    return run


@pytest.fixture(scope="session")
def redis_server(redis_container: Any) -> Any:
    """One Redis for all tests of the session: each run has a bot of its own."""
    return redis_container
