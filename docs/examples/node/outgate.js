"use strict";
// Enqueue to outgate from Node, with only ioredis.
//
// The class is the client: copy it. The program below it tries every answer of
// docs/protocol.md, and prints a line for each.

const { createHash, randomUUID } = require("node:crypto");
const fs = require("node:fs");
const path = require("node:path");
const Redis = require("ioredis");

// Refused says that the envelope was not admitted, and nothing was written.
class Refused extends Error {
  constructor(reply) {
    super(reply);
    [this.code] = reply.split(" ", 1);
    this.text = reply.slice(this.code.length + 1);
  }
}

class Outgate {
  constructor(url) {
    // If a client library repeats a command whose answer was lost, it may admit an
    // envelope twice. So there are no retries here: enqueue makes them.
    this.redis = new Redis(url, { maxRetriesPerRequest: 0 });
    this.redis.on("error", () => {}); // calls report errors
    this.api = null;
    this.loads = 0; // how often Redis did not have the script
  }

  close() {
    this.redis.disconnect();
  }

  // discover reads how to enqueue. Needed once, and again after NOSCRIPT.
  async discover() {
    const api = await this.redis.hgetall("outgate:api");
    if (!api.version) throw new Refused("OUTGATE_NOT_READY no gateway has configured this Redis yet");
    if (api.version !== "1") throw new Error("this client speaks version 1, the gateway " + api.version);
    return (this.api = api);
  }

  // partition returns the number of the envelope's partition.
  async partition(envelope) {
    return partition(this.api ?? (await this.discover()), envelope);
  }

  queue(index) {
    return `${this.api.namespace}-${String(index).padStart(3, "0")}`;
  }

  // enqueue admits an envelope, and returns its receipt. Throws Refused.
  async enqueue(envelope, queue) {
    queue ??= this.queue(await this.partition(envelope));
    const body = JSON.stringify(envelope);
    for (let lost = 0; ; ) {
      try {
        return JSON.parse(await this.redis.evalsha(this.api.enqueue, 1, `{${queue}}`, body));
      } catch (error) {
        if (error.message.startsWith("OUTGATE_")) throw new Refused(error.message);
        if (error.message.startsWith("NOSCRIPT")) {
          // Redis was restarted. A worker will load the script within a second or two,
          // but we need it now.
          await this.redis.script("LOAD", (await this.discover()).enqueue_source);
          this.loads++;
        } else if (error.name !== "MaxRetriesPerRequestError" || !envelope.idempotency_key || ++lost > 3) {
          // The connection is gone, and the envelope may have been admitted. With a key
          // it is safe to try again.
          throw error;
        }
      }
    }
  }

  // outcome returns the outcome of an envelope, or null if it has none yet.
  async outcome(receipt) {
    const found = await this.redis.get(`outgate:{${this.queue(receipt.partition)}}:outcome:${receipt.id}`);
    return JSON.parse(found);
  }

  // deliver enqueues an envelope, and waits for its outcome.
  async deliver(envelope, timeout = 30_000) {
    const queue = this.queue(await this.partition(envelope));
    const subscriber = this.redis.duplicate();
    const heard = new Map();
    // A partition publishes the outcomes of all its rooms, and our outcome may come
    // before the receipt.
    subscriber.on("message", (_, text) => {
      const outcome = JSON.parse(text);
      heard.set(outcome.id, outcome);
      subscriber.emit("heard");
    });
    subscriber.on("error", () => {});
    try {
      await subscriber.subscribe(`outgate:{${queue}}:outcomes`); // before the enqueue, so that no outcome is missed
      const receipt = await this.enqueue(envelope, queue);
      if (receipt.outcome) return receipt.outcome;
      for (const deadline = Date.now() + timeout; Date.now() < deadline; ) {
        if (heard.has(receipt.id)) return heard.get(receipt.id);
        heard.clear();
        const missed = await waitFor(subscriber, "heard", 1000);
        // It may have been published while the connection was away.
        const outcome = missed && (await this.outcome(receipt));
        if (outcome) return outcome;
      }
      throw new Error("no outcome of " + receipt.id);
    } finally {
      subscriber.disconnect();
    }
  }
}

// waitFor resolves to false if the event comes in time, and to true if it does not.
function waitFor(emitter, event, ms) {
  return new Promise((resolve) => {
    const come = () => (clearTimeout(timer), resolve(false));
    const timer = setTimeout(() => (emitter.off(event, come), resolve(true)), ms);
    emitter.once(event, come);
  });
}

// partition is a hash of the routing key, modulo the number of partitions.
function partition(api, envelope) {
  let key = envelope.bridge_id + ":" + envelope.external_room_id;
  const thread = envelope.opts?.thread_id;
  if (api.hash_key === "bridge") key = envelope.bridge_id;
  else if (api.hash_key === "thread" && thread) key += ":" + thread;
  let digest;
  if (api.hash === "sha1") {
    digest = createHash("sha1").update(key).digest().readUInt32BE(0);
  } else { // fnv1a
    digest = 2166136261;
    for (const byte of Buffer.from(key)) digest = Math.imul(digest ^ byte, 16777619) >>> 0;
  }
  return digest % Number(api.partitions);
}

