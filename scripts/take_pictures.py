"""Take docs/pictures/COMMAND.png: the answer to each command in the Telegram double's chat page.

The fleet of botproof.toml is started between its doubles as the gate does it, each command of the
table is asked once in a chat of its own, and a headless Chromium shows the chat. Run it after a
change of what replies look like: ``python scripts/take_pictures.py``, or with the names of some
commands. It needs Debian's chromium, chromium-driver and fonts-noto-color-emoji.
contract_tests/bot/test_commands_doc.py fails while a command has no picture.
"""

import asyncio
import struct
import subprocess
import sys
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import httpx

from botproof.config import load_config
from botproof.doubles.telegram.client import Double
from botproof.targets.guarding import Guard
from botproof.targets.recorder import Recorder
from botproof.targets.stack import Stack, Surroundings
from botproof.workloads.scripted import known_users
from reference_bot.telegram_bot.commands.table import COMMANDS

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from contract_tests.browser import Browser, chromium  # noqa: E402 - found by the line above

PICTURES: Final = ROOT / "docs" / "pictures"
_MODE: Final = "polling"
_WIDTH, _HEIGHT = 900, 1600
_MARGIN: Final = 10
_EMOJI: Final = "1f4ca"  # of /price; without a font for it, a picture shows boxes
_ANSWERED: Final = """(() => {
    const last = document.querySelector('#messages li:last-child');
    const text = last?.querySelector('.body')?.innerText ?? '';
    return last && !last.classList.contains('mine') && text && !text.startsWith('⏳');
})()"""
_BOX: Final = """
    const boxes = [...document.querySelectorAll('#messages li')].flatMap(
        (item) => [item, ...item.querySelectorAll('.bubble, .key')]).map(
        (item) => item.getBoundingClientRect());
    const top = Math.min(...boxes.map((b) => b.top)), left = Math.min(...boxes.map((b) => b.left));
    return {x: left, y: top, width: Math.max(...boxes.map((b) => b.right)) - left,
            height: Math.max(...boxes.map((b) => b.bottom)) - top};
"""


async def take(names: Sequence[str]) -> None:
    """Start the fleet, ask, and write the pictures."""
    config = load_config(ROOT / "botproof.toml")
    users = known_users(config.workload.cases)
    with tempfile.TemporaryDirectory() as scratch:
        async with Guard() as guard, httpx.AsyncClient(trust_env=False, timeout=30.0) as client:
            around = Surroundings(
                config=config,
                base=ROOT,
                report_dir=Path(scratch),
                recorder=Recorder(),
                guard=guard,
                client=client,
                say=print,
                users=users,
            )
            stack = Stack(around, _MODE)
            try:
                await stack.start()
                url, token = stack.values["url:telegram_double"], stack.values["token"]
                profile = Path(scratch) / "chromium"
                await stack.run(asyncio.to_thread(_pictures, url, token, users, names, profile))
            finally:
                await stack.stop()


def _pictures(
    url: str, token: str, users: Sequence[int], names: Sequence[str], profile: Path
) -> None:
    PICTURES.mkdir(exist_ok=True)
    examples = {command.name: command.example for command in COMMANDS}
    with Double(url, token) as double, chromium(profile) as browser:
        browser.open(url)
        browser.size(_WIDTH, _HEIGHT)
        for user, name in zip(users, names, strict=False):
            double.person(user, "Ada").say(examples[name])
            _show(browser, url, user)
            path = PICTURES / f"{name}.png"
            browser.picture(path, _with_margin(browser.run(_BOX)))
            path.write_bytes(with_palette(path.read_bytes()))
            print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB")


