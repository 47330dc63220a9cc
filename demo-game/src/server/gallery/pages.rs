//! The pages of the gallery, from the binary: one table of paths.

use axum::{Router, http::header::CONTENT_TYPE, routing::get};

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

macro_rules! page {
    ($file:literal) => {
        include_str!(concat!("../../../web/gallery/", $file))
    };
}

/// Path, type and text of everything. A page shows its own script and the module here that answers it.
const PAGES: [(&str, &str, &str); 20] = [
    ("/gallery", HTML, page!("index.html")),
    ("/gallery/", HTML, page!("index.html")),
    ("/gallery/hello", HTML, page!("hello.html")),
    ("/gallery/upload", HTML, page!("upload.html")),
    ("/gallery/share", HTML, page!("share.html")),
    ("/gallery/progressive", HTML, page!("progressive.html")),
    ("/gallery/music", HTML, page!("music.html")),
    ("/gallery/video", HTML, page!("video.html")),
    ("/gallery/call", HTML, page!("call.html")),
    ("/gallery/images", HTML, page!("images.html")),
    ("/gallery/gallery.css", STYLE, page!("gallery.css")),
    ("/gallery/gallery.js", SCRIPT, page!("gallery.js")),
    ("/gallery/live.js", SCRIPT, page!("live.js")),
    ("/gallery/flac.js", SCRIPT, page!("flac.js")),
    ("/gallery/server/mod.rs", TEXT, include_str!("mod.rs")),
    ("/gallery/server/talk.rs", TEXT, include_str!("talk.rs")),
    ("/gallery/server/share.rs", TEXT, include_str!("share.rs")),
    ("/gallery/server/tune.rs", TEXT, include_str!("tune.rs")),
    ("/gallery/server/film.rs", TEXT, include_str!("film.rs")),
    ("/gallery/server/call.rs", TEXT, include_str!("call.rs")),
];

/// The pages, to be merged with the demo's own.
pub fn pages() -> Router {
    PAGES
        .iter()
        .fold(Router::new(), |router, &(path, kind, text)| {
            router.route(
                path,
                get(move || async move { ([(CONTENT_TYPE, kind)], text) }),
            )
        })
}
