// `node run.js node|bundle ws://…`: runs the cases with npm binaryjs's Node client or with its unmodified
// browser bundle, and prints the outcomes as JSON. NODE_PATH leads to the packages.

'use strict';

const fs = require('fs');
const path = require('path');
const vm = require('vm');

// The bundle is a script of a page: it expects a window that posts messages to itself.
function browserBundle() {
  const listeners = [];
  Object.assign(globalThis, {
    window: globalThis,
    WebSocket: require('ws'),
    addEventListener: (name, listener) => { if (name === 'message') listeners.push(listener); },
    postMessage: (data) => setImmediate(() => {
      const event = { source: globalThis, data, stopPropagation() {} };
      listeners.forEach((listener) => listener(event));
    }),
  });
  const bundle = path.join(path.dirname(require.resolve('binaryjs')), '..', 'dist', 'binary.js');
  vm.runInThisContext(fs.readFileSync(bundle, 'utf8'), { filename: 'binary.js' });
  return {
    client: globalThis.BinaryClient,
    env: {
      binary: (bytes) => bytes.buffer,
      file: (bytes) => new Blob([bytes]),
      bytes: (value) => (value instanceof ArrayBuffer ? new Uint8Array(value) : null),
    },
  };
}

function nodeClient() {
  return {
    client: require('binaryjs').BinaryClient,
    env: {
      binary: (bytes) => Buffer.from(bytes),
      file: (bytes) => Buffer.from(bytes),
      bytes: (value) => (Buffer.isBuffer(value) ? value : null),
    },
  };
}

const [which, url] = process.argv.slice(2);
const { client, env } = which === 'bundle' ? browserBundle() : nodeClient();
require('./cases.js');
globalThis.runBinaryJsCases(client, url, env).then((outcomes) => {
  fs.writeSync(1, JSON.stringify(outcomes));
  process.exit(0);
});
