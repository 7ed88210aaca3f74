"""Statements that are put together from what users write: told by a quote that has no end."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from botproof.config import parse_config
from botproof.workloads.quotes import broken_statement, quoted_texts
from contract_tests.gate.small_bot import BOT_TOML, gate_of

WRITTEN = "BTC'\""

BOT = """
import sqlite3, subprocess
base = sqlite3.connect(":memory:")
base.execute("CREATE TABLE prices (coin, price)")
base.execute("INSERT INTO prices VALUES ('BTC', 91000)")
def price(coin):
    if os.environ["BUILDS"] == "sql":
        found = base.execute(f"SELECT price FROM prices WHERE coin = '{coin}'").fetchone()
    elif os.environ["BUILDS"] == "shell":
        found = [subprocess.run(f"echo '{coin}'", shell=True, capture_output=False).returncode]
    else:
        found = base.execute("SELECT price FROM prices WHERE coin = ?", [coin]).fetchone()
    return str(found[0]) if found else "There is no such coin."
for update in updates():
    words = update.get("message", {}).get("text", "").split()
    try:
        asked = words[:1] == ["/price"] and words[1:]
        text = price(asked[0][:40]) if asked else "Ask /price BTC"
        call("sendMessage", chat_id=update["message"]["chat"]["id"], text=text)
    except Exception as error:
        print(f"ERROR {type(error).__name__}: {error}", flush=True)
"""
TOML = """
BUILDS = "{builds}"
[modes.polling]
[[workload.cases]]
name = "help"
say = "/help"
[[workload.cases]]
name = "price"
say = "/price BTC"
golden = false
[gate]
checks = ["door"]
"""


@pytest.mark.parametrize(
    "command",
    [
        ["sh", "-c", f"echo '{WRITTEN}'"],
        ["bash", "-c", f"echo '{WRITTEN}'"],
        [sys.executable, "-c", "eval('price == \"%s\"' % 'BTC\\'\"')"],
    ],
    ids=("sh", "bash", "eval"),
)
def test_what_a_program_says_of_a_quote_without_an_end_is_known(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert broken_statement(done.stderr.splitlines())


@pytest.mark.parametrize("statement", ["SELECT '{}'", 'SELECT "{}"', "SELECT {}"])
def test_what_sqlite_says_of_it_is_known(statement: str) -> None:
    with pytest.raises(sqlite3.OperationalError) as raised:
        sqlite3.connect(":memory:").execute(statement.format(WRITTEN))
    assert broken_statement([str(raised.value)])


@pytest.mark.parametrize(
    "line",
    [
        'psycopg2.errors.SyntaxError: unterminated quoted string at or near "\'BTC\'""',
        'asyncpg.exceptions.PostgresSyntaxError: syntax error at or near "\\""',
        '(1064, "You have an error in your SQL syntax; check the manual that corresponds to',
        "Unclosed quotation mark after the character string 'BTC'.",
        "ORA-01756: quoted string not properly terminated",
    ],
)
def test_the_words_of_other_databases_are_known(line: str) -> None:
    """As their documents have them: PostgreSQL's scan.l, MySQL's ER_PARSE_ERROR, SQL Server's
    error 105, Oracle's ORA-01756."""
    assert broken_statement(["Traceback (most recent call last):", line]) == line


def test_an_ordinary_complaint_is_none() -> None:
    assert not broken_statement(["ValueError: BTC'\" is no symbol", "SyntaxError in settings"])


def test_each_command_is_said_once_with_quotes_behind_its_first_argument() -> None:
    cases = ["/start", "/alert BTC 50000", "/alert", "/price", "/price ETH"]
    tables = [f'[[workload.cases]]\nname = "n{n}"\nsay = "{say}"' for n, say in enumerate(cases)]
    config = parse_config("\n".join([BOT_TOML, "[modes.polling]", *tables]))
    assert quoted_texts(config) == [f"/start {WRITTEN}", f"/alert {WRITTEN} 50000", "/price ETH'\""]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("builds", "says"),
    [
        ("sql", 'ERROR OperationalError: unrecognized token: ""\'"'),
        ("shell", "Syntax error: Unterminated quoted string"),
        ("parameters", ""),
    ],
)
def test_a_bot_that_builds_statements_from_what_users_write_is_found(
    tmp_path: Path, builds: str, says: str
) -> None:
    run = gate_of(tmp_path, BOT, TOML.format(builds=builds))
    found = [line for line in run.checks["door"]["evidence"] if "became a part of a state" in line]
    assert len(found) == (1 if says else 0)
    assert all(f"polling: /price {WRITTEN} → " in line and says in line for line in found)
