"""What `botproof init` makes of a source, of replies, and of what a bot says when it fails."""

import datetime
import re
from pathlib import Path

import msgspec
import pytest

from botproof.chats import Chats, ReplyRules, Turn
from botproof.checks.why import unanswered_in_trouble
from botproof.cli import main
from botproof.config import Case, Replies, parse_config
from botproof.history import BotApiCall, CasePlayed, Event, History, LogTrouble
from botproof.init.explore import examples_in, examples_of, next_cases, opening
from botproof.init.kept import Home, grouped
from botproof.init.look import Found, as_small_talk
from botproof.init.propose import Proposal, Proposals, differing, of_the_clock, propose
from botproof.init.settings import Role, role_of
from botproof.init.source import Source, names_exchange, read_source
from botproof.init.start import Description, first_env, port_in_command, webhook_paths
from botproof.init.trial import telegrams_own, waits_on
from botproof.init.write import as_toml, questions
from botproof.start_trouble import (
    last_words,
    missing_settings,
    trouble_in,
    trouble_of_end,
    with_own_module,
)

NOW = datetime.datetime(2026, 3, 4, 12, 30, 10, tzinfo=datetime.UTC)

READS = {
    "bot.py": 'os.environ["A_KEY"]; os.environ.get("B_KEY", ""); os.getenv(\n"C_KEY")',
    "settings.py": "class S(BaseSettings):\n    bot_token: str\n    model_config = {}\n",
    "telebot.py": 'Bot(os.environ["S_KEY"], parse_mode="HTML"); os.getenv("T_KEY", "INFO")',
    "decouple.py": 'T = config("D_KEY", default="")',
    "bot.js": "const { E_KEY, F_KEY } = process.env; process.env.G_KEY; process.env['H_KEY']",
    "main.go": 'os.Getenv("I_KEY"); v, ok := os.LookupEnv("J_KEY")',
    "main.rs": 'std::env::var("K_KEY")?',
    "bot.rb": 'ENV["L_KEY"]; ENV.fetch("M_KEY")',
    "bot.php": "getenv('N_KEY')",
    ".env.example": "O_KEY=15\nQ_KEY=\nR_KEY=\n# no\nP_KEY=your-key\n",
}


def test_the_settings_that_a_source_reads_are_found_in_each_language(tmp_path: Path) -> None:
    for name, text in READS.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "strange.js").write_text("process.env.NOT_MINE")
    source = read_source(tmp_path)
    assert {f"{letter}_KEY" for letter in "ABCDEFGHIJKLMNOPQRST"} | {"BOT_TOKEN"} == set(source.env)
    examples = dict(source.examples)
    assert [examples[f"{letter}_KEY"] for letter in "OQR"] == ["15", "", ""]


COMMANDS = {
    "ptb.py": 'CommandHandler("ptb", f); CommandHandler(["ptb_two", "setUp"], f)',
    "aiogram.py": '@router.message(Command("aiogram"))',
    "telebot.py": "@bot.message_handler(commands=['telebot', 'telebot_two'])",
    "grammy.js": 'bot.command("grammy", f); bot.command(["grammy_two"], f)',
    "node.js": "bot.onText(/\\/node_api (.+)/, f)",
    "main.go": 'b.Handle("/gobot", f)',
}


def test_packages_that_are_installed_beside_the_bot_are_no_source_of_its_own(
    tmp_path: Path,
) -> None:
    (tmp_path / "bot.py").write_text('os.environ["MY_TOKEN"]')
    packages = tmp_path / "package" / "telegram"
    packages.mkdir(parents=True)
    (tmp_path / "package" / "telegram-1.0.dist-info").mkdir()
    (packages / "ext.py").write_text('os.environ["NETRC"]; CommandHandler("shipping")')
    found = read_source(tmp_path)
    assert (found.env, found.commands) == (("MY_TOKEN",), ())


def test_the_commands_that_a_source_handles_are_found_in_each_library(tmp_path: Path) -> None:
    for name, text in COMMANDS.items():
        (tmp_path / name).write_text(text)
    found = set(read_source(tmp_path).commands)
    assert found >= {
        *("ptb", "ptb_two", "setUp", "aiogram", "telebot", "telebot_two"),
        *("grammy", "grammy_two", "node_api", "gobot"),
    }


WORDS = {
    "by.js": "if (upperMessage === 'GAINERS') {}; message.chat.type === 'private'",
    "telebot.py": 'if message.text == "Price of BTC": pass\nif text.lower() == "fees": pass',
    "telegraf.js": "bot.hears('Hi there', f)",
    "ptb.py": 'MessageHandler(filters.Regex("^(Wallet)$"), f)',
    "with_a_hole.js": "text === `${price}`",
}


def test_a_word_that_a_source_wants_first_is_said_with_a_symbol_behind_it(tmp_path: Path) -> None:
    (tmp_path / "bot.py").write_text(
        "import yfinance\nrequest = message.text.split()\n"
        'if request[0].lower() not in "price": pass\n'
        'if message.text.lower().startswith("chart "): pass\n'
        'if url.startswith("http"): pass\n'
    )
    (tmp_path / "bot.js").write_text(
        'if (msg.text.startsWith("rate")) {} else if (args[0] === "p2p") {}'
    )
    source = read_source(tmp_path)
    assert set(source.openings) == {"price", "chart", "rate", "p2p"}
    assert source.share == "AAPL"


