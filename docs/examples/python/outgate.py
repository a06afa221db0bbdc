#!/usr/bin/env python3
"""Enqueue to outgate from Python, with only redis-py.

The class is the client: copy it. The program below it tries every answer of
docs/protocol.md, and prints a line for each.
"""

import hashlib
import json
import os
import pathlib
import sys
import time
import uuid

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry


class Refused(Exception):
    """The envelope was not admitted, and nothing was written."""

    def __init__(self, reply):
        super().__init__(reply)
        self.code, _, self.text = reply.partition(" ")


class Outgate:
    def __init__(self, url):
        # If a client library repeats a command whose answer was lost, it may admit an
        # envelope twice. So there are no retries here: enqueue makes them.
        self.redis = redis.Redis.from_url(url, decode_responses=True, retry=Retry(NoBackoff(), 0))
        self.api = {}
        self.loads = 0  # how often Redis did not have the script

    def discover(self):
        """Read how to enqueue. Needed once, and again after NOSCRIPT."""
        self.api = self.redis.hgetall("outgate:api")
        if not self.api:
            raise Refused("OUTGATE_NOT_READY no gateway has configured this Redis yet")
        if self.api["version"] != "1":
            raise RuntimeError("this client speaks version 1, the gateway " + self.api["version"])
        return self.api

    def partition(self, envelope):
        """Return the number of the envelope's partition."""
        return partition(self.api or self.discover(), envelope)

    def queue(self, index):
        return "%s-%03d" % ((self.api or self.discover())["namespace"], index)

    def enqueue(self, envelope, queue=None):
        """Admit an envelope, and return its receipt. Raises Refused."""
        queue = queue or self.queue(self.partition(envelope))
        body = json.dumps(envelope)
        lost = 0
        while True:
            try:
                return json.loads(self.redis.evalsha(self.api["enqueue"], 1, "{%s}" % queue, body))
            except redis.exceptions.NoScriptError:
                # Redis was restarted. A worker will load the script within a second or
                # two, but we need it now.
                self.redis.script_load(self.discover()["enqueue_source"])
                self.loads += 1
            except redis.exceptions.ConnectionError:
                # It may have been admitted. With a key it is safe to try again.
                lost += 1
                if "idempotency_key" not in envelope or lost > 3:
                    raise
            except redis.exceptions.ResponseError as error:
                if not str(error).startswith("OUTGATE_"):
                    raise
                raise Refused(str(error)) from None

    def outcome(self, receipt):
        """Return the outcome of an envelope, or None if it has none yet."""
        found = self.redis.get("outgate:{%s}:outcome:%s" % (self.queue(receipt["partition"]), receipt["id"]))
        return json.loads(found) if found else None

    def deliver(self, envelope, timeout=30):
        """Enqueue, and wait for the outcome."""
        queue = self.queue(self.partition(envelope))
        deadline = time.monotonic() + timeout
        with self.redis.pubsub() as pubsub:
            # Subscribe before the enqueue, so that no outcome is missed.
            pubsub.subscribe("outgate:{%s}:outcomes" % queue)
            pubsub.get_message(timeout=timeout)
            receipt = self.enqueue(envelope, queue)
            if "outcome" in receipt:
                return receipt["outcome"]
            while time.monotonic() < deadline:
                message = pubsub.get_message(timeout=1)
                # A partition publishes the outcomes of all its rooms.
                if message and message["type"] == "message":
                    outcome = json.loads(message["data"])
                    if outcome["id"] == receipt["id"]:
                        return outcome
                # It may have been published while the connection was away.
                elif outcome := self.outcome(receipt):
                    return outcome
        raise TimeoutError("no outcome of " + receipt["id"])


class Stream:
    """A producer that may only add to the streams, and read its replies.

    It may not read the scheme, so the caller must give it."""

    def __init__(self, url, scheme):
        self.redis = redis.Redis.from_url(url, decode_responses=True, retry=Retry(NoBackoff(), 0))
        self.scheme = scheme

    def add(self, envelope, ref):
        """Add an envelope to its stream, and return the list that gets its answers.

        The list's name is a secret: a producer that knows it can read the list."""
        tag = "{%s-%03d}" % (self.scheme["namespace"], partition(self.scheme, envelope))
        name = uuid.uuid4().hex
        self.redis.xadd("outgate:in:" + tag, {"envelope": json.dumps(envelope), "reply_to": name, "ref": ref})
        return "outgate:reply:%s:%s" % (tag, name)

    def answers(self, replies, timeout=30):
        """Yield each answer as it comes. The last one is a refusal or an outcome."""
        read, deadline = 0, time.monotonic() + timeout
        while time.monotonic() < deadline:
            for text in self.redis.lrange(replies, read, -1):
                answer = json.loads(text)
                read += 1
                yield answer
                if "refused" in answer or "outcome" in answer or "outcome" in answer["receipt"]:
                    return
            time.sleep(0.05)
        raise TimeoutError("no answer on " + replies)


def partition(api, envelope):
    """Compute the partition: a hash of the routing key, modulo their number."""
    key = envelope["bridge_id"] + ":" + envelope["external_room_id"]
    thread = envelope.get("opts", {}).get("thread_id")
    if api["hash_key"] == "bridge":
        key = envelope["bridge_id"]
    elif api["hash_key"] == "thread" and thread:
        key += ":" + thread
    if api["hash"] == "sha1":
        digest = int.from_bytes(hashlib.sha1(key.encode()).digest()[:4], "big")
    else:  # fnv1a
        digest = 2166136261
        for byte in key.encode():
            digest = (digest ^ byte) * 16777619 % 2**32
    return digest % int(api["partitions"])


