"""The chat page in the browser: a person talks to a bot, sees formatting and buttons, live."""

from __future__ import annotations

import base64
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from botproof.doubles.telegram.client import Chat, Double, launch
from contract_tests.browser import Browser, chromium
from contract_tests.readable import CONTRAST

TOKEN = "123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1"
OTHER = "654321:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1"
GROUP = -1_001_234_567_890
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)
Json = dict[str, Any]


@pytest.fixture(scope="module")
def running() -> Iterator[Double]:
    with launch(TOKEN, "--no-flood") as double:
        yield double


@pytest.fixture
def double(running: Double) -> Double:
    running.reset()
    return running


@pytest.fixture
def http(double: Double) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=double.url, trust_env=False, timeout=60) as http:
        yield http


def call(http: httpx.Client, method: str, token: str = TOKEN, **params: object) -> Any:
    """A call of the bot."""
    answer = http.post(f"/bot{token}/{method}", json=params).json()
    assert answer["ok"], answer
    return answer["result"]


# -- what the page loads -------------------------------------------------------------------------


def test_the_page_is_whole_and_loads_from_itself_alone(http: httpx.Client) -> None:
    index = http.get("/")
    assert index.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'self'" in index.headers["content-security-policy"]
    for name, kind in {
        "page.css": "text/css",
        "page.js": "text/javascript",
        "view.js": "text/javascript",
        "entities.js": "text/javascript",
    }.items():
        answer = http.get(f"/_double/page/{name}")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(kind)
        assert answer.text
        assert "innerHTML" not in answer.text
        assert "insertAdjacentHTML" not in answer.text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/_double/page/nothing", 404),
        ("GET", "/_double/page/../page.js", 404),
        ("GET", "/_double/page/__init__.py", 404),
        ("POST", "/", 405),
        ("GET", f"/_double/page/file/{TOKEN}/unknown", 404),
    ],
)
def test_what_the_page_does_not_have(
    http: httpx.Client, method: str, path: str, status: int
) -> None:
    assert http.request(method, path).status_code == status


def test_pictures_are_shown_and_nothing_else_is(http: httpx.Client, double: Double) -> None:
    ada = double.person(42, "Ada")
    ada.photo(PIXEL)
    ada.send_file("document", b"<script>alert(1)</script>", "picture.png", mime_type="image/png")
    photo, document = (message.raw for message in ada.messages())
    shown = http.get(f"/_double/page/file/{TOKEN}/{photo['photo'][0]['file_id']}")
    assert (shown.content, shown.headers["content-type"]) == (PIXEL, "image/png")
    file_id = document["document"]["file_id"]
    assert http.get(f"/_double/page/file/{TOKEN}/{file_id}").status_code == 415


def overviews(http: httpx.Client) -> Iterator[Json]:
    with http.stream("GET", "/_double/page/events") as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        for line in answer.iter_lines():
            if line.startswith("data: "):
                yield httpx.Response(200, text=line[6:]).json()


def test_the_stream_tells_what_there_is_and_again_when_it_changes(
    http: httpx.Client, double: Double
) -> None:
    stream = overviews(http)
    assert next(stream) == {"bots": []}
    ada = double.person(42, "Ada", username="ada")
    ada.say("hi")
    ada.in_group(GROUP, "Traders").say("all")
    seen = next(stream)
    while not seen["bots"] or len(seen["bots"][0]["chats"]) < 2:
        seen = next(stream)
    (bot,) = seen["bots"]
    assert bot["token"] == TOKEN
    assert [user["id"] for user in bot["users"]] == [42]
    assert {chat["id"]: chat["last"]["text"] for chat in bot["chats"]} == {42: "hi", GROUP: "all"}
    assert bot["door"] == {"kind": "polling", "waits": False, "polled": False}
    call(http, "setWebhook", url="http://127.0.0.1:9/hook")
    while (door := next(stream)["bots"][0]["door"])["kind"] != "webhook":
        pass
    assert door["url"] == "http://127.0.0.1:9/hook"
    stream.close()  # type: ignore[attr-defined]  # a generator, seen as an iterator


