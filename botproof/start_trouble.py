"""What a bot that did not start said in its log, what that means, and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from botproof.history import describe_exit


@dataclass(frozen=True, slots=True)
class Trouble:
    """`seen` is the line of the log, `means` what it says of the bot's surroundings."""

    seen: str
    means: str
    do: str

    def lines(self) -> Iterator[str]:
        """Yield three lines for a person."""
        yield f"seen:  {self.seen}"
        yield f"means: {self.means}"
        yield f"do:    {self.do}"


@dataclass(frozen=True, slots=True)
class _Sign:
    """A pattern of log lines, what it means, and what to do; `{0}` is its first group."""

    pattern: str
    means: str
    do: str


_KNOWN = (
    _Sign(
        r"ModuleNotFoundError: No module named '(?=\w+\.)([\w.]+)'",
        "the package is missing, or installed in a version that has no {0}",
        "install the version that the bot was written for: where requirements.txt names none, the "
        "one that was the newest then, such as 'aiogram<3' for a bot of 2022",
    ),
    _Sign(
        r"(?:ModuleNotFoundError|ImportError): No module named '?([\w.]+)",
        "the Python that runs the bot does not have the package {0}",
        "install what the bot needs where it is started from: python3 -m venv .venv && "
        ".venv/bin/pip install -r requirements.txt; botproof init finds .venv by itself",
    ),
    _Sign(
        r"ImportError: .*?(?:requires|needs|[Mm]issing|install)[^'\"]{0,60}"
        r"['\"`]([\w.\[\]-]+)['\"`]",
        "a package wants another one beside it, which is not installed: {0}",
        "install it where the bot is started from: .venv/bin/pip install, and the name that the "
        "line says",
    ),
    _Sign(
        r"ImportError: (.+)",
        "a package is installed in a version that the bot was not written for",
        "install the versions that the bot names (requirements.txt, pyproject.toml)",
    ),
    _Sign(
        r"(?:module|type object) '?(\S+?)'? has no attribute '(\w+)'",
        "{0} has no {1}: the bot was written for another version of it, or of Python",
        "install the versions that the bot names, or run it with the Python that it is written "
        'for: --bot "python3.10 main.py"',
    ),
    _Sign(
        r"EOFError: EOF when reading|(?:inquirer|readline).{0,40}clos(?:ed|ing)|"
        r"Inappropriate ioctl for device|(?:_curses\.|termios\.)error|setRawMode is not a function|"
        r"[Nn]ot a (?:tty|TTY|terminal)",
        "the bot asks for something at a terminal, which no server gives it",
        "let it read that from a variable or a file. A setting that it has for it goes before the "
        "command: --bot 'NAME=value python main.py'",
    ),
    _Sign(
        r"the following arguments are required: (.+)",
        "the bot's command lacks an argument: {0}",
        "write it behind the command, where it is a token as {{token}}: "
        '--bot "python main.py --token {{token}}"',
    ),
    _Sign(
        r"unrecognized arguments: (.+)|[Nn]o such option:? (\S+)|"
        r"flag provided but not defined: (\S+)",
        "the bot's command does not take the argument {0}{1}{2}",
        "leave it out, or put what follows it in quotes; its --help tells what it takes",
    ),
    _Sign(
        r"unknown url type: (.+)|Invalid URL '?([^':]*)'?|ERR_INVALID_URL|"
        r"unsupported protocol scheme",
        "the bot puts an address together that is none: {0}{1}",
        "see by which setting it learns that address, and give it with http:// or https:// before "
        "the command: --bot 'NAME=http://… python main.py'",
    ),
    _Sign(
        r"(?:EROFS|Read-only file system).{0,80}",
        "the bot writes where nothing may be written",
        "let it write below {{scratch}}, a directory of each start's own, by a setting of its",
    ),
    _Sign(
        r"'ascii' codec can't (?:en|de)code|ordinal not in range\(128\)",
        "the bot reads or writes letters beyond English in an environment without a language",
        "give it one, as its server has it: --bot 'LANG=C.UTF-8 PYTHONUTF8=1 python main.py'",
    ),
    _Sign(
        r"UnicodeDecodeError: '([\w-]+)' codec can't decode",
        "a file that the bot reads is not written in {0}",
        "save that file as UTF-8; the lines above in its log name it",
    ),
    _Sign(
        r"No(?:Section|Option)Error: (.+)",
        "the bot's file of settings is not there, or lacks this: {0}",
        "make that file from the example beside it (config.example.cfg or the like), under the "
        "name that the bot's source reads, with made-up values in it",
    ),
    _Sign(
        r"JSONDecodeError: (.+)|(?:TOMLDecodeError|ScannerError|ParserError): (.+)",
        "a file, a variable or an answer that the bot reads is written wrongly: {0}{1}",
        "the lines above in its log say what it read: a comma too many, a quote that is missing, "
        "an empty file, or the page of a service in place of its answer",
    ),
    _Sign(
        r"error while loading shared libraries: ([\w.+-]+)|version .(GLIBC\w*_[\d.]+).? not found",
        "a library of the system is missing, or too old: {0}{1}",
        "install it, build the bot on this system, or try it by its image: botproof init --image",
    ),
    _Sign(
        r"[Ee]xec format error",
        "the program is built for another processor, or is a script without #! in its first line",
        'build it for this machine, or name what runs it: --bot "bash bot.sh"',
    ),
    _Sign(
        r"ERR_REQUIRE_ESM|Cannot use import statement outside a module|"
        r"require is not defined in ES",
        "the bot mixes modules of two kinds, which this Node.js does not take",
        'start what its build makes (npm run build, then --bot "node dist/index.js"), or use the '
        "version of Node.js that package.json names",
    ),
    _Sign(
        r"Unable to access jarfile (\S+)|no main manifest attribute, in (\S+)",
        "there is no program in {0}{1}",
        "build it first (mvn package), and name the file that is made: "
        '--bot "java -jar target/bot.jar"',
    ),
    _Sign(
        r"UnsupportedClassVersionError",
        "the bot is built for a newer Java than the one that runs it",
        "name the Java that it is built for by its path, or build it with this one",
    ),
    _Sign(
        r"database is locked",
        "something else has the bot's database open",
        "end the bot that runs beside it, or let each start have a file below {{scratch}}",
    ),
    _Sign(
        r"No space left on device|Too many open files",
        "this machine has no more of what the bot needs",
        "make room (df -h), or raise the limit (ulimit -n), and try again",
    ),
    _Sign(
        r"ValueError: invalid literal for int\(\) with base 10: '(1001,\d+)",
        "the bot has its list of users otherwise than with commas between them ({0})",
        "give the list before the command, as the bot takes it: with spaces "
        "--bot 'ADMINS=\"{{users: }}\" python main.py', as JSON --bot 'ADMINS=[{{users}}] python "
        "main.py', by the name that it reads",
    ),
    _Sign(
        r"Cannot find (?:module|package) '([^']+)'",
        "Node.js does not find the package {0}",
        "run npm install (or npm ci) in the bot's directory",
    ),
    _Sign(
        r"Call to undefined function (\w+)|Class [\"']?([\w\\\\]+)[\"']? not found",
        "PHP does not have {0}{1}, which an extension or a package brings",
        "install the extension that brings it, such as php-curl, php-mysql or php-mbstring, or the "
        "packages that the bot names: composer install",
    ),
    _Sign(
        r"Failed opening required '([^']*vendor/autoload\.php)'",
        "the packages of the bot are not installed: there is no {0}",
        "run composer install in the bot's directory",
    ),
    _Sign(
        r"can't open file '?([^':]+)'?: \[Errno 2\]",
        "there is no file {0}",
        "start botproof init in the bot's directory, or name the file as it is seen from there",
    ),
    _Sign(
        r"SyntaxError: ([^\n]*\bJSON\b[^\n]*)",
        "the bot read something that is no JSON: {0}",
        "see in its log what it read: a file that is empty or missing, a variable that is not set, "
        "or the page of a service in place of its answer",
    ),
    _Sign(
        r"SyntaxError: (.+)",
        "the bot's source is not understood by what runs it",
        'run the bot with the version that it is written for: --bot "python3.12 main.py"',
    ),
    _Sign(
        r"(?:InvalidToken|Token is invalid|Empty token|[Tt]oken must|"
        r"[Tt]oken.{0,20}(?:is )?(?:not valid|invalid|"
        r"missing|empty|required|not (?:set|found|provided)))",
        "the bot found no token, or not the one that the double knows",
        "name the variable that it reads its token from in [bot.env], with the value "
        '"{{token}}". Where its source has a place for the token, put a made-up one there in a '
        "copy, such as 4242424242:AAGateTokenOfTheTelegramDouble00000; better, let it read a "
        "variable, which keeps the token out of your repository",
    ),
    _Sign(
        r"\b401\b.{0,40}Unauthorized|Unauthorized.{0,40}\b401\b",
        "the bot asks Telegram with another token than the one that the double knows",
        'give the variable that it reads its token from the value "{{token}}" in [bot.env]',
    ),
    _Sign(
        r"HTTP(?: Error|/1\.1)?\W{0,3}404\b.{0,20}Not Found",
        "an address that the bot asked is not there; for the Bot API that is a path with two "
        "slashes, or without /botTOKEN",
        'give the address as "{{url:telegram_double}}", without a slash at its end, and with /bot '
        "behind it only if the bot does not add that itself",
    ),
    _Sign(
        r"(?:python3?|node|bash|sh|ruby)\\r|bad interpreter|\^M",
        "the file that is started ends its lines as Windows does, so its first line names a "
        "program that does not exist",
        "save it with the line ends of Linux: sed -i 's/\\r$//' FILE",
    ),
    _Sign(
        r"(?:EADDRINUSE|Address already in use|address already in use)",
        "the bot insists on a port that something else on this machine has",
        "end the other one (a development server?), or let the port be chosen by a "
        'variable: PORT = "{{port:bot}}"',
    ),
    _Sign(
        r"(?:CERTIFICATE_VERIFY_FAILED|certificate verify failed|"
        r"unable to get local issuer|self.signed certificate|UnknownIssuer|"
        r"x509: certificate)",
        "the bot's client does not trust the double, which stands for the real host",
        "such a client has its authorities compiled in: give it the double's address "
        'by a setting, "{{url:telegram_double}}"',
    ),
    _Sign(
        r"(?:ECONNREFUSED|Connection refused|ConnectionRefusedError|"
        r"connect: connection refused).{0,80}",
        "a service that the bot leans on is not there",
        "describe it as [services.NAME] (docs/botproof-toml.md): it is started before the bot",
    ),
    _Sign(
        r"(?:getaddrinfo|Name or service not known|ENOTFOUND|NameResolutionError|"
        r"no such host|Temporary failure in name resolution|"
        r"nodename nor servname).{0,80}",
        "the bot looks for a host that no double stands for",
        "record its answers once (botproof record; without network or key: botproof record "
        "--blank, then put in by hand what the host would answer), and call botproof init --force "
        'again. One of your own may be allowed: [doubles] allow_hosts = ["HOST"]',
    ),
    _Sign(
        r"(?:sqlite3\.OperationalError|SQLITE_CANTOPEN): ?(.*)",
        "the bot cannot use the file of its database",
        "name a file below {{scratch}} by its variable, so that each start has one of its own",
    ),
    _Sign(
        r"open ([^\s:]+): no such file or directory|No such file or directory: '([^']+)'|"
        r"ENOENT: no such file or directory, \w+ '([^']+)'|"
        r"FileNotFoundException: (\S+) \(No such file",
        "the file or the program {0}{1}{2}{3} is not there",
        "a file of settings is made from the example beside it (cp .env.example .env), under the "
        "name that the line says, with made-up values in it; a directory is made, and a program "
        "installed",
    ),
    _Sign(
        r"(?:Permission denied|EACCES|PermissionError).{0,80}",
        "the bot may not read or write something here",
        "start it as the user who owns its files, or let it write below {{scratch}}",
    ),
    _Sign(
        r"(?:409|Conflict).{0,60}(?:terminated by other|webhook is active)",
        "two parts of the bot ask for updates at the same time",
        "one process of a bot may poll; is the bot started twice by its command?",
    ),
    _Sign(
        r"(?:not found in PATH|command not found|ENOENT|"
        r"No such file or directory).{0,80}",
        "a program or a file that the bot needs is not there",
        "name it by its path as seen from the bot's directory",
    ),
    _Sign(
        r"(?:MemoryError|JavaScript heap out of memory|Killed)",
        "the bot ran out of memory",
        "try it on a machine of the size that it is meant for",
    ),
)
MTPROTO = Trouble(
    seen="it asked Telegram's own servers, by their addresses",
    means="it speaks MTProto (pyrogram, telethon, TDLib), not the HTTP Bot API, which is what the "
    "double of Telegram answers",
    do="botproof cannot judge such a bot. One that has a token of @BotFather can be moved to a "
    "library of the HTTP Bot API (aiogram, python-telegram-bot); what it does beside Telegram can "
    "be judged as a service of another bot",
)
"""A bot that no double of ours can answer."""
_MISSING = (
    re.compile(r"KeyError: ['\"]([A-Z][A-Z0-9_]+)['\"]"),
    re.compile(
        r"\b([A-Z][A-Z0-9_]{2,})\b[^.\n]{0,60}(?:not (?:set|found|defined|provided|configured|"
        r"declared)|missing|required|must be|empty|undefined|is None|invalid|unset|expected)",
    ),
    re.compile(
        r"(?i:set|missing|required?|needs?|provide|define|specify|no|variable|undefinedvalueerror:)"
        r"[^.\n]{0,60}?\b([A-Z][A-Z0-9]*_[A-Z0-9_]+)\b"
    ),
)
_FRAME = re.compile(r"\s+at (?:.*\b(?:node:|node_modules/)|new Promise|async Promise\.)")
_PYDANTIC = re.compile(r"^([A-Za-z_][A-Za-z0-9_]*)\n\s+Field required", re.MULTILINE)
_NO_NAME = frozenset(
    (
        "ERROR",
        "WARNING",
        "INFO",
        "DEBUG",
        "CRITICAL",
        "FATAL",
        "HTTP",
        "HTTPS",
        "JSON",
        "UTC",
        "API",
        "URL",
        "NOT",
    )
)


