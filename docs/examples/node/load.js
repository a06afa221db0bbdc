"use strict";
// Enqueue many envelopes in pipelines, and slow down if the gateway refuses some.
//
//     load.js COUNT ROOMS
//
// Every tenth envelope of a room has an idempotency key. Each key is used twice, and also
// by any other program that does the same. Prints each answer as a line of JSON.

const { Outgate, partition } = require("./outgate.js");

const PIPELINE = 50;

function* envelopes(count, rooms) {
  for (let n = 0; n < count; n++) {
    const room = n % rooms;
    const turn = Math.floor(n / rooms);
    const envelope = { operation: "send", bridge_id: "load", external_room_id: "room-" + room, payload: "node " + n };
    if (turn % 10 === 0) {
      envelope.payload = envelope.idempotency_key = `shared ${Math.floor(turn / 20) * rooms + room}`;
    }
    yield envelope;
  }
}

// enqueueAll enqueues a batch in one round trip. It is admitted in this order.
function enqueueAll(gate, batch) {
  const pipeline = gate.redis.pipeline();
  for (const envelope of batch) {
    const queue = gate.queue(partition(gate.api, envelope));
    pipeline.evalsha(gate.api.enqueue, 1, `{${queue}}`, JSON.stringify(envelope));
  }
  return pipeline.exec();
}

async function main(count, rooms) {
  const gate = new Outgate(process.env.OUTGATE_REDIS_URL);
  await gate.discover();
  const waiting = [...envelopes(count, rooms)];
  for (let start = 0; start < count; start += PIPELINE) {
    const batch = waiting.slice(start, start + PIPELINE);
    let refused = 0;
    for (const [i, [error, answer]] of (await enqueueAll(gate, batch)).entries()) {
      const line = { room: batch[i].external_room_id, payload: batch[i].payload, key: batch[i].idempotency_key ?? "" };
      if (error) {
        line.code = error.message.split(" ", 1)[0];
        refused++;
      } else {
        Object.assign(line, JSON.parse(answer));
      }
      console.log(JSON.stringify(line));
    }
    if (refused) await new Promise((resolve) => setTimeout(resolve, 20)); // the gateway is full: wait a moment
  }
  gate.close();
}

main(Number(process.argv[2]), Number(process.argv[3])).catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
