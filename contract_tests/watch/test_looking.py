"""What the watch asks, against a server that answers as a test says, and a /proc of its own."""

import json
import os
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from botproof.watch import web
from botproof.watch.judge import Alert, Sample
from botproof.watch.machine import Machine
from botproof.watch.outputs import Outputs, send_statsd, write_textfile
from botproof.watch.programs import Programs, _frames
from botproof.watch.rules import by_name
from botproof.watch.sampling import Look
from botproof.watch.settings import Service, Settings, read
from contract_tests.answering import Answering

TOKEN = "42:AAExampleExampleExampleExampleExample"
NOW = 1_767_258_432.0
Load = Callable[[str], Settings]


@pytest.fixture
def load(tmp_path: Path, answers: Any) -> Load:
    """Settings of a watch that has `{url}` as everything outside."""

    def made(text: str) -> Settings:
        base = f'telegram_api = "{answers.url}"\n{text}'.replace("{url}", answers.url)
        if "[services" not in base:
            base += f'\n[services.bot]\nhealth = "{answers.url}/health"\n'
        path = tmp_path / "watch.toml"
        path.write_text(base)
        return read(path, {})

    return made


def figures(samples: list[Sample]) -> dict[tuple[str, str], Any]:
    return {(s.figure, s.subject): (s.value, s.note) for s in samples}


def test_health_and_readiness_are_asked_and_the_reason_is_kept(load: Load, answers: Any) -> None:
    answers.by_path = {"/health": (200, b"{}"), "/ready": (503, b'{"reasons": "no venue"}')}
    settings = load('[services.bot]\nhealth = "{url}/health"\nready = "{url}/ready"')
    found = figures(Look(settings, {}).once(NOW))
    assert found["up", "bot"] == (1, "")
    assert found["ready", "bot"] == (0, 'HTTP 503 {"reasons": "no venue"}')


def test_nobody_there_is_down_with_the_reason(load: Load) -> None:
    settings = load('[services.bot]\nhealth = "http://127.0.0.1:1/health"')
    assert figures(Look(settings, {}).once(NOW))["up", "bot"] == (0, "Connection refused")


def test_a_process_that_is_gone_is_down(load: Load, tmp_path: Path) -> None:
    settings = load(f'[services.bot]\npid_file = "{tmp_path}/none.pid"')
    value, why = figures(Look(settings, {}).once(NOW))["up", "bot"]
    assert value == 0
    assert "there is no process of" in why


@pytest.mark.parametrize(
    ("answer", "answered", "why"),
    [
        ((200, b'{"success": true, "long_short": 1.2}'), 1, ""),
        ((200, b'{"success": true}'), 0, "the answer lacks long_short"),
        ((503, b"not now"), 0, "HTTP 503 not now"),
    ],
)
def test_a_real_question_needs_a_real_answer(
    load: Load, answers: Any, answer: tuple[int, bytes], answered: float, why: str
) -> None:
    answers.by_path = {"/price": answer}
    settings = load('[ask]\nurl = "{url}/price"\nbody = "btc"\nexpect = ["long_short"]')
    found = figures(Look(settings, {}).once(NOW))
    assert found["answered", "question"][0] == answered
    assert why in found["answered", "question"][1]
    assert (("answer_seconds", "question") in found) == bool(answered)
    assert ("/price", b"btc") in answers.asked


def test_a_question_whose_service_cannot_be_found_is_blindness_not_silence(load: Load) -> None:
    """The engine does not answer, and the bot may be well: nobody is to be woken up for `mute`."""
    settings = load(
        'docker_socket = "/nowhere/docker.sock"\n[services.bot]\ncontainer = "bot"\n'
        '[ask]\nurl = "http://{bot}:5000/"'
    )
    found = figures(Look(settings, {}).once(NOW))
    assert found["measured", "question"] == (0, "where bot is could not be asked")
    assert ("answered", "question") not in found


