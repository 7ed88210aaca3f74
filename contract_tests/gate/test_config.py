"""botproof.toml: what is right is understood, what is wrong is named with its key."""

import re
from pathlib import Path

import pytest

from botproof.config import ConfigError, load_config, parse_config, substitute, with_images
from botproof.workloads.security import is_limited

ROOT = Path(__file__).parents[2]
GOOD = """
[bot]
command = ["{python}", "bot.py"]
ready = "telegram"
env = { A = "1", PORT = "{port:bot}", DEBUG = true, N = 3 }
[modes.polling.env]
A = "2"
[modes.webhook]
command = ["{python}", "hook.py"]
ready = "{url:bot}/ready"
[budgets]
reply_time_s = 3
bot_memory_mb = { limit = 90, source = "our note" }
"""


def test_a_mode_changes_what_it_says_and_nothing_else() -> None:
    config = parse_config(GOOD)
    polling, webhook = config.bot_in("polling"), config.bot_in("webhook")
    assert polling.command == ("{python}", "bot.py")
    assert polling.env["A"] == "2"
    assert polling.env["N"] == 3
    assert webhook.command == ("{python}", "hook.py")
    assert webhook.ready == "{url:bot}/ready"
    assert webhook.env["A"] == "1"


def test_modes_that_share_a_port_or_a_database_run_one_after_the_other() -> None:
    assert parse_config(GOOD).alone_because() == ""
    alone = GOOD.replace("[bot]", "[bot]\nport = 8080\nreset = ['clear']")
    assert parse_config(alone).alone_because() == "bot on port 8080, bot has a `reset`"
    alone = GOOD.replace("[bot]", "[bot]\nkeeps = ['bot.db']")
    assert parse_config(alone).alone_because() == "bot has a `keeps`"


DELIVERY = """
[services.api]
command = ["{python}", "-m", "api"]
cwd = "src"
ready = "{url:api}/"
[delivery]
say = ["/a {marker}"]
[delivery.modes.lambda]
command = ["{python}", "front.py"]
"""


def test_images_take_the_place_of_processes_and_the_commands_stay() -> None:
    config = parse_config(GOOD + DELIVERY)
    whole = with_images(config, {"bot": "shop:1", "api": "api:2"})
    assert whole.bot_in("polling").image == whole.bot_in("webhook").image == "shop:1"
    assert whole.bot_in("webhook").command == ("{python}", "hook.py")
    assert whole.services["api"].image == "api:2"
    assert whole.services["api"].cwd == "."  # the image's own: nothing of this tree is inside
    assert whole.for_delivery().bot_in("lambda").image == ""  # a program of the harness's side
    assert whole.images() == {
        "services.api": "api:2",
        "bot (mode polling)": "shop:1",
        "bot (mode webhook)": "shop:1",
    }
    some = with_images(config, {"api": "api:2"})
    assert some.bot_in("polling").image == ""
    assert config.images() == {}


def test_the_chat_of_a_delivery_run_is_one_of_the_workload() -> None:
    case = '[[workload.cases]]\nname = "own"\nsay = "/own"\nchat = "owner"\n'
    given = f'{GOOD}\n{case}\n[delivery]\nsay = ["/own {{marker}}"]\nchat = '
    config = parse_config(f'{given}"owner"')
    assert config.delivery is not None
    assert config.delivery.chat == "owner"
    with pytest.raises(ConfigError, match="no case of the workload is in a chat 'ownr'"):
        parse_config(f'{given}"ownr"')


def test_an_image_needs_no_command() -> None:
    config = parse_config(GOOD.replace('command = ["{python}", "bot.py"]', 'image = "shop:1"'))
    assert config.bot_in("polling").command == ()


def test_budgets_are_defaults_unless_replaced() -> None:
    budgets = parse_config(GOOD).resolved_budgets()
    assert budgets["reply_time_s"].limit == 3
    assert budgets["reply_time_s"].source == "botproof.toml"
    assert budgets["bot_memory_mb"].describe() == "bot memory < 90 MB"
    assert budgets["error_rate_pct"].limit == 0.1
    assert budgets["error_rate_pct"].source == "botproof's default (docs/botproof-toml.md)"
    assert "market_data_memory_mb" not in budgets  # nobody set it


