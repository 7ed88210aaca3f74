"""A page in a developer's browser programs no double; market-data tells strangers nothing."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

TOKEN = "a-token-of-the-tests"


@pytest.fixture(scope="module", params=["telegram", "exchanges"])
def double(request: pytest.FixtureRequest, child: Any) -> Iterator[str]:
    command = [sys.executable, "-m", "botproof", "double", request.param, "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    started = child(process, process.stdout)
    yield str(started.event("listening")["url"])
    assert started.end() == 0
    started.close()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": "evil.example:80"}, 403),
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Host": "[broken"}, 403),
        ({"Host": "localhost:1"}, 200),
        ({"Host": "double:1"}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost:1", "Host": "localhost:1"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
    ],
)
def test_the_controls_of_a_double(
    double: str, attack_http: Any, headers: dict[str, str], status: int
) -> None:
    answer = attack_http.post(f"{double}/_double/reset", content=b"{}", headers=headers)
    assert answer.status_code == status, answer.text


@pytest.fixture
def attack_http() -> Any:
    import httpx  # noqa: PLC0415 - one client for the fixture

    with httpx.Client(trust_env=False, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def open_service(child: Any) -> Iterator[str]:
    """market-data that listens everywhere, as in its image, with a token."""
    process = subprocess.Popen(
        [sys.executable, "-m", "reference_bot.market_data"],
        stderr=subprocess.PIPE,
        text=True,
        env={
            "PATH": os.environ["PATH"],
            "MARKET_DATA_HOST": "0.0.0.0",  # noqa: S104 - what is tested
            "MARKET_DATA_PORT": "0",
            "MARKET_DATA_TOKEN": TOKEN,
            "EXCHANGES": "binance",
            "BINANCE_SPOT_URL": "http://127.0.0.1:9",
            "BINANCE_FUTURES_URL": "http://127.0.0.1:9",
            "BINANCE_COIN_FUTURES_URL": "http://127.0.0.1:9",
        },
    )
    service = child(process, process.stderr)
    yield f"http://127.0.0.1:{service.event('listening')['port']}"
    assert service.end() == 0
    service.close()


@pytest.mark.parametrize("path", ["/balance", "/positions", "/pnl"])
@pytest.mark.parametrize(
    ("given", "status"),
    [(None, 403), ("", 403), ("Bearer wrong", 403), (TOKEN, 403), (f"Bearer {TOKEN}", 503)],
)
def test_the_account_is_for_who_has_the_token(
    open_service: str, attack_http: Any, path: str, given: str | None, status: int
) -> None:
    """503: there are no keys; whoever has the token is told so."""
    headers = {} if given is None else {"Authorization": given}
    answer = attack_http.post(f"{open_service}{path}", json={}, headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.json()["success"] is False


@pytest.mark.parametrize("path", ["/health", "/metrics", "/openapi.json"])
def test_market_data_refuses_a_strange_host(open_service: str, attack_http: Any, path: str) -> None:
    strange = attack_http.get(f"{open_service}{path}", headers={"Host": "evil.example"})
    assert strange.status_code == 421
    assert attack_http.get(f"{open_service}{path}").status_code == 200


@pytest.mark.parametrize("opening", ["[", '{"symbol":'])
@pytest.mark.parametrize("depth", [33, 966, 10_000, 60_000 // 10])
def test_deep_nesting_is_a_bad_request(
    open_service: str, attack_http: Any, opening: str, depth: int
) -> None:
    closing = "]" if opening == "[" else "}"
    body = opening * depth + "1" + closing * depth
    answer = attack_http.post(
        f"{open_service}/price", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code in {413, 422}, answer.text
    assert answer.json()["error"]["code"] == "bad_request"


def test_brackets_in_a_text_are_no_nesting(open_service: str, attack_http: Any) -> None:
    body = json.dumps({"symbol": "[" * 30 + '"' + "{" * 30})
    answer = attack_http.post(
        f"{open_service}/price", content=body, headers={"Content-Type": "application/json"}
    )
    assert "nested" not in answer.text
