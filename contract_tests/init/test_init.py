"""`botproof init` on real bots: what it writes is judged by the gate as it is."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from botproof.config import Config, load_config
from botproof.init.write import Question, questions

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

BOTS = Path(__file__).parents[2] / "fixtures" / "bots"
BOTPROOF = [sys.executable, "-m", "botproof"]


def run(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*BOTPROOF, *words], cwd=folder, capture_output=True, text=True, check=False
    )
    print(done.stdout, done.stderr)
    return done


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bot of which nothing is known, after `init`, `gate`, `golden approve` and `gate`."""
    folder = tmp_path_factory.mktemp("bot") / "undescribed"
    shutil.copytree(BOTS / "undescribed", folder)
    assert run("init", "--bot", f"{sys.executable} bot.py", folder=folder).returncode == 0
    run("gate", folder=folder)
    run("golden", "approve", folder=folder)
    run("gate", "--report-dir", "reports/second", folder=folder)
    return folder


@pytest.fixture
def config(described: Path) -> Config:
    return load_config(described / "botproof.toml")


def test_it_finds_how_the_bot_learns_where_telegram_is(config: Config) -> None:
    assert config.bot.env["TELEGRAM_API_URL"] == "{url:telegram_double}"
    assert config.bot.env["TELEGRAM_BOT_TOKEN"] == "{token}"
    assert config.bot.env["ALLOWED_USERS"] == "{users}"
    assert not config.doubles.telegram.by_name


def test_it_gives_what_the_bot_insists_on_and_asks_about_it(
    described: Path, config: Config
) -> None:
    assert "GREETING_TEXT" in config.bot.env
    text = (described / "botproof.toml").read_text()
    assert "# ? it insists on this; the value is made up" in text


def test_it_asks_about_what_the_bot_keeps_from_start_to_start(described: Path) -> None:
    (asked,) = (each for each in questions_of(described) if each.text.startswith("It keeps"))
    assert "It keeps taps.txt in its own directory" in asked.text
    assert asked.answer == ('reset = ["rm", "-f", "taps.txt"]',)


def test_each_start_finds_the_data_that_was_there_before_and_so_does_its_author(
    described: Path, config: Config
) -> None:
    """Of two modes one would otherwise be started for the second time, and the gate, too."""
    assert config.bot.keeps == ("starts.json",)
    assert not (described / "starts.json").exists()
    assert "Started 1 times." in (described / "golden" / "starts.txt").read_text()


def test_a_question_beside_a_setting_says_which_setting(described: Path) -> None:
    text = "GREETING_TEXT: it insists on this; the value is made up"
    (asked,) = (each for each in questions_of(described) if each.text == text)
    section, setting = asked.answer
    assert section == "[bot.env]"
    assert setting.startswith("GREETING_TEXT = ")


def questions_of(described: Path) -> list[Question]:
    return questions((described / "botproof.toml").read_text())


def test_it_finds_both_doors(config: Config) -> None:
    assert list(config.modes) == ["polling", "webhook"]
    assert config.modes["webhook"].env["WEBHOOK_URL"] == "{url:bot}/webhook"
    assert config.gate.checks == ("boot", "door", "golden", "parity")


def test_it_proposes_what_the_bot_understands(config: Config) -> None:
    cases = {case.say: case for case in config.workload.cases if not case.stranger}
    assert {"/start", "/price", "/price BTC", "/slow", "fees"} <= set(cases)
    assert cases["fees"].kind == "callback_query"
    assert cases["fees"].expect == "reply"  # it changes the message under the button
    assert cases["/help"].expect == "silence"
    assert config.replies.acknowledgement == "^⏳ One moment …"
    rules = {rule.replace for rule in config.replies.normalise}
    assert {"as of (time) UTC", "Running for (figure) s.", "(id)"} <= rules


def test_it_finds_the_commands_that_are_not_for_everybody(config: Config) -> None:
    assert {case.say for case in config.workload.cases if case.stranger} >= {"/start", "/price"}


