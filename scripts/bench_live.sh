#!/usr/bin/env bash
# How long it takes until a deployment that was sent stands on an open page, while many other events
# arrive.
#
#   scripts/bench_live.sh
#
# RATE (5000) is how many other events arrive each second, SECONDS_LONG (30) for how long, SERVICES
# (500) of how many services. SEAWAY is the program (default: the release build). A client listens
# and fetches as pages/live.js does.
set -euo pipefail
rate=${RATE:-5000}
long=${SECONDS_LONG:-30}

. "$(dirname "${BASH_SOURCE[0]}")/serving.sh"

"$SEAWAY" demo --print --services "${SERVICES:-500}" --days 2000 --limit $((rate * long)) \
    >"$scratch/events"
start "$scratch/data"

python3 - "$address" "$scratch/events" "$rate" <<'PYTHON'
import datetime, http.client, json, socket, sys, threading, time

address, path, rate = sys.argv[1], sys.argv[2], int(sys.argv[3])
BATCH = 500
lines = open(path).read().splitlines()
batches = [("[" + ",".join(lines[i : i + BATCH]) + "]").encode() for i in range(0, len(lines), BATCH)]
model = next(json.loads(line) for line in lines if "deployment.finished" in line)
newest = max(json.loads(line)["time"] for line in lines)
newest = datetime.datetime.fromisoformat(newest.replace("Z", "+00:00")) + datetime.timedelta(days=1)


def post(connection, body):
    kind = {"Content-Type": "application/cloudevents-batch+json"}
    connection.request("POST", "/events", body, kind)
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 200, answer.status


def marker(number):
    at = (newest + datetime.timedelta(seconds=number)).strftime("%Y-%m-%dT%H:%M:%SZ")
    event = json.loads(json.dumps(model))
    event["id"] = event["data"]["context"]["id"] = f"marker-{number}"
    event["time"] = event["data"]["context"]["timestamp"] = at
    subject = event["data"]["subject"]
    subject["id"] = subject["content"]["name"] = f"marker-{number}"
    subject["content"]["finishedAt"] = subject["content"]["startedAt"] = at
    return json.dumps([event]).encode()


seen, sent, over = {}, {}, threading.Event()


def page():
    host, port = address.split(":")
    stream = socket.create_connection((host, int(port)))
    stream.sendall(f"GET /live HTTP/1.1\r\nHost: {address}\r\n\r\n".encode())
    stream.settimeout(0.2)
    fetching = http.client.HTTPConnection(address, timeout=60)
    last, moved = 0.0, False
    while not over.is_set():
        try:
            moved |= b"moved" in stream.recv(65536)
        except TimeoutError:
            pass
        # At most once a second, as the script of the page.
        if moved and time.time() - last >= 1:
            moved = False
            fetching.request("GET", "/live/deployments")
            text = fetching.getresponse().read().decode()
            last = time.time()
            for number in list(sent):
                if number not in seen and f"marker-{number}<" in text:
                    seen[number] = last


listening = threading.Thread(target=page)
listening.start()
connections = [http.client.HTTPConnection(address, timeout=60) for _ in range(2)]
begin, number = time.time(), 0
for place, body in enumerate(batches):
    due = begin + place * BATCH / rate
    time.sleep(max(0.0, due - time.time()))
    post(connections[0], body)
    # A marker every 0.7 s, so that it meets the pauses of the page at various times.
    if time.time() - begin > 0.7 * (number + 1):
        number += 1
        post(connections[1], marker(number))
        sent[number] = time.time()
took = time.time() - begin
deadline = time.time() + 30
while len(seen) < len(sent) and time.time() < deadline:
    time.sleep(0.05)
over.set()
listening.join()
waits = sorted(seen[it] - sent[it] for it in seen)
print(f"{len(lines) / took:.0f} events/s for {took:.0f} s; {len(seen)} of {len(sent)} deployments seen")
print(
    f"on an open page after p50 {waits[len(waits) // 2]:.2f} s, "
    f"p99 {waits[int(len(waits) * 0.99)]:.2f} s, max {waits[-1]:.2f} s (<= 2 s)"
)
PYTHON