@pytest.mark.parametrize(
    ("answer", "same"),
    [
        ("Ann, I know no BTC. Try /help", True),
        ("ann, I know no BTC. Try /help", True),
        ("BTC: 95,000 USD", False),
        ("Ann, I know no ETH. Try /help", False),
    ],
)
def test_an_answer_to_anybody_may_hold_a_name_and_what_was_said(answer: str, same: bool) -> None:
    talk = turn("small-talk", sent(1.1, "Bob, I know no hello. Try /help"), said="hello", by="Bob")
    asked = turn("btc", sent(1.1, answer), said="BTC")
    assert as_small_talk(asked, {"small-talk": talk}) is same


def test_what_a_source_compares_a_message_with_is_found(tmp_path: Path) -> None:
    for name, text in WORDS.items():
        (tmp_path / name).write_text(text)
    source = read_source(tmp_path)
    assert set(source.words) == {"GAINERS", "Price of BTC", "fees", "Hi there", "Wallet"}
    assert not source.market
    (tmp_path / "prices.go").write_text('http.Get("https://api.binance.com/api/v3/ticker")')
    assert read_source(tmp_path).market


@pytest.mark.parametrize("quoted", ["7012345678:AA" + "k" * 33, "bot7012345678:AA" + "k" * 33])
def test_a_token_in_a_source_is_found_with_what_its_url_has_before_it(
    tmp_path: Path, quoted: str
) -> None:
    (tmp_path / "index.php").write_text(f'$api = "{quoted}";')
    assert read_source(tmp_path).token == "7012345678:AA" + "k" * 33


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("TELEGRAM_BOT_TOKEN", Role.TOKEN),
        ("TOKEN", Role.TOKEN),
        ("TG_API_KEY", Role.TOKEN),
        ("GITHUB_TOKEN", Role.OTHER),
        ("COINGECKO_API_KEY", Role.OTHER),
        ("TELEGRAM_API_ROOT", Role.TELEGRAM_URL),
        ("BINANCE_API_URL", Role.OTHER),
        ("WEBHOOK_URL", Role.WEBHOOK_URL),
        ("WEBHOOK_SECRET", Role.SECRET),
        ("ADMIN_IDS", Role.USERS),
        ("ALLOWED_USERS", Role.USERS),
        ("OWNER_ID", Role.USER),
        ("PORT", Role.PORT),
        ("PORT_BOT", Role.PORT),
        ("URL_WEBHOOK", Role.WEBHOOK_URL),
        ("SERVER_URL", Role.WEBHOOK_URL),
        ("RAILWAY_PUBLIC_URL", Role.WEBHOOK_URL),
        ("API_SERVER", Role.TELEGRAM_URL),
        ("BOT_MODE", Role.MODE),
        ("DATABASE_URL", Role.STORE),
    ],
)
def test_what_a_setting_is_for_is_told_by_its_name(name: str, role: Role) -> None:
    assert role_of(name) is role


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Usage: /price <symbol>", ["/price BTC"]),
        ("try /price BTC now", ["/price BTC"]),
        ("/alert BTC 50000", ["/alert BTC 50000"]),
        ("/convert [amount] [from] [to]", ["/convert 1 BTC USD"]),
        ("/price - shows the price", []),
        ("/help to see this", []),
        ("/price щоб побачити", []),
        ("see https://example.org/price BTC", []),
    ],
)
def test_what_a_reply_shows_as_an_example_is_said(text: str, said: list[str]) -> None:
    assert list(examples_of(text)) == said


def test_what_a_source_shows_of_its_commands_is_said_before_any_reply_was_seen() -> None:
    source = """
        COMMANDS = [("price", "a price, such as /price BTC，/price ETH-BTC")]
        HELP = "Commands:\\n/alert <symbol> <price>\\n/unknown BTC"
        requests.get(f"https://example.org/price BTC")
    """
    assert examples_in(source, ["price", "alert"]) == [
        *("/price BTC", "/price ETH-BTC", "/alert BTC 1"),
    ]
    said = [case.say for case in opening([], ["price"], [], ["/price BTC"]).cases]
    assert said == ["/start", "/help", "/price", "/price BTC", "hello", "/frobnicate"]


def test_an_echo_of_what_was_said_is_no_example() -> None:
    asked = CasePlayed(
        t=1.0,
        case="help-btc",
        update_id=1,
        chat_id=7,
        expect="reply",
        sent={"message": {"text": "/help btc"}},
    )
    chats = Chats(ReplyRules.of(Replies()))
    chats.feed(asked)
    chats.feed(sent(1.1, "/help btc ABC was not found. Try /help ETH"))
    vocabulary = opening([], [])
    said = [case.say for case in next_cases(vocabulary, {"help-btc": chats.turns["help-btc"]})]
    assert said == ["/help ETH"]


