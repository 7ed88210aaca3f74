#!/bin/sh
# Writes the parameters below a path of AWS Parameter Store as NAME=VALUE lines, for Compose: env-from-ssm.sh PATH FILE
# Put them there with: aws ssm put-parameter --type SecureString --name /market-bot/prod/TELEGRAM_BOT_TOKEN --value …
# The file is replaced whole, readable by its owner alone; when anything fails the old one stays.
set -eu
[ $# -eq 2 ] || { echo "usage: $0 PATH FILE" >&2; exit 64; }
umask 077
fresh="$2.fresh"
trap 'rm -f "$fresh"' EXIT
aws ssm get-parameters-by-path --path "$1" --with-decryption --output json \
  --query 'Parameters[].[Name,Value]' |
  python3 -c '
import json, re, sys
lines = []
for name, value in sorted(json.load(sys.stdin)):
    name = name.rpartition("/")[2]
    if not re.fullmatch(r"[A-Z][A-Z0-9_]*", name):
        sys.exit(f"{name}: is no name of a variable, such as TELEGRAM_BOT_TOKEN")
    if "\n" in value or "\x27" in value:
        sys.exit(f"{name}: a line break or an apostrophe cannot stand in an env file")
    # Compose replaces $NAME in values without quotes, and takes what is in single ones as it is.
    lines.append(f"{name}=\x27{value}\x27" if re.search(r"[\s#$\"\\]", value) else f"{name}={value}")
if not lines:
    sys.exit("there is no parameter below this path")
print("\n".join(lines))
' > "$fresh"
mv "$fresh" "$2"
trap - EXIT