# -- in the browser ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser(
    tmp_path_factory: pytest.TempPathFactory, need: Callable[..., None]
) -> Iterator[Browser]:
    need("chromium", "chromedriver")
    with chromium(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


TEXTS = "[...document.querySelectorAll('#messages .bubble')].map(n => n.innerText)"
LAST = "document.querySelector('#messages li:last-child')"
EVIL = '<img src=x onerror="document.title = `owned`"> & <b>'
PRICE = (
    "<b>BTC/USDT</b> · <i>Binance</i>\n<blockquote>24h: 🟢 BUYERS (64% pressure)</blockquote>\n"
    "<code>$111,245.30</code> <tg-spoiler>hidden</tg-spoiler> "
    '<a href="https://example.org/">chart</a> /help\n'
    '<pre><code class="language-text">funding +0.0085%\nOI      +4.62%</code></pre>'
)


@pytest.fixture
def ada(browser: Browser, double: Double, http: httpx.Client) -> Chat:
    """The first person of the page, with the page open at her chat with the bot."""
    call(http, "getMe")
    browser.open(double.url)
    browser.run("localStorage.clear()")
    browser.size(1100, 820)
    browser.open(double.url)
    browser.until("document.querySelector('#bot').value && document.querySelector('#live.on')")
    return double.person(1001, "Ada")


def open_chat(browser: Browser, title: str) -> None:
    browser.until(
        f"[...document.querySelectorAll('#chats b')].some(b => b.textContent === '{title}')"
    )
    browser.run(
        "[...document.querySelectorAll('#chats button')]"
        f".find(b => b.textContent.includes('{title}')).click()"
    )


@pytest.mark.browser
def test_a_person_writes_and_the_bot_answers_with_formatting(
    browser: Browser, ada: Chat, http: httpx.Client
) -> None:
    browser.type("#text", "/price btc\n")
    asked = call(http, "getUpdates", timeout=20)[0]["message"]
    assert (asked["text"], asked["from"]["id"]) == ("/price btc", 1001)
    call(http, "sendMessage", chat_id=1001, text=PRICE, parse_mode="HTML")
    browser.until(f"{LAST}?.querySelector('blockquote')")
    for css, text in {
        "b": "BTC/USDT",
        "i": "Binance",
        "blockquote": "24h: 🟢 BUYERS (64% pressure)",
        "code": "$111,245.30",
        "a[href='https://example.org/'][rel~='noreferrer']": "chart",
        "pre[data-language='text']": "funding +0.0085%\nOI      +4.62%",
        ".spoiler": "hidden",
        "button.linkish": "/help",
    }.items():
        assert browser.run(f"return {LAST}.querySelector(arguments[0])?.textContent", css) == text
    browser.click("#messages li:last-child button.linkish")
    assert not ada.wait_for(lambda message: message.text == "/help").by_bot


@pytest.mark.browser
def test_what_comes_from_outside_is_never_markup(
    browser: Browser, ada: Chat, http: httpx.Client
) -> None:
    ada.say(EVIL)
    call(http, "sendMessage", chat_id=1001, text=EVIL)
    button = {"text": EVIL, "callback_data": EVIL}
    link = [{"type": "text_link", "offset": 0, "length": 1, "url": "javascript:alert(1)"}]
    markup = {"inline_keyboard": [[button]]}
    call(http, "sendMessage", chat_id=1001, text="x", entities=link, reply_markup=markup)
    browser.until("document.querySelectorAll('#messages .bubble').length === 3")
    shown = browser.run("return " + TEXTS)
    assert [text.startswith(EVIL) for text in shown] == [True, True, False]
    assert browser.run("return document.querySelectorAll('#messages img, #messages a').length") == 0
    assert browser.run("return document.title") == "Telegram double"


@pytest.mark.browser
def test_buttons_answers_and_edits_are_live(
    browser: Browser, ada: Chat, http: httpx.Client
) -> None:
    ada.say("hi")
    [hi] = call(http, "getUpdates")
    markup = {"inline_keyboard": [[{"text": "More", "callback_data": "more"}]]}
    sent = call(http, "sendMessage", chat_id=1001, text="short", reply_markup=markup)
    browser.until(f"{LAST}?.querySelector('.key')")
    browser.click("#messages .key")
    # Behind the message: it is pending, and would be the last update before the tap has come.
    after = hi["update_id"] + 1
    [query] = call(http, "getUpdates", timeout=20, offset=after, allowed_updates=["callback_query"])
    query_id = query["callback_query"]["id"]
    call(http, "answerCallbackQuery", callback_query_id=query_id, text="coming right up")
    browser.until("document.querySelector('#notice').textContent === 'coming right up'")
    call(http, "editMessageText", chat_id=1001, message_id=sent["message_id"], text="long")
    browser.until(f"{LAST}?.innerText.startsWith('long')")
    assert "edited" in browser.run(f"return {LAST}.innerText")
    assert browser.run("return document.querySelectorAll('#messages .key').length") == 0


@pytest.mark.browser
@pytest.mark.slow
def test_reply_keyboards_typing_media_and_groups(
    browser: Browser, ada: Chat, http: httpx.Client, double: Double
) -> None:
    ada.say("hi")
    keyboard = {"keyboard": [["Yes", "No"]], "input_field_placeholder": "Well?"}
    call(http, "sendMessage", chat_id=1001, text="?", reply_markup=keyboard)
    browser.until("document.querySelector('#text').placeholder === 'Well?'")
    browser.click("#keyboard .key:last-child")
    browser.until(f"{LAST}?.innerText.startsWith('No')")
    call(http, "sendChatAction", chat_id=1001, action="typing")
    browser.until("document.querySelector('#chat-state').textContent === 'is typing …'")
    ada.photo(PIXEL, "a picture")
    browser.until(
        f"{LAST}?.querySelector('img')?.complete && {LAST}.querySelector('img').naturalWidth"
    )
    call(http, "sendDice", chat_id=1001)
    browser.until(f"{LAST}?.querySelector('.dice')")
    assert browser.run(
        f"return {LAST}.getBoundingClientRect().bottom <= "
        "document.querySelector('#messages').getBoundingClientRect().bottom"
    )
    group = ada.in_group(GROUP, "Traders")
    group.add_bot()
    double.person(1002, "Bob").in_group(GROUP).say("hello")
    open_chat(browser, "Traders")
    browser.until("document.querySelector('#messages .who')?.textContent === 'Bob'")
    browser.type("#text", "hello Bob\n")
    browser.until("document.querySelector('#messages .mine')")
    assert group.messages()[-1].text == "hello Bob"


@pytest.mark.browser
def test_topics_of_a_forum_are_named(browser: Browser, ada: Chat, http: httpx.Client) -> None:
    forum = ada.in_group(GROUP, "Traders", is_forum=True)
    described = {"id": GROUP, "bot": {"status": "administrator", "can_manage_topics": True}}
    forum.say("hi")
    assert http.post(f"/_double/bots/{TOKEN}/chats", json=described).json()["ok"]
    topic = call(http, "createForumTopic", chat_id=GROUP, name="Signals")["message_thread_id"]
    call(http, "sendMessage", chat_id=GROUP, text="up", message_thread_id=topic)
    open_chat(browser, "Traders")
    browser.until("document.querySelector('#messages .topic')?.textContent === '# Signals'")
    assert browser.run("return document.querySelector('#messages .event').textContent") == (
        "Topic “Signals” was created"
    )
    assert browser.run("return document.querySelector('#messages .reply')") is None


@pytest.mark.browser
def test_the_doors_of_the_bot_are_seen(browser: Browser, ada: Chat, http: httpx.Client) -> None:
    poll = threading.Thread(target=call, args=(http, "getUpdates"), kwargs={"timeout": 20})
    poll.start()
    browser.until("document.querySelector('#door').textContent.includes('waits for updates')")
    ada.say("that was it")
    poll.join()
    call(http, "setWebhook", url="http://127.0.0.1:9/hook", drop_pending_updates=True)
    ada.say("anybody?")
    browser.until("document.querySelector('#door.bad')?.textContent.includes('127.0.0.1:9')")
    call(http, "getMe", OTHER)
    browser.until("document.querySelectorAll('#bot option').length === 2")


@pytest.mark.browser
@pytest.mark.parametrize(
    ("width", "scheme"), [(1100, "light"), (1100, "dark"), (390, "light"), (390, "dark")]
)
def test_it_fits_wide_and_narrow_light_and_dark(
    browser: Browser, ada: Chat, http: httpx.Client, width: int, scheme: str
) -> None:
    browser.size(width, 800, scheme)
    ada.command("price", "btc")
    row = [{"text": "🔄 Refresh", "callback_data": "r"}, {"text": "15m", "callback_data": "15"}]
    markup = {"inline_keyboard": [row]}
    call(http, "sendMessage", chat_id=1001, text=PRICE, parse_mode="HTML", reply_markup=markup)
    browser.until("document.querySelectorAll('#messages .bubble').length === 2")
    assert browser.run("return document.documentElement.scrollWidth <= innerWidth")
    dark = (
        browser.run("return getComputedStyle(document.body).backgroundColor") == "rgb(14, 22, 33)"
    )
    assert dark is (scheme == "dark")
    panes = "return ['side', 'chat'].map(id => document.getElementById(id).offsetWidth > 0)"
    if width > 600:
        assert browser.run(panes) == [True, True]
    else:
        assert browser.run(panes) == [True, False]
        browser.click("#chats button")
        assert browser.run(panes) == [False, True]
    assert browser.run(CONTRAST) == []
    pictures = os.environ.get("BOTPROOF_SCREENSHOTS")
    if pictures:  # for a person to look at
        browser.screenshot(Path(pictures) / f"{width}-{scheme}.png")