# The program begins here.


def say(step, text):
    print("%-12s%s" % (step, text), flush=True)


def refusal(call, *args):
    try:
        return "not refused: %s" % call(*args)
    except Refused as refused:
        return refused.code


def vectors():
    path = pathlib.Path(__file__).parents[3] / "partition" / "testdata" / "vectors.json"
    cases = json.loads(path.read_text(encoding="utf-8"))
    right = 0
    for case in cases:
        envelope = {**case, "opts": {"thread_id": case["thread_id"]}}
        right += partition(case, envelope) == case["index"]
    say("vectors", "%d of %d right" % (right, len(cases)))


def tour(gate):
    bridge, run = os.environ.get("OUTGATE_BRIDGE", "sandbox"), uuid.uuid4().hex

    def envelope(text, **more):
        return {"operation": "send", "bridge_id": bridge, "external_room_id": "lobby", "payload": text, **more}

    api = gate.discover()
    say("discovery", "version {version}, {partitions} partitions of {namespace}, {hash} of the {hash_key}".format(**api))
    vectors()

    keyed = envelope("hello", idempotency_key="hello-" + run)
    first = gate.enqueue(keyed)
    say("send", "{status} at position {position}, pressure {pressure_level}".format(**first))
    while not (outcome := gate.outcome(first)):
        time.sleep(0.02)
    say("outcome", "{status}: message {message_id} after {attempts} attempt".format(**outcome))
    edit = envelope("hello, world", operation="edit", external_message_id=outcome["message_id"])
    say("edit", "{status}: message {message_id} after {attempts} attempt".format(**gate.deliver(edit)))

    again = gate.enqueue(keyed)
    same = "the same id" if again["id"] == first["id"] else "another id"
    say("duplicate", "%s: %s, its outcome is %s" % (again["status"], same, again["outcome"]["status"]))
    say("mismatch", refusal(gate.enqueue, {**keyed, "payload": "something else"}))
    say("too large", refusal(gate.enqueue, envelope("x" * 256 * 1024)))

    try:
        gate.enqueue({**envelope("hello"), "payload": ""})
    except Refused as refused:
        say("invalid", refused)
    right = gate.partition(keyed)
    try:
        gate.enqueue(envelope("lost"), gate.queue((right + 1) % int(api["partitions"])))
    except Refused as refused:
        say("wrong", refused)
        receipt = gate.enqueue(envelope("found"), refused.text.removeprefix("want "))
        say("right", receipt["status"] if receipt["partition"] == right else "elsewhere")

    failing = envelope("no", opts={"metadata": {"sandbox": {"fail": "terminal"}}})
    say("failure", "{status}: {reason}, {category}, provider status {provider[status]}".format(**gate.deliver(failing)))

    try:
        receipt = gate.redis.execute_command("FCALL", "outgate_enqueue", 1, "{%s}" % gate.queue(right), json.dumps(keyed))
        say("function", json.loads(receipt)["status"])
    except redis.exceptions.ResponseError:
        say("function", "not on this Redis")


def pressure(gate):
    """Fill a small gateway that has no worker: see the README."""
    room = {"operation": "send", "bridge_id": "small", "external_room_id": "waiting", "payload": "hello"}
    gate.discover()
    say("restart", "restart the small Redis now, then press Enter")
    sys.stdin.readline()
    receipt = gate.enqueue({**room, "idempotency_key": uuid.uuid4().hex})
    say("restart", "%s, then %s" % ("NOSCRIPT" if gate.loads else "the script was there", receipt["status"]))

    levels, level = [], receipt["pressure_level"]
    while level != "shed":
        receipt = gate.enqueue(room)
        if receipt["pressure_level"] != level:
            level = receipt["pressure_level"]
            levels.append("%s at %d" % (level, receipt["depth"]))
    say("pressure", ", ".join(levels))
    say("shed", refusal(gate.enqueue, {**room, "priority": "low"}))
    gate.enqueue(room)
    say("full", refusal(gate.enqueue, room))


def stream(producer):
    envelope = {"operation": "send", "bridge_id": os.environ.get("OUTGATE_BRIDGE", "sandbox"), "external_room_id": "lobby"}
    failing = {"payload": "no", "opts": {"metadata": {"sandbox": {"fail": "terminal"}}}}
    for ref, more in {"good": {"payload": "hello"}, "faulty": {"payload": ""}, "failing": failing}.items():
        for answer in producer.answers(producer.add({**envelope, **more}, ref)):
            if "refused" in answer:
                said = "refused, {code} {text}".format(**answer["refused"])
            elif "outcome" in answer:
                said = "outcome, " + answer["outcome"]["status"]
            else:
                said = "receipt, " + answer["receipt"]["status"]
            say(answer["ref"], said)


if __name__ == "__main__":
    address = os.environ.get("OUTGATE_REDIS_URL", "redis://127.0.0.1:6390/0")
    if sys.argv[1:] == ["--stream"]:
        stream(Stream(address, {"hash": "sha1", "hash_key": "room", "partitions": 16, "namespace": "outbound"}))
        sys.exit()
    tour(Outgate(address))
    if small := os.environ.get("OUTGATE_SMALL_REDIS_URL"):
        pressure(Outgate(small))