def with_palette(png: bytes) -> bytes:
    """A browser's PNG (8 bits RGB, not interlaced) in at most 256 colours: a third of the size."""
    chunks = dict[bytes, bytes]()
    at = 8
    while at < len(png):
        size, kind = struct.unpack(">I4s", png[at : at + 8])
        chunks[kind] = chunks.get(kind, b"") + png[at + 8 : at + 8 + size]
        at += size + 12
    width, height, *form = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    if form != [8, 2, 0, 0, 0]:
        raise ValueError(f"not the PNG that a browser writes: {form}")
    rows = _unfiltered(zlib.decompress(chunks[b"IDAT"]), 3 * width)
    used = Counter(row[x : x + 3] for row in rows for x in range(0, 3 * width, 3))
    # Neighbouring shades count together: the palette is of what is seen most, not of all shades.
    shades = Counter[tuple[int, ...]]()
    for colour, count in used.items():
        shades[tuple(value >> 4 for value in colour)] += count
    commonest: dict[tuple[int, ...], bytes] = {}
    for colour, _ in used.most_common():
        commonest.setdefault(tuple(value >> 4 for value in colour), colour)
    # Large areas keep their very colours.
    exact = [colour for colour, _ in used.most_common(64)]
    near = [commonest[shade] for shade, _ in shades.most_common(256)]
    palette = list(dict.fromkeys((*exact, *near)))[:256]
    place = {colour: min(range(len(palette)), key=_far(palette, colour)) for colour in used}
    lines = b"".join(
        b"\0" + bytes(place[row[x : x + 3]] for x in range(0, 3 * width, 3)) for row in rows
    )
    written = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
        (b"PLTE", b"".join(palette)),
        (b"IDAT", zlib.compress(lines, 9)),
        (b"IEND", b""),
    )
    return png[:8] + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in written
    )


def _far(palette: Sequence[bytes], colour: bytes) -> Callable[[int], int]:
    red, green, blue = colour

    def distance(number: int) -> int:
        r, g, b = palette[number]
        return (r - red) ** 2 + (g - green) ** 2 + (b - blue) ** 2

    return distance


def _unfiltered(data: bytes, length: int) -> list[bytes]:
    """The rows of an image: PNG stores each byte as its difference to its neighbours'."""
    rows = [bytes(length)]
    for start in range(0, len(data), length + 1):
        kind, row, above = data[start], bytearray(data[start + 1 : start + 1 + length]), rows[-1]
        for x in range(length):
            left, corner = (row[x - 3], above[x - 3]) if x > 2 else (0, 0)
            row[x] = (row[x] + _guess(kind, left, above[x], corner)) & 255
        rows.append(bytes(row))
    return rows[1:]


def _guess(kind: int, left: int, above: int, corner: int) -> int:
    if kind == 4:
        middle = left + above - corner
        return min((left, above, corner), key=lambda value: abs(middle - value))
    return (0, left, above, (left + above) // 2)[kind]


def _show(browser: Browser, url: str, user: int) -> None:
    """Open the page as that person, and wait for the answer."""
    browser.run("localStorage.setItem('user', arguments[0])", str(user))
    browser.open(url)
    browser.until(_ANSWERED)


def _with_margin(box: dict[str, float]) -> dict[str, float]:
    return {
        "x": box["x"] - _MARGIN,
        "y": box["y"] - _MARGIN,
        "width": box["width"] + 2 * _MARGIN,
        "height": box["height"] + 2 * _MARGIN,
    }


def _wanted(arguments: Sequence[str]) -> Sequence[str]:
    known = [command.name for command in COMMANDS]
    unknown = [name for name in arguments if name not in known]
    if unknown:
        sys.exit(f"no command {', '.join(unknown)}; there are {', '.join(known)}")
    try:
        listed = subprocess.run(
            ["fc-list", f":charset={_EMOJI}"],  # noqa: S607 - the system's, wherever it is
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"fc-list, which knows the fonts, does not work: {error}")
    if not listed.stdout.strip():
        sys.exit("no font here has emoji: install fonts-noto-color-emoji")
    return arguments or known


if __name__ == "__main__":
    asyncio.run(take(_wanted(sys.argv[1:])))
