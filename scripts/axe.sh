#!/usr/bin/env bash
# Brings axe-core, which the tests in a browser hold pages against, into a folder (the first
# argument, or target/npm). It is a tool of tests and no part of Seaway.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

version=4.14.1
folder="${1:-target/npm}"
mkdir -p "$folder"
if [[ -f "$folder/package/axe.min.js" ]] && grep -q "\"version\": \"$version\"" "$folder/package/package.json"; then
    exit 0
fi
if command -v npm >/dev/null; then
    npm pack --silent --pack-destination "$folder" "axe-core@$version" >/dev/null
else
    registry="${npm_config_registry:-https://registry.npmjs.org}"
    curl --fail --silent --show-error --location --retry 3 \
        --output "$folder/axe-core-$version.tgz" "${registry%/}/axe-core/-/axe-core-$version.tgz"
fi
tar --extract --gzip --file "$folder/axe-core-$version.tgz" --directory "$folder" \
    package/axe.min.js package/package.json
