//! What the generated `.d.ts` says of plain objects.

use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/** What a client is told before it connects. */
export interface TickwireOptions {
  /** The server's address (ws, wss, http or https), or one relative to the page. Default: "/play". */
  url?: string | URL;
  /** The player's name, as others will see it. */
  name?: string;
  /** The room to join. Default: whichever the server picks. */
  room?: string;
  /** The game's own payload for its join hook, of 4096 bytes on the wire at most. */
  join?: unknown;
  /**
   * Which of the game's assets are fetched (and kept in the browser's cache): all, none, or with "asked"
   * those that `fetch` names and the server pushes. Default: true.
   */
  assets?: boolean | "asked";
}

export interface Tickwire {
  /** Calls `listener` whenever that happens. What it returns ends that. */
  on<K extends keyof TickwireEvents>(name: K, listener: (event: TickwireEvents[K]) => void): () => void;
}

/** What `on` listens to. */
export interface TickwireEvents {
  /** The player is in the room; `resumed` when the seat from before a cut was kept. */
  joined: { player: number; resumed: boolean };
  /** The connection was lost and is tried again. */
  disconnected: { message: string; retryInSeconds: number };
  /** The connection ended for good: by the server's word, by `leave`, or because the browser allows none. */
  ended: { message: string };
  /** One of the game's events. */
  event: { name: string; value: any };
  /** The manifest is here, or a newer one, or the server pushed more assets: `assets` lists them. */
  manifest: undefined;
  /** A manifest cannot be had. What was listed before stays; a `fetch` that waits for the first one is rejected. */
  manifestfailed: { reason: string };
  /** An asset is here, whole and checked. */
  asset: { name: string; mime: string; bytes: Uint8Array & { buffer: ArrayBuffer } };
  /**
   * An asset that was waited for has another content now, which comes in its place. A body of it that has given
   * out bytes errors; others give out the new ones.
   */
  assetreplaced: { name: string };
  /** The server delivers nothing of this name any more. A body of it that is not whole errors. */
  assetremoved: { name: string };
  /** An asset cannot be had. */
  assetfailed: { name: string; reason: string };
  /** All assets that were asked for are here, failed, or were removed. */
  assets: undefined;
  /** The server opened a stream, which is accepted where a listener is there. `reset` it to give it up. */
  stream: TickwireStream;
  /** The server's checksum of what this player may see came. */
  verified: { tick: number; isEqual: boolean };
}

/** How an asset is to be fetched. */
export interface TickwireFetchOptions {
  /** Lower comes first, 0 to 255. Default: the manifest's. */
  priority?: number;
  /** Errors the body, and cancels the download unless another body waits for the same content. */
  signal?: AbortSignal;
}

/** One asset as it stands now. */
export interface TickwireAsset {
  name: string;
  mime: string;
  bytes: number;
  bytesTotal: number;
  priority: number;
  state: "idle" | "waiting" | "fetching" | "ready" | "failed";
}

/** How a stream is to be carried. */
export interface TickwireStreamOptions {
  /** "bytes" (default): a byte stream. "messages": values, none lost. "live": values, old ones dropped. */
  kind?: "bytes" | "messages" | "live";
  /** Its share of the bandwidth against streams of the same class, 1 to 255. Default: 16. */
  weight?: number;
}

/** A field of a component or of the input. */
export interface TickwireField {
  path: string;
  kind: "float" | "angle" | "integer" | "bool" | "entity" | "variant" | "text" | "value" | "list";
  /** The names of a variant's numbers. */
  variants?: string[];
}

/** A component, or the input. */
export interface TickwireComponent {
  name: string;
  fields: TickwireField[];
}

/** What a server's game consists of. */
export interface TickwireSchema {
  components: TickwireComponent[];
  input: TickwireComponent | null;
  events: { name: string; direction: "down" | "up" | "both" }[];
}

/** Bytes of a stream since the connection began. */
export interface TickwireTraffic {
  down: number;
  up: number;
}

/** Figures for an overlay. */
export interface TickwireStats {
  pingMillis: number;
  jitterMillis: number;
  interpolationDelayMillis: number;
  tick: number;
  inputLeadTicks: number;
  snapshotsPerSecond: number;
  snapshotBytesPerSecond: number;
  entities: number;
  /** Events of the game that were dropped because too many came at once. */
  eventsDropped: number;
  bytes: {
    control: TickwireTraffic;
    input: TickwireTraffic;
    snapshot: TickwireTraffic;
    event: TickwireTraffic;
    opened: TickwireTraffic;
  };
}

/** How far the assets are. */
export interface TickwireProgress {
  bytes: number;
  bytesTotal: number;
  bytesFetched: number;
  assets: number;
  assetsTotal: number;
  fraction: number;
}
"#;