def test_a_symbol_that_is_quoted_back_to_who_asked_for_it_is_no_example() -> None:
    asked = turn("price-nope", sent(1.1, "No coin 'NOPE'. Is 'DOT' meant?"), said="/price NOPE")
    new = next_cases(opening([], []), {"price-nope": asked})
    assert [case.say for case in new] == ["DOT"]


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        ("*Usage*: _/price BTCUSDT_", "Markdown", ["/price", "/price BTCUSDT"]),
        (
            "*/price* _BTC_ and __/my\\_alerts__",
            "MarkdownV2",
            ["/price", "/my_alerts", "/price BTC"],
        ),
        ("<i>/price</i> <u>ETH</u> &lt;amount&gt;", "HTML", ["/price", "/price ETH 1"]),
        ("Send `SOLUSDT` or ```\nADA/USDT```", "Markdown", ["SOLUSDT", "ADA/USDT"]),
        ("Send <code>SOLUSDT</code>, not <b>THIS</b>", "HTML", ["SOLUSDT"]),
        ("_/price BTCUSDT_ in a text without a parse mode", "", ["/price", "/price BTCUSDT"]),
        ("/price *BTC", "Markdown", ["/price"]),
    ],
)
def test_the_signs_of_a_parse_mode_are_no_part_of_what_is_said(
    text: str, mode: str, said: list[str]
) -> None:
    plain = sent(1.1, text)
    answer = msgspec.structs.replace(plain, params={**plain.params, "parse_mode": mode})
    new = next_cases(opening([], []), {"start": turn("start", answer)})
    assert [case.say for case in new] == said


def test_each_thing_is_said_once() -> None:
    vocabulary = opening([("start", ""), ("price", "")], ["price", "help"])
    texts = [case.say for case in vocabulary.cases]
    assert texts == ["/start", "/help", "/price", "hello", "/frobnicate"]


