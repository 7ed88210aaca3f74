"""Recordings of any host: what is kept, which answer is played, and which files are read."""

import base64
import json
from pathlib import Path

import pytest

from botproof.doubles.http.har import Exchange, RecordingError, read_har, write_har
from botproof.doubles.http.redaction import redact_body, redact_text, redact_url, values_of
from botproof.doubles.http.replay import Replay

SECRET = "S3cret0fNobodyButMe"


@pytest.mark.parametrize(
    "url",
    [
        f"https://api.example.org/v1?apikey={SECRET}&symbol=BTC",
        f"https://api.example.org/v1?api_key={SECRET}",
        f"https://api.example.org/v1?symbol=BTC&signature={SECRET}",
        f"https://api.example.org/v1?access_token={SECRET}",
        f"https://user:{SECRET}@api.example.org/v1",
        f"https://api.example.org/v3/{SECRET}Abcdefghijklm0123456789/eth",
        "https://mainnet.example.org/v3/0123456789abcdef0123456789abcdef",
        "https://api.telegram.org/bot123456789:AAGateTokenOfTheTelegramDouble00000/getMe",
    ],
)
def test_no_secret_of_a_url_is_kept(url: str) -> None:
    kept = redact_url(url)
    assert SECRET not in kept
    assert "0123456789abcdef0123456789abcdef" not in kept
    assert "AAGateToken" not in kept
    assert kept.startswith("https://")


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example.org/v3/coins/bitcoin/market_chart?vs_currency=usd&days=7",
        "https://api.example.org/token/0x2260FAC5E5542a773Aa44fBCfeDf7C193bc2C599?token_id=7",
        "https://api.example.org/a-long-name-of-an-article-that-somebody-wrote-in-2026",
    ],
)
def test_what_is_asked_about_is_kept(url: str) -> None:
    assert redact_url(url) == url


def test_two_keys_in_a_path_stay_two() -> None:
    one, other = (redact_url(f"https://x.org/{'a1B' * 10}{end}/eth") for end in "12")
    assert one != other


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        (f'{{"apiKey": "{SECRET}", "symbol": "BTC"}}', '{"apiKey":"redacted","symbol":"BTC"}'),
        (f'{{"a": [{{"password": "{SECRET}"}}]}}', '{"a":[{"password":"redacted"}]}'),
        (f"grant=x&client_secret={SECRET}", "grant=x&client_secret=redacted"),
        ('{"price":  42}', '{"price":  42}'),
        ("plain text = kept", "plain text = kept"),
    ],
)
def test_no_secret_of_a_body_is_kept_and_all_else_is(body: str, kept: str) -> None:
    assert redact_body(body) == kept


def test_what_a_request_carried_is_taken_out_of_its_answer_too() -> None:
    secrets = values_of([("Authorization", f"Bearer {SECRET}")], "https://x.org/?q=1")
    assert SECRET not in redact_text(f"unknown key {SECRET}", secrets)


def exchange(url: str, body: str = "", *, answer: bytes = b"{}", method: str = "GET") -> Exchange:
    return Exchange(method=method, url=url, status=200, request_body=body, body=answer)


def test_a_recording_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    made = [
        Exchange(
            method="POST",
            url="https://x.org/a?b=c",
            status=201,
            request_headers=(("Content-Type", "application/json"),),
            request_body='{"q":1}',
            headers=(("X-Limit", "3"),),
            body=body,
            content_type="application/json",
        )
        for body in ("{} ä".encode(), b"\xff\x00picture")
    ]
    write_har(tmp_path / "deep" / "http.har", made)
    read = read_har(tmp_path / "deep" / "http.har")
    assert [(e.method, e.url, e.status, e.body, e.headers) for e in read] == [
        (e.method, e.url, e.status, e.body, e.headers) for e in made
    ]
    log = json.loads((tmp_path / "deep" / "http.har").read_text())["log"]
    assert log["version"] == "1.2"
    needed = {"startedDateTime", "time", "request", "response", "cache", "timings"}
    assert all(needed <= set(entry) for entry in log["entries"])


def test_a_recording_of_a_browser_is_read(tmp_path: Path) -> None:
    text = base64.b64encode(b"picture").decode()
    entries = [
        {
            "_initiator": {"type": "other"},
            "request": {
                "method": "post",
                "url": "https://x.org/",
                "postData": {"params": [{"name": "a", "value": "1"}]},
            },
            "response": {"status": 200, "content": {"text": text, "encoding": "base64"}},
        },
        {"request": {"method": "GET", "url": "https://x.org/b"}, "response": {"status": 0}},
    ]
    (tmp_path / "a.har").write_text("\ufeff" + json.dumps({"log": {"entries": entries}}))
    [read] = read_har(tmp_path / "a.har")
    assert (read.method, read.request_body, read.body) == ("POST", "a=1", b"picture")


