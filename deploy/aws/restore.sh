#!/bin/sh
# Brings the newest backup (or the one that is named) into an EMPTY folder, and checks it: restore.sh FOLDER [KEY], BUCKET in
# the environment. A drill is the same with a folder that nobody uses. To go into production: stop the bot, move what is in its
# volume away, restore into the volume, give it to user 10001 (chown), start the bot.
set -eu
[ $# -ge 1 ] && [ -n "${BUCKET:-}" ] || { echo "usage: BUCKET=name $0 EMPTY_FOLDER [KEY]" >&2; exit 64; }
mkdir -p "$1"
[ -z "$(ls -A "$1")" ] || { echo "$1: is not empty; nothing was changed" >&2; exit 1; }
key="${2:-$(aws s3api list-objects-v2 --bucket "$BUCKET" --prefix backup/ --output text \
  --query 'sort_by(Contents || `[]`, &Key)[-1].Key')}"
[ -n "$key" ] && [ "$key" != None ] || { echo "s3://$BUCKET/backup/: there is no backup" >&2; exit 1; }
archive=$(mktemp)
trap 'rm -f "$archive"' EXIT
aws s3 cp --only-show-errors "s3://$BUCKET/$key" "$archive"
tar -xzf "$archive" -C "$1"
python3 - "$1" <<'PYTHON'
import contextlib, pathlib, sqlite3, sys
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.sqlite3")):
    with contextlib.closing(sqlite3.connect(path)) as database:
        [sound] = database.execute("PRAGMA integrity_check").fetchone()
        tables = database.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        rows = {name: database.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for (name,) in tables.fetchall()}
    if sound != "ok":
        sys.exit(f"{path.name}: is not sound: {sound}")
    print(f"{path.name}: sound; " + ", ".join(f"{count} {name}" for name, count in rows.items()))
PYTHON
echo "restored s3://$BUCKET/$key"
