"""Take docs/pictures/report/*.png: report.html of a run that lost a section in one mode.

The record of a gate that passed gets a defect of the catalogue planted, as `botproof prove` does
it, and a headless Chromium shows its page: wide, side by side in the dark, and on a phone. Run it
after a change of the page: ``python scripts/take_page_pictures.py reports/gate/history.jsonl``. It
needs Debian's chromium, chromium-driver and fonts-noto-color-emoji.
"""

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

from take_pictures import chromium, with_palette

from botproof.checks.golden_files import read_approved
from botproof.checks.judging import Judging, JudgingSettings, run_checks
from botproof.checks.registry import CHECKS
from botproof.history import History, read_history
from botproof.prove.alterations import ALTERATIONS
from botproof.prove.altering import Record
from botproof.report.html import write_html

ROOT: Final = Path(__file__).resolve().parent.parent
PICTURES: Final = ROOT / "docs" / "pictures" / "report"
_DEFECT: Final = "line-lost"
# Name, width, height, scheme, fragment.
_VIEWS: Final = (
    ("wide", 1280, 1080, "light", ""),
    ("beside", 1280, 1080, "dark", "#finding=2"),
    ("phone", 390, 1080, "light", ""),
)


def take(path: Path) -> None:
    """Plant the defect, write the page, take its pictures."""
    with tempfile.TemporaryDirectory() as scratch:
        page = _page(path, Path(scratch))
        with chromium(Path(scratch) / "chromium") as browser:
            for name, width, height, scheme, fragment in _VIEWS:
                browser.open("about:blank")
                browser.size(width, height, scheme)
                browser.open(page.as_uri() + fragment)
                browser.until("document.documentElement.dataset.drawn")
                picture = PICTURES / f"{name}.png"
                box = {"x": 0, "y": 0, "width": width, "height": height}
                browser.picture(picture, box)
                picture.write_bytes(with_palette(picture.read_bytes()))
                print(f"{picture.relative_to(ROOT)}: {picture.stat().st_size / 1000:.0f} kB")


def _page(path: Path, directory: Path) -> Path:
    record = read_history(path)
    settings = JudgingSettings.recorded_in(record.run)
    judging = Judging.of(settings, read_approved(Path(settings.golden_dir)))
    conversations = record.counted()
    altered = ALTERATIONS[_DEFECT](Record.of(conversations, judging, every_mode=False))
    if altered is None:
        sys.exit(f"{path}: holds no reply that could lose a line")
    shutil.copytree(path.parent / "logs", directory / "logs")
    counted = set(map(id, conversations))
    trials = [
        event for event in record if id(event) not in counted
    ]  # for a check each, as they were
    whole = History([*altered.history, *trials])
    results = run_checks(CHECKS, settings.checks, whole, judging)
    seconds = record.events[-1].t - record.events[0].t
    write_html(directory, results, whole, settings.budgets, seconds)
    return directory / "report.html"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("give the history.jsonl of a gate that passed")
    take(Path(sys.argv[1]))
