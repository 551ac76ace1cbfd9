#!/usr/bin/env bash
# How fast the server takes in exposures, durably, and what a unit costs in memory.
#
#   scripts/bench_exposures.sh
#
# The server has one core for itself, the clients the others. Loads, each on what the one before has
# left: units that are new, as many more, the first ones again (another variant for some), and
# outcomes.
# First as plain JSON, then on a new server as OTLP in Protocol Buffers. After each, the time until
# all is counted is told, and in the end how long a restart takes until all is known again.
#
# UNITS (1000000) says how many units there are, BATCH (5000) how many exposures a request has,
# CLIENTS (4) how many send at once, FLAGS (4) how many flags they are of. SEAWAY is the program
# (default: the release build), BENCH_FOLDER where data are made (default: a temporary folder).
set -euo pipefail
units=${UNITS:-1000000}
batch=${BATCH:-5000}
clients=${CLIENTS:-4}
flags=${FLAGS:-4}

. "$(dirname "${BASH_SOURCE[0]}")/serving.sh"

others=$(($(nproc) > 1 ? 1 : 0))-$(($(nproc) - 1))
pinned() { taskset --all-tasks --cpu-list --pid 0 "$server" >/dev/null; }

# load FORMAT
load() {
    taskset --cpu-list "$others" python3 - "$address" "$server" "$1" "$units" "$batch" "$clients" \
        "$flags" <<'PYTHON'
import http.client, json, os, struct, sys, threading, time
address, server, kind = sys.argv[1], int(sys.argv[2]), sys.argv[3]
units, batch, clients, flags = map(int, sys.argv[4:])
now = int(time.time())

def stamp(at):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))

def field(number, data):
    size, head = len(data), bytearray([number << 3 | 2])
    while size >= 0x80:
        head.append(size & 0x7f | 0x80)
        size >>= 7
    return bytes(head + bytes([size])) + data

def attribute(key, value):
    return field(6, field(1, key.encode()) + field(2, field(1, value.encode())))

def bodies(late, variant, first=0):
    for begin in range(first, first + units, batch):
        some = range(begin, min(begin + batch, first + units))
        if kind == "json":
            yield json.dumps({"environment": "production", "exposures": [
                {"flag": f"new-cart-{it % flags}", "variant": variant(it),
                 "unit": f"7f9c24e5-{it:012x}@example.com",
                 "time": stamp(now - late - it % 3000)} for it in some]}).encode()
        else:
            yield field(1, field(1, field(1, field(1, b"deployment.environment.name")
                                          + field(2, field(1, b"production")))) + field(2, b"".join(
                field(2, b"\x09" + struct.pack("<Q", (now - late - it % 3000) * 10**9)
                      + attribute("feature_flag.key", f"new-cart-{it % flags}")
                      + attribute("feature_flag.result.variant", variant(it))
                      + attribute("feature_flag.context.id", f"7f9c24e5-{it:012x}@example.com")
                      + attribute("feature_flag.provider.name", "seaway")
                      + attribute("feature_flag.result.reason", "split")
                      + field(12, b"feature_flag.evaluation")) for it in some)))

def outcomes():
    for begin in range(0, units, batch):
        yield json.dumps({"environment": "production", "outcomes": [
            {"unit": f"7f9c24e5-{it:012x}@example.com", "metric": "errors",
             "value": 1 if it % 100 == 0 else 0, "time": stamp(now - it % 1000)}
            for it in range(begin, min(begin + batch, units))]}).encode()

def proc(name):
    with open(f"/proc/{server}/{name}") as file:
        return file.read()

def cpu():
    return sum(map(int, proc("stat").rsplit(")", 1)[1].split()[11:13])) / os.sysconf("SC_CLK_TCK")

def memory():
    return next(int(line.split()[1]) for line in proc("status").splitlines() if line.startswith("VmRSS")) / 1024

def post(connection, path, body, content_type):
    connection.request("POST", path, body, {"Content-Type": content_type})
    answer = connection.getresponse()
    told = answer.read()
    assert answer.status == 200, (answer.status, told[:500])
    assert b"partial" not in told and answer.status == 200
    return time.perf_counter()

def run(name, path, bodies, content_type="application/json"):
    bodies, lock, took = list(bodies), threading.Lock(), []
    before, begin = cpu(), time.perf_counter()
    def client():
        connection = http.client.HTTPConnection(address)
        while True:
            with lock:
                if not bodies:
                    return
                body = bodies.pop()
            since = time.perf_counter()
            took.append(post(connection, path, body, content_type) - since)
    threads = [threading.Thread(target=client) for _ in range(clients)]
    [it.start() for it in threads]
    [it.join() for it in threads]
    seconds = time.perf_counter() - begin
    connection = http.client.HTTPConnection(address)
    newest = json.loads(get(connection, "/api/v1/progress"))["newest"]
    told = json.loads(get(connection, f"/api/v1/flags/production/new-cart-0/exposures?position={newest}"))
    counted = time.perf_counter() - begin - seconds
    took.sort()
    seen = {it["variant"]: it["units"] for it in told["variants"]}
    print(f"{kind:<9}{name:<11}{units / seconds:9.0f}/s   answers p50 {took[len(took) // 2] * 1e3:.0f} ms, "
          f"p99 {took[len(took) * 99 // 100] * 1e3:.0f} ms   all counted {counted:.2f} s later   "
          f"CPU {(cpu() - before) * 1e6 / units:.2f} us each   {memory():.0f} MiB   {seen}", flush=True)

def get(connection, path):
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.read()

path, content_type = (("/api/v1/exposures", "application/json") if kind == "json"
                      else ("/v1/logs", "application/x-protobuf"))
alternating = lambda it: "on" if it // flags % 2 else "off"
run("new", path, bodies(3600, alternating), content_type)
# What buffers take is there by now.
before = memory()
run("more", path, bodies(3600, alternating, units), content_type)
print(f"{kind:<9}{'':<11}{(memory() - before) * 2**20 / units:.0f} bytes of the process for each unit more")
run("again", path, bodies(600, lambda it: "on" if it % 100 == 0 else alternating(it)), content_type)
if kind == "json":
    run("outcomes", "/api/v1/outcomes", outcomes())
PYTHON
}

for format in json protobuf; do
    rm -rf "$scratch/data"
    start "$scratch/data"
    pinned
    load "$format"
    size=$(du -sm "$scratch/data" | cut -f1)
    kill -KILL "$server" && wait "$server" 2>/dev/null || true
    begin=${EPOCHREALTIME/./}
    start "$scratch/data"
    pinned
    python3 - "$address" <<'PYTHON'
import json, sys, urllib.request
get = lambda path: json.load(urllib.request.urlopen(f"http://{sys.argv[1]}{path}"))
newest = get("/api/v1/progress")["newest"]
get(f"/api/v1/flags/production/new-cart-0/exposures?position={newest}")
PYTHON
    awk -v took="$((${EPOCHREALTIME/./} - begin))" -v size="$size" -v format="$format" 'BEGIN {
        printf "%-9srestart after a kill: all known after %.1f s; %d MiB on disk\n",
            format, took / 1e6, size }'
    stop
done