def test_what_a_reply_shows_without_a_slash_is_said_as_long_as_it_is_not_too_much() -> None:
    vocabulary = opening([], [], ["BTC"])
    shown = "Send a pair:\n• ETHUSDT - Ether\n- ADA/USDT\nor `DOT`. NOT this, nor https://A.B"
    new = next_cases(vocabulary, {"start": turn("start", sent(1.1, shown))})
    assert [case.say for case in new] == ["ETHUSDT", "ADA/USDT", "DOT"]
    assert vocabulary.guessed == {"btc", "ethusdt", "ada-usdt", "dot"}
    many = " ".join(f"`A{letter}`" for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    assert len(next_cases(vocabulary, {"start": turn("start", sent(1.1, many))})) == 8


@pytest.mark.parametrize(
    ("one", "other", "rule", "same"),
    [
        ("BTC 42.10", "BTC 43.2", "BTC (figure)", True),
        ("at 12:03:44 UTC", "at 12:03:46 UTC", "at (time) UTC", True),
        ("[1.5] (x)", "[1.7] (x)", "[(figure)] (x)", True),
        ("a 1\n7\nb", "a 1\n8\nb", "(figure)", True),
    ],
)
def test_a_figure_that_differs_gets_a_rule_that_makes_both_the_same(
    one: str, other: str, rule: str, *, same: bool
) -> None:
    rules = differing(one, other)
    assert rules is not None
    assert [each.replace for each in rules] == [rule]
    reading = ReplyRules.of(Replies(normalise=tuple(rules)))
    assert (reading.normalise(one) == reading.normalise(other)) is same


def test_words_that_differ_get_no_rule() -> None:
    assert differing("buy low", "sell high") is None


def test_the_time_of_the_answer_gets_a_rule_though_both_plays_had_the_same() -> None:
    rules = of_the_clock("as of 12:30 on 2026-03-04, open 09:00", NOW)
    assert [each.why for each in rules] == ["the time of the answer", "the date of the answer"]


def turn(case: str, *calls: BotApiCall, said: str = "", by: str = "Ann") -> Turn:
    chats = Chats(ReplyRules.of(Replies()))
    message = {"text": said, "from": {"first_name": by}}
    chats.feed(
        CasePlayed(
            t=1.0, case=case, update_id=1, chat_id=7, expect="reply", sent={"message": message}
        )
    )
    for call in calls:
        chats.feed(call)
    return chats.turns[case]


def sent(t: float, text: str, number: int = 1) -> BotApiCall:
    result = {"message_id": number}
    params = {"chat_id": 7, "text": text}
    return BotApiCall(t=t, method="sendMessage", params=params, status=200, result=result)


def edited(t: float, text: str) -> BotApiCall:
    params = {"chat_id": 7, "text": text, "message_id": 1}
    result = {"message_id": 1}
    return BotApiCall(t=t, method="editMessageText", params=params, status=200, result=result)


def test_two_plays_tell_what_to_expect_of_each_case() -> None:
    calls = [sent(1.1, "Wait …"), edited(1.2, "Done in 5 s"), edited(1.2, "Done in 6 s")]
    cases = [Case(name=name, say=f"/{name}") for name in ("slow", "mute", "two", "joke", "rare")]
    two = [sent(1.1, "one"), sent(1.3, "two", 2)]
    plays = [
        {
            "slow": turn("slow", calls[0], calls[1]),
            "mute": turn("mute"),
            "two": turn("two", *two),
            "joke": turn("joke", sent(1.1, "ha")),
            "rare": turn("rare", sent(1.1, "here")),
        },
        {
            "slow": turn("slow", calls[0], calls[2]),
            "mute": turn("mute"),
            "two": turn("two", *two),
            "joke": turn("joke", sent(1.1, "ho")),
            "rare": turn("rare"),
        },
    ]
    vain, price = Case(name="vain", say="/vain"), Case(name="price", say="/price")
    tap = Case(name="tap-more", say="more", kind="callback_query")
    mute = {name: turn(name) for name in ("vain", "price", "tap-more")}
    plays = [{**play, **mute} for play in plays]
    meanwhile = dict.fromkeys(("vain", "price"), "it asked for what no double has")
    everything = [*cases, vain, price, tap]
    first, second = plays
    found = propose(
        everything,
        first,
        second,
        calls,
        NOW,
        meanwhile=meanwhile,
        to_record=frozenset({"price"}),
    )
    said = {each.case.name: each.case for each in found.cases}
    assert found.acknowledgement == "^Wait …"
    assert [each.replace for each in found.normalisers] == ["Done in (figure) s"]
    assert (said["mute"].expect, said["two"].replies, said["joke"].golden) == ("silence", 2, False)
    assert said["price"].expect == "reply"
    assert "rare" not in said
    *others, of_the_tap = found.left_out
    assert of_the_tap == "the tap on 'more' was answered by nothing in both plays"
    assert others == [
        "'/rare' was answered by one message in the first play and by nothing in the second",
        "'/vain' was answered by nothing while it asked for what no double has",
    ]


def test_a_silence_that_came_with_an_error_in_the_log_is_told_each_time_it_did() -> None:
    def play(stack: str, *, failing: bool, hello: float = 10.0) -> list[Event]:
        def asked(t: float, case: str, chat: int) -> Event:
            return CasePlayed(
                t=t, case=case, update_id=int(t * 10), chat_id=chat, expect="reply", stack=stack
            )

        lines = ("Traceback (most recent call last):", "IndexError: list index out of range")
        trouble = LogTrouble(t=12.3, process="bot", role="bot", lines=lines, stack=stack)
        events = [asked(hello, "hello", 1), asked(12.0, "alert", 2), asked(20.0, "later", 2)]
        return [*events, trouble] if failing else events

    rules = ReplyRules.of(Replies())
    both = History([*play("a", failing=True), *play("b", failing=True)])
    assert unanswered_in_trouble(both, rules) == {"alert": "IndexError: list index out of range"}
    once = History([*play("a", failing=True), *play("b", failing=False)])
    assert unanswered_in_trouble(once, rules) == {}
    at_once = play("a", failing=True, hello=12.1)
    line = "IndexError: list index out of range"
    assert unanswered_in_trouble(History(at_once), rules) == dict.fromkeys(("hello", "alert"), line)
    alone = History([*at_once, *play("b", failing=True, hello=14.5)])
    assert unanswered_in_trouble(alone, rules) == {"alert": line}


LOGS = {
    "a file of settings is missing": (
        "configparser.NoSectionError: No section: 'general'",
        "is not there, or lacks this: No section: 'general'",
        "from the example beside it",
    ),
    "an extension of PHP is missing": (
        "PHP Fatal error:  Uncaught Error: Call to undefined function mysqli_connect() in x.php:20",
        "PHP does not have mysqli_connect",
        "php-mysql",
    ),
    "packages of PHP are missing": (
        "PHP Fatal error: Uncaught Error: Failed opening required '/b/vendor/autoload.php'",
        "there is no /b/vendor/autoload.php",
        "composer install",
    ),
    "a package is missing": (
        "ModuleNotFoundError: No module named 'aiogram'",
        "does not have the package aiogram",
        "pip install",
    ),
    "a package is of another version": (
        "ModuleNotFoundError: No module named 'aiogram.utils.executor'",
        "in a version that has no aiogram.utils.executor",
        "'aiogram<3'",
    ),
    "a list of users is separated otherwise": (
        "ValueError: invalid literal for int() with base 10: '1001,1002,1003,1004'",
        "otherwise than with commas between them (1001,1002)",
        "ADMINS=",
    ),
    "a package of Node.js is missing": (
        "Error: Cannot find module 'grammy'",
        "does not find the package grammy",
        "npm install",
    ),
    "a file is missing": (
        "python3: can't open file '/x/main.py': [Errno 2] No such file or directory",
        "there is no file /x/main.py",
        "in the bot's directory",
    ),
    "what Node.js read is no JSON": (
        """SyntaxError: "undefined" is not valid JSON""",
        """is no JSON: "undefined" is not valid JSON""",
        "a variable that is not set",
    ),
    "what an older Node.js read is no JSON": (
        "SyntaxError: Unexpected end of JSON input",
        "is no JSON: Unexpected end of JSON input",
        "a file that is empty",
    ),
    "another Python": ("SyntaxError: invalid syntax", "not understood", "version"),
    "no token": (
        "telegram.error.InvalidToken: You must pass the token you received from BotFather",
        "found no token",
        "{token}",
    ),
    "a token in its source": (
        "ValueError: Token must contain a colon",
        "found no token",
        "let it read a variable",
    ),
    "an empty token": ("Error: Empty token!", "found no token", "{token}"),
    "a token in other words": ("aiogram: Token is invalid!", "found no token", "{token}"),
    "a port is taken": (
        "OSError: [Errno 98] Address already in use",
        "insists on a port",
        "{port:bot}",
    ),
    "a port of Node.js": ("Error: listen EADDRINUSE: 3000", "insists on a port", "{port:bot}"),
    "authorities compiled in": (
        "ssl.SSLCertVerificationError: CERTIFICATE_VERIFY_FAILED",
        "does not trust the double",
        "{url:telegram_double}",
    ),
    "Go's authorities": ("x509: certificate signed by unknown authority", "trust", "{url:"),
    "no database": (
        "psycopg2.OperationalError: connection to server failed: Connection refused",
        "a service that the bot leans on is not there",
        "[services.NAME]",
    ),
    "a strange host": (
        "getaddrinfo ENOTFOUND api.coingecko.com",
        "no double stands for",
        "botproof record",
    ),
    "its file": (
        "sqlite3.OperationalError: unable to open database file",
        "cannot use the file",
        "{scratch}",
    ),
    "rights": ("PermissionError: [Errno 13] Permission denied: '/data'", "may not", "{scratch}"),
    "two pollers": (
        "409 Conflict: terminated by other getUpdates request",
        "two parts of the bot",
        "one process",
    ),
    "another token": (
        "urllib.error.HTTPError: HTTP Error 401: Unauthorized",
        "another token",
        "{token}",
    ),
    "an address with a slash": (
        "urllib.error.HTTPError: HTTP Error 404: Not Found",
        "two slashes",
        "without a slash at its end",
    ),
    "lines of Windows": (
        "/usr/bin/env: ‘python3\\r’: No such file or directory",
        "as Windows does",
        "sed -i",
    ),
    "beside": (
        "ImportError: The SQLAlchemy asyncio module requires that the Python 'greenlet' library is",
        "which is not installed: greenlet",
        "pip install",
    ),
    "list-in-the-gate": (
        "ValueError: invalid literal for int() with base 10: '1001,1500000001,1500000002'",
        "otherwise than with commas",
        "give the list before the command",
    ),
    "a name that is gone": (
        "AttributeError: module 'asyncio' has no attribute 'coroutine'",
        "asyncio has no coroutine",
        "python3.10",
    ),
    "a question at the start": ("EOFError: EOF when reading a line", "at a terminal", "a file"),
    "a screen": (
        "OSError: [Errno 25] Inappropriate ioctl for device",
        "which no server gives it",
        "before the command",
    ),
    "an argument is missing": (
        "bot.py: error: the following arguments are required: --token",
        "lacks an argument: --token",
        "--token {token}",
    ),
    "an argument too many": (
        "main.py: error: unrecognized arguments: --prod",
        "does not take the argument --prod",
        "--help",
    ),
    "no address": (
        "ValueError: unknown url type: 'localhost/bot'",
        "an address together that is none: 'localhost/bot'",
        "http://",
    ),
    "nowhere to write": (
        "OSError: [Errno 30] Read-only file system: '/app/bot.log'",
        "where nothing may be written",
        "{scratch}",
    ),
    "no language": (
        "UnicodeEncodeError: 'ascii' codec can't encode characters: ordinal not in range(128)",
        "without a language",
        "LANG=C.UTF-8",
    ),
    "another encoding": (
        "UnicodeDecodeError: 'utf-8' codec can't decode byte 0xf6 in position 3",
        "is not written in utf-8",
        "as UTF-8",
    ),
    "wrong JSON": (
        "json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)",
        "written wrongly: Expecting value",
        "a comma too many",
    ),
    "a library of the system": (
        "./bot: error while loading shared libraries: libssl.so.1.1: cannot open",
        "missing, or too old: libssl.so.1.1",
        "--image",
    ),
    "another processor": ("bash: ./bot: cannot execute: Exec format error", "another", "bash"),
    "two kinds of modules": (
        "SyntaxError: Cannot use import statement outside a module",
        "modules of two kinds",
        "npm run build",
    ),
    "no jar": (
        "Error: Unable to access jarfile bot.jar",
        "there is no program in bot.jar",
        "mvn package",
    ),
    "a newer Java": (
        "java.lang.UnsupportedClassVersionError: Bot has been compiled by a more recent version",
        "a newer Java",
        "Java",
    ),
    "a database in use": (
        "sqlite3.OperationalError: database is locked",
        "has the bot's database open",
        "runs beside it",
    ),
    "a file that is not there, in Go": (
        "Error loading .env file: open .env: no such file or directory",
        "the file or the program .env is not there",
        "cp .env.example .env",
    ),
    "a file that is not there, in Python": (
        "FileNotFoundError: [Errno 2] No such file or directory: 'data/coins.json'",
        "data/coins.json is not there",
        "a directory is made",
    ),
    "a file that is not there, in Node.js": (
        "Error: ENOENT: no such file or directory, open 'config/settings.json'",
        "config/settings.json is not there",
        "with made-up values",
    ),
    "a file that is not there, in Java": (
        "java.io.FileNotFoundException: bot.properties (No such file or directory)",
        "bot.properties is not there",
        "with made-up values",
    ),
    "a full disk": ("OSError: [Errno 28] No space left on device", "no more of", "df -h"),
    "memory": ("FATAL ERROR: JavaScript heap out of memory", "ran out of memory", "machine"),
}


@pytest.mark.parametrize("name", LOGS)
def test_a_failed_start_says_what_was_seen_what_it_means_and_what_to_do(name: str) -> None:
    line, means, do = LOGS[name]
    found = trouble_in(["starting", line])
    assert found is not None
    assert found.seen == line
    assert means in found.means
    assert do in found.do


@pytest.mark.parametrize(
    ("code", "seen", "means"),
    [
        (0, "exit code 0", "put itself into the background"),
        (-11, "SIGSEGV", "such an end leaves no words"),
        (2, "exit code 2", "was not understood"),
    ],
)
def test_an_end_without_words_that_are_known_is_told_by_how_it_ended(
    code: int, seen: str, means: str
) -> None:
    found = trouble_of_end(code)
    assert found is not None
    assert seen in found.seen
    assert means in found.means
    assert trouble_of_end(1) is None  # what it wrote says it better
    assert trouble_of_end(None) is None


def test_a_token_is_given_by_each_name_that_may_be_telegrams() -> None:
    assert first_env(Source(env=("TOKEN", "BOTAN_TOKEN"))) == {"TOKEN": "{token}"}
    assert first_env(Source(env=("BOTTOKEN", "TOKEN", "API_TOKEN"))).keys() == {
        "BOTTOKEN",
        "TOKEN",
        "API_TOKEN",
    }
    assert first_env(Source(env=("MY_TOKEN", "TELEGRAMM_BOT_TOKEN"))).keys() == {
        "TELEGRAMM_BOT_TOKEN"
    }


def test_what_was_wrong_is_shown_and_not_the_frames_of_packages() -> None:
    frames = [
        "    at TelegramBot._request (/bot/node_modules/some-api/lib/telegram.js:223:15)",
        "    at Object.<anonymous> (/bot/bot.js:25:5)",
        *["    at Module._load (node:internal/modules/cjs/loader:1091:12)"] * 12,
        "    at new Promise (<anonymous>)",
        "    at node:internal/main/run_main_module:28:49",
    ]
    log = ["started", "Error: Telegram Bot Token not provided!", *frames, "", "Node.js v20.20.2"]
    assert last_words([*log, *["polling_error"] * 30], 2) == [log[-1], "polling_error"]
    assert last_words(log, 4) == [log[1], frames[1], "", log[-1]]
    found = trouble_in(log)
    assert found is not None
    assert "found no token" in found.means


def test_a_module_that_is_missing_may_be_the_bots_own(tmp_path: Path) -> None:
    (tmp_path / "app/utils").mkdir(parents=True)
    (tmp_path / ".venv/extra").mkdir(parents=True)
    missing = trouble_in(["ModuleNotFoundError: No module named 'utils'"])
    foreign = trouble_in(["ModuleNotFoundError: No module named 'extra'"])
    assert missing is not None
    assert foreign is not None
    assert "PYTHONPATH=app python" in with_own_module(missing, tmp_path).do
    assert with_own_module(foreign, tmp_path) == foreign


@pytest.mark.parametrize(
    "line",
    [
        "KeyError: 'ADMIN_IDS'",
        "RuntimeError: ADMIN_IDS is not set",
        "Error: ADMIN_IDS is required",
        "Please set ADMIN_IDS first",
        "decouple.UndefinedValueError: ADMIN_IDS not found. Declare it as envvar",
        "admin_ids\n  Field required [type=missing]",
    ],
)
def test_the_setting_that_a_log_complains_about_is_found(line: str) -> None:
    assert missing_settings(line.splitlines(), ()) == ["ADMIN_IDS"]


@pytest.mark.parametrize(
    ("code", "mode", "asked"),
    [
        ("bot.run_polling()", "polling", ()),
        ("bot.run_polling() or bot.run_webhook()", "polling", ("[modes.webhook]",)),
        ("bot.set_webhook()", "webhook", ()),
        ("bot.set_webhook() or bot.getUpdates()", "webhook", ("[modes.polling]",)),
    ],
)
def test_the_other_way_to_take_updates_is_asked_for_where_the_source_speaks_of_it(
    tmp_path: Path, code: str, mode: str, asked: tuple[str, ...]
) -> None:
    (tmp_path / "bot.py").write_text(code)
    raw = {"name": "a", "doubles": {"telegram": {}}, "bot": {"command": ["x"], "ready": "telegram"}}
    described = Description(raw=raw, source=read_source(tmp_path), modes={mode: {}})
    text = as_toml(Found(described, started=True))
    found = [each.answer[0] for each in questions(text) if "Its source speaks of" in each.text]
    assert found == [*asked]
    answered = re.sub(r"^#(?=[\[\w])", "", text, flags=re.MULTILINE)
    assert list(parse_config(answered).modes) == [mode, *(each[7:-1] for each in asked)]


def test_a_question_is_told_with_the_lines_that_answer_it(tmp_path: Path) -> None:
    raw = {"name": "a", "doubles": {"telegram": {}}, "bot": {"command": ["x"], "ready": "telegram"}}
    described = Description(raw=raw, source=read_source(tmp_path), unknown=["GREETING"])
    described.base_env = {"GREETING": "1", "ADMINS": "{users}"}
    found = Found(described, started=True, hosts=("api.example.org",))
    asked = {each.text: each.answer for each in questions(as_toml(found))}
    assert {text.split()[0]: answer for text, answer in asked.items()} == {
        "GREETING:": ("[bot.env]", 'GREETING = "1"'),
        "It": ("[doubles]", 'allow_hosts = ["api.example.org"]   # those of your own alone'),
        "what": (),
        "Does": ("[door]", 'nobody = { ADMINS = "" }'),
    }
    assert "what do your users ask?" in asked


def test_commands_that_are_all_answered_alike_are_asked_about(tmp_path: Path) -> None:
    raw = {"name": "a", "doubles": {"telegram": {}}, "bot": {"command": ["x"], "ready": "telegram"}}
    described = Description(raw=raw, source=read_source(tmp_path))
    for says, alike in (("Not for you.", True), ("Price: {}", False)):
        cases = [Proposal(Case(name=f"n{n}", say=f"/c{n}"), shows=says.format(n)) for n in range(4)]
        found = Found(described, started=True, proposals=Proposals(cases=cases))
        asked = [each.text for each in questions(as_toml(found))]
        assert any("All 4 commands are answered alike" in text for text in asked) is alike


def test_what_is_written_is_taken_even_where_nothing_was_found(tmp_path: Path) -> None:
    bot = {"command": ["x"], "ready": "telegram"}
    raw = {"name": 'a "name"', "doubles": {"telegram": {}}, "bot": bot}
    text = as_toml(Found(Description(raw=raw, source=read_source(tmp_path))))
    config = parse_config(text)
    assert (config.name, list(config.modes)) == ('a "name"', ["polling"])
    assert any("where the Bot API is" in each.text for each in questions(text))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--bot", "pyhton main.py"], "there is no program 'pyhton'"),
        (["--bot", "python3 mian.py"], "there is no file mian.py"),
        (["--bot", "python3 mian.py"], "there are main.py"),
        (["--bot", "python3 'main.py"], "is not a command"),
        (["--bot", ""], "--bot is empty"),
        (["--bot", "main.py"], "write ./main.py"),
        (["--bot", "MODE=1"], "--bot is empty"),
        (["--bot", "cd . && python3 main.py"], "a word of the shell"),
        (["--compose", "no.yaml"], "no.yaml: is no file"),
        (["--image", "botproof-init/no-such-image"], "botproof-init/no-such-image"),
        (["main.py", "--force"], 'botproof init --bot "python main.py"'),
    ],
)
def test_a_command_line_that_cannot_be_is_answered_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "main.py").write_text("")
    assert main(["init", *arguments]) == 64
    assert said in capsys.readouterr().err
    assert not (tmp_path / "botproof.toml").exists()
    assert not (tmp_path / "main.py").read_text(), "the bot's own file stays as it is"


