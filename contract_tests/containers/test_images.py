"""Images of the two services under the gate and in a comparison, and what cannot be used."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from botproof.compare.sides import side
from botproof.history import MemoryFence, MemorySample, ProcessStarted, read_history
from botproof.problems import UsageError

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "botproof.toml"
_SPEED = {"latency", "errors"}

pytestmark = pytest.mark.docker


def botproof(*arguments: str, **env: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "botproof", *arguments]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=800, check=False, **env
    )


def checks_in(report: Path) -> dict[str, Any]:
    document = json.loads((report / "verdict.json").read_text())
    return {check["check"]: check for check in document["checks"]}


def named(images: dict[str, str]) -> str:
    return ",".join(f"{name}={image}" for name, image in images.items())


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_images_that_would_be_shipped_pass_the_gate(
    service_images: dict[str, str], tmp_path: Path
) -> None:
    done = botproof(
        *("gate", "--image", named(service_images), "--mode", "polling"),
        *("--only", "boot,golden,latency,errors,memory", "--report-dir", str(tmp_path)),
    )
    checks = checks_in(tmp_path)
    # Another container test runs beside this one: how fast things are may then not be known.
    unsure = {name for name, check in checks.items() if check.get("spoilt_by") and name in _SPEED}
    assert done.returncode == (2 if unsure else 0), done.stdout + done.stderr
    assert {check["verdict"] for name, check in checks.items() if name not in unsure} == {"PASS"}
    record = read_history(tmp_path / "history.jsonl")
    images = {e.process: e.image for e in record.of(ProcessStarted) if e.image}
    assert images == service_images
    samples = record.of(MemorySample)
    assert {sample.process for sample in samples} == {"market_data", "bot"}
    assert all(sample.working_set for sample in samples)
    largest = max(sample.judged for sample in samples if sample.process == "market_data")
    assert f"{largest / 1e6:.1f} MB of 70 MB" in checks["memory"]["evidence"][0]
    fences = record.of(MemoryFence)
    assert fences
    if not any(fence.problem for fence in fences):  # both containers are in it, and so counted
        assert any("in 904 MB" in line for line in checks["memory"]["evidence"])
    page = (tmp_path / "report.html").read_text()
    assert "market_data: memory (working set)" in page
    assert (tmp_path / "logs" / "polling" / "market_data.log").read_text()


HEAVY = """
FROM {base}
COPY sitecustomize.py /heavy/
ENV PYTHONPATH=/heavy
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_an_image_that_needs_more_memory_is_found(
    service_images: dict[str, str], tmp_path: Path
) -> None:
    """The second image keeps twenty megabytes more in each of its processes."""
    base, heavy = service_images["market_data"], "botproof-test/market-data-heavy:local"
    (tmp_path / "sitecustomize.py").write_text("KEPT = bytes(range(256)) * 4096 * 20\n")
    (tmp_path / "Dockerfile").write_text(HEAVY.format(base=base))
    build = ["docker", "build", "--quiet", "--tag", heavy, str(tmp_path)]
    subprocess.run(build, capture_output=True, check=True)
    report = tmp_path / "report"
    done = botproof(
        *("compare", f"image:market_data={base}", f"image:market_data={heavy}"),
        *("--runs", "5", "--requests", "60", "--warm-up", "20", "--rate", "60"),
        *("--report-dir", str(report)),
    )
    checks = checks_in(report)
    assert done.returncode == 1, done.stdout + done.stderr
    grown = checks["market_data working set, MB"]
    assert grown["verdict"] == "FAIL"
    pairs = zip(grown["data"]["a"], grown["data"]["b"], strict=True)
    assert all(b - a == pytest.approx(21, abs=4) for a, b in pairs)
    assert checks["bot PSS, MB"]["verdict"] == "PASS"
    assert base in (report / "compare.html").read_text()


def test_an_image_that_dies_at_start_says_why(
    service_images: dict[str, str], tmp_path: Path
) -> None:
    wrong = service_images["bot"]  # it has nothing of what market-data needs
    done = botproof(
        *("compare", f"image:market_data={wrong}", ".", "--runs", "3"),
        *("--report-dir", str(tmp_path)),
    )
    assert done.returncode == 1, done.stdout + done.stderr
    failed = checks_in(tmp_path)["compare"]["measurement"]
    assert wrong in failed
    # Who notices first, the one who waits for it to be ready or the one who watches, is open.
    assert re.search("market_data.* ended .*with exit code 1", failed)
    assert failed.splitlines()[-1] == "ModuleNotFoundError: No module named 'fastapi'"


@pytest.mark.parametrize("place", ["gate", "compare"])
def test_without_docker_nothing_is_started_and_that_is_said(place: str, tmp_path: Path) -> None:
    images = {
        "gate": ["gate", "--image", "bot=shop:1"],
        "compare": ["compare", "image:shop:1", "."],
    }
    done = botproof(*images[place], env={"PATH": str(tmp_path)})
    assert done.returncode == 64
    assert "image shop:1: there is no `docker` command on PATH" in done.stderr


def test_an_engine_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
        with pytest.raises(UsageError, match=r"`docker image inspect shop:1` failed: .*sock"):
            side("image:shop:1", CONFIG, tmp_path)


def test_a_process_that_the_target_does_not_have_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        side("image:market=shop:1", CONFIG, tmp_path)
    assert str(caught.value) == (
        "image: market=shop:1: did you mean market_data? Processes are bot, market_data"
    )
