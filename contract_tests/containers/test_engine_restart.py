"""An engine is restarted, as an upgrade of its package does it: one of the test's own."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from botproof.doubles.telegram.client import Double
from botproof.rollout.twin import Twin
from contract_tests.containers.drift_site import Site
from contract_tests.containers.own_engine import OwnEngine, own_engine
from contract_tests.containers.test_rollout import DEPLOY, POLLING, Images, check, quickly, versions

__all__ = ["versions"]

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]


RESTARTS = int(os.environ.get("BOTPROOF_ENGINE_RESTARTS", "2"))
"""20 for the figure of docs/deploy.md."""


@pytest.fixture
def site(tmp_path: Path, python_image: str) -> Iterator[tuple[Site, OwnEngine]]:
    with own_engine() as engine:
        engine.take(python_image)
        site = Site(tmp_path, python_image)
        try:
            yield site, engine
        finally:
            site.down()


def test_drift_names_what_an_engine_left_stopped_and_nothing_else(
    site: tuple[Site, OwnEngine],
) -> None:
    """The containers that come back are as committed; then those that do not."""
    here, engine = site
    comes_back = ("--compose", "comes_back.yaml", "--no-git")
    here.up("comes_back")
    assert here.names(*comes_back) == set()
    for _ in range(RESTARTS):
        engine.stop()
        engine.start()
        # Waits until they run: the engine answers before it has started all that it will.
        here.up("comes_back")
        assert here.names(*comes_back) == set()
    here.up()
    engine.stop()
    engine.start()
    assert here.names("--no-git") == {"bot: state", "market-data: state"}


def beside(twin: Twin) -> Double:
    """The twin's double at its container's own address: ports are published by the engine."""
    (container,) = twin.host.containers("telegram-double")
    networks = container["NetworkSettings"]["Networks"].values()
    address = next(each["IPAddress"] for each in networks if each["Gateway"])
    return Double(f"http://{address}:9000", twin.token)


def test_an_engine_that_is_restarted_in_mid_switch_loses_nothing(
    versions: tuple[Images, Images],
    service_images: dict[str, str],
    build_image: Callable[[str], str],
) -> None:
    """Its containers go on (`live-restore`): the doubles, which stand for Telegram, are of them."""
    old, new = versions
    doubles = build_image("doubles")
    with own_engine(live_restore=True) as engine:
        engine.take(old["bot"], new["bot"], service_images["market_data"], doubles)
        variables = {
            "BOT_IMAGE": old["bot"],
            "MARKET_DATA_IMAGE": service_images["market_data"],
            "DOUBLES_IMAGE": doubles,
        }
        with Twin("restarted", POLLING, DEPLOY / "env.dev.example", variables) as twin:
            with beside(twin) as twin.double, twin.users() as seen:
                with twin.started(quickly(twin, new)) as deployment:
                    assert twin.comes_to(deployment, "begun", "hand over bot")
                    engine.stop()
                    engine.start()
                    said, _ = deployment.communicate()
                assert deployment.returncode == 0, said
                assert {c.image for c in twin.host.seen("bot")} == {new["bot"]}
            check(seen[0])