@pytest.mark.parametrize(
    ("find", "replace", "problem"),
    [
        ("[bot]", "[bot", r"is not TOML: .*; it reads: \[bot \(texts stand in quotes"),
        ("[bot]", "[doubles.telegram]\ntoken='abc'\n[bot]", "has not the form of a token"),
        ("[bot]", "[workload.cases]\nname='a'\n[bot]", r"two brackets: \[\[workload.cases\]\]"),
        ("[bot]", "[bot]\nready_timeout_s='5 s'", "write a number, without quotes or unit"),
        ("[bot]", "[doubles]\noffline='yes'\n[bot]", "write true or false, without quotes"),
        ("[bot]", "doubles='none'\n[bot]", r"write a table, such as \[doubles\]"),
        (
            "command =",
            "comand =",
            "bot.comand: is no key that botproof knows; did you mean command?",
        ),
        (
            "[modes.webhook]",
            "[modes.webhook]\nenvv = {}",
            "modes.webhook.envv: .*did you mean env?",
        ),
        ('["{python}", "bot.py"]', '"bot.py"', "got `str`; write a list, such as"),
        ('["{python}", "bot.py"]', "[]", r"bot \(mode polling\).command: is missing; give a list"),
        ('ready = "telegram"', "", r"bot \(mode polling\).ready: is missing; give a URL"),
        (
            "{port:bot}",
            "{port:bto}",
            r"env.PORT: \{port:bto\} stands for nothing; did you mean {port:bot}",
        ),
        (
            "reply_time_s",
            "reply_time",
            "budgets.reply_time: is no budget; did you mean reply_time_s?",
        ),
        ("reply_time_s = 3", "reply_time_s = 0", "the limit is 0; it must be over 0"),
        ("[modes.webhook]", "[modes.Web-Hook]", "modes.Web-Hook: a name is lower-case"),
        ("[budgets]", "[gate]\nchecks = ['boots']\n[budgets]", "boots: is no check .* mean boot?"),
        ("[budgets]", "[load]\nscript='a'\nhost='b'\nrate=0\n[budgets]", "load.rate: is 0"),
        ("[budgets]", "[memory]\nevery_s=0\n[budgets]", "memory.every_s: is 0"),
        (
            "[budgets]",
            "[replies]\nacknowledgement='('\n[budgets]",
            "replies.acknowledgement: is no regular expression",
        ),
        (
            "[budgets]",
            "[services.bot]\ncommand=['x']\nready='y'\n[budgets]",
            "services.bot: this name is taken",
        ),
        (
            "[budgets]",
            "[services.api]\ncommand=['x']\nready='telegram'\n[budgets]",
            'services.api.ready: "telegram" is for the bot',
        ),
        ('ready = "telegram"', "ready = 'log:('", r"\.ready: is no regular expression"),
        ('ready = "telegram"', "ready = 'log:'", r"\.ready: has no pattern; give one, such as"),
        ("[bot]", "[bot]\nreset=['{pithon}']", r"\.reset\[0\]: .* did you mean {python}"),
        (
            "[bot]",
            "[bot]\nkeeps=['a.db', '../b.db']",
            r"keeps\[1\]: is '../b.db'; it is the name of",
        ),
        ("[bot]", "[bot]\nkeeps=['.']", r"keeps\[0\]: is '.'; it is the name of a file or dir"),
        ("[bot]", "[bot]\nkeeps=['/b.db']", r"keeps\[0\]: is '/b.db'"),
        ("[bot]", "[bot]\nimage='shop:1'\nkeeps=['b.db']", "keeps: is for a process; a container"),
        ("[bot]", "[bot]\ncontainer_args=['-m', '1g']", "container_args: are for a container"),
        ("[bot]", "[bot]\nimage='shop:1'\ncwd='src'", "cwd: is 'src'; with `image` it is a dir"),
    ],
)
def test_what_is_wrong_is_named(find: str, replace: str, problem: str) -> None:
    assert find in GOOD
    with pytest.raises(ConfigError, match=problem):
        parse_config(GOOD.replace(find, replace, 1))


@pytest.mark.parametrize(
    ("find", "replace", "problem"),
    [
        ('"telegram"', '"Telegram"', 'ready: is \'Telegram\'; it is "telegram", "port"'),
        ('"telegram"', '"/health"', 'a whole URL, such as "{url:bot}/health"'),
        (
            "[budgets]",
            "[modes.h]\nwebhook='localhost:1'\n[budgets]",
            "h.webhook: is 'localhost",
        ),
        ("[budgets]", "[doubles.exchanges]\nnow=1767258432\n[budgets]", "it is in milliseconds"),
        (
            "[budgets]",
            "[doubles.exchanges]\nnow='today'\n[budgets]",
            "write a number, ",
        ),
        ("[budgets]", "[doubles]\nallow_hosts=['https://a.b/c']\n[budgets]", "is more than a host"),
        (
            "[budgets]",
            "[doubles]\nallow_hosts=['a.b:5432']\n[budgets]",
            "name or address alone",
        ),
    ],
)
def test_a_newcomers_value_is_answered_with_what_would_be_right(
    find: str, replace: str, problem: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(problem)):
        parse_config(GOOD.replace(find, replace, 1))