def test_real_questions_are_asked_every_two_minutes_and_count_in_between(
    load: Load, answers: Any
) -> None:
    answers.by_path = {"/price": (500, b"")}
    look = Look(load('[ask]\nurl = "{url}/price"'), {})
    for tick in range(12):
        found = figures(look.once(NOW + tick * 30))
        assert found["answered", "question"][0] == 0
    assert [path for path, _ in answers.asked].count("/price") == 3


def test_the_webhook_is_compared_and_its_errors_have_an_age(load: Load, answers: Any) -> None:
    told = {"url": "https://else/x", "pending_update_count": 7, "last_error_date": NOW - 50}
    told["last_error_message"] = "Connection timed out"
    body = json.dumps({"ok": True, "result": told}).encode()
    answers.by_path = {f"/bot{TOKEN}/getWebhookInfo": (200, body)}
    settings = load(f'[telegram]\ntoken = "{TOKEN}"\nwebhook = "https://bot/webhook"')
    found = figures(Look(settings, {}).once(NOW))
    assert found["pending_updates", "Telegram"] == (7, "")
    assert found["webhook_registered", "Telegram"][0] == 0
    assert "https://else/x, not https://bot/webhook" in found["webhook_registered", "Telegram"][1]
    assert found["webhook_error_age_seconds", "Telegram"] == (50, "Connection timed out")


def test_a_token_that_telegram_refuses_is_blindness_and_never_shown(
    load: Load, answers: Any
) -> None:
    body = b'{"ok": false, "error_code": 401, "description": "Unauthorized"}'
    answers.by_path = {f"/bot{TOKEN}/getWebhookInfo": (401, body)}
    found = figures(Look(load(f'[telegram]\ntoken = "{TOKEN}"'), {}).once(NOW))
    assert found["measured", "Telegram"] == (0, "Telegram answers 401 Unauthorized")
    assert ("pending_updates", "Telegram") not in found


def test_an_engine_that_answers_otherwise_is_blindness_not_the_end(
    load: Load, tmp_path: Path
) -> None:
    """Podman's socket, for one, answers a little differently from Docker's."""
    path = tmp_path / "engine.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as engine:
        engine.bind(str(path))
        engine.listen()

        def answer() -> None:
            connection, _ = engine.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

        thread = threading.Thread(target=answer)
        thread.start()
        settings = load(f'docker_socket = "{path}"\n[services.bot]\ncontainer = "bot"')
        found = figures(Look(settings, {}).once(NOW))
        thread.join()
    assert found["measured", "service bot"][0] == 0
    assert ("up", "bot") not in found


class Engine(Answering):
    """A Docker engine on a socket of the test's: one container, whose log cannot be read."""

    def __init__(self, path: Path, pid: int) -> None:
        self.path = path
        state = {"Running": True, "Pid": pid, "ExitCode": 0}
        networks = {"one": {"IPAddress": "127.0.0.1"}}
        self._container = json.dumps(
            {"Id": "c" * 64, "State": state, "NetworkSettings": {"Networks": networks}}
        ).encode()
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(path))
        listener.listen()
        super().__init__(listener)

    def answer(self, connection: socket.socket) -> None:
        asked = connection.recv(4096).split()[1]
        status, body = b"200 OK", self._container
        if asked.partition(b"?")[0].endswith(b"/logs"):
            # Engine 20.10.24's own words for a container with `--log-driver none`.
            status = b"501 Not Implemented"
            body = b'{"message":"configured logging driver does not support reading"}'
        head = b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n" % (status, len(body))
        connection.sendall(head + body)


@pytest.mark.parametrize("log", ["", 'log = "off"', 'log = "/nowhere/bot.log"'])
def test_a_log_that_cannot_be_read_takes_no_other_figure_away(
    load: Load, answers: Any, tmp_path: Path, log: str
) -> None:
    answers.by_path = {"/health": (503, b"ill")}
    with Engine(tmp_path / "engine.sock", os.getpid()) as engine:
        settings = load(
            f'docker_socket = "{engine.path}"\n[services.bot]\ncontainer = "bot"\n{log}\n'
            'health = "{url}/health"'
        )
        found = figures(Look(settings, {}).once(NOW))
    assert found["up", "bot"][0] == 0
    assert found["measured", "service bot"] == (1, "")
    assert ("service_memory_bytes", "bot") in found
    if "off" in log:
        assert ("measured", "log of bot") not in found
    else:
        said = "No such file" if log else "does not support reading"
        value, why = found["measured", "log of bot"]
        assert value == 0
        assert said in why