def last_words(log: Sequence[str], most: int) -> list[str]:
    """Return the last lines of a log, at most so many, without the frames of Node.js's own and of
    packages' functions, and of the same line again and again only the last: these alone are more
    than a screen, and what was wrong stands above them.
    """
    own = (line for line in log if not _FRAME.match(line))
    return [line for line, _ in groupby(own)][-most:]


def trouble_in(log: Sequence[str]) -> Trouble | None:
    """Return the last line of a log that is known to mean something; None when there is none."""
    for line in reversed(log):
        for sign in _KNOWN:
            found = re.search(sign.pattern, line)
            if found:
                groups = [group or "" for group in found.groups()]
                means, do = sign.means.format(*groups), sign.do.format(*groups)
                return Trouble(line.strip()[:200], means, do)
    return None


def trouble_of_end(exit_code: int | None) -> Trouble | None:
    """Return what it means that a bot ended by itself, where its log has no word that is known;
    None where it goes on, or has told by its own words and code 1 what was wrong."""
    if exit_code is None or exit_code == 1:
        return None
    seen = f"it ended with {describe_exit(exit_code)}, before it took an update"
    if exit_code == 0:
        means = "it is done, or it put itself into the background, where nothing watches over it"
        do = (
            "start it as what stays: without --daemon, & or fork, and by the file or the argument "
            "that begins to take updates; what it wrote may say which"
        )
    elif exit_code < 0:
        means = "it was ended from outside, or a package that is not written in Python or the like "
        means += "broke: such an end leaves no words"
        do = (
            "run the command by hand in that directory; where it ends alike, install its packages "
            "anew for this system, and see whether the machine has memory enough"
        )
    else:
        means = "the command was not understood, or not all of it is there"
        do = "run the command by hand in that directory, and read what it says"
    return Trouble(seen, means, do)