@pytest.mark.parametrize(
    ("text", "library"),
    [
        ("from telethon.sync import TelegramClient, events", "telethon"),
        ("from pyrogram import Client", "pyrogram"),
        ("const { StringSession } = require('telegram/sessions');", "telegram/sessions"),
        ("from telethon import events\nimport telebot", ""),  # its bot may well be judged
        ("from telegram import Update", ""),
    ],
)
def test_a_library_of_mtproto_is_known_by_its_import(
    tmp_path: Path, text: str, library: str
) -> None:
    (tmp_path / "main.py").write_text(text)
    assert read_source(tmp_path).mtproto == library


@pytest.mark.parametrize(
    "text",
    [
        'URL = "https://api.binance.com/api/v3/avgPrice"',
        "exchange = ccxt.bybit({'enableRateLimit': True})",
        "const okx = new ccxt.pro.okx();",
        "from pybit.unified_trading import HTTP",
        "import yfinance as yf",
        "const api = require('node-binance-api');",
        'import Binance from "binance-api-node"',
        'url = "https://www.binance.com/api/v3/ticker/price"',
    ],
)
def test_an_exchange_that_the_source_names_has_its_double_from_the_first_start(text: str) -> None:
    assert names_exchange(text)


@pytest.mark.parametrize("text", ["# like binance.com, but slower", "ccxt.kraken()", ""])
def test_what_no_double_stands_for_starts_none(text: str) -> None:
    assert not names_exchange(text)


