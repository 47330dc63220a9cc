// npm binaryjs's ends of the bench, as its README writes them.
//
// `node peer.js serve` prints its address. `node peer.js load URL PLAN` warms up, prints a line, waits for one,
// and prints what the measured transfer took. In a page, `prepare(system, url, plan)` and `measure(plan)` are the
// same.

'use strict';

(function (global) {
  // Sends `bytes` bytes in values of `chunk` bytes, as fast as the other end and the socket take them.
  function pour(stream, value, count, done) {
    let sent = 0;
    const more = () => {
      while (sent < count) {
        sent += 1;
        if (stream.write(value) === false) {
          stream.once('drain', more);
          return;
        }
        // A page has no backpressure to wait for; it must let the socket's thread in now and then.
        if (typeof window !== 'undefined' && sent % 256 === 0) {
          setTimeout(more);
          return;
        }
      }
      done();
    };
    more();
  }

  // Answers `{down, chunk}` with that many bytes, and an upload with a count at its end.
  global.serve = (client, makeValue) => {
    client.on('stream', (stream, meta) => {
      let bytes = 0;
      stream.on('data', (data) => { bytes += data.length; });
      if (meta.down) {
        pour(stream, makeValue(meta.chunk), meta.down / meta.chunk, () => stream.end());
      } else {
        stream.on('end', () => stream.write(bytes));
      }
    });
  };

  // One transfer of `plan`: {direction, bytes, chunk}.
  global.transfer = (client, makeValue, plan) => new Promise((resolve, reject) => {
    client.on('error', reject);
    if (plan.direction === 'down') {
      const stream = client.createStream({ down: plan.bytes, chunk: plan.chunk });
      let bytes = 0;
      stream.on('data', (data) => { bytes += data.byteLength; });
      stream.on('end', () => (bytes === plan.bytes ? resolve() : reject(new Error(`${bytes} came`))));
    } else {
      const stream = client.createStream({ up: plan.bytes });
      stream.on('data', (counted) => (
        counted === plan.bytes ? resolve() : reject(new Error(`${counted} arrived`))));
      pour(stream, makeValue(plan.chunk), plan.bytes / plan.chunk, () => stream.end());
    }
  });

  global.connect = (BinaryClient, url) => new Promise((resolve, reject) => {
    const client = new BinaryClient(url);
    client.on('open', () => resolve(client));
    client.on('error', reject);
  });
})(typeof window === 'undefined' ? globalThis : window);

if (typeof window === 'undefined') {
  const { BinaryServer, BinaryClient } = require('binaryjs');
  const makeValue = (bytes) => Buffer.alloc(bytes, 7);
  const [role, url, text] = process.argv.slice(2);
  // The parent holds our standard input open; when it ends, however it ends, so do we.
  process.stdin.on('end', () => process.exit(1));
  if (role === 'serve') {
    const http = require('http').createServer();
    http.listen(0, '127.0.0.1', () => console.log(`ws://127.0.0.1:${http.address().port}/`));
    new BinaryServer({ server: http }).on('connection', (client) => globalThis.serve(client, makeValue));
    process.stdin.resume();
  } else {
    const plan = JSON.parse(text);
    (async () => {
      const client = await globalThis.connect(BinaryClient, url);
      await globalThis.transfer(client, makeValue, { ...plan, bytes: plan.warm_bytes });
      console.log('warm');
      await new Promise((resolve) => process.stdin.once('data', resolve));
      const [cpu, clock] = [process.cpuUsage(), process.hrtime.bigint()];
      await globalThis.transfer(client, makeValue, plan);
      const used = process.cpuUsage(cpu);
      const seconds = Number(process.hrtime.bigint() - clock) / 1e9;
      console.log(JSON.stringify({ seconds, cpu_seconds: (used.user + used.system) / 1e6 }));
      process.exit(0);
    })();
  }
}