def test_signals_and_exchanges_are_read_from_their_pages(load: Load, answers: Any) -> None:
    answers.by_path = {
        "/metrics": (200, f"# HELP x\nbot_signal_last_timestamp_seconds {NOW - 100}\n".encode()),
        "/ready": (200, b'{"data": {"venues": {"binance": "ok", "okx": "no answer in 1.5 s"}}}'),
    }
    settings = load('[signals]\nurl = "{url}/metrics"\n[exchanges]\nurl = "{url}/ready"')
    found = figures(Look(settings, {}).once(NOW))
    assert found["signal_age_seconds", "signals"] == (100, "")
    assert found["venue_reachable", "binance"] == (1, "")
    assert found["venue_reachable", "okx"] == (0, "no answer in 1.5 s")
    answers.by_path["/ready"] = (200, b"[]")
    assert figures(Look(settings, {}).once(NOW))["measured", "exchanges"][0] == 0


def test_a_canary_asks_in_its_group_and_waits_for_the_bots_answer(load: Load, answers: Any) -> None:
    bot = {"id": 1, "is_bot": True}
    updates = [
        {
            "update_id": 8,
            "message": {"message_id": 3, "from": bot, "chat": {"id": -5}, "text": "L/S"},
        },
        {
            "update_id": 9,
            "message": {"message_id": 6, "from": bot, "chat": {"id": -5}, "text": "L/S: 2x"},
        },
    ]
    answers.by_path = {
        f"/bot{TOKEN}/getUpdates": (200, json.dumps({"ok": True, "result": updates}).encode()),
        f"/bot{TOKEN}/sendMessage": (200, b'{"ok": true, "result": {"message_id": 5}}'),
    }
    canary = f'[canary]\ntoken = "{TOKEN}"\nchat_id = -5\ntext = "/price@MarketBot btc"\n'
    found = figures(Look(load(canary + 'expect = ["L/S:"]'), {}).once(NOW))
    assert found["answered", "canary"] == (1, "")
    sent = [json.loads(body) for path, body in answers.asked if path.endswith("sendMessage")]
    assert sent == [{"chat_id": -5, "text": "/price@MarketBot btc"}]


def test_an_answer_that_drips_is_no_answer() -> None:
    """Each read comes in time, and the whole never: the watch must not hang with it."""
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                while not done.wait(0.05):
                    try:
                        connection.sendall(b".")
                    except OSError:
                        return

        thread = threading.Thread(target=drip)
        thread.start()
        with pytest.raises(web.Unanswered, match=r"no answer within 0.5 s"):
            web.ask(f"http://127.0.0.1:{server.getsockname()[1]}/", 0.5)
        done.set()
        thread.join()


def test_errors_of_a_log_file_are_counted_once_through_rotation_and_restart(tmp_path: Path) -> None:
    log, memory = tmp_path / "bot.log", dict[str, Any]()
    service = Service("bot", log=str(log))
    log.write_text('{"level": "ERROR", "event": "before the watch"}\n')

    def count() -> float:
        programs = Programs("", json.loads(json.dumps(memory)))  # a restart each time
        place = programs.place(service)
        found = {s.figure: s.value for s in programs.look(service, place, NOW)}
        memory.update(programs._memory)
        return found["error_lines"]

    assert count() == 0
    with log.open("a") as file:
        file.write('{"level": "ERROR"}\n{"level": "INFO"}\nTraceback (most recent call last):\n')
        file.write('  File "x"\nValueError: one piece of trouble, three lines\n{"level": "ERR')
    assert count() == 2
    assert count() == 2
    with log.open("a") as file:
        file.write('OR"}\n')  # the half line has its end
    assert count() == 3
    log.rename(tmp_path / "bot.log.1")
    log.write_text('{"level": "ERROR"}\n')
    assert count() == 4