module.exports = { Outgate, Refused, partition };

// The program begins here.

const say = (step, text) => console.log(step.padEnd(12) + text);

const refusal = (promise) =>
  promise.then((receipt) => "not refused: " + receipt.id, (error) => error.code ?? error.message);

function vectors() {
  const file = path.join(__dirname, "../../../partition/testdata/vectors.json");
  const cases = JSON.parse(fs.readFileSync(file, "utf8"));
  const right = cases.filter((c) => partition(c, { ...c, opts: { thread_id: c.thread_id } }) === c.index);
  say("vectors", `${right.length} of ${cases.length} right`);
}

async function tour(gate) {
  const run = randomUUID();
  const envelope = (text, more) => ({
    operation: "send", bridge_id: process.env.OUTGATE_BRIDGE ?? "sandbox", external_room_id: "lobby", payload: text, ...more,
  });
  const api = await gate.discover();
  say("discovery", `version ${api.version}, ${api.partitions} partitions of ${api.namespace}, ${api.hash} of the ${api.hash_key}`);
  vectors();

  const keyed = envelope("hello", { idempotency_key: "hello-" + run });
  const first = await gate.enqueue(keyed);
  say("send", `${first.status} at position ${first.position}, pressure ${first.pressure_level}`);
  let outcome;
  while (!(outcome = await gate.outcome(first))) await new Promise((resolve) => setTimeout(resolve, 20));
  say("outcome", `${outcome.status}: message ${outcome.message_id} after ${outcome.attempts} attempt`);
  const edited = await gate.deliver(envelope("hello, world", { operation: "edit", external_message_id: outcome.message_id }));
  say("edit", `${edited.status}: message ${edited.message_id} after ${edited.attempts} attempt`);

  const again = await gate.enqueue(keyed);
  const same = again.id === first.id ? "the same id" : "another id";
  say("duplicate", `${again.status}: ${same}, its outcome is ${again.outcome.status}`);
  say("mismatch", await refusal(gate.enqueue({ ...keyed, payload: "something else" })));
  say("too large", await refusal(gate.enqueue(envelope("x".repeat(256 * 1024)))));

  await gate.enqueue(envelope("")).catch((refused) => say("invalid", refused.message));
  const right = await gate.partition(keyed);
  const wrong = gate.queue((right + 1) % Number(api.partitions));
  await gate.enqueue(envelope("lost"), wrong).catch(async (refused) => {
    say("wrong", refused.message);
    const receipt = await gate.enqueue(envelope("found"), refused.text.replace("want ", ""));
    say("right", receipt.partition === right ? receipt.status : "elsewhere");
  });

  const failed = await gate.deliver(envelope("no", { opts: { metadata: { sandbox: { fail: "terminal" } } } }));
  say("failure", `${failed.status}: ${failed.reason}, ${failed.category}, provider status ${failed.provider.status}`);

  await gate.redis.call("FCALL", "outgate_enqueue", 1, `{${gate.queue(right)}}`, JSON.stringify(keyed)).then(
    (receipt) => say("function", JSON.parse(receipt).status),
    () => say("function", "not on this Redis"),
  );
}

// pressure fills a small gateway that has no worker: see the README.
async function pressure(gate) {
  const room = { operation: "send", bridge_id: "small", external_room_id: "waiting", payload: "hello" };
  await gate.discover();
  say("restart", "restart the small Redis now, then press Enter");
  await new Promise((resolve) => process.stdin.once("data", resolve).once("end", resolve));
  process.stdin.destroy();
  let receipt = await gate.enqueue({ ...room, idempotency_key: randomUUID() });
  say("restart", `${gate.loads ? "NOSCRIPT" : "the script was there"}, then ${receipt.status}`);

  const levels = [];
  for (let level = receipt.pressure_level; level !== "shed"; ) {
    receipt = await gate.enqueue(room);
    if (receipt.pressure_level !== level) {
      level = receipt.pressure_level;
      levels.push(`${level} at ${receipt.depth}`);
    }
  }
  say("pressure", levels.join(", "));
  say("shed", await refusal(gate.enqueue({ ...room, priority: "low" })));
  await gate.enqueue(room);
  say("full", await refusal(gate.enqueue(room)));
}

async function main(url, program) {
  const gate = new Outgate(url);
  await program(gate).finally(() => gate.close());
}

if (require.main === module) {
  const small = process.env.OUTGATE_SMALL_REDIS_URL;
  main(process.env.OUTGATE_REDIS_URL ?? "redis://127.0.0.1:6390/0", tour)
    .then(() => small && main(small, pressure))
    .catch((error) => {
      console.error(error);
      process.exitCode = 1;
    });
}
