#!/usr/bin/env bash
# How fast flags are evaluated over HTTP, beside Unleash Edge: the server pinned to one core, the load
# from another, the same number of flags and about the same size of answer, in one run.
#
#   scripts/bench_flags.sh
#
# OHA is the load tool (`cargo install oha --locked`), EDGE is Unleash Edge (`cargo install
# unleash-edge`); without EDGE, Seaway alone is measured. SECONDS_LONG (10) is how long each
# measurement lasts, ROUNDS (3) how often all are repeated in turn, CLIENTS (64) how many connections
# there are. SEAWAY is the program (default: the release build). Needs two cores.
#
# Both are asked for all flags of one user by POST, as their SDKs in browsers do: 5 and 350 boolean
# flags, of which each fifth is targeted by a list of users and a share of the others.
set -euo pipefail
oha=${OHA:-oha}
edge=${EDGE:-}
long=${SECONDS_LONG:-10}
rounds=${ROUNDS:-3}
clients=${CLIENTS:-64}

. "$(dirname "${BASH_SOURCE[0]}")/serving.sh"

# definitions COUNT: the same flags in flagd's format and in Unleash's.
definitions() {
    python3 - "$1" "$scratch" <<'PYTHON'
import json, sys

count, folder = int(sys.argv[1]), sys.argv[2]
users = [f"user-{n}" for n in range(20)]
flags, features = {}, []
for n in range(count):
    key = f"feature-{n:04}"
    flag = {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "on"}
    strategies = [{"name": "default", "parameters": {}}]
    if n % 5 == 0:
        share = {"fractional": [["on", 50], ["off", 50]]}
        flag["targeting"] = {"if": [{"in": [{"var": "targetingKey"}, users]}, "on", share]}
        rollout = {"rollout": "50", "stickiness": "userId", "groupId": key}
        strategies = [
            {"name": "userWithId", "parameters": {"userIds": ",".join(users)}},
            {"name": "flexibleRollout", "parameters": rollout},
        ]
    flags[key] = flag
    features.append(
        {"name": key, "type": "release", "enabled": True, "project": "default", "strategies": strategies}
    )
json.dump({"flags": flags}, open(f"{folder}/flagd-{count}.json", "w"))
json.dump({"version": 2, "features": features}, open(f"{folder}/unleash-{count}.json", "w"))
PYTHON
}

# load NAME URL BODY [HEADER…]: one measurement; appends a line to the results.
load() {
    local name=$1 url=$2 body=$3 headers=()
    shift 3
    while (($#)); do
        headers+=(-H "$1")
        shift
    done
    local size
    size=$(curl --silent --fail -X POST -H 'Content-Type: application/json' "${headers[@]}" \
        -d "$body" "$url" | wc -c)
    taskset -c 1 "$oha" --no-tui --output-format json -z "${long}s" -c "$clients" -m POST \
        -T application/json -d "$body" "${headers[@]}" "$url" >"$scratch/oha.json"
    python3 - "$name" "$size" "$scratch/oha.json" >>"$scratch/results" <<'PYTHON'
import json, sys

name, size, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
told = json.load(open(path))
codes = told["statusCodeDistribution"]
# What was under way when the time was over is counted as an error by the tool.
assert set(codes) == {"200"}, codes
percentile = {name: 1000 * value for name, value in told["latencyPercentiles"].items() if value}
print(
    name, told["summary"]["requestsPerSec"], percentile["p50"], percentile["p95"],
    percentile["p99"], size, sep="\t",
)
PYTHON
}

of_seaway() {
    load "Seaway, $1 flags" "http://$address/ofrep/v1/evaluate/flags" \
        '{"context":{"targetingKey":"user-1234"}}'
}

of_edge() {
    local port=${2:-33063} secret="*:development.0123456789" upstream tries
    taskset -c 0 "$edge" --port "$port" offline --bootstrap-file "$scratch/unleash-$1.json" \
        --tokens "$secret" >"$scratch/edge.log" 2>&1 &
    upstream=$!
    for ((tries = 0; tries < 100; tries++)); do
        curl --silent --fail "http://127.0.0.1:$port/internal-backstage/health" >/dev/null && break
        sleep 0.1
    done
    load "Unleash Edge, $1 flags" "http://127.0.0.1:$port/api/frontend/all" \
        '{"context":{"userId":"user-1234"}}' "Authorization: $secret"
    kill "$upstream"
    wait "$upstream" 2>/dev/null || true
}

for count in 5 350; do
    definitions "$count"
done
for ((round = 0; round < rounds; round++)); do
    for count in 5 350; do
        start "$scratch/data-$count"
        taskset -a -c 0 -p "$server" >/dev/null
        ((round > 0)) || "$SEAWAY" flag import "$scratch/flagd-$count.json" \
            --server "http://$address" --reason "to be measured" >/dev/null
        of_seaway "$count"
        stop
        [[ -z $edge ]] || of_edge "$count"
    done
done

printf 'medians of %d measurements of %d s with %d connections\n' "$rounds" "$long" "$clients"
python3 - "$scratch/results" <<'PYTHON'
import statistics, sys

rows = {}
for line in open(sys.argv[1]):
    name, *values = line.rstrip("\n").split("\t")
    rows.setdefault(name, []).append([float(value) for value in values])
head = ("", "requests/s", "p50 ms", "p95 ms", "p99 ms", "bytes")
print("{:24} {:>11} {:>8} {:>8} {:>8} {:>8}".format(*head))
for name, values in rows.items():
    middle = [statistics.median(column) for column in zip(*values)]
    print("{:24} {:>11,.0f} {:>8.2f} {:>8.2f} {:>8.2f} {:>8,.0f}".format(name, *middle))
PYTHON
