"""docs/venues.md says of each call where it is known from: its files are there, its counts hold."""

import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
RECORDED = ROOT / "fixtures" / "venues" / "recorded"
KINDS = ("recorded", "document", "observed", "believed")


def _sources() -> list[str]:
    """The last cell of each row of the table venue x call."""
    text = (ROOT / "docs" / "venues.md").read_text()
    table = text.partition("| venue | call | source |")[2].partition("\n\n")[0]
    return [line.strip("| ").rpartition(" | ")[2] for line in table.splitlines()[2:]]


def test_each_call_has_a_source_of_a_known_kind():
    sources = _sources()
    assert len(sources) > 30
    assert [one for one in sources if not one.startswith(KINDS)] == []


def test_each_recording_that_is_named_is_there():
    for source in _sources():
        folder = ""
        for name in re.findall(r"`([^`]+\.json|[^`]+\*)`", source):
            folder = name.rpartition("/")[0] or folder
            assert list((RECORDED / folder).glob(name.rpartition("/")[2].lstrip("…"))) or (
                name.startswith("…")
            ), name


def test_the_page_of_botproof_toml_counts_what_is_only_believed():
    counts = Counter(source.split(":")[0].split(" ")[0].strip(";,") for source in _sources())
    told = " ".join((ROOT / "docs" / "botproof-toml.md").read_text().split())
    text = ", ".join(f"{counts[kind]} {kind}" for kind in KINDS)
    assert f"{sum(counts.values())} calls and behaviours of venues: {text}" in told, text
