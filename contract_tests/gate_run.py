"""A whole gate as a user starts it: a process of its own, and the papers that it leaves."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class GateRun:
    """`botproof gate` with these words, run until it ends. Its report is in `report`."""

    def __init__(
        self, report: Path, *words: str, cwd: Path | None = None, env: Mapping[str, str] = {}
    ) -> None:
        command = [sys.executable, "-m", "botproof", "gate", "--report-dir", str(report), *words]
        done = subprocess.run(
            command,
            cwd=cwd,
            env={**os.environ, **env},
            capture_output=True,
            text=True,
            timeout=800,
            check=False,
        )
        self.exit_code = done.returncode
        self.output = done.stdout + done.stderr
        print(self.output)
        document = json.loads((report / "verdict.json").read_text())
        self.verdict: str = document["verdict"]
        checks = document["checks"]
        self.checks: dict[str, dict[str, Any]] = {each["check"]: each for each in checks}

    def verdict_of(self, check: str) -> str:
        """Return the verdict of one check."""
        found: str = self.checks[check]["verdict"]
        return found

    @property
    def red(self) -> set[str]:
        """The names of the checks that fail."""
        return {name for name, check in self.checks.items() if check["verdict"] == "FAIL"}