def test_memory_of_a_process_is_measured_with_its_children(tmp_path: Path) -> None:
    pid_file = tmp_path / "own.pid"
    pid_file.write_text(str(os.getpid()))
    programs = Programs("", {})
    service = Service("own", pid_file=str(pid_file), memory_limit=1e12)
    found = {s.figure: s.value for s in programs.look(service, programs.place(service), NOW)}
    assert found["service_memory_bytes"] > 10e6
    assert found["service_memory_ratio"] == pytest.approx(found["service_memory_bytes"] / 1e12)
    assert found["restarts"] == 0


def test_restarts_are_those_of_one_container_and_a_new_container_is_none() -> None:
    programs, service = Programs("", {}), Service("bot", container="x")

    def count(identity: str, restarts: float) -> float:
        place = programs.place(Service("none"))._replace(identity=identity, restarts=restarts)
        [sample] = programs._restarts(service, place)
        return sample.value

    first = count("a", 2)
    told = [count("a", 3), count("a", 5), count("b", 0), count("b", 1), count("c", 2)]
    assert [value - first for value in told] == [1, 3, 3, 4, 6]


def test_dockers_frames_are_taken_apart() -> None:
    data = b"\x01\0\0\0\0\0\0\x03ab\n\x02\0\0\0\0\0\0\x02c\n"
    assert b"".join(_frames(data)) == b"ab\nc\n"
    assert b"".join(_frames(b"with a terminal\n")) == b"with a terminal\n"


def test_the_machine_is_read_from_proc(tmp_path: Path) -> None:
    (tmp_path / "pressure").mkdir()
    (tmp_path / "meminfo").write_text("MemTotal: 1000 kB\nMemFree: 1 kB\nMemAvailable: 250 kB\n")
    (tmp_path / "vmstat").write_text("nr_free_pages 3\noom_kill 2\n")
    (tmp_path / "pressure/memory").write_text(
        "some avg10=9.00 avg60=8.00\nfull avg10=0.00 avg60=25.00\n"
    )
    (tmp_path / "stat").write_text("cpu 100 0 100 700 100 0 0 0 0 0\n")
    machine = Machine([str(tmp_path)], {}, tmp_path)
    first = figures(list(machine.look()))
    assert ("cpu_ratio", "host") not in first  # one look at a counter says nothing
    (tmp_path / "stat").write_text("cpu 160 0 130 705 105 0 0 0 0 0\n")
    found = figures(list(machine.look()))
    assert found["cpu_ratio", "host"] == (pytest.approx(0.9), "")
    assert found["memory_ratio", "host"] == (0.75, "")
    assert found["memory_pressure_ratio", "host"] == (0.25, "")
    assert found["oom_kills", "host"] == (2, "")
    assert 0 < found["disk_ratio", str(tmp_path)][0] < 1


def alert(state: str = "started") -> Alert:
    return Alert(by_name()["cpu"], "host", state, 0.93, NOW - 600, NOW)


def test_what_telegram_does_not_take_is_told_later_and_in_order(load: Load, answers: Any) -> None:
    outbox: list[dict[str, Any]] = []
    lines: list[str] = []
    outputs = Outputs(load(OPERATOR), outbox, lines.append)
    outputs.add([alert("started")])
    answers.by_path = {f"/bot{TOKEN}/sendMessage": (502, b'{"description": "Bad Gateway"}')}
    outputs.deliver(NOW, lambda: None)
    outputs.add([alert("ended")])
    outputs.deliver(NOW + 30, lambda: None)
    assert len(outbox) == 2
    answers.asked.clear()
    answers.by_path = {f"/bot{TOKEN}/sendMessage": (200, b'{"ok": true}')}
    outputs.deliver(NOW + 60, lambda: None)
    texts = [json.loads(body)["text"] for _, body in answers.asked]
    assert ["CRITICAL" in t or "WARNING" in t for t in texts] == [True, False]
    assert outbox == []
    events = [json.loads(line)["event"] for line in lines]
    assert (events.count("alert"), events.count("output_failed")) == (2, 1)


