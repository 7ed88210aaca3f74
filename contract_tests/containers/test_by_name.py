"""A bot in an image that knows the real hosts only: it finds the doubles by name, and nothing else.

The image brings clients with authorities of their own: Python's packages (certifi, requests), and
Node.js where this machine has it.
"""

import importlib.util
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract_tests.containers.conftest import docker
from contract_tests.gate_run import GateRun

pytestmark = pytest.mark.docker

BOTS = Path(__file__).parents[2] / "fixtures" / "bots" / "ten_lines"
PACKAGES = ("certifi", "requests", "urllib3", "idna", "charset_normalizer")
NODE = shutil.which("node")
IMAGE = "botproof-test/by-name:local"

DOCKERFILE = """
FROM {base}
COPY packages /opt/packages
COPY by_host.py /opt/
COPY node /
ENV PYTHONPATH=/opt/packages PYTHONUNBUFFERED=1
USER 10001
"""

DESCRIPTION = f"""
{(BOTS / "by_host.toml").read_text()}
[bot]
image = "{IMAGE}"
command = ["python3", "/opt/by_host.py"]
ready = "telegram"
[bot.env]
TOKEN = "{{token}}"
"""


@pytest.fixture(scope="module")
def image(python_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    context = tmp_path_factory.mktemp("context")
    (context / "Dockerfile").write_text(DOCKERFILE.format(base=python_image))
    shutil.copy(BOTS / "by_host.py", context)
    for package in PACKAGES:
        found = importlib.util.find_spec(package)
        assert found is not None
        assert found.origin is not None
        shutil.copytree(Path(found.origin).parent, context / "packages" / package)
    put_node(context / "node")
    docker("build", "--quiet", "--tag", IMAGE, str(context))
    yield IMAGE
    docker("image", "rm", "--force", IMAGE)


def put_node(root: Path) -> None:
    """Node.js of this machine with its libraries, at the places where they are here."""
    root.mkdir()
    if NODE is None:
        return
    ldd = shutil.which("ldd") or "/usr/bin/ldd"
    told = subprocess.run([ldd, NODE], capture_output=True, text=True, check=True).stdout
    for name in (NODE, *re.findall(r"=> (/\S+/lib(?:node|uv|ssl|crypto|stdc\+\+)\S*)", told)):
        # /lib is a link to /usr/lib, here and in the image, and has to stay one.
        at = root / str(Path(name).parent.resolve() / Path(name).name).lstrip("/")
        at.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(name, at)


def test_clients_in_a_container_find_the_doubles_by_name_and_nothing_else(
    image: str, tmp_path: Path
) -> None:
    if NODE is not None:
        assert docker("run", "--rm", "--network", "none", image, "node", "--version")
    (tmp_path / "botproof.toml").write_text(DESCRIPTION)
    run = GateRun(tmp_path / "report", "--only", "boot,golden", cwd=tmp_path)
    lines = (tmp_path / "report" / "history.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    said = [event["params"]["text"] for event in events if event.get("method") == "sendMessage"]
    log = (tmp_path / "report" / "logs" / "polling" / "bot.log").read_text()
    [price] = [text for text in said if text.replace(".", "").isdigit()]  # one, by every client
    assert float(price) > 0, run.output + log
    assert "refused: True" in said
    assert any(text.startswith("fapi.binance.com dapi.binance.com") for text in said), log
    assert "Error" not in log
    [line] = run.checks["doubles"]["evidence"]
    assert re.fullmatch(r"no double stands for the host api\.coingecko\.com \(\d+ x\)", line)
