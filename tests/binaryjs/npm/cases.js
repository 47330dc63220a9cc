// What any BinaryJS client must be able to do with our endpoint, written against BinaryJS's own API.
//
// It runs unchanged in Chromium and in Node, with the browser bundle and with the Node client. `env` holds
// what differs: how bytes are made (`binary`, `file`) and read (`bytes`).

'use strict';

(function (global) {
  const cases = {};

  // Everything that a stream says, as promises.
  function watch(stream) {
    const values = [];
    let wake = () => {};
    const seen = { values, ended: false, closed: false, paused: 0, resumed: 0 };
    const on = (name, note) => stream.on(name, (value) => { note(value); wake(); });
    on('data', (value) => values.push(value));
    on('end', () => { seen.ended = true; });
    on('close', () => { seen.closed = true; });
    on('pause', () => { seen.paused += 1; });
    on('resume', () => { seen.resumed += 1; });
    seen.until = async (condition) => {
      while (!condition(seen)) await new Promise((resolve) => { wake = resolve; });
    };
    seen.next = async () => {
      await seen.until(() => values.length > 0);
      return values.shift();
    };
    return seen;
  }

  function pattern(bytes) {
    const made = new Uint8Array(bytes);
    let state = 5;
    for (let at = 0; at < bytes; at += 1) {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      made[at] = state >>> 16;
    }
    return made;
  }

  function hash(bytes, from) {
    let sum = from >>> 0;
    for (const byte of bytes) sum = (Math.imul(sum, 31) + byte) >>> 0;
    return sum;
  }

  function check(condition, what) {
    if (!condition) throw new Error(what);
  }

  // One string per value, by which two are the same.
  function shown(value, env) {
    const bytes = env.bytes(value);
    if (bytes) return `binary ${bytes.length} ${hash(bytes, 0)}`;
    if (Array.isArray(value)) return `[${value.map((item) => shown(item, env)).join()}]`;
    if (value && typeof value === 'object') {
      return `{${Object.keys(value).map((key) => `${key}:${shown(value[key], env)}`).join()}}`;
    }
    return `${typeof value} ${String(value)}`;
  }

  function equal(left, right, env, what) {
    const [a, b] = [shown(left, env), shown(right, env)];
    check(a === b, `${what}: ${a.slice(0, 200)} is not ${b.slice(0, 200)}`);
  }

  cases['values of every type come back'] = async (client, env) => {
    const sixteen = {};
    for (let at = 0; at < 16; at += 1) sixteen[`key ${at}`] = at;
    const values = [
      null, true, false,
      0, 1, 127, 128, 255, 256, 65535, 65536, 2147483647, 2147483648, 4294967295, 4294967296, 1e12,
      9007199254740991, -1, -32, -33, -128, -129, -32768, -32769, -2147483648,
      0.5, -1.5, 0.1, 1 / 3, Math.PI, 1.5e-200, -2.5e-7,
      '', 'a', 'é', '€', 'a'.repeat(15), 'a'.repeat(16), 'é'.repeat(70000),
      [], [1, [2, [3]]], new Array(16).fill(0), {}, { a: 1 }, sixteen, { a: [{ b: 'x', c: null }] },
      env.binary(pattern(1)), env.binary(pattern(15)), env.binary(pattern(16)),
      env.binary(pattern(70000)), { inside: [env.binary(pattern(20))] },
    ];
    const stream = client.createStream({ do: 'echo' });
    const seen = watch(stream);
    for (const value of values) {
      stream.write(value);
      equal(await seen.next(), value, env, 'echo');
    }
    stream.write(undefined);
    equal(await seen.next(), null, env, 'undefined');
    stream.write(new Date(0));
    equal(await seen.next(), new Date(0).toString(), env, 'date');
  };

  cases['emoji survive both ways, short and long'] = async (client, env) => {
    const stream = client.createStream({ do: 'echo', name: '😀' });
    const seen = watch(stream);
    const texts = ['😀', 'a😀b€é', '😀'.repeat(3), '😀'.repeat(100), '👩‍👩‍👧'.repeat(200), ['😀', { '😀': '😀' }, 1]];
    for (const text of texts) {
      stream.write(text);
      equal(await seen.next(), text, env, 'emoji');
    }
  };

  cases['five MiB go up, progress comes back on the same stream'] = async (client, env) => {
    const bytes = pattern(5 << 20);
    const stream = client.send(env.file(bytes), { do: 'upload', name: 'flower.png', size: bytes.length });
    const seen = watch(stream);
    let rx = 0;
    let answers = 0;
    while (rx < 1) {
      const progress = await seen.next();
      check(progress.rx > rx, `progress went from ${rx} to ${progress.rx}`);
      rx = progress.rx;
      answers += 1;
    }
    check(answers > 10, `progress came ${answers} times`);
    const whole = await seen.next();
    equal(whole.bytes, bytes.length, env, 'size');
    equal(whole.hash, hash(bytes, 0), env, 'hash');
  };

  cases['a hundred streams at once, each in order'] = async (client) => {
    const one = async (number) => {
      const stream = client.createStream({ do: 'echo' });
      const seen = watch(stream);
      for (let at = 0; at < 50; at += 1) stream.write([number, at]);
      stream.end();
      await seen.until(() => seen.values.length === 50);
      seen.values.forEach((value, at) => {
        check(value[0] === number && value[1] === at, `stream ${number}, message ${at}: ${value}`);
      });
    };
    await Promise.all(Array.from({ length: 100 }, (_, number) => one(number)));
  };

  cases['the server opens streams and sends files'] = async (client, env) => {
    const arrived = new Promise((resolve) => {
      client.once('stream', (stream, meta) => resolve([watch(stream), meta, stream]));
    });
    client.createStream({ do: 'push' }).write(100000);
    const [seen, meta, stream] = await arrived;
    equal(meta, { name: 'pushed', bytes: 100000 }, env, 'metadata');
    check(stream.id % 2 === 1, 'the ids of the server are odd');
    await seen.until(() => seen.ended);
    const sizes = seen.values.map((value) => env.bytes(value).length);
    equal(sizes, [40960, 40960, 18080], env, 'chunks');
    const sum = seen.values.reduce((sum, value) => hash(env.bytes(value), sum), 0);
    equal(sum, hash(pattern(100000), 0), env, 'hash');
  };

  cases['a server that does not read pauses the client, and resumes it'] = async (client, env) => {
    const control = client.createStream({ do: 'release' });
    const bytes = pattern(2 << 20);
    const stream = client.send(env.file(bytes), { do: 'hold' });
    const seen = watch(stream);
    await seen.until(() => seen.paused > 0);
    check(stream.paused, 'the stream says that it is paused');
    control.write('read now');
    await seen.until(() => seen.resumed > 0);
    equal(await seen.next(), { bytes: bytes.length, hash: hash(bytes, 0) }, env, 'all of it');
  };

  cases['a client that pauses is left alone until it resumes'] = async (client, env) => {
    const stream = client.createStream({ do: 'count' });
    const seen = watch(stream);
    await seen.next();
    stream.pause();
    // The server tells on another stream how far it got when it was paused. Messages keep their order
    // across streams: all it wrote has come before that.
    const control = client.createStream({ do: 'paused' });
    const told = watch(control);
    const last = await told.next();
    equal(seen.values[seen.values.length - 1][0], last, env, 'all that was written');
    const paused = seen.values.length;
    control.write('and now?');
    equal(await told.next(), last, env, 'it still waits');
    check(seen.values.length === paused, 'it wrote while it was paused');
    stream.resume();
    await seen.until(() => seen.ended);
    equal(seen.values[seen.values.length - 1][0], 7999, env, 'the last number');
    seen.values.forEach((value, at) => check(value[0] === at + 1, `${value[0]} at ${at}`));
  };

  cases['an end leaves the other way open'] = async (client, env) => {
    const stream = client.createStream({ do: 'after end' });
    const seen = watch(stream);
    stream.write('before');
    stream.end();
    equal(await seen.next(), 'before', env, 'before');
    equal(await seen.next(), 'after', env, 'after');
  };

  cases['the end of the server is an end here'] = async (client, env) => {
    const stream = client.createStream({ do: 'end' });
    const seen = watch(stream);
    await seen.until(() => seen.ended);
    check(!seen.closed, 'an end is no close');
    stream.write('still heard');
    equal(await watch(client.createStream({ do: 'heard' })).next(), 'still heard', env, 'heard');
  };

  cases['a close goes both ways'] = async (client, env) => {
    const seen = watch(client.createStream({ do: 'close' }));
    await seen.until(() => seen.closed);
    client.createStream({ do: 'closed by us' }).destroy();
    equal(await watch(client.createStream({ do: 'heard' })).next(), 'closed', env, 'heard');
  };

  // Runs every case on a connection of its own; gives what failed, by name.
  global.runBinaryJsCases = async (BinaryClient, url, env) => {
    const outcomes = {};
    for (const name of Object.keys(cases)) {
      const client = new BinaryClient(url);
      let fail;
      const failed = new Promise((_, reject) => { fail = reject; });
      client.on('error', (error) => fail(new Error(`the client: ${error && error.message}`)));
      client.on('close', () => fail(new Error('the connection was closed')));
      const opened = new Promise((resolve) => client.on('open', resolve));
      try {
        await Promise.race([failed, opened.then(() => cases[name](client, env))]);
        outcomes[name] = 'passed';
      } catch (error) {
        outcomes[name] = String(error && error.message);
      }
      failed.catch(() => {});
      client.close();
    }
    return outcomes;
  };
})(typeof window === 'undefined' ? globalThis : window);
