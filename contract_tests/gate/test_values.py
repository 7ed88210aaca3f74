"""What the placeholders of botproof.toml stand for, for bots that are brought as they are."""

import socket
from pathlib import Path

import pytest

from botproof.chats import ReplyRules
from botproof.checks.replies import renormalised
from botproof.config import ConfigError, Normaliser, Replies, parse_config
from botproof.targets.failures import Failure
from botproof.targets.launch import BrokenHarnessError
from botproof.targets.reserved import Ports
from botproof.targets.values import placeholder_values, ready_url, venv_env
from botproof.workloads.scripted import conversations

FOREIGN = """
[bot]
command = ["{venv:env}/bin/gunicorn", "wsgi:app"]
ready = "telegram"
[modes.polling]
[modes.webhook]
webhook = "{url:bot}/webhook"
secret = "declared"
[services.prices]
command = ["{python}", "prices.py"]
ready = "port"
"""


def values(text: str, base: Path) -> dict[str, str]:
    config = parse_config(text)
    return placeholder_values(
        config, mode="webhook", stretch=1, base=base, scratch=base, users=(7,), ports=Ports()
    )


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A directory with a virtual environment in it."""
    program = tmp_path / "env" / "bin" / "python"
    program.parent.mkdir(parents=True)
    program.touch()
    return tmp_path


def test_a_virtual_environment_is_a_directory_and_comes_first_on_the_path(base: Path) -> None:
    found = values(FOREIGN, base)
    assert found["venv:env"] == str(base / "env")
    env = venv_env(parse_config(FOREIGN).bot, found)
    assert env["VIRTUAL_ENV"] == str(base / "env")
    assert env["PATH"].startswith(f"{base}/env/bin:")
    assert venv_env(parse_config(FOREIGN).services["prices"], found) == {}


def test_a_virtual_environment_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(BrokenHarnessError, match="there is no virtual environment at") as caught:
        values(FOREIGN, tmp_path)
    assert caught.value.kind is Failure.NOT_CONFIGURED


def test_a_port_that_a_process_insists_on_is_its_port_while_it_is_free(base: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        text = FOREIGN.replace('ready = "port"', f'ready = "port"\nport = {port}')
        with pytest.raises(BrokenHarnessError, match=f"prices insists on port {port}") as caught:
            values(text, base)
        assert caught.value.kind is Failure.PORT_TAKEN
    assert values(text, base)["port:prices"] == str(port)


def test_a_bot_whose_webhook_we_register_is_ready_when_it_listens(base: Path) -> None:
    config, found = parse_config(FOREIGN), values(FOREIGN, base)
    assert (
        ready_url("bot", config.bot_in("webhook"), found) == f"tcp://127.0.0.1:{found['port:bot']}"
    )
    assert ready_url("bot", config.bot_in("polling"), found) == ""


def test_botproofs_own_load_scripts_are_found(base: Path) -> None:
    assert (Path(values(FOREIGN, base)["load"]) / "price.py").is_file()


def test_files_that_were_approved_before_a_rule_follow_it() -> None:
    rule = Normaliser(pattern=r"^at \d\d:\d\d$", replace="at (time)", why="the time")
    rules = ReplyRules.of(Replies(normalise=(rule,)))
    before = "you: at 10:00\n--- message (HTML)\nat 10:00\nBTC\n--- message\nat 11:30\n"
    after = "you: at 10:00\n--- message (HTML)\nat (time)\nBTC\n--- message\nat (time)\n"
    assert renormalised(before, rules) == after
    assert renormalised(after, rules) == after


def test_a_toast_that_was_approved_behind_the_answer_stands_before_it() -> None:
    toast, answer = "--- answerCallbackQuery\nBTC\n", "--- editMessageText (HTML)\nBTC 1\n"
    before, after = f"you: (tap)\n{answer}{toast}", f"you: (tap)\n{toast}{answer}"
    assert renormalised(before, ReplyRules.of(Replies())) == after


def test_the_user_of_a_chat_is_the_one_who_writes_there(base: Path) -> None:
    """A case before it, or a stranger's, moves the ids of all others."""
    owners = '[bot.env]\nOWNER_ID = "{user:owner}"\n'
    cases = [
        *('name = "hello"\nsay = "hello"', 'name = "price"\nsay = "/price"\nchat = "owner"'),
        'name = "alerts"\nsay = "/alerts"\nchat = "owner"',
    ]
    text = FOREIGN + owners + "".join(f"[[workload.cases]]\n{each}\n" for each in cases)
    config = parse_config(text)
    writers = {
        step.user_id
        for steps in conversations(config.workload.cases)
        for step in steps
        if step.case.chat == "owner"
    }
    assert {values(text, base)["user:owner"]} == {str(each) for each in writers} == {"1002"}
    with pytest.raises(ConfigError, match=r"\{user:nobody\} stands for nothing"):
        parse_config(text.replace("{user:owner}", "{user:nobody}"))