CASE = "\n[[workload.cases]]\n"


@pytest.mark.parametrize(
    ("case", "problem"),
    [
        ("say='/a'", r"workload.cases\[0\]: the key `name` is missing"),
        ("name='A b'\nsay='/a'", r"workload.cases\[0\].name: is 'A b'"),
        ("name='a'", r"workload.cases\[0\].say: is missing"),
        (
            "name='a'\nsay='x'\nkind='photograph'",
            r"cases\[0\].kind: is 'photograph', which is none of 'message', ",
        ),
        ("name='a'\nsay='x'\nexpect='replies'", "none of 'reply', 'silence'; did you mean 'reply'"),
        ("name='a'\nsay='x'\nreplies=0", "for no reply at all set expect = 'silence'"),
        ("name='a'\nsay='x'\ndeadline_s=0", r"deadline_s: is 0"),
        ("name='a'\nsay='x'\nupdate={poll={}}", "a raw update stands alone"),
        ("name='a'\nupdate={}", "update: is empty"),
        ("name='a'\nsay='x'\nafter_s=-1", r"after_s: is -1; it cannot be below 0"),
        ("name='a'\nsay='x'\nfault={}", r"cases\[0\].fault.kind: is missing"),
        ("name='a'\nsay='x'\nfault=[{kind='error'},{}]", r"cases\[0\].fault\[1\].kind: is missing"),
        (
            "name='a'\nsay='x'\nfault={double='exchange', kind='error'}",
            'fault.double: is \'exchange\'; it must be "telegram" or "exchanges"',
        ),
        (
            "name='a'\nsay='x'\nfault={double='exchanges', kind='error'}",
            r"fault.double: there is no \[doubles.exchanges\] to go wrong",
        ),
        ("name='a'\nsay='x'\n[[workload.cases]]\nname='a'\nsay='y'", "'a' is used twice"),
    ],
)
def test_what_is_wrong_with_a_case_is_named(case: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        parse_config(GOOD + CASE + case)


@pytest.mark.parametrize(
    ("case", "problem"),
    [
        ("fault={FAULT, kind='eror'}", "fault.kind: .*did you mean error?"),
        ("fault={FAULT, kind='error', stauts=503}", "fault.stauts: .*did you mean status?"),
        ("fault={FAULT, kind='error', status='x'}", "fault.status: expected `int`, got `str`"),
        ("expect='silence'\nfault={FAULT, kind='error'}", "there has to be one"),
    ],
)
def test_what_is_wrong_with_a_fault_of_the_exchanges_is_named(case: str, problem: str) -> None:
    text = GOOD + "[doubles.exchanges]\n" + CASE + "name='a'\nsay='x'\n"
    with pytest.raises(ConfigError, match=problem):
        parse_config(text + case.replace("FAULT", "double='exchanges'"))


def test_faults_go_to_the_double_that_they_name() -> None:
    faults = "fault=[{kind='duplicate'}, {double='exchanges', kind='html', venue='okx'}]"
    text = GOOD + "[doubles.exchanges]\n" + CASE + "name='a'\nsay='x'\n" + faults
    (case,) = parse_config(text).workload.cases
    assert case.faults("telegram") == ({"kind": "duplicate"},)
    assert case.faults("exchanges") == ({"kind": "html", "venue": "okx"},)


def test_every_problem_is_told_at_once() -> None:
    broken = GOOD.replace("{port:bot}", "{nope}").replace("reply_time_s = 3", "reply_time_s = -1")
    with pytest.raises(ConfigError) as caught:
        parse_config(broken, "my.toml")
    lines = str(caught.value).splitlines()
    assert len(lines) == 3  # the environment of both modes, and the budget
    assert all(line.startswith("my.toml: ") for line in lines)


def test_mistakes_of_every_kind_are_told_at_once() -> None:
    """Keys that are not known, values of wrong types, and what the rules forbid."""
    broken = """
nmae = "x"
[bot]
command = "bot.py"
ready_timeout_s = "soon"
stop_timeout_s = 0
[bot.env]
GOOD = "{nope}"
BAD = [1]
[modes.polling]
redy = "telegram"
[modes.Web-Hook.env]
PORT = { a = 1 }
[[workload.cases]]
name = "A b"
say = 5
[[workload.cases]]
name = "b"
say = "/b"
replies = 0
kind = "photograph"
[budgets]
reply_time = 3
"""
    with pytest.raises(ConfigError) as caught:
        parse_config(broken, "my.toml")
    lines = str(caught.value).splitlines()
    told = {line.removeprefix("my.toml: ").partition(":")[0] for line in lines}
    assert told >= {
        "nmae",
        "bot.command",
        "bot.ready_timeout_s",
        "bot.env.BAD",
        "modes.polling.redy",
        "modes.Web-Hook",
        "modes.Web-Hook.env.PORT",
        "workload.cases[0].name",
        "workload.cases[0].say",
        "workload.cases[1].replies",
        "workload.cases[1].kind",
        "budgets.reply_time",
    }
    assert "stands for nothing" in str(caught.value)
    assert ".command: is missing" not in str(caught.value)
    assert "say: is missing" not in str(caught.value)  # it is there, and wrong: told once


def test_what_is_missing_is_told_beside_other_mistakes() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config("[modes.polling]\nredy = 1\n[[workload.cases]]\nsay = '/a'\n")
    assert "the key `bot` is missing" in str(caught.value)
    assert "modes.polling.redy: is no key" in str(caught.value)
    assert "workload.cases[0]: the key `name` is missing" in str(caught.value)


def test_a_text_that_is_missing_hides_no_other_mistake() -> None:
    """Else whoever mends it is told the next one, and so on."""
    lacking = "[[workload.cases]]\nsay = 5\n[[replies.normalise]]\npattern = '('\nreplace = 'x'\n"
    broken = GOOD.replace("{port:bot}", "{nope}").replace("= 90,", "= -1,") + lacking
    with pytest.raises(ConfigError) as caught:
        parse_config(broken)
    told = {line.split(": ")[1] for line in str(caught.value).splitlines()}
    assert told == {
        "bot (mode polling).env.PORT",
        "bot (mode webhook).env.PORT",
        "budgets.bot_memory_mb",
        "replies.normalise[0]",
        "replies.normalise[0].pattern",
        "workload.cases[0]",
        "workload.cases[0].say",
    }


def test_a_missing_file_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="botproof init"):
        load_config(tmp_path / "botproof.toml")


