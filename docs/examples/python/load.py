#!/usr/bin/env python3
"""Enqueue many envelopes in pipelines, and slow down if the gateway refuses some.

    load.py COUNT ROOMS

Every tenth envelope of a room has an idempotency key. Each key is used twice, and also by
any other program that does the same. Prints each answer as a line of JSON.
"""

import json
import os
import sys
import time

import redis

from outgate import Outgate

PIPELINE = 50


def envelopes(count, rooms):
    for n in range(count):
        room = n % rooms
        envelope = {"operation": "send", "bridge_id": "load", "external_room_id": "room-%d" % room, "payload": "python %d" % n}
        if n // rooms % 10 == 0:
            shared = "shared %d" % (n // rooms // 20 * rooms + room)
            envelope.update(payload=shared, idempotency_key=shared)
        yield envelope


def enqueue_all(gate, batch):
    """Enqueue a batch in one round trip. It is admitted in this order."""
    pipeline = gate.redis.pipeline(transaction=False)
    for envelope in batch:
        # Not evalsha: in a pipeline it first asks if the script is loaded.
        key = "{%s}" % gate.queue(gate.partition(envelope))
        pipeline.execute_command("EVALSHA", gate.api["enqueue"], 1, key, json.dumps(envelope))
    return pipeline.execute(raise_on_error=False)


def main(count, rooms):
    gate = Outgate(os.environ["OUTGATE_REDIS_URL"])
    waiting = list(envelopes(count, rooms))
    for start in range(0, count, PIPELINE):
        batch = waiting[start : start + PIPELINE]
        refused = 0
        for envelope, answer in zip(batch, enqueue_all(gate, batch)):
            line = {"room": envelope["external_room_id"], "payload": envelope["payload"], "key": envelope.get("idempotency_key", "")}
            if isinstance(answer, redis.exceptions.ResponseError):
                line["code"] = str(answer).split(" ")[0]
                refused += 1
            else:
                line.update(json.loads(answer))
            print(json.dumps(line))
        if refused:
            time.sleep(0.02)  # the gateway is full: wait a moment


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
