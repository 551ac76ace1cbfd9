#!/usr/bin/env bash
# How fast the server's pages and reports are at the size of a large organization, and what open
# pages cost.
#
#   scripts/bench_pages.sh
#
# SERVICES (5000), DAYS (90) and CHANGES_PER_WEEK (156) size the made-up organization: the defaults
# make ten million changes, 18 GB of data, and take some minutes. DATA names a folder that holds
# such data already or is to keep them (default: a temporary one). SEAWAY is the program (default:
# the release build), REQUESTS (200) how often each URL is asked for, OPEN (500) how many pages are
# open at once.
set -euo pipefail
requests=${REQUESTS:-200}
open=${OPEN:-500}
company=(--services "${SERVICES:-5000}" --days "${DAYS:-90}" --direct
    --changes-per-week "${CHANGES_PER_WEEK:-156}")

. "$(dirname "${BASH_SOURCE[0]}")/serving.sh"

data=${DATA:-$scratch/data}
mkdir -p "$data/catalog"
# A file of the catalog holds 1 MiB at most.
"$SEAWAY" demo --print-catalog "${company[@]}" | python3 -c '
import sys
entities = sys.stdin.read().split("\n---\n")
for first in range(0, len(entities), 500):
    with open(f"{sys.argv[1]}/company-{first}.yaml", "w") as file:
        file.write("\n---\n".join(entities[first : first + 500]) + "\n")
' "$data/catalog"

if [[ ! -f $data/ledger.sqlite ]]; then
    # The catalog comes first, so that nothing is computed for services that nobody owns.
    start "$data" --catalog "$data/catalog"
    sleep 15
    stop
    "$SEAWAY" demo --print "${company[@]}" | "$SEAWAY" import --data "$data" -
    "$SEAWAY" rebuild --data "$data"
fi
start "$data" --catalog "$data/catalog"

python3 - "$address" "$requests" "$open" "/proc/$server/status" <<'PYTHON'
import http.client, json, socket, sys, time
from urllib.parse import quote

address, requests, many, status = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
connection = http.client.HTTPConnection(address, timeout=600)


def get(path):
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == 200, (path, answer.status, body[:300])
    return body


def rows(path):
    return next(value for value in json.loads(get(path)).values() if isinstance(value, list))


def memory(name):
    line = next(line for line in open(status) if line.startswith(name))
    return int(line.split()[1]) / 1024


# The catalog may be new: everything is computed anew by it first.
begin = time.time()
while (progress := json.loads(get("/api/v1/progress")))["settled"] < progress["newest"]:
    time.sleep(1)
print(f"settled after {time.time() - begin:.0f} s")

service = quote(rows("/api/v1/services?limit=1")[0]["service"], safe="")
group = quote(rows("/api/v1/groups")[0]["group"], safe="")
change = quote(rows(f"/api/v1/services/{service}/changes?limit=1")[0]["change"], safe="")
deployed = rows(f"/api/v1/services/{service}/deployments?limit=1")[0]
deployment = "/".join(quote(deployed[key], safe="") for key in ("environment", "name"))
pages = [
    "/",
    f"/groups/{group}",
    f"/services/{service}",
    f"/services/{service}/changes/{change}",
    f"/services/{service}/deployments/{deployment}",
    "/compare",
    "/in-flight",
    "/quality",
    f"/search?q={service}",
    "/api/v1/organization",
    "/api/v1/organization?tier=1",
    f"/api/v1/groups/{group}",
    f"/api/v1/services/{service}",
    "/api/v1/services",
    "/api/v1/waiting",
    "/api/v1/quality",
    "/metrics",
]
for path in pages:
    took = []
    for _ in range(requests + 10):
        begin = time.perf_counter()
        size = len(get(path))
        took.append((time.perf_counter() - begin) * 1000)
        if sum(took) > 60_000:
            break
    took = sorted(took[min(10, len(took) - 1):])
    p99 = took[max(0, int(len(took) * 0.99) - 1)]
    print(f"{path[:48]:<48} p50 {took[len(took) // 2]:7.1f} ms   p99 {p99:7.1f} ms   {size:>8} bytes")

before = memory("VmRSS")
host, port = address.rsplit(":", 1)
live = []
for _ in range(many):
    page = socket.create_connection((host, int(port)))
    page.sendall(f"GET /live HTTP/1.1\r\nHost: {address}\r\nAccept: text/event-stream\r\n\r\n".encode())
    head = page.recv(4096)
    assert head.startswith(b"HTTP/1.1 200"), head
    live.append(page)
print(f"{many} open pages: {memory('VmRSS') - before:.0f} MiB more (<= 100 MiB for 500)")
print(f"memory of the server: {memory('VmHWM'):.0f} MiB at the most (<= 1024 MiB)")
PYTHON
