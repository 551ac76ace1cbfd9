#!/usr/bin/env bash
# How fast the server takes in and reports on events, beside plain SQLite on the same bytes.
#
#   scripts/bench_record.sh intake     batches of 500, and singly from 64 clients, each in turn with
#                                      plain SQLite; how long events take into the reports; rebuild
#   scripts/bench_record.sh reports    a made-up database, the latency of its reports, and the
#                                      memory of the server
#   scripts/bench_record.sh            both
#
# ROUNDS (3) says how often each load is run, EVENTS (200000) and SINGLES (40000) how many events
# it has, CLIENTS (16) how many clients send batches, SERVICES (500) whose events they are.
# REPORT_SERVICES (5000), REPORT_DAYS (90) and REPORT_CHANGES_PER_WEEK (4) size the database of
# the reports: 156 changes a week make ten million. SEAWAY is the program (default: the release
# build), BENCH_FOLDER where data are made (default: a temporary folder).
#
# CPU is that of the server, from /proc, without the clients'. Medians are shown. Plain SQLite has
# one table and writes the bodies of the same events in transactions of the same size, as durably;
# "with key" adds the column and the index that events are deduplicated by.
set -euo pipefail
rounds=${ROUNDS:-3}
events=${EVENTS:-200000}
singles=${SINGLES:-40000}
clients=${CLIENTS:-16}
services=${SERVICES:-500}

. "$(dirname "${BASH_SOURCE[0]}")/serving.sh"

# Hundredths of a second of CPU that a process has used.
cpu() { awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$1/stat"; }

memory() { awk '/VmHWM/ { printf "%.0f MiB", $2 / 1024 }' "/proc/$1/status"; }

median() { sort -n "$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

# load NAME BATCH CLIENTS EVENTS: one load on a new server, which stays.
load() {
    local name=$1 batch=$2 clients=$3 events=$4 before
    rm -rf "$scratch/data"
    start "$scratch/data"
    before=$(cpu "$server")
    "$SEAWAY" demo --services "$services" --days 2000 --limit "$events" --server "$address" \
        --batch "$batch" --clients "$clients" --watch >"$scratch/told"
    sed "s/^/  $name  /" "$scratch/told" >&2
    awk '/^events/ { sub(/\/s,/, "", $6); print $6 }' "$scratch/told" >>"$scratch/$name.rate"
    sed -n 's/^answers .*p99 \([0-9.]*\) ms.*/\1/p' "$scratch/told" >>"$scratch/$name.p99"
    sed -n 's/^reports .*p99 \([0-9.]*\) ms.*/\1/p' "$scratch/told" >>"$scratch/$name.lag"
    awk -v ticks="$(($(cpu "$server") - before))" -v n="$events" \
        'BEGIN { printf "%.1f\n", ticks * 1e4 / n }' >>"$scratch/$name.cpu"
    memory "$server" >"$scratch/$name.memory"
    stop
}

# plain NAME SIZE EVENTS [key]: SQLite by itself in transactions of a size; appends its rate.
plain() {
    rm -f "$scratch"/plain.sqlite*
    python3 - "$scratch" "$2" "$3" "${4:-}" <<'PYTHON' >>"$scratch/$1.plain${4:-}"
import hashlib, sqlite3, sys, time
scratch, size, count, key = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
with open(f"{scratch}/events") as lines:
    bodies = [line.rstrip("\n").encode() for _, line in zip(range(count), lines)]
rows = [(hashlib.sha256(body).digest()[:16], body) if key else (body,) for body in bodies]
db = sqlite3.connect(f"{scratch}/plain.sqlite", isolation_level=None)
db.execute("PRAGMA journal_mode = WAL")
db.execute("PRAGMA synchronous = FULL")
db.execute("PRAGMA wal_autocheckpoint = 8000")
column = "key BLOB NOT NULL UNIQUE, " if key else ""
db.execute(f"CREATE TABLE events (position INTEGER PRIMARY KEY, {column}body BLOB NOT NULL)")
names, marks = ("key, body", "?, ?") if key else ("body", "?")
begin = time.perf_counter()
for at in range(0, len(rows), size):
    db.execute("BEGIN IMMEDIATE")
    db.executemany(f"INSERT INTO events ({names}) VALUES ({marks})", rows[at : at + size])
    db.execute("COMMIT")
print(round(len(rows) / (time.perf_counter() - begin)))
PYTHON
}

# compare NAME BUDGET
compare() {
    local rate plain keyed
    rate=$(median "$scratch/$1.rate")
    plain=$(median "$scratch/$1.plain")
    keyed=$(median "$scratch/$1.plainkey")
    awk -v name="$1" -v rate="$rate" -v plain="$plain" -v keyed="$keyed" -v budget="$2" \
        -v p99="$(median "$scratch/$1.p99")" -v lag="$(median "$scratch/$1.lag")" \
        -v cpu="$(median "$scratch/$1.cpu")" -v memory="$(cat "$scratch/$1.memory")" 'BEGIN {
            printf "%-10s %8d/s (>= %d)   SQLite %8d/s, ratio %.2f; with key %8d/s, ratio %.2f\n",
                name, rate, budget, plain, rate / plain, keyed, rate / keyed
            printf "%-10s answers p99 %s ms   reports p99 %s ms   CPU %s us/event   %s\n",
                "", p99, lag, cpu, memory }'
}

rebuild() {
    local begin=${EPOCHREALTIME/./} took
    TIMEFORMAT='%U %S'
    { time "$SEAWAY" rebuild --data "$scratch/data" >/dev/null 2>"$scratch/errors"; } \
        2>"$scratch/times"
    took=$((${EPOCHREALTIME/./} - begin))
    awk -v took="$took" -v n="$1" '{
        printf "%-10s %8d/s (>= 100000)   CPU %.1f us/event\n", "rebuild", n * 1e6 / took,
            ($1 + $2) * 1e6 / n }' "$scratch/times"
}