def test_an_entry_by_hand_answers_all_that_is_asked_of_a_path() -> None:
    rest, one = exchange("https://x.org/quotes?*"), exchange("https://x.org/quotes?id=1")
    replay = Replay([rest, one])
    assert replay.find("GET", "https://x.org/quotes?id=1", "") is one
    assert replay.find("GET", "https://x.org/quotes?id=2&key=secret", "") is rest
    assert replay.find("GET", "https://x.org/quotes", "") is rest
    assert replay.find("GET", "https://x.org/coins?id=2", "") is None
    assert replay.find("POST", "https://x.org/quotes?id=2", "") is None


def test_a_recording_that_was_written_by_hand_needs_four_fields(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "botproof-toml.md").read_text()
    blocks = [each.partition("```")[0] for each in text.split("```json\n")[1:]]
    [by_hand] = [each for each in blocks if '"entries"' in each]
    (tmp_path / "http.har").write_text(by_hand)
    [exchange] = read_har(tmp_path / "http.har")
    url = "https://api.coingecko.com/api/v3/simple/price?vs_currencies=usd&ids=bitcoin"
    assert Replay([exchange]).find("GET", url, "") is exchange
    assert json.loads(exchange.body) == {"bitcoin": {"usd": 67187.33}}


WRONG = {
    "": "is no HAR file",
    "{}": "is no HAR file: KeyError: 'log'",
    '{"log": {"entries": 3}}': "is no HAR file",
    '{"log": {"entries": [{}]}}': "log.entries[0]: KeyError: 'request'",
    '{"log": {"entries": [{"request": {"method": "GET", "url": "file:///x"}, "response": '
    '{"status": 200}}]}}': "is no http(s) URL",
    '{"log": {"entries": [{"request": {"method": "GET", "url": "http://x"}, "response": '
    '{"status": 200, "content": {"text": "%", "encoding": "base64"}}}]}}': "is not base64",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_file_that_is_no_recording_is_refused_by_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.har").write_text(text)
    with pytest.raises(RecordingError) as refused:
        read_har(tmp_path / "a.har")
    assert str(tmp_path / "a.har") in str(refused.value)
    assert WRONG[text] in str(refused.value)


@pytest.mark.parametrize(
    ("recorded", "asked"),
    [
        ("https://x.org/p?a=1&b=2", "https://x.org/p?b=2&a=1"),
        ("https://x.org/p?key=redacted&a=1", f"https://x.org/p?key={SECRET}&a=1"),
        ("https://x.org/p?timestamp=1", "https://x.org/p?timestamp=2"),
        ("https://x.org/p?from=1767225600", "https://x.org/p?from=1767229999"),
        ("http://x.org/p", "https://x.org/p"),
        ("https://x.org", "https://x.org/"),
    ],
)
def test_what_means_the_same_finds_its_answer(recorded: str, asked: str) -> None:
    assert Replay([exchange(recorded)]).find("GET", asked, "") is not None


@pytest.mark.parametrize(
    ("method", "asked"),
    [
        ("GET", "https://x.org/p?a=2"),
        ("GET", "https://x.org/q?a=1"),
        ("GET", "https://y.org/p?a=1"),
        ("POST", "https://x.org/p?a=1"),
    ],
)
def test_what_means_something_else_finds_none(method: str, asked: str) -> None:
    assert Replay([exchange("https://x.org/p?a=1")]).find(method, asked, "") is None


def test_bodies_are_compared_by_what_they_say() -> None:
    rpc = '{"jsonrpc":"2.0","id":1,"method":"eth_call","params":[1]}'
    replay = Replay([exchange("https://x.org/", rpc, method="POST")])
    again = '{"method": "eth_call", "params": [1], "id": 9, "jsonrpc": "2.0"}'
    assert replay.find("POST", "https://x.org/", again) is not None
    assert replay.find("POST", "https://x.org/", again.replace("[1]", "[2]")) is None


def test_what_was_asked_more_than_once_is_answered_in_order_and_its_last_answer_stays() -> None:
    replay = Replay([exchange("https://x.org/", answer=text) for text in (b"1", b"2")])
    found = [replay.find("GET", "https://x.org/", "") for _ in range(3)]
    assert [each and each.body for each in found] == [b"1", b"2", b"2"]
