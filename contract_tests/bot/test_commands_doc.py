"""docs/commands.md says what the table and the approved replies say."""

import importlib.util
import re
from pathlib import Path

from reference_bot.telegram_bot.commands.table import COMMANDS

ROOT = Path(__file__).resolve().parent.parent.parent


def test_the_page_is_generated_from_the_table_as_it_is() -> None:
    script = ROOT / "scripts" / "generate_commands_doc.py"
    spec = importlib.util.spec_from_file_location("generate_commands_doc", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.PAGE.read_text("utf-8") == module.page(), "run scripts/generate_commands_doc.py"


def test_each_command_has_its_picture_and_each_picture_its_command() -> None:
    pictures = ROOT / "docs" / "pictures"
    linked = set(
        re.findall(r"!\[[^\]]*\]\(pictures/(.*?)\)", (ROOT / "docs/commands.md").read_text("utf-8"))
    )
    assert linked == {f"{command.name}.png" for command in COMMANDS}
    assert linked == {path.name for path in pictures.glob("*.png")}, "run scripts/take_pictures.py"
    for path in pictures.glob("*.png"):
        assert path.read_bytes().startswith(b"\x89PNG")
        assert path.stat().st_size < 60_000, path.name
