#!/usr/bin/env bash
# Brings OpenFeature clients, which tests evaluate flags with, into a folder (the first argument, or
# target/openfeature): the server SDK of npm and the SDK of PyPI, each with its OFREP provider. They
# are tools of tests and no part of Seaway. Versions and contents are fixed by the files in
# scripts/openfeature, and nothing of theirs is run while they are brought.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

from=scripts/openfeature
folder="${1:-target/openfeature}"
mkdir -p "$folder"
if diff --recursive --brief "$from" "$folder/from" >/dev/null 2>&1; then
    exit 0
fi
rm -rf "$folder/from" "$folder/npm" "$folder/python"
if command -v npm >/dev/null; then
    mkdir -p "$folder/npm"
    cp "$from"/package*.json "$from/server.mjs" "$folder/npm"
    npm ci --prefix "$folder/npm" --ignore-scripts --no-audit --no-fund --silent
fi
if python3 -m pip --version >/dev/null 2>&1; then
    python3 -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
        --only-binary :all: --target "$folder/python" --requirement "$from/requirements.txt"
    cp "$from/client.py" "$folder/python"
fi
cp -r "$from" "$folder/from"
