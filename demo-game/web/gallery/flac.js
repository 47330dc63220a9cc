// Cuts a FLAC file that is still coming into its frames (RFC 9639), each of which can be decoded.

/** CRC-8 with the polynomial of FLAC's frame headers. */
function crc8(bytes, from, to) {
  let crc = 0;
  for (let i = from; i < to; i++) {
    crc ^= bytes[i];
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x80 ? (crc << 1) ^ 0x107 : crc << 1;
  }
  return crc;
}

/** Whether a frame header stands at `at`; undefined when too few bytes are there to tell. */
function isHeader(bytes, at) {
  if (bytes[at] !== 0xff || (bytes[at + 1] & 0xfe) !== 0xf8) return false;
  if (at + 16 > bytes.length) return undefined;
  const [block, rate, first] = [bytes[at + 2] >> 4, bytes[at + 2] & 15, bytes[at + 4]];
  if (block === 0 || rate === 15 || bytes[at + 3] & 1) return false;
  // The number of the frame is coded like UTF-8: as many bytes as its first byte has leading ones.
  const number = first < 0x80 ? 1 : Math.clz32(~(first << 24));
  const sizes = (block === 6 ? 1 : block === 7 ? 2 : 0) + (rate === 12 ? 1 : rate > 12 ? 2 : 0);
  const end = at + 4 + number + sizes;
  return number <= 7 && crc8(bytes, at, end) === bytes[end];
}

/** Takes chunks of a file; gives its head once, then whole frames. */
export class FlacFrames {
  #bytes = new Uint8Array();
  #head = null;
  #searched = 2;

  /** What WebCodecs wants to know of the stream, once all of it is here. */
  get head() {
    return this.#head;
  }

  /** Adds bytes and gives the frames that are whole now. `last` says that nothing follows. */
  push(chunk, last = false) {
    const joined = new Uint8Array(this.#bytes.length + chunk.length);
    joined.set(this.#bytes);
    joined.set(chunk, this.#bytes.length);
    this.#bytes = joined;
    if (!this.#head && !this.#readHead()) return [];
    const frames = [];
    for (let at = this.#searched; at < this.#bytes.length - 1; at++) {
      const found = isHeader(this.#bytes, at);
      if (found === undefined) break;
      this.#searched = at + 1;
      if (!found) continue;
      frames.push(this.#bytes.slice(0, at));
      this.#bytes = this.#bytes.slice(at);
      at = this.#searched = 2;
    }
    if (last && this.#bytes.length > 0) frames.push(this.#bytes);
    return frames;
  }

  #readHead() {
    const bytes = this.#bytes;
    if (bytes.length < 42) return false;
    if (String.fromCharCode(...bytes.slice(0, 4)) !== "fLaC") throw new Error("this is no FLAC file");
    let at = 4;
    for (let isLast = false; !isLast; ) {
      if (at + 4 > bytes.length) return false;
      isLast = bytes[at] >= 0x80;
      at += 4 + (bytes[at + 1] << 16) + (bytes[at + 2] << 8) + bytes[at + 3];
    }
    if (at > bytes.length) return false;
    this.#head = {
      codec: "flac",
      description: bytes.slice(0, 42).map((byte, i) => (i === 4 ? byte | 0x80 : byte)),
      sampleRate: (bytes[18] << 12) | (bytes[19] << 4) | (bytes[20] >> 4),
      numberOfChannels: ((bytes[20] >> 1) & 7) + 1,
    };
    this.#bytes = bytes.slice(at);
    return true;
  }
}
