// What all pages of the gallery share: the connection, notices, the way to the other pages, the code on display.
// Importing it puts the last three around the page's own content.

/** The pages in their order, each with the module of the server that answers it. The game is the ninth. */
const PAGES = [
  ["/gallery/hello", "talk.rs"],
  ["/gallery/upload", "talk.rs"],
  ["/gallery/share", "share.rs"],
  ["/gallery/progressive", "mod.rs"],
  ["/gallery/music", "tune.rs"],
  ["/gallery/video", "film.rs"],
  ["/gallery/call", "call.rs"],
  ["/gallery/images", "mod.rs"],
  ["/"],
];

let wire;

/** Connects to the gallery's server. Resolves once this visitor is in; later cuts are mended and told. */
export async function connect(options = {}) {
  const { default: init, Tickwire } = await import("/client/tickwire_client.js");
  await init({ module_or_path: "/client/tickwire_client_bg.wasm" });
  wire = new Tickwire({ url: "/gallery/play", assets: "asked", ...options });
  wire.on("disconnected", isLost);
  wire.on("ended", isLost);
  await new Promise((resolve) => {
    wire.on("joined", () => {
      if ($("notice").dataset.until === "joined") tell("");
      resolve();
    });
  });
  return wire;
}

/** Whether there is no connection any more. Then that is told, until there is. */
function isLost() {
  if (!wire?.message) return false;
  tell(wire.status === "ended" ? wire.message : `${wire.message} Trying again…`);
  $("notice").dataset.until = "joined";
  return true;
}

/** Stops the page, with a sentence that says what to do, where the browser does not give it something. */
export function need(what, given) {
  if (given) return;
  throw new Error(
    isSecureContext
      ? `This browser has no ${what}. A current Chrome or Edge has.`
      : `Browsers keep ${what} from pages of plain http. Put the server behind https, or open the page at localhost on its own machine.`,
  );
}

/** An element by its id. */
export const $ = (id) => document.getElementById(id);

/** Shows a sentence at the foot of the page; an empty one hides it. */
export function tell(text) {
  $("words").textContent = text;
  $("notice").hidden = text === "";
  $("notice").dataset.until = "";
}

/** Tells an error to the visitor and to the console. What follows from a lost connection is not told beside it. */
export function fail(error) {
  console.warn(error);
  if (!isLost()) tell(error?.message ?? String(error));
}

/** Bytes for people. */
export function size(bytes) {
  if (bytes < 1000) return bytes === 1 ? "1 byte" : `${bytes} bytes`;
  return bytes < 1e6 ? `${(bytes / 1000).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(2)} MB`;
}

/** Lets a button do something that takes a while, once at a time. */
export function onClick(button, work) {
  button.onclick = async () => {
    button.disabled = true;
    if (!isLost()) tell("");
    try {
      await work();
    } catch (error) {
      fail(error);
    } finally {
      button.disabled = false;
    }
  };
  button.disabled = false;
}

/** Calls `take` with each file that is dropped on an area or chosen by its file input. */
export function onFiles(area, take) {
  area.querySelector("input").onchange = ({ target }) => {
    [...target.files].forEach(take);
    // Or choosing the same file again would change nothing.
    target.value = "";
  };
  area.ondragover = () => area.classList.add("over");
  area.ondragleave = () => area.classList.remove("over");
  area.ondrop = ({ dataTransfer }) => {
    area.classList.remove("over");
    [...dataTransfer.files].forEach(take);
  };
  // A browser that is not stopped opens what is dropped, also beside the area, in the page's place.
  for (const kind of ["dragover", "drop"]) addEventListener(kind, (event) => event.preventDefault());
}

/** The source of the page's own script, without the indentation of its place. */
function code() {
  const lines = document.querySelector("script[type=module]").textContent.replace(/^\n|\s+$/g, "").split("\n");
  const indent = /^ */.exec(lines[0])[0].length;
  return lines.map((line) => line.slice(indent)).join("\n");
}

const at = PAGES.findIndex(([path]) => path === location.pathname);
const [before, own, after] = [PAGES[at - 1], PAGES[at], PAGES[at + 1]];
document.querySelector("header").insertAdjacentHTML(
  "beforeend",
  `<nav>${before ? `<a rel="prev" href="${before[0]}">← Previous</a>` : ""}
  <span>${at + 1} of ${PAGES.length}</span> <a rel="next" href="${after[0]}">Next →</a></nav>`,
);
document.querySelector("main").insertAdjacentHTML(
  "beforeend",
  `<details><summary>The code of this page</summary><pre id="code"></pre></details>
  <details id="server"><summary>The server’s half, ${own[1]}</summary><pre id="rust"></pre></details>`,
);
$("code").textContent = code();
$("server").ontoggle = async () => {
  const source = await fetch(`/gallery/server/${own[1]}`);
  $("rust").textContent = (await source.text()).split("\n#[cfg(test)]")[0];
};
document.body.insertAdjacentHTML(
  "beforeend",
  '<p id="notice" role="status" hidden><span id="words"></span><button type="button" aria-label="Close">×</button></p>',
);
$("notice").querySelector("button").onclick = () => tell("");

// What no page catches: a file that is missing, say. Of those, errors of the page's module come as the first kind.
addEventListener("error", ({ error, message }) => fail(error ?? message));
addEventListener("unhandledrejection", ({ reason }) => fail(reason));
