"""schemathesis reads the API's description and looks for answers that do not keep to it."""

import subprocess
import sys

import pytest

pytest.importorskip("schemathesis", reason="needs schemathesis")


@pytest.mark.slow
def test_schemathesis_finds_nothing(service_process, double_url, tmp_path):
    """All checks but one: 502 and 504 are answers here, not accidents, and are described."""
    keys = {"BINANCE_API_KEY": "double-key", "BINANCE_API_SECRET": "double-secret"}
    # The deadline of production: who waits for a turn gets 504 before the client is gone.
    keys["DEADLINE_SECONDS"] = "1.5"
    venues = {"EXCHANGES": "binance,yahoo", "YAHOO_URL": f"{double_url}/yahoo"}
    with service_process(**keys, **venues) as url:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json"),
                *("--max-examples", "25", "--seed", "7", "--no-color"),
                *("--checks", "all", "--exclude-checks", "not_a_server_error"),
                *("--phases", "examples,coverage,fuzzing"),
            ],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            timeout=800,
            check=False,
        )
    assert done.returncode == 0, done.stdout[-6000:]
