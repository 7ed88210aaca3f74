#!/bin/sh
# Puts what the instance needs into the bucket: release.sh BUCKET, from the root of the project. Images go to ECR by themselves.
set -eu
[ $# -eq 1 ] || { echo "usage: $0 BUCKET" >&2; exit 64; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m pip wheel --quiet --no-deps --wheel-dir "$work" .
cp -R deploy "$work/deploy"
rm -f "$work"/deploy/.env*
tar -czf "$work/market-bot.tar.gz" -C "$work" deploy $(cd "$work" && ls ./*.whl)
aws s3 cp --only-show-errors --sse AES256 "$work/market-bot.tar.gz" "s3://$1/release/market-bot.tar.gz"
