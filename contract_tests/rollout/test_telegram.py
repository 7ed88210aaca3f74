"""What a roll-out asks Telegram, on a machine whose proxy or clock is not as it should be."""

import datetime
import ssl
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest
import trustme
from anyio.from_thread import start_blocking_portal

from botproof.doubles.messages import Request, Response
from botproof.doubles.server import serve
from botproof.doubles.telegram.client import Double, launch
from botproof.rollout.engine import StepFailedError
from botproof.rollout.telegram import Telegram

pytestmark = pytest.mark.usefixtures("no_proxy_but_the_tests")
TOKEN = "123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1"
NOBODY = "http://127.0.0.1:9"
"""The port `discard`, where a proxy never listens."""


@pytest.fixture(scope="module")
def double() -> Iterator[Double]:
    with launch(TOKEN) as double:
        yield double


def telegram(base: str, addresses: Mapping[str, str] | None = None) -> Telegram:
    settings = {"TELEGRAM_BOT_TOKEN": TOKEN, "TELEGRAM_API_BASE_URL": base}
    return Telegram(settings, addresses or {})


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_a_service_of_this_machine_is_asked_by_no_proxy(
    double: Double, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, NOBODY)
    port = double.url.rpartition(":")[2]
    me, _ = telegram(f"http://bot-api:{port}", {"bot-api": "127.0.0.1"}).ask("getMe")
    assert me["is_bot"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HTTPS_PROXY", NOBODY),
        ("https_proxy", NOBODY),
        ("ALL_PROXY", "socks5://127.0.0.1:9"),  # needs a package that is not here
        ("HTTPS_PROXY", "http://[nonsense"),
    ],
)
def test_a_proxy_that_does_not_work_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(StepFailedError, match=rf"names a proxy \({name}\)") as caught:
        telegram("https://api.telegram.org").ask("getMe")
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize(
    ("begins", "ends", "said"), [(-9, -2, "has expired"), (2, 9, "is not yet valid")]
)
def test_a_certificate_that_is_out_of_its_time_leads_to_this_machines_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begins: int, ends: int, said: str
) -> None:
    now = datetime.datetime.now(datetime.UTC)
    first, last = (now + datetime.timedelta(days=days) for days in (begins, ends))
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", not_before=first, not_after=last).configure_cert(context)

    async def answers(_: Request) -> Response:
        return Response(body=b'{"ok": true, "result": {}}')

    with start_blocking_portal() as portal:
        server = portal.call(partial(serve, answers, ssl=context))
        try:
            with pytest.raises(StepFailedError, match=rf"{said}.*clock right"):
                telegram(server.url).ask("getMe")
        finally:
            portal.call(server.close)
