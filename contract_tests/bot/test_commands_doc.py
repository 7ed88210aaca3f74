"""docs/commands.md says what the table and the approved replies say."""

import importlib.util
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def test_the_page_is_generated_from_the_table_as_it_is() -> None:
    script = ROOT / "scripts" / "generate_commands_doc.py"
    spec = importlib.util.spec_from_file_location("generate_commands_doc", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.PAGE.read_text("utf-8") == module.page(), "run scripts/generate_commands_doc.py"
