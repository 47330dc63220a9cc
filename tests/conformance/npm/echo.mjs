// The cases for npm `ws`: everything comes back as it went, and a close with its code.

import { createRequire } from 'node:module';
import { once } from 'node:events';
import assert from 'node:assert/strict';

const [address, packages] = process.argv.slice(2);
const WebSocket = createRequire(`${packages}/`)('ws');

const open = async () => {
    const socket = new WebSocket(address);
    await once(socket, 'open');
    return socket;
};

const echoed = async (socket, data) => {
    socket.send(data);
    const [answer, isBinary] = await once(socket, 'message');
    assert.equal(isBinary, typeof data !== 'string');
    assert.ok(answer.equals(Buffer.from(data)), `${data.length} came back as ${answer.length}`);
};

const socket = await open();
assert.equal(socket.extensions, '', 'no extension is agreed, permessage-deflate included');
for (const text of ['', 'hello', 'h\u00e4ll\u00f6 \u2713 \u{1f680}', 'x'.repeat(70000)]) {
    await echoed(socket, text);
}
for (const size of [0, 1, 125, 126, 65535, 65536, 1 << 20]) {
    await echoed(socket, Buffer.alloc(size, size % 251));
}

// A message in fragments, with a ping between them.
socket.send('one ', { fin: false });
socket.ping('between');
socket.send('two ', { fin: false });
socket.send('three', { fin: true });
const [[pong], [message]] = await Promise.all([once(socket, 'pong'), once(socket, 'message')]);
assert.equal(pong.toString(), 'between');
assert.equal(message.toString(), 'one two three');

socket.close(4321, 'enough');
const [code, reason] = await once(socket, 'close');
assert.deepEqual([code, reason.toString()], [4321, 'enough']);

// A frame without a mask is answered with 1002.
const bare = await open();
bare._sender._socket.write(Buffer.from([0x82, 0x01, 0x00]));
const [broken] = await once(bare, 'close');
assert.equal(broken, 1002);
console.log('ws: every case passed');