def test_a_button_whose_id_holds_for_one_start_is_no_case() -> None:
    vocabulary = opening([], [])
    rows = [["trade:XRP:1795957493651-40k7s", "price:btc"]]
    markup = {"inline_keyboard": [[{"text": d, "callback_data": d} for d in row] for row in rows]}
    params = {"chat_id": 7, "text": "choose", "reply_markup": markup}
    call = msgspec.structs.replace(sent(1.1, "choose"), params=params)
    turns = {"start": turn("start", call)}
    assert [case.say for case in next_cases(vocabulary, turns)] == ["price:btc"]
    assert vocabulary.once == ["trade:XRP:1795957493651-40k7s"]


@pytest.mark.parametrize(
    ("command", "listens", "then"),
    [
        (["uvicorn", "main:app", "--port", "8000"], 8000, ["uvicorn", "main:app", "--port", "{}"]),
        (["gunicorn", "-b", "127.0.0.1:8000", "a"], 8000, ["gunicorn", "-b", "127.0.0.1:{}", "a"]),
        (["uvicorn", "--port", "18000"], 8000, None),
        (["python", "main.py"], 8000, None),
    ],
)
def test_a_port_that_the_command_names_is_chosen_by_the_gate(
    command: list[str], listens: int, then: list[str] | None
) -> None:
    described = Description(raw={"bot": {"command": [*command]}}, source=Source())
    described.look.ports = (listens,)
    assert port_in_command(described) is (then is not None)
    expected = command if then is None else [word.replace("{}", "{port:bot}") for word in then]
    assert described.raw["bot"]["command"] == expected


