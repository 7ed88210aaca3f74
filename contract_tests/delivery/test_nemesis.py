"""The nemesis: what it does and when, and that it puts everything right again."""

import asyncio
from pathlib import Path

import pytest

from botproof.faults.nemesis import Nemesis
from botproof.faults.schedule import Strike, Window
from botproof.faults.troubles import FullDisk


class Notebook:
    """A trouble, a killer and a note-taker that write down what they were told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.changed = asyncio.Event()

    def write(self, line: str) -> None:
        self.lines.append(line)
        self.changed.set()

    async def begin(self) -> None:
        self.write("begin")

    async def end(self) -> None:
        self.write("end")

    async def aim(self, victim: int) -> None:
        self.write(f"aim {victim}")

    async def kill(self, victim: int) -> None:
        self.write(f"kill {victim}")

    def note(self, window: Window, edge: str) -> None:
        self.write(f"note {window.name} {edge}")

    async def until(self, line: str) -> None:
        async with asyncio.timeout(60):
            while line not in self.lines:
                self.changed.clear()
                await self.changed.wait()


def nemesis(book: Notebook, strikes: list[Strike], windows: list[Window]) -> Nemesis:
    return Nemesis(
        strikes, windows, troubles={"t": book}, aim=book.aim, kill=book.kill, note=book.note
    )


@pytest.mark.anyio
async def test_it_strikes_when_that_many_updates_were_sent() -> None:
    book = Notebook()
    acting = nemesis(book, [Strike(2, 0.0, 1), Strike(5, 0.0, 0)], [])
    task = asyncio.create_task(acting.run())

    await acting.sent(1)
    await asyncio.sleep(0)
    assert book.lines == []
    await acting.sent(4)
    await book.until("kill 1")
    assert book.lines == ["kill 1"]
    await acting.sent(9)
    await task
    assert book.lines == ["kill 1", "kill 0"]


@pytest.mark.anyio
async def test_it_aims_where_that_is_planned() -> None:
    book = Notebook()
    acting = nemesis(book, [Strike(1, 0.0, 0), Strike(1, 0.0, 1, aimed=True)], [])
    await acting.sent(1)

    await acting.run()

    assert book.lines == ["kill 0", "aim 1", "kill 1"]


@pytest.mark.anyio
async def test_a_trouble_holds_for_its_window() -> None:
    book = Notebook()
    acting = nemesis(book, [], [Window("t", 1, 3)])
    task = asyncio.create_task(acting.run())

    await acting.sent(2)
    await book.until("begin")
    assert book.lines == ["note t begin", "begin"]
    await acting.sent(3)
    await task
    assert book.lines == ["note t begin", "begin", "end", "note t end"]


@pytest.mark.anyio
async def test_cut_off_it_ends_the_trouble_that_holds() -> None:
    book = Notebook()
    acting = nemesis(book, [], [Window("t", 1, 3)])
    task = asyncio.create_task(acting.run())
    await acting.sent(1)
    await book.until("begin")

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert book.lines[-2:] == ["end", "note t end"]


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


@pytest.mark.anyio
async def test_a_full_disk_is_freed_again_and_freeing_twice_does_no_harm(tmp_path: Path) -> None:
    trouble = FullDisk(tmp_path)
    (tmp_path / "filler").write_bytes(b"x")

    await trouble.end()
    await trouble.end()

    assert names_in(tmp_path) == []