def with_own_module(trouble: Trouble, home: Path) -> Trouble:
    """Return the trouble, where a module is missing that stands below the bot's directory, with
    the word that it is the bot's own: no package has to be installed."""
    found = re.search(r"No module named '(\w+)", trouble.seen)
    if found is None:
        return trouble
    name = found[1]
    for below in ("*/", "*/*/"):
        for place in (*home.glob(f"{below}{name}.py"), *home.glob(f"{below}{name}/")):
            inside = place.relative_to(home).parts
            if not any(part.startswith((".", "venv", "node_modules")) for part in inside):
                there = "/".join(inside[:-1])
                return Trouble(
                    trouble.seen,
                    f"the module {name} is the bot's own, in {there}/, and is not looked for there",
                    f'start it as your server does: --bot "PYTHONPATH={there} python …", or from '
                    f"{there}/",
                )
    return trouble


def missing_settings(log: Iterable[str], known: Iterable[str]) -> list[str]:
    """Return names of settings that a log complains about: those of `known`, and what
    is plainly one."""
    text, names = "\n".join(log), set(known)
    found: list[str] = []
    for pattern in _MISSING:
        found += [name for name in pattern.findall(text) if name.isupper() or name in names]
    found += [name.upper() for name in _PYDANTIC.findall(text)]
    tail = text[-2_000:]
    found += [name for name in names if re.search(rf"\b{re.escape(name)}\b", tail)]
    return [name for name in dict.fromkeys(found) if name not in _NO_NAME]