@pytest.mark.parametrize(
    ("address", "own"),
    [
        ("149.154.167.51:443", True),
        ("[2001:67c:4e8:f002::a]:443", True),
        ("192.0.2.1:443", False),
        ("[2001:db8::1]:443", False),
    ],
)
def test_an_address_of_telegrams_own_servers_is_known(address: str, own: bool) -> None:
    assert telegrams_own(["192.0.2.9:80", address]) is own


def test_the_package_of_a_server_is_not_taken_for_the_bots(tmp_path: Path) -> None:
    served = tmp_path / ".venv" / "lib" / "python3.11" / "site-packages"
    for name in ("uvicorn", "pricebot"):
        (served / name).mkdir(parents=True)
        (served / name / "main.py").write_text(f'COMMANDS = ["/{name}_prefix"]')
    source = read_source(tmp_path, [".venv/bin/python", "-m", "uvicorn", "main:app"])
    assert source.commands == ()
    source = read_source(tmp_path, [".venv/bin/python", "-m", "pricebot"])
    assert source.commands == ("pricebot_prefix",)


def test_the_directory_of_a_bot_is_as_it_was_after_each_trial(tmp_path: Path) -> None:
    home, data = tmp_path / "home", tmp_path / "home" / "data"
    data.mkdir(parents=True)
    (home / "users.json").write_text("[1]")
    (home / "gone.csv").write_text("1,2")
    (home / "notes.txt").write_text("mine")
    seen = Home(home, tmp_path / "copies")
    for _ in range(2):  # two trials
        (home / "users.json").write_text("[1, 2]")
        (home / "gone.csv").unlink()
        for name in ("alerts.db", "alerts.db-wal", "data/1.json"):
            (home / name).write_text("made")
        (home / "notes.txt").write_text("mine, as it is now")
        seen.put_back()
        assert (home / "users.json").read_text() == "[1]"
        assert (home / "gone.csv").read_text() == "1,2"
        assert sorted(each.name for each in home.iterdir()) == [
            *("data", "gone.csv", "notes.txt", "users.json")
        ]
        assert not any(data.iterdir())
    assert seen.data() == ("alerts.db", "data/1.json", "gone.csv", "users.json")
    # What is no data may be somebody's work: it stays, and is asked about.
    assert (home / "notes.txt").read_text() == "mine, as it is now"
    assert seen.others() == ("notes.txt",)