def test_it_sets_budgets_by_what_it_measured(config: Config) -> None:
    budgets = config.resolved_budgets()
    assert "measured" in budgets["bot_memory_mb"].source
    assert budgets["bot_memory_mb"].limit >= 10


def verdicts(report: Path) -> dict[str, Any]:
    checks = json.loads((report / "verdict.json").read_text())["checks"]
    return {check["check"]: check["verdict"] for check in checks}


def test_the_gate_takes_it_at_once_and_says_what_is_true(described: Path) -> None:
    """The bot does not handle SIGTERM: that is its own, and all that is wrong with it."""
    first = verdicts(described / "reports" / "gate")
    assert (first["boot"], first["golden"], first["parity"]) == ("FAIL", "INCONCLUSIVE", "PASS")
    second = verdicts(described / "reports" / "second")
    assert (second["boot"], second["golden"], second["parity"]) == ("FAIL", "PASS", "PASS")


def test_a_file_that_is_there_is_left_as_it_is(described: Path) -> None:
    before = (described / "botproof.toml").read_bytes()
    done = run("init", "--bot", f"{sys.executable} bot.py", folder=described)
    assert done.returncode == 64
    assert "--force" in done.stderr
    assert (described / "botproof.toml").read_bytes() == before


OWN_TOKEN = "7012345678:AAHkq3vXy0abcdefghijklmnopqrstuvwxy"
INSISTS = f"""
TOKEN = "{OWN_TOKEN}"
"""
INSISTS += """
import json, urllib.request
def call(method, **fields):
    request = urllib.request.Request(f"https://api.telegram.org/bot{TOKEN}/{method}",
        json.dumps(fields).encode(), {"Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(request))["result"]
offset = 0
while True:
    for update in call("getUpdates", offset=offset, timeout=50):
        offset = update["update_id"] + 1
        message = update.get("message", {})
        if message.get("text") == "/start":
            call("sendMessage", chat_id=message["chat"]["id"], text="hello")
"""


def test_a_bot_without_a_setting_is_reached_by_name_and_by_a_token_of_its_own(
    tmp_path: Path,
) -> None:
    if os.geteuid():
        pytest.skip("port 443 and a mount namespace take root")
    (tmp_path / "bot.py").write_text('open("starts", "a").write("x")\n' + INSISTS)
    assert run("init", "--bot", f"{sys.executable} bot.py", folder=tmp_path).returncode == 0
    starts = (tmp_path / "starts").read_text(encoding="utf-8")
    assert starts == "xx", "one start for the first play, one for the second"
    config = load_config(tmp_path / "botproof.toml")
    assert config.doubles.telegram.by_name
    assert config.doubles.telegram.token == OWN_TOKEN
    assert [(c.say, c.expect) for c in config.workload.cases][:2] == [
        ("/start", "reply"),
        ("/help", "silence"),
    ]


ASKED_WITHOUT_A_COMMAND = INSISTS.replace(OWN_TOKEN, "Put the token of your bot here")
ASKED_WITHOUT_A_COMMAND = ASKED_WITHOUT_A_COMMAND.replace(
    'if message.get("text") == "/start":', 'if (text := message.get("text")) in ("DOT", "fees"):'
).replace("/bot{TOKEN}/", "/bot{TOKEN.replace(' ', '%20')}/")
ASKED_WITHOUT_A_COMMAND += """
        if text == "fees":
            pass
        elif text == "/start":
            call("sendMessage", chat_id=message["chat"]["id"], text="Send me a coin:\\n• DOT")
"""


