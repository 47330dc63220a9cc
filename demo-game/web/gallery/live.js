// A <video> that plays WebM as it comes: pieces are appended one after the other, and what is too old is
// skipped and forgotten.

/** Seconds behind the newest picture beyond which playing jumps forward. */
const BEHIND_SECONDS_MAX = 1.5;

/** Seconds of the past that are kept. */
const KEPT_SECONDS = 8;

export class LivePlayer {
  #video;
  #buffer;
  #waiting = [];

  /** A player for `video`; `mime` names container and codecs. */
  static async open(video, mime) {
    if (!globalThis.MediaSource?.isTypeSupported(mime)) {
      throw new Error(`This browser does not play ${mime} as it comes. A current Chrome, Edge or Firefox does.`);
    }
    const player = new LivePlayer();
    const source = new MediaSource();
    player.#video = video;
    video.src = URL.createObjectURL(source);
    await new Promise((resolve) => source.addEventListener("sourceopen", resolve, { once: true }));
    URL.revokeObjectURL(video.src);
    player.#buffer = source.addSourceBuffer(mime);
    // Each piece follows the one before, whatever time it says it is.
    player.#buffer.mode = "sequence";
    player.#buffer.addEventListener("updateend", () => player.#next());
    return player;
  }

  /** Plays a piece. `starts` says that it begins a file of its own. */
  push(bytes, starts = false) {
    this.#waiting.push({ bytes, starts });
    this.#next();
  }

  #next() {
    const [buffer, video] = [this.#buffer, this.#video];
    if (buffer.updating) return;
    const { buffered } = buffer;
    if (buffered.length > 0) {
      const [start, end] = [buffered.start(0), buffered.end(buffered.length - 1)];
      if (end - video.currentTime > BEHIND_SECONDS_MAX) video.currentTime = end - 0.3;
      if (video.currentTime - start > 2 * KEPT_SECONDS) {
        return buffer.remove(start, video.currentTime - KEPT_SECONDS);
      }
      if (video.paused) video.play().catch(() => {});
    }
    const piece = this.#waiting.shift();
    if (!piece) return;
    if (piece.starts) buffer.abort();
    buffer.appendBuffer(piece.bytes);
  }
}
