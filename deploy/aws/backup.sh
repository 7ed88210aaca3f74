#!/bin/sh
# Copies the inbox and the signals to S3, while the bot runs: backup.sh FOLDER (of the volume), BUCKET in the environment.
# SQLite's own backup makes each copy, so that it is whole; a copy that is not sound is not sent.
set -eu
[ $# -eq 1 ] && [ -n "${BUCKET:-}" ] || { echo "usage: BUCKET=name $0 FOLDER" >&2; exit 64; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 - "$1" "$work" <<'PYTHON'
import contextlib, pathlib, sqlite3, sys
folder, work = map(pathlib.Path, sys.argv[1:])
found = sorted(folder.glob("*.sqlite3"))
if not found:
    sys.exit(f"{folder}: there is no *.sqlite3 to keep")
for path in found:
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as there, \
         contextlib.closing(sqlite3.connect(work / path.name)) as here:
        there.backup(here, pages=2000, sleep=0.02)
        here.execute("PRAGMA journal_mode = DELETE")
        [sound] = here.execute("PRAGMA integrity_check").fetchone()
        if sound != "ok":
            sys.exit(f"{path}: its copy is not sound: {sound}")
PYTHON
name="backup/$(date -u +%Y-%m-%dT%H%M%SZ).tar.gz"
tar -czf "$work/backup.tar.gz" -C "$work" $(cd "$work" && ls ./*.sqlite3)
aws s3 cp --only-show-errors --sse AES256 "$work/backup.tar.gz" "s3://$BUCKET/$name"
echo "kept s3://$BUCKET/$name"
