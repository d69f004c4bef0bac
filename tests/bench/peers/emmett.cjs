// Emmett's event store on PostgreSQL: events appended, and a view made anew, as a line of JSON.
//
//   node emmett.cjs append URL one|ten|hot IN_FLIGHT SECONDS
//   node emmett.cjs rebuild URL STREAMS EVENTS
// NODE_PATH names the folder of the packages. SPDX-License-Identifier: Apache-2.0
'use strict';

const { randomUUID } = require('node:crypto');
const pg = require('pg');
const { SQL } = require('@event-driven-io/dumbo');
const { getPostgreSQLEventStore, postgreSQLRawBatchSQLProjection, rebuildPostgreSQLProjections } =
  require('@event-driven-io/emmett-postgresql');

const CONNECTIONS = 16; // more do not help on few cores
const PULL_BATCH = 1000;
// What our own events have in the same measurement.
const METADATA = {
  command_id: '0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b', correlation_id: '0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b',
  actor: { id: '0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5c', roles: ['DISPATCHER'], grants: [], driver_id: null },
};
const DATA = {
  odometer_m: 128400500, plate: 'A123BC77', driver_id: '0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b',
  visible_from_at: '2026-11-23T10:00:00.000Z', status: 'AVAILABLE',
  note: 'a line of text as a dispatcher writes it',
};
const SPECS = {
  class: 'VAN', payload_g: 1500000, cargo_ml: 9000000, tank_ml: 80000, fuel: 'DIESEL',
  norm_summer_ml_100km: 9500, norm_winter_ml_100km: 10500, wear_kop_km: 350, fixed_kop_day: 250000,
};

const elapsed = (began) => Number(process.hrtime.bigint() - began) / 1e9;
const recorded = (data = DATA) => ({ type: 'OdometerRecorded', data, metadata: METADATA });

async function open(url, options) {
  const pool = new pg.Pool({ connectionString: url, max: CONNECTIONS, options });
  const store = getPostgreSQLEventStore(url, { connectionOptions: { pool } });
  await store.schema.migrate();
  return { store, close: async () => { await store.close(); if (!pool.ended) await pool.end(); } };
}

// One asker of many: the next append when the last one is durable. A lost race is asked again, and not counted.
async function ask(store, shape, until, counts) {
  const batch = shape === 'ten' ? Array.from({ length: 10 }, () => recorded()) : [recorded()];
  while (process.hrtime.bigint() < until) {
    try {
      await store.appendToStream(shape === 'hot' ? 'vehicle-hot' : `vehicle-${randomUUID()}`, batch);
      counts.events += batch.length;
    } catch (error) {
      if (!/version/i.test(`${error.name} ${error.message}`)) throw error;
      counts.conflicts++;
    }
  }
}

async function append(url, shape, inFlight, seconds) {
  const { store, close } = await open(url);
  const counts = { events: 0, conflicts: 0 };
  const began = process.hrtime.bigint();
  const until = began + BigInt(Math.round(seconds * 1e9));
  await Promise.all(Array.from({ length: inFlight }, () => ask(store, shape, until, counts)));
  const took = elapsed(began);
  await close();
  return { shape, per_s: counts.events / took, ...counts };
}

const registered = (n) => ({
  type: 'Registered', metadata: METADATA,
  data: { plate: `C${n}BC`, vin: `XTA21${n}`, specs: SPECS, odometer_m: 1000, registered_at: 1795400000000 },
});

// One stream after another: of appends that overlap, a rebuild by Emmett 0.42 passes over some, as it reads in the
// order of transactions and goes on by position.
async function load(store, streams, events) {
  const each = Math.max(1, Math.round(events / streams));
  for (let n = 0; n < streams; n++)
    await store.appendToStream(`vehicle-${randomUUID()}`, [
      registered(n),
      ...Array.from({ length: each - 1 }, (_, i) =>
        recorded({ odometer_m: 2000 + i, source: 'GPS', read_at: 1795400000000 })),
    ]);
  return each * streams;
}

// In plain SQL, a statement an event: less work than its documents of Pongo, which are read before they are written.
const view = postgreSQLRawBatchSQLProjection({
  name: 'vehicles',
  canHandle: ['Registered', 'OdometerRecorded'],
  init: () => SQL`create table if not exists vehicles (id text primary key, plate text, vin text, specs jsonb,
    status text, odometer_m bigint, registered_at bigint)`,
  evolve: (events) => events.map(({ type, data, metadata: { streamName } }) => type === 'Registered'
    ? SQL`insert into vehicles values (${streamName}, ${data.plate}, ${data.vin}, ${JSON.stringify(data.specs)},
        'AVAILABLE', ${data.odometer_m}, ${data.registered_at})`
    : SQL`update vehicles set odometer_m = ${data.odometer_m} where id = ${streamName}`),
});

async function rebuild(url, streams, events) {
  const { store, close } = await open(url, '-c synchronous_commit=off'); // the load alone, which is not measured
  const written = await load(store, streams, events);
  await close();
  const began = process.hrtime.bigint();
  const consumer = rebuildPostgreSQLProjections({
    connectionString: url, projections: [view], pulling: { batchSize: PULL_BATCH },
  });
  await consumer.start();
  const took = elapsed(began);
  await consumer.close();
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const rows = Number((await client.query('select count(*) from vehicles')).rows[0].count);
  await client.end();
  if (rows !== streams) throw new Error(`the view has ${rows} rows instead of ${streams}`);
  return { events: written, rows, seconds: took };
}

async function main([verb, url, ...rest]) {
  const [first, ...numbers] = verb === 'append' ? rest : ['', ...rest];
  const result = verb === 'append'
    ? await append(url, first, ...numbers.map(Number))
    : await rebuild(url, ...numbers.map(Number));
  console.log(JSON.stringify(result));
}

main(process.argv.slice(2)).then(() => process.exit(0), (error) => {
  console.error(error);
  process.exit(1);
});
