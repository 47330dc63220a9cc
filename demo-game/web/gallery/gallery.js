// What all pages of the gallery share: the connection, a notice when it is lost, the way to the other pages, the code
// on display. Importing it puts the last three around the page's own content.

import init, { Tickwire } from "/client/tickwire_client.js";

/** The pages in their order, each with the module of the server that answers it. The game is the ninth. */
const PAGES = [
  ["/gallery/hello", "talk.rs"],
  ["/gallery/upload", "talk.rs"],
  ["/gallery/share", "share.rs"],
  ["/gallery/progressive", "mod.rs"],
  ["/gallery/music", "talk.rs"],
  ["/gallery/video", "film.rs"],
  ["/gallery/call", "call.rs"],
  ["/gallery/images", "mod.rs"],
  ["/"],
];

/** Connects to the gallery's server. Resolves once this visitor is in. */
export async function connect(options = {}) {
  await init({ module_or_path: "/client/tickwire_client_bg.wasm" });
  const wire = new Tickwire({ url: "/gallery/play", assets: "asked", ...options });
  wire.on("disconnected", ({ message }) => tell(`${message} Trying again…`));
  wire.on("ended", ({ message }) => tell(message));
  await new Promise((resolve) => {
    wire.on("joined", () => {
      tell("");
      resolve();
    });
  });
  return wire;
}

/** An element by its id. */
export const $ = (id) => document.getElementById(id);

/** Shows a sentence at the foot of the page; an empty one hides it. */
export function tell(text) {
  $("notice").textContent = text;
  $("notice").hidden = text === "";
}

/** Tells an error to the visitor and to the console. */
export function fail(error) {
  console.warn(error);
  tell(error.message ?? String(error));
}

/** Bytes for people. */
export function size(bytes) {
  if (bytes < 1000) return `${bytes} bytes`;
  return bytes < 1e6 ? `${(bytes / 1000).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(2)} MB`;
}

/** Calls `take` with each file that is dropped on an area or chosen by its file input. */
export function onFiles(area, take) {
  area.querySelector("input").onchange = (event) => [...event.target.files].forEach(take);
  area.ondragover = (event) => {
    event.preventDefault();
    area.classList.add("over");
  };
  area.ondragleave = () => area.classList.remove("over");
  area.ondrop = (event) => {
    event.preventDefault();
    area.classList.remove("over");
    [...event.dataTransfer.files].forEach(take);
  };
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
document.querySelector("main").insertAdjacentHTML("afterend", '<p id="notice" role="status" hidden></p>');