def test_where_nobody_reads_the_lines_the_others_are_told_all_the_same(
    load: Load, answers: Any
) -> None:
    """`botproof watch | head`: the pipe is gone, and the machine under watch is not."""

    def gone(_: str) -> None:
        raise BrokenPipeError

    outputs = Outputs(load(OPERATOR), [], gone)
    answers.by_path = {f"/bot{TOKEN}/sendMessage": (200, b'{"ok": true}')}
    outputs.add([alert()])
    outputs.deliver(NOW, lambda: None)
    assert [path for path, _ in answers.asked] == [f"/bot{TOKEN}/sendMessage"]


def test_flood_control_is_obeyed(load: Load, answers: Any) -> None:
    outputs = Outputs(load(OPERATOR), [], lambda _: None)
    flood = (
        b'{"description": "Too Many Requests: retry after 40", "parameters": {"retry_after": 40}}'
    )
    answers.by_path = {f"/bot{TOKEN}/sendMessage": (429, flood)}
    outputs.add([alert()])
    for later in (600, 630, 660):
        outputs.deliver(NOW + later, lambda: None)
    assert len(answers.asked) == 2  # not 30 s after the first


def test_a_command_gets_the_alert_as_json(load: Load, tmp_path: Path) -> None:
    script = "import sys, pathlib; pathlib.Path(sys.argv[1]).write_text(sys.stdin.read())"
    command = json.dumps([sys.executable, "-c", script, str(tmp_path / "got.json")])
    outputs = Outputs(load(f"[outputs]\ncommand = {command}"), [], lambda _: None)
    outputs.add([alert()])
    outputs.deliver(NOW, lambda: None)
    got = json.loads((tmp_path / "got.json").read_text())
    assert (got["rule"], got["state"], got["value"], got["limit"]) == ("cpu", "started", 0.93, 0.8)


def test_the_heartbeat_is_sent_and_a_failing_one_is_noted(load: Load, answers: Any) -> None:
    lines: list[str] = []
    outputs = Outputs(load('[outputs]\nheartbeat = "{url}/ping"'), [], lines.append)
    outputs.heartbeat()
    answers.by_path = {"/ping": (200, b"OK")}
    outputs.heartbeat()
    assert [json.loads(line)["event"] for line in lines] == ["heartbeat_failed"]
    assert [path for path, _ in answers.asked] == ["/ping", "/ping"]


def test_the_text_file_for_prometheus_is_well_formed(tmp_path: Path) -> None:
    from prometheus_client.parser import text_string_to_metric_families  # noqa: PLC0415 - one test

    path = tmp_path / "botproof.prom"
    write_textfile(
        path, [Sample("up", "bot", 1), Sample("up", 'a "b"', 0), Sample("disk_ratio", "/", 0.5)]
    )
    families = {f.name: f.samples for f in text_string_to_metric_families(path.read_text())}
    assert [s.labels["subject"] for s in families["botproof_watch_up"]] == ["bot", 'a "b"']
    assert families["botproof_watch_disk_ratio"][0].value == 0.5


def test_figures_go_to_a_statsd_as_gauges() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(60)
        address = f"127.0.0.1:{receiver.getsockname()[1]}"
        send_statsd(address, [Sample("up", "memory of bot", 1)], {"alerts_critical": 2})
        got = [receiver.recv(1000) for _ in range(2)]
    assert got == [b"botproof_alerts_critical:2|g", b"botproof_up:1|g|#subject:memory_of_bot"]


OPERATOR = f'[outputs.telegram]\ntoken = "{TOKEN}"\nchat_id = 7\n'