def test_substitution_fills_placeholders_and_keeps_doubled_braces() -> None:
    assert substitute("{a}-{{x}}-{b}", {"a": "1", "b": "2"}) == "1-{x}-2"


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("{users: }", "1 2"),
        ("{users:;}", "1;2"),
        ("[{users}]", "[1,2]"),
        ('["{users:","}"]', '["1","2"]'),
    ],
)
def test_a_list_of_users_is_given_as_the_bot_takes_it(text: str, filled: str) -> None:
    assert substitute(text, {"users": "1,2"}) == filled
    assert not is_limited(parse_config(GOOD))
    assert is_limited(parse_config(GOOD.replace("DEBUG = true", f"ALLOWED = '''{text}'''")))


def test_the_reference_bots_own_description_is_right() -> None:
    config = load_config(ROOT / "botproof.toml")
    assert list(config.modes) == ["polling", "webhook"]


def test_each_of_its_golden_files_is_used_and_each_reply_has_one() -> None:
    cases = load_config(ROOT / "botproof.toml").workload.cases
    pinned = {case.name for case in cases if case.golden and case.expect == "reply"}
    assert {path.stem for path in (ROOT / "golden").iterdir()} == pinned | {"_bot", "_signals"}


def test_the_template_of_init_is_right() -> None:
    text = (ROOT / "botproof" / "botproof.template.toml").read_text(encoding="utf-8")
    config = parse_config(text)
    assert config.gate.checks == ("boot", "golden", "parity")
    # Settings that are commented out begin with # and no space. They have to be right as well.
    uncommented = re.sub(r"^#(?=\S)", "", text, flags=re.MULTILINE)
    assert parse_config(uncommented).load is not None


def test_a_number_where_a_text_belongs_is_told_the_quotes() -> None:
    case = '[[workload.cases]]\nname = "again"\nsay = "/start"\nchat = 1\n'
    with pytest.raises(ConfigError, match=r"expected `str`, got `int`; write it in quotes"):
        parse_config(GOOD + case)


def test_a_file_of_another_editor_is_read_or_told_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "botproof.toml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert load_config(path) == parse_config(GOOD)
    path.write_bytes(b'# one\nname = "caf\xe9"\n')
    with pytest.raises(ConfigError, match="line 2 is not UTF-8 text; save the file as UTF-8"):
        load_config(path)