intake() {
    "$SEAWAY" demo --print --services "$services" --days 2000 --limit "$events" >"$scratch/events"
    for ((round = 0; round < rounds; round++)); do
        plain singly 64 "$singles"
        plain singly 64 "$singles" key
        load singly 1 64 "$singles"
        plain batches 500 "$events"
        plain batches 500 "$events" key
        load batches 500 "$clients" "$events"
    done
    printf '%s events of %s services, medians of %s\n' "$events" "$services" "$rounds"
    compare batches 50000
    compare singly 8000
    rebuild "$events"
}

# latency NAME PATH: 200 requests on one connection, after ten that do not count.
latency() {
    python3 - "$address" "$1" "$2" <<'PYTHON'
import http.client, sys, time
address, name, path = sys.argv[1:]
connection = http.client.HTTPConnection(address)
took = []
for _ in range(210):
    begin = time.perf_counter()
    connection.request("GET", path)
    answer = connection.getresponse()
    size = len(answer.read())
    took.append((time.perf_counter() - begin) * 1000)
    assert answer.status == 200, (path, answer.status)
took = sorted(took[10:])
print(f"{name:<14} p50 {took[99]:.1f} ms   p99 {took[197]:.1f} ms   {size} bytes")
PYTHON
}

reports() {
    local made name
    rm -rf "$scratch/data"
    "$SEAWAY" demo --print --services "${REPORT_SERVICES:-5000}" --days "${REPORT_DAYS:-90}" --direct \
        --changes-per-week "${REPORT_CHANGES_PER_WEEK:-4}" |
        "$SEAWAY" import --data "$scratch/data" - >"$scratch/imported"
    made=$(awk '{ print $1 }' "$scratch/imported")
    rebuild "$made"
    start "$scratch/data"
    name=$(python3 -c 'import sqlite3, sys
db = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
print(db.execute("SELECT count(*) FROM changes").fetchone()[0],
      db.execute("SELECT service FROM services LIMIT 1").fetchone()[0])' "$scratch/data/views.sqlite")
    printf '%s services, %s changes, %s events\n' "${REPORT_SERVICES:-5000}" "${name% *}" "$made"
    latency organization /api/v1/organization
    latency service "/api/v1/services/${name#* }"
    latency services /api/v1/services
    printf '%-14s %s (<= 1024 MiB)\n' memory "$(memory "$server")"
    stop
}

case "${1:-all}" in
intake) intake ;;
reports) reports ;;
all)
    intake
    reports
    ;;
*)
    sed -n '2,/^set/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 2
    ;;
esac
