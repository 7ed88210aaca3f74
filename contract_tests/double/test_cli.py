"""`botproof double telegram`: what is wrong with its options is said in one line."""

import argparse

import pytest

from botproof.doubles.telegram import cli

PEM = "/nowhere/chain.pem"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--port", "99999"], "--port: a port lies in 0 to 65535; this is 99999"),
        (["--port", "http"], "--port: a whole number is wanted; this is 'http'"),
        (["--token", "secret"], "--token: a token is digits, a colon, and 24 to 70 of"),
        (["--flood-chat-burst", "0"], "--flood-chat-burst: it must be at least 1; this is 0"),
        (["--flood-chat-interval", "-1"], "a number of seconds is wanted; this is '-1'"),
        (["--flood-chat-interval", "x"], "a number of seconds is wanted; this is 'x'"),
    ],
)
def test_values_that_make_no_sense(
    options: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(options)
    assert end.value.code == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--tls-cert", PEM], f"--tls-cert: there is no file {PEM}"),
        (["--webhook-ca", PEM], f"--webhook-ca: there is no file {PEM}"),
        (["--tls-key", PEM], "--tls-key is the key to --tls-cert, which is missing"),
        (["--tls", "ca.pem", "--tls-cert", PEM], "give one of them"),
        (["--tls-cert", __file__], "cannot use a certificate"),
    ],
)
def test_certificates_that_cannot_be_used(
    options: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(options) == 2
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1


def test_every_option_is_explained() -> None:
    parser = argparse.ArgumentParser()
    cli.add_arguments(parser)
    silent = [a.dest for a in parser._actions if not a.help]
    assert silent == []


def test_it_is_a_program_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(["--help"])
    assert end.value.code == 0
    assert "usage: botproof double telegram" in capsys.readouterr().out
