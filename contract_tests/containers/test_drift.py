"""`botproof drift` on real containers: each planted difference by its name, and no other."""

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from botproof.seal import dsse
from botproof.seal.statement import Judged, Resource, statement, write_statement
from contract_tests.containers.drift_site import Site

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, python_image: str) -> Iterator[Site]:
    """One project for all tests; each starts from what is committed."""
    site = Site(tmp_path_factory.mktemp("site"), python_image)
    try:
        yield site
    finally:
        site.down()


@pytest.fixture(autouse=True)
def committed(site: Site) -> None:
    site.up()


BY_HAND = {
    *("bot: command", "bot: environment BOT_MODE", "bot: environment DEBUG", "bot: limit memory"),
    *("bot: limit memory and swap", "bot: limit cpus", "bot: restart policy", "bot: user"),
    *("bot: working directory", "bot: port 8080/tcp", "bot: mount /host", "bot: extra hosts"),
    *("bot: stop timeout", "bot: logging", "bot: health check"),
    *("market-data: entry point", "market-data: command", "market-data: read-only root"),
    *("market-data: capabilities", "market-data: security options"),
    *("market-data: limit processes", "market-data: environment API_SECRET"),
    *("market-data: environment KEPT", "market-data: networks"),
}


def test_what_was_started_by_hand_is_named_fact_by_fact(site: Site) -> None:
    site.up("by_hand")
    found = site.drift()
    assert {f"{each['where']}: {each['what']}" for each in found} == BY_HAND
    by_name = {f"{each['where']}: {each['what']}": each for each in found}
    command = by_name["bot: command"]
    assert (command["expected"], command["found"]) == ("sleep 1000000", "sleep 2000000")
    assert command["check"] == "boot, golden, parity"
    # The command that is told puts it right.
    site.run(*command["repair"].split())
    assert {name for name in site.names() if name.startswith("bot: ")} == set()


def test_a_secret_is_shown_by_its_hash_alone(site: Site) -> None:
    site.up("by_hand")
    secret = next(each for each in site.drift() if each["what"] == "environment API_SECRET")
    assert secret["expected"].startswith("a secret (hash ")
    assert secret["found"].startswith("a secret (hash ")
    assert secret["expected"] != secret["found"]
    assert "another" not in json.dumps(secret)


CHECKS = int(os.environ.get("BOTPROOF_DRIFT_CHECKS", "3"))
"""200 for the figure of docs/deploy.md."""


