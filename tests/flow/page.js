// What content.rs and pump.rs do, in a page: content made and checked as it goes.

/** Bytes without end, the same for the same seed. Pieces are multiples of four bytes, but for the last. */
class Content {
  constructor(seed) {
    this.word = seed | 1;
  }
  /** The next bytes, in `words`, which is used again: garbage of the trial's own is not to be measured. */
  piece(bytes, words) {
    const count = Math.ceil(bytes / 4);
    let word = this.word;
    for (let i = 0; i < count; i++) {
      word ^= word << 13;
      word ^= word >>> 17;
      word ^= word << 5;
      words[i] = word;
    }
    this.word = word;
    return new Uint8Array(words.buffer, 0, bytes);
  }
}

class Digest {
  bytes = 0;
  fnv = 0x811c9dc5;
  sum = 0;
  update(chunk) {
    let { fnv, sum } = this;
    for (let i = 0; i < chunk.length; i++) {
      fnv = Math.imul(fnv ^ chunk[i], 0x01000193);
      sum = (Math.imul(sum, 31) + chunk[i]) | 0;
    }
    this.bytes += chunk.length;
    [this.fnv, this.sum] = [fnv, sum];
  }
  /** As the server writes it: little endian, the count and then the digest. */
  taken() {
    const out = new DataView(new ArrayBuffer(16));
    out.setBigUint64(0, BigInt(this.bytes), true);
    out.setUint32(8, this.sum, true);
    out.setUint32(12, this.fnv, true);
    return [...new Uint8Array(out.buffer)].join();
  }
}

function expected(seed, bytes) {
  const [content, digest, words] = [new Content(seed), new Digest(), new Uint32Array(16384)];
  for (let left = bytes; left > 0; left -= 65536) digest.update(content.piece(Math.min(left, 65536), words));
  return digest.taken();
}

/**
 * One stream both ways: sends `up` bytes, takes `down` bytes no faster than `slow` says, and says whether
 * both ends got what was sent.
 */
async function flow(wire, { down, up, seed, rate = 0, paced = 0 }, slow = {}, beat = () => {}) {
  const stream = wire.openStream({ down, up, seed, rate, paced });
  const sending = (async () => {
    const [content, words] = [new Content(seed + 1), new Uint32Array(16384)];
    const writer = stream.writable.getWriter();
    for (let sent = 0; sent < up; ) {
      const piece = content.piece(Math.min(up - sent, 65536), words);
      await writer.write(piece);
      beat((sent += piece.length));
    }
    await writer.close();
  })();
  const digest = new Digest();
  const verdict = [];
  const begun = performance.now();
  for await (const chunk of stream.readable) {
    const own = chunk.subarray(0, Math.max(0, down - digest.bytes));
    verdict.push(...chunk.subarray(own.length));
    digest.update(own);
    // As docs/client.md advises whoever takes much: no garbage collector has to find it.
    chunk.buffer.transfer(0);
    beat(digest.bytes);
    if (slow.rate && digest.bytes < slow.paced) {
      const wait = (digest.bytes / slow.rate) * 1000 - (performance.now() - begun);
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
  await sending;
  return {
    cameWhole: digest.taken() === expected(seed, down),
    wentWhole: verdict.join() === expected(seed + 1, up),
  };
}
