#!/usr/bin/env bash
# Brings OpenTelemetry's own exporter of logs, which a test sends exposures with, into a virtual
# environment of Python (the first argument, or target/otel). It is a tool of tests and no part of
# Seaway.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

version=1.45.2
folder="${1:-target/otel}"
if "$folder/bin/python" -c "
import importlib.metadata, sys
sys.exit(importlib.metadata.version('opentelemetry-exporter-otlp-proto-http') != '$version')
" 2>/dev/null; then
    exit 0
fi
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check \
    "opentelemetry-sdk==$version" "opentelemetry-exporter-otlp-proto-http==$version"