def test_a_bot_in_a_container_has_no_directory_to_put_back(tmp_path: Path) -> None:
    seen = Home(None, tmp_path)
    seen.put_back()
    assert (seen.data(), seen.others()) == ((), ())


def test_many_files_of_one_directory_are_named_by_it() -> None:
    many = [f"data/{number}.json" for number in range(3)]
    assert grouped(["a.db", "b/1.json", *many]) == ("a.db", "b/1.json", "data")


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('@app.route(f"/{BOT_TOKEN}", methods=["POST"])', "/{token}"),
        ('@app.post(f"/telegram/{settings.TOKEN}")', "/telegram/{token}"),
        ("app.post(`/in/${process.env.TELEGRAM_TOKEN}`, take)", "/in/{token}"),
        ('@app.route("/hook/<token>")', "/hook/{token}"),
        ("app.post('/tg-update', take)", "/tg-update"),
    ],
)
def test_the_path_of_a_webhook_is_found_with_the_token_in_it(
    tmp_path: Path, text: str, path: str
) -> None:
    (tmp_path / ("bot.js" if "app.post(" in text and "@" not in text else "bot.py")).write_text(
        text
    )
    paths = webhook_paths(read_source(tmp_path))
    assert paths[0] == path
    assert {"/webhook", "/{token}", "/"} <= set(paths)


def test_a_path_with_anything_else_to_fill_in_is_not_tried() -> None:
    assert "/hook/{user}" not in webhook_paths(Source(paths=("/hook/{user}", "/hook/<int:id>")))


def test_an_answer_that_is_announced_is_waited_for() -> None:
    """A chart takes seconds; else the case is written with one message, and two are an error."""

    def after(method: str, text: str) -> float:
        return waits_on(
            BotApiCall(
                t=1.0, method=method, params={"chat_id": 1, "text": text}, status=200, stack="trial"
            )
        )

    plain = after("sendMessage", "BTC: 42")
    assert (
        after("sendMessage", "⏳ BTC/USDT 1h | bars=1200")
        > after("sendMessage", "Loading…")
        > plain
    )
    assert after("editMessageText", "Drawing...") > plain
    assert after("sendChatAction", "") == after("sendMessage", "BTC ⌛")