@pytest.mark.timeout(300 + 15 * CHECKS)
def test_nothing_differs_where_nothing_was_changed(site: Site) -> None:
    took = []
    for _ in range(CHECKS):
        began, used = time.monotonic(), processor_s()
        assert site.drift("--no-git") == []
        took.append((time.monotonic() - began, processor_s() - used))
        site.run("docker", "restart", "--time", "0", site.container("bot"))
    wall, processor = (sorted(each)[len(took) // 2] for each in zip(*took, strict=True))
    print(f"{CHECKS} checks, median {wall:.2f} s, of the processor {processor:.2f} s each")


def processor_s() -> float:
    """What the children of this process have used, those of theirs included."""
    return sum(os.times()[2:4])


def changed_file(site: Site) -> None:
    site.run("docker", "exec", site.container("bot"), "sh", "-c", "echo mended > /usr/bin/fix.py")


def more_memory(site: Site) -> None:
    site.run("docker", "update", "--memory", "96m", "--memory-swap", "96m", site.container("bot"))


def another_restart_policy(site: Site) -> None:
    site.run("docker", "update", "--restart", "always", site.container("bot"))


def another_network(site: Site) -> None:
    site.run("docker", "network", "connect", "bridge", site.container("bot"))


def paused(site: Site) -> None:
    site.run("docker", "pause", site.container("bot"))


def killed(site: Site) -> None:
    site.run("docker", "kill", site.container("bot"))


def removed(site: Site) -> None:
    site.run("docker", "rm", "--force", site.container("bot"))


def doubled(site: Site) -> None:
    files = ("--file", "compose.yaml")
    site.run(*site.compose, *files, "up", "--detach", "--scale", "bot=2")


def moved_tag(site: Site) -> None:
    """Another image gets the name, as a build or a pull does it."""
    site.run("docker", "create", "--name", f"{site.project}-built", site.image, "true")
    image = site.run("docker", "commit", f"{site.project}-built")
    site.run("docker", "rm", f"{site.project}-built")
    site.run("docker", "tag", image, site.image)


def edited_env(site: Site) -> None:
    with (site.directory / ".env").open("a") as file:
        file.write("EDITED=and never applied\n")


def orphan(site: Site) -> None:
    labels = ("--label", f"com.docker.compose.project={site.project}")
    name = ("--name", f"{site.project}-old", "--label", "com.docker.compose.service=old")
    site.run("docker", "run", "--detach", *labels, *name, site.image, "sleep", "1000000")


def undo(site: Site) -> None:
    """Back to what is committed, whatever was planted."""
    containers = site.run("docker", "ps", "-aq", "--filter", f"name={site.project}").split()
    if containers:
        site.run("docker", "rm", "--force", *containers)
    token = (site.directory / ".env").read_text().splitlines()[0]
    (site.directory / ".env").write_text(token + "\n")


@pytest.mark.parametrize(
    ("plant", "name"),
    [
        (changed_file, "bot: files inside the container"),
        (more_memory, "bot: limit memory"),
        (another_restart_policy, "bot: restart policy"),
        (another_network, "bot: networks"),
        (paused, "bot: state"),
        (killed, "bot: state"),
        (removed, "bot: state"),
        (doubled, "bot: replicas"),
        (edited_env, "bot: environment EDITED"),
        (orphan, "old: orphan"),
    ],
)
def test_what_was_done_to_a_container_is_named(
    site: Site, plant: Callable[[Site], None], name: str
) -> None:
    plant(site)
    try:
        found = site.names("--no-git")
    finally:
        undo(site)
    others = {"bot: limit memory and swap"} if plant is more_memory else set()
    assert found == {name} | others


def test_a_tag_that_moved_is_told_for_all_that_run_the_image_before(
    site: Site, python_image: str
) -> None:
    moved_tag(site)
    try:
        assert site.names("--no-git") == {"bot: image", "market-data: image"}
    finally:
        site.run("docker", "tag", python_image, site.image)


def judged(site: Site, digest: str) -> Path:
    """A sealed PASS about an image of the bot."""
    import datetime  # noqa: PLC0415 - of this test alone

    from botproof.verdict import CheckResult, Verdict  # noqa: PLC0415 - as above

    about = Judged(
        subject=(Resource("bot", {"sha256": digest.removeprefix("sha256:")}),),
        policy=(),
        history=Resource("history.jsonl", {"sha256": "0" * 64}),
        environment="",
        commit="",
        dirty=False,
        partial=False,
        botproof="1",
    )
    result = CheckResult(
        check="boot", verdict=Verdict.PASS, budget="", measurement="", least_evidence=""
    )
    now = datetime.datetime.now(datetime.UTC)
    document = statement(about, [result], at=now, valid_for=datetime.timedelta(days=1))
    path = site.directory / "verdict.intoto.json"
    path.write_bytes(dsse.seal(write_statement(document), None).write())
    return path


def test_an_image_that_nobody_judged_is_named(site: Site) -> None:
    runs: str = json.loads(site.run("docker", "inspect", site.container("bot")))[0]["Image"]
    right = judged(site, runs)
    assert site.names("--no-git", "--verdict", str(right)) == set()
    wrong = judged(site, "0" * 64)
    assert site.names("--no-git", "--verdict", str(wrong)) == {"bot: judged image"}


def test_git_is_asked_for_what_is_not_committed_and_not_pushed(site: Site, tmp_path: Path) -> None:
    def git(*words: str) -> None:
        identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
        site.run("git", *identity, *words)

    (site.directory / ".gitignore").write_text(".env\n*.json\n")
    git("init", "--quiet", "--initial-branch", "main")
    git("add", ".")
    git("commit", "--quiet", "--message", "the fleet")
    assert site.names() == set()
    site.run("git", "init", "--quiet", "--bare", str(tmp_path / "remote"))
    git("remote", "add", "origin", str(tmp_path / "remote"))
    assert site.names() == {"git: commit"}
    git("push", "--quiet", "--set-upstream", "origin", "main")
    assert site.names() == set()
    text = (site.directory / "compose.yaml").read_text()
    (site.directory / "compose.yaml").write_text(text + "# edited on the machine\n")
    assert site.names() == {"git: files"}
    git("commit", "--quiet", "--all", "--message", "edited")
    assert site.names() == {"git: commit"}
    shutil.rmtree(site.directory / ".git")


def test_a_person_is_told_in_lines(site: Site) -> None:
    site.up("by_hand")
    command: tuple[Any, ...] = (
        sys.executable,
        "-m",
        "botproof",
        "drift",
        "--no-telegram",
        "--no-git",
    )
    where = ("--project-name", site.project, "--compose", "compose.yaml")
    told = site.run(*command, *where, code=1)
    assert "bot: command: expected sleep 1000000, found sleep 2000000" in told
    assert "    in the gate: boot, golden, parity" in told
    assert f"    put it right: docker compose --project-name {site.project}" in told