def test_a_bot_with_a_place_for_its_token_that_is_asked_without_a_command(tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip("port 443 and a mount namespace take root")
    (tmp_path / "bot.py").write_text(ASKED_WITHOUT_A_COMMAND)
    assert run("init", "--bot", f"{sys.executable} bot.py", folder=tmp_path).returncode == 0
    config = load_config(tmp_path / "botproof.toml")
    assert config.doubles.telegram.any_token
    assert not config.bot.env, "it reads its token nowhere: the usual names are no settings of its"
    answered = {case.say for case in config.workload.cases if case.expect == "reply"}
    assert answered == {"/start", "fees", "DOT"}
    assert any(
        "by a token that none of its variables holds" in each.text
        for each in questions_of(tmp_path)
    )


CRASHES = """
import http.server
class Door(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.send_response(500 if self.path == "/hook" else 404)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", 8974), Door).serve_forever()
"""


def refused(folder: Path, source: str) -> subprocess.CompletedProcess[str]:
    """Have `init` look at a bot that cannot be judged; what it said."""
    if os.geteuid():
        pytest.skip("a mount namespace takes root")
    (folder / "bot.py").write_text(source)
    done = run("init", "--bot", f"{sys.executable} bot.py", folder=folder)
    assert done.returncode == 1
    return done


def test_a_webhook_set_by_hand_that_fails_is_told_with_its_status(tmp_path: Path) -> None:
    done = refused(tmp_path, CRASHES)
    assert "an update that was sent to /hook was answered with HTTP 500" in done.stdout
    config = load_config(tmp_path / "botproof.toml")
    assert config.modes["webhook"].webhook == "{url:bot}/hook"


TAKES_ONLY = CRASHES.replace("500 if", "200 if").replace(
    '"/hook"', '"/4242424242:AAGateTokenOfTheTelegramDouble00000"'
)


def test_the_one_path_that_takes_updates_is_the_webhook_though_start_is_no_command(
    tmp_path: Path,
) -> None:
    if os.geteuid():
        pytest.skip("a mount namespace takes root")
    (tmp_path / "bot.py").write_text(TAKES_ONLY)
    done = run("init", "--bot", f"{sys.executable} bot.py", folder=tmp_path)
    assert done.returncode == 0
    config = load_config(tmp_path / "botproof.toml")
    assert config.modes["webhook"].webhook == "{url:bot}/{token}"


ASKS_AT_ITS_START = INSISTS.replace(
    "def call(",
    """try:
    urllib.request.urlopen("https://prices.example.org/coins", timeout=5)
    answers = True
except OSError:
    answers = False


def call(""",
).replace('if message.get("text") == "/start":', 'if answers and "text" in message:')


def test_a_bot_that_answers_nothing_is_not_told_that_silence_is_right(tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip("port 443 and a mount namespace take root")
    (tmp_path / "bot.py").write_text(ASKS_AT_ITS_START)
    assert run("init", "--bot", f"{sys.executable} bot.py", folder=tmp_path).returncode == 0
    config = load_config(tmp_path / "botproof.toml")
    assert [(c.say, c.expect) for c in config.workload.cases] == [
        ("/start", "reply"),
        ("/help", "reply"),
    ]
    text = (tmp_path / "botproof.toml").read_text(encoding="utf-8")
    assert "it asked prices.example.org in vain, which may be why: record that first" in text


def test_a_bot_that_answers_nothing_is_told_with_what_its_log_says(tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip("port 443 and a mount namespace take root")
    complains = 'print("ERROR the key of the prices is wrong", flush=True)'
    source = re.sub(r'call\("sendMessage".*', complains, INSISTS)
    (tmp_path / "bot.py").write_text(source)
    assert run("init", "--bot", f"{sys.executable} bot.py", folder=tmp_path).returncode == 0
    asked = " ".join(each.text for each in questions_of(tmp_path))
    assert 'its log said "ERROR the key of the prices is wrong"' in asked


def test_settings_before_the_command_are_given_and_written_but_for_the_token(
    tmp_path: Path,
) -> None:
    (tmp_path / "bot.py").write_text("import os; print('in', os.environ['WHERE']); exit(1)")
    settings = "WHERE='{here}' ADMINS='{users: }' BOT_TOKEN=my-own-secret"
    done = run("init", "--bot", f"{settings} {sys.executable} bot.py", folder=tmp_path)
    assert "  | in {here}" in done.stdout
    text = (tmp_path / "botproof.toml").read_text(encoding="utf-8")
    bot = load_config(tmp_path / "botproof.toml").bot
    assert (bot.env["WHERE"], bot.env["BOT_TOKEN"]) == ("{{here}}", "{token}")
    assert bot.env["ADMINS"] == "{users: }"
    assert bot.command[-1] == "bot.py"
    assert "my-own-secret" not in text


SETS_ITS_WEBHOOK = """
import http.server, json, os, signal, sys, urllib.request
api = os.environ["TELEGRAM_API_URL"] + "/bot" + os.environ["BOT_TOKEN"] + "/"
def ask(method, **params):
    made = urllib.request.Request(api + method, json.dumps(params).encode(),
                                  {"Content-Type": "application/json"})
    urllib.request.urlopen(made, timeout=60).read()
class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["message"]
        self.send_response(200)
        self.end_headers()
        ask("sendMessage", chat_id=message["chat"]["id"], text="Hola")
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(os.getenv("PORT_BOT", "0"))), Hook)
ask("setWebhook", url=os.getenv("URL_WEBHOOK", "undefined") + "/bot")
server.serve_forever()
"""


def test_a_webhook_that_is_no_address_is_given_one(tmp_path: Path) -> None:
    (tmp_path / "bot.py").write_text(SETS_ITS_WEBHOOK)
    done = run("init", "--bot", f"{sys.executable} bot.py", folder=tmp_path)
    assert "it registered the webhook 'undefined/bot'" in done.stdout
    config = load_config(tmp_path / "botproof.toml")
    assert config.bot.env["URL_WEBHOOK"] == "{url:bot}"
    assert config.bot.env["PORT_BOT"] == "{port:bot}"
    assert list(config.modes) == ["webhook"]
    assert [case.expect for case in config.workload.cases if case.say == "/start"] == ["reply"]


def test_a_setting_that_it_insists_on_for_its_own_address_is_given_that(tmp_path: Path) -> None:
    """It is named by its log alone, and no name tells what it is for."""
    if os.geteuid():
        pytest.skip("port 443 and a mount namespace take root")
    insists = 'import os, sys\nplace = os.getenv("WHERE_I_AM") or sys.exit("WHERE_I_AM is not set")'
    source = SETS_ITS_WEBHOOK.replace('os.getenv("URL_WEBHOOK", "undefined")', "place")
    (tmp_path / "bot.py").write_text(f"{insists}\n{source}")
    done = run("init", "--bot", f"{sys.executable} bot.py", folder=tmp_path)
    assert "it registered the webhook '1/bot'" in done.stdout
    config = load_config(tmp_path / "botproof.toml")
    assert config.bot.env["WHERE_I_AM"] == "{url:bot}"
    assert list(config.modes) == ["webhook"]
    assert not [each for each in questions_of(tmp_path) if "WHERE_I_AM" in each.text]


# The thread that would register its webhook ends for want of a setting; the server goes on.
HALF_OF_IT_ENDED = SETS_ITS_WEBHOOK.replace(
    'ask("setWebhook", url=os.getenv("URL_WEBHOOK", "undefined") + "/bot")',
    "import threading\n"
    "def register():\n"
    '    ask("setWebhook", url=os.environ["WEBHOOK_URL"] + "/bot")\n'
    "threading.Thread(target=register).start()",
)


def test_a_setting_for_want_of_which_a_part_of_it_ended_is_given(tmp_path: Path) -> None:
    (tmp_path / "bot.py").write_text(HALF_OF_IT_ENDED)
    done = run("init", "--bot", f"{sys.executable} bot.py", folder=tmp_path)
    assert "its log names WEBHOOK_URL: it is given '{url:bot}'" in done.stdout
    assert "is a webhook set by hand" not in done.stdout
    config = load_config(tmp_path / "botproof.toml")
    assert list(config.modes) == ["webhook"]
    assert [case.expect for case in config.workload.cases if case.say == "/start"] == ["reply"]


# Its log goes into a file alone; what it shows it answers by nothing, or Telegram refuses it.
SILENT_BUT_SHOWN = INSISTS.replace(
    'text="hello")',
    'text="try " + chr(47) + "price BTC, " + chr(47) + "bold")\n'
    '        if message.get("text", "").startswith(chr(47) + "price"):\n'
    '            open("bot.log", "a").write("KeyError: BTC\\n")\n'
    '        if message.get("text") == chr(47) + "bold":\n'
    "            try:\n"
    '                call("sendMessage", chat_id=message["chat"]["id"], text="<b>",'
    ' parse_mode="HTML")\n'
    "            except OSError:\n"
    "                pass",
)


def test_what_an_answer_shows_is_not_silently_left_unanswered(tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip("port 443 and a mount namespace take root")
    (tmp_path / "bot.py").write_text(SILENT_BUT_SHOWN)
    assert run("init", "--bot", f"{sys.executable} bot.py", folder=tmp_path).returncode == 0
    asked = [each.text for each in questions_of(tmp_path)]
    for say, why in (
        ("/price BTC", "its menu or an answer shows that it can be said"),
        ("/bold", "Telegram refused what it sent: Bad Request: can't parse entities"),
    ):
        assert any(f"Left out: '{say}' was answered by nothing while {why}" in a for a in asked)
    assert any(text.startswith("It writes its log into bot.log alone") for text in asked)


# A thread answers, and ends at the first word that it does not know.
STOPS = INSISTS.replace("import json", "import queue, threading, json").replace(
    "offset = 0\n",
    "work = queue.Queue()\n"
    "def answer():\n"
    "    while True:\n"
    "        message = work.get()\n"
    '        text = {chr(47) + "start": "hello"}[message["text"]]\n'
    '        call("sendMessage", chat_id=message["chat"]["id"], text=text)\n'
    "threading.Thread(target=answer, daemon=True).start()\n"
    "offset = 0\n",
)
STOPS = STOPS[: STOPS.index("        if message.get(")] + "        work.put(message)\n"


def test_a_bot_that_stops_answering_is_told_and_its_silence_is_not_taken_for_right(
    tmp_path: Path,
) -> None:
    if os.geteuid():
        pytest.skip("port 443 and a mount namespace take root")
    (tmp_path / "bot.py").write_text(STOPS)
    assert run("init", "--bot", f"{sys.executable} bot.py", folder=tmp_path).returncode == 0
    asked = [each.text for each in questions_of(tmp_path)]
    assert any("it answered nothing any more, not even '/start'" in text for text in asked)
    cases = load_config(tmp_path / "botproof.toml").workload.cases
    assert [case.say for case in cases if case.expect == "silence"] == []


# Four are asked at one moment, in any order: it ends once it has greeted, whichever came first.
DIES = "said = set()" + INSISTS.replace(
    'if message.get("text") == "/start":',
    'if message.get("text") == "/start":\n'
    '            call("sendMessage", chat_id=message["chat"]["id"], text="welcome")',
)
DIES += """
        said.add(message.get("text"))
        if {"/start", "hello"} <= said:
            raise SystemExit("no such coin: hello")
"""


def test_a_bot_that_a_question_ends_is_described_and_told_what_it_wrote(tmp_path: Path) -> None:
    (tmp_path / "bot.py").write_text(DIES)
    done = run("init", "--bot", f"{sys.executable} bot.py", folder=tmp_path)
    assert done.returncode == 1
    assert "it ended while it was tried: bot ended on its own with exit code 1" in done.stdout
    assert "| no such coin: hello" in done.stdout
    assert re.search(r"\(not answered: .*'hello'.*\)", done.stdout)
    config = load_config(tmp_path / "botproof.toml")
    assert list(config.modes) == ["polling"]
    greeted, *open_ones = [(case.say, case.replies) for case in config.workload.cases]
    assert greeted == ("/start", 2)
    assert ("hello", 1) in open_ones
    assert {say for say, _ in open_ones} <= {"/help", "hello", "/frobnicate"}


# Its source holds no command as it is typed, so that the second round is the first to ask it.
DIES_LATER = INSISTS.replace('text="hello"', 'text=chr(47) + "destroy"')
DIES_LATER += """
        if message.get("text") == chr(47) + "destroy":
            raise SystemExit("destroyed")
"""


def test_what_was_answered_and_what_ended_the_bot_are_cases_and_what_it_passes_over_is_none(
    tmp_path: Path,
) -> None:
    (tmp_path / "bot.py").write_text(DIES_LATER)
    done = run("init", "--bot", f"{sys.executable} bot.py", folder=tmp_path)
    assert "| destroyed" in done.stdout
    cases = [case.say for case in load_config(tmp_path / "botproof.toml").workload.cases]
    assert cases == ["/start", "/destroy"]
    assert "(not answered: '/destroy')" in done.stdout


# Each command is named by the answer to the one before; none stands in its source.
LEADS_ON = INSISTS.replace(
    'if message.get("text") == "/start":', 'if (step := STEPS.get(message.get("text"))):'
).replace('text="hello"', 'text="try " + chr(47) + step')
LEADS_ON = "STEPS = {'/start': 'one', '/one': 'two', '/two': 'three'}" + LEADS_ON


def test_what_the_last_round_of_answers_speaks_of_is_no_case_as_it_was_never_asked(
    tmp_path: Path,
) -> None:
    (tmp_path / "bot.py").write_text(LEADS_ON.replace("'/", "chr(47) + '"))
    assert run("init", "--bot", f"{sys.executable} bot.py", folder=tmp_path).returncode == 0
    cases = [case.say for case in load_config(tmp_path / "botproof.toml").workload.cases]
    assert "/two" in cases
    assert "/three" not in cases


SPEAKS_MTPROTO = """
import socket, time
while True:
    try:
        socket.create_connection(("149.154.167.51", 443), timeout=5)
    except OSError:
        time.sleep(0.2)
"""


def test_a_bot_that_only_sleeps_is_not_waited_for(tmp_path: Path) -> None:
    done = refused(tmp_path, "import time\nwhile True:\n    time.sleep(3)\n")
    assert "it waits for a time of day, or only sleeps" in done.stdout


def test_a_bot_that_speaks_mtproto_is_told_that_it_cannot_be_judged(tmp_path: Path) -> None:
    done = refused(tmp_path, SPEAKS_MTPROTO)
    assert "MTProto (pyrogram, telethon, TDLib), not the HTTP Bot API" in done.stdout


BROKEN = {
    "import no_such_package_at_all": "does not have the package no_such_package_at_all",
    "import sys; sys.exit('the token is missing')": "found no token",
}


@pytest.mark.parametrize("source", BROKEN)
def test_a_bot_that_does_not_start_is_answered_with_what_it_means(
    tmp_path: Path, source: str
) -> None:
    (tmp_path / "bot.py").write_text(source)
    done = run("init", "--bot", f"{sys.executable} bot.py", folder=tmp_path)
    assert done.returncode == 1
    assert BROKEN[source] in done.stdout
    load_config(tmp_path / "botproof.toml")  # it is written with what is known, and can be read


def test_ctrl_c_ends_all_of_it_and_writes_nothing(tmp_path: Path) -> None:
    mark = f"the-bot-of-{tmp_path.name}-{os.getpid()}"
    (tmp_path / "bot.py").write_text("print('up', flush=True)\nimport signal\nsignal.pause()")
    command = [*BOTPROOF, "init", "--bot", f"{sys.executable} bot.py {mark}"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as started:
        assert started.stdout is not None
        for line in started.stdout:
            if "has not asked Telegram" in line:  # so the bot runs
                break
        started.send_signal(signal.SIGINT)
        said = started.stdout.read()
        assert started.wait(60) == 3
    assert "nothing was written" in said
    assert not (tmp_path / "botproof.toml").exists()
    left = [p for p in psutil.process_iter(["cmdline"]) if mark in (p.info["cmdline"] or [])]
    assert left == []
