"""Roll-outs of real containers between doubles, with users who ask meanwhile."""

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from botproof.rollout.ledger import Ledger
from botproof.rollout.twin import Twin
from botproof.rollout.ways import WAYS

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
POLLING = [DEPLOY / f"compose{part}.yaml" for part in ("", ".polling", ".dev")]
WEBHOOK = [DEPLOY / f"compose{part}.yaml" for part in ("", ".dev", ".webhook")]
WEBHOOK += [ROOT / "fixtures" / "fleet" / "plain.yaml"]

Images = dict[str, str]
Start = Callable[[str, list[Path]], Twin]


def image_id(name: str) -> str:
    command = ("docker", "image", "inspect", "--format", "{{.Id}}", name)
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture(scope="module")
def versions(service_images: dict[str, str]) -> Iterator[tuple[Images, Images]]:
    """The old and the new bot: the same program, as two images."""
    new = f"botproof-rollout-test-{os.getpid()}"
    text = f"FROM {service_images['bot']}\nLABEL version=new\n"
    command = ("docker", "build", "--quiet", "--tag", new, "-")
    subprocess.run(command, input=text.encode(), check=True)
    yield {"bot": image_id(service_images["bot"])}, {"bot": image_id(new)}
    away = ("docker", "rmi", "--force", new)
    subprocess.run(away, check=True, capture_output=True)


@pytest.fixture(scope="module")
def start(
    versions: tuple[Images, Images],
    service_images: dict[str, str],
    build_image: Callable[[str], str],
) -> Iterator[Start]:
    """Starts twins on which the old version works."""
    with ExitStack() as stack:

        def make(name: str, files: list[Path]) -> Twin:
            variables = {
                "BOT_IMAGE": versions[0]["bot"],
                "MARKET_DATA_IMAGE": service_images["market_data"],
                "DOUBLES_IMAGE": build_image("doubles"),
                "CADDY_IMAGE": os.environ.get("BOTPROOF_CADDY_IMAGE", "caddy:2-alpine"),
                "WEBHOOK_DOMAIN": "proxy",
            }
            name = f"botproof-rollout-{name}-{os.getpid()}"
            return stack.enter_context(Twin(name, files, DEPLOY / "env.dev.example", variables))

        yield make


@pytest.fixture(scope="module")
def twin(start: Start) -> Twin:
    return start("polling", POLLING)


def check(ledger: Ledger, repeated: int = 0) -> None:
    """Each message has its one answer, in order. Whether that has figures is a matter of how busy
    the machine is as well, and told by a rehearsal."""
    assert ledger.asked > 0
    assert (ledger.lost, ledger.out_of_order, ledger.conflicts) == (0, 0, 0)
    assert ledger.repeated <= repeated


def quickly(twin: Twin, images: Images) -> list[str]:
    return twin.command("deploy", *twin.deploy(images, "--watch", "0"))


def test_a_switch_of_a_polling_bot_loses_nothing(
    twin: Twin, versions: tuple[Images, Images]
) -> None:
    old, new = versions
    with twin.users() as seen:
        watched = ("--watch", "2", "--canary", twin.canary())
        code, said, _ = twin.run(twin.command("deploy", *twin.deploy(new, *watched)))
        assert code == 0, said
        assert {c.image for c in twin.host.seen("bot")} == {new["bot"]}
        code, said, _ = twin.run(quickly(twin, old))
        assert code == 0, said
    check(seen[0])
    assert len(seen[0].by_instance) == 3
    assert f"BOT_IMAGE={old['bot']}" in twin.env_file.read_text()


@pytest.mark.parametrize("step", ["hand over bot", "settle"])
def test_a_deployment_that_is_killed_is_done_by_the_next_call(
    twin: Twin, versions: tuple[Images, Images], step: str
) -> None:
    there = {c.image for c in twin.host.seen("bot")}
    wanted = next(images for images in versions if images["bot"] not in there)
    with twin.users() as seen:
        assert twin.kill_at(quickly(twin, wanted), "begun", step)
        code, said, _ = twin.run(quickly(twin, wanted))
        assert code == 0, said
        assert "going on with" in said
        assert {c.image for c in twin.host.seen("bot")} == {wanted["bot"]}
    check(seen[0], repeated=1)


def test_a_version_that_answers_nobody_is_undone_by_the_canary(
    twin: Twin, versions: tuple[Images, Images]
) -> None:
    there = {c.image for c in twin.host.seen("bot")}
    wanted = next(images for images in versions if images["bot"] not in there)
    way = next(way for way in WAYS if way.name == "ready but mute")
    found = way.play(twin, wanted)
    assert found.as_wanted == ""
    assert {c.image for c in twin.host.seen("bot")} == there


def test_a_version_that_takes_too_much_memory_while_it_is_watched_is_taken_back(
    twin: Twin, versions: tuple[Images, Images]
) -> None:
    there = {c.image for c in twin.host.seen("bot")}
    wanted = next(images for images in versions if images["bot"] not in there)
    way = next(way for way in WAYS if way.name.startswith("takes too much memory"))
    found = way.play(twin, wanted)
    assert found.as_wanted == ""
    over_for = re.search(r"for (\d+) s", found.said)
    assert over_for is not None, found.said
    assert int(over_for[1]) >= 20  # as the way asks for, and not at once
    assert {c.image for c in twin.host.seen("bot")} == there


def test_the_way_back_with_data_loses_nothing_that_came_in_since(
    twin: Twin, versions: tuple[Images, Images]
) -> None:
    there = {c.image for c in twin.host.seen("bot")}
    wanted = next(images for images in versions if images["bot"] not in there)
    with twin.users() as seen:
        code, said, _ = twin.run(quickly(twin, wanted))
        assert code == 0, said
        code, said, _ = twin.run(twin.command("rollback", "--level", "3"))
        assert code == 0, said
    assert {c.image for c in twin.host.seen("bot")} == there
    check(seen[0])


def test_a_switch_behind_the_proxy_loses_nothing(
    start: Start, versions: tuple[Images, Images]
) -> None:
    twin = start("webhook", WEBHOOK)
    with twin.users() as seen:
        code, said, _ = twin.run(quickly(twin, versions[1]))
        assert code == 0, said
    check(seen[0])
    assert len(seen[0].by_instance) == 2
    [new] = twin.host.containers("bot")
    networks = new["NetworkSettings"]["Networks"]
    inside = next(network for name, network in networks.items() if name.endswith("_inside"))
    assert {"bot", "bot-webhook"} <= set(inside["Aliases"])  # as the files name it
