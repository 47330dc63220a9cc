//! The gallery's pages that talk: greeting, upload, shared pictures, pictures over the socket, and the way
//! to the game. Each is asked whether the thing really happened.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::{
    driver::{Browser, Driver, PATIENCE, Screen},
    server::Server,
};

/// Opens a page of the gallery and waits for what says that it works.
pub(crate) fn open(
    driver: &Driver,
    server: &Server,
    page: &str,
    screen: &Screen,
    works: &str,
) -> Result<Browser> {
    let browser = driver.browser(screen)?;
    browser.open(&server.page(&format!("/gallery/{page}")))?;
    browser
        .wait_until(works, PATIENCE)
        .with_context(|| format!("the page {page} does not work"))?;
    Ok(browser)
}

/// How a page looks on a phone, as a picture; and that nothing of it sticks out.
pub(crate) fn fits_a_phone(
    driver: &Driver,
    server: &Server,
    page: &str,
    works: &str,
) -> Result<()> {
    let phone = open(driver, server, page, &Screen::Phone, works)?;
    phone.screenshot(&format!("gallery-{page}-phone"))?;
    let width = phone.execute("return document.documentElement.scrollWidth")?;
    ensure!(width == 390, "the page {page} is {width} wide on a phone");
    phone.expect_no_errors()
}

/// Drops files on the page's area, as a hand would. `files` is a JavaScript list of `File`s.
fn drop_files(browser: &Browser, files: &str) -> Result<()> {
    let script = format!(
        "const dataTransfer = new DataTransfer();
         for (const file of {files}) dataTransfer.items.add(file);
         const drop = new DragEvent('drop', {{ dataTransfer, bubbles: true, cancelable: true }});
         document.getElementById('area').dispatchEvent(drop);"
    );
    browser.execute(&script).map(drop)
}

#[test]
#[ignore = "needs Chromium: run `cargo xtask test`"]
fn the_index_shows_nine_pages_and_the_ninth_is_the_game() -> Result<()> {
    let server = Server::start(0)?;
    let driver = Driver::start()?;
    let nine = "document.querySelectorAll('.cards a svg').length === 9";
    let browser = open(&driver, &server, "", &Screen::Desktop, nine)?;
    browser.screenshot("gallery-index")?;
    let links = "return [...document.querySelectorAll('.cards a')].map((it) => it.href)";
    let links = browser.execute(links)?;
    for link in links.as_array().context("a list")? {
        let link = link.as_str().context("an address")?;
        let found = browser.execute(&format!(
            "const it = new XMLHttpRequest(); it.open('GET', '{link}', false); it.send(); return it.status"
        ))?;
        ensure!(found == 200, "{link} answers {found}");
    }
    browser.execute("document.querySelectorAll('.cards a')[8].click()")?;
    browser.wait_until("document.getElementById('start-form')", PATIENCE)?;
    browser.wait_until("tickwire.state()", PATIENCE)?;
    browser.execute("document.getElementById('start-form').requestSubmit()")?;
    browser
        .wait_until(
            "tickwire.state().phase === 'playing' && tickwire.state().me",
            PATIENCE,
        )
        .context("the game does not begin")?;
    browser.expect_no_errors()?;
    fits_a_phone(&driver, &server, "", nine)
}

#[test]
#[ignore = "needs Chromium: run `cargo xtask test`"]
fn hello_world_is_said_heard_and_ended() -> Result<()> {
    let server = Server::start(0)?;
    let driver = Driver::start()?;
    let talk = "document.getElementById('talk').innerText.includes('How do you do, browser!')";
    let browser = open(&driver, &server, "hello", &Screen::Desktop, talk)?;
    let lines = "return [...document.querySelectorAll('#talk li')].map((it) => it.className + ' ' + it.textContent)";
    let lines = browser.execute(lines)?;
    let of = |direction: &str| -> Vec<&str> {
        let lines = lines
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str);
        lines
            .filter_map(|line| line.strip_prefix(direction))
            .collect()
    };
    ensure!(
        of("up ") == ["Hello, ", "world!", "How do you do?"],
        "{lines}"
    );
    let heard = [
        "Welcome, a browser!",
        "I heard “Hello, ”",
        "I heard “world!”",
        "(the end)",
        "How do you do, browser!",
    ];
    ensure!(of("down ") == heard, "{lines}");
    browser.screenshot("gallery-hello")?;

    // Around the page: its code, the server's, and the way on.
    browser.execute("document.querySelectorAll('details').forEach((it) => (it.open = true))")?;
    let code = "document.getElementById('code').innerText.includes('wire.openStream')
        && document.getElementById('rust').innerText.includes('async fn hello')";
    browser
        .wait_until(code, PATIENCE)
        .context("the code is not shown")?;
    browser.screenshot("gallery-code")?;
    browser.execute("document.querySelector('[rel=next]').click()")?;
    let back = "location.pathname === '/gallery/upload' && document.querySelector('[rel=prev]')?.pathname === '/gallery/hello'";
    browser
        .wait_until(back, PATIENCE)
        .context("there is no way on and back")?;
    browser.expect_no_errors()?;
    fits_a_phone(&driver, &server, "hello", talk)
}

#[test]
#[ignore = "needs Chromium: run `cargo xtask test`"]
fn what_a_page_lacks_and_what_nothing_catches_is_told() -> Result<()> {
    let server = Server::start(0)?;
    let driver = Driver::start()?;
    let words = "document.getElementById('notice').innerText";
    let browser = driver.browser(&Screen::Desktop)?;
    // A page of plain http that is not this machine's own gets no decoder.
    browser.open(&format!("http://0.0.0.0:{}/gallery/music", server.port()?))?;
    browser
        .wait_until(&format!("{words}.includes('behind https')"), PATIENCE)
        .context("a page of plain http does not say what it lacks")?;
    browser.screenshot("gallery-plain-http")?;

    browser.open(&server.page("/gallery/upload"))?;
    browser.execute(
        "const script = document.createElement('script');
         [script.type, script.textContent] = ['module', 'await Promise.reject(new Error(\"no such file\"))'];
         document.body.append(script);",
    )?;
    browser
        .wait_until(&format!("{words}.includes('no such file')"), PATIENCE)
        .context("an error that nothing catches is not told")?;
    browser.execute("document.querySelector('#notice button').click()")?;
    ensure!(browser.execute("return document.getElementById('notice').hidden")? == true);
    Ok(())
}

#[test]
#[ignore = "needs Chromium: run `cargo xtask test`"]
fn a_file_that_cannot_arrive_says_so_and_can_be_chosen_again() -> Result<()> {
    let server = Server::start_apart()?;
    let driver = Driver::start()?;
    let ready = "document.getElementById('area').ondrop";
    let browser = open(&driver, &server, "upload", &Screen::Desktop, ready)?;
    let choose = "const dataTransfer = new DataTransfer();
         dataTransfer.items.add(new File(['hello'], 'a.txt'));
         const input = document.getElementById('file');
         input.files = dataTransfer.files;
         input.dispatchEvent(new Event('change'));
         return input.files.length";
    let port = server.port()?;
    drop(server);
    let told = "document.getElementById('notice').innerText.includes('Trying again')";
    browser.wait_until(told, PATIENCE)?;
    // Chosen again, a file that is still there would be no change.
    ensure!(browser.execute(choose)? == 0);
    let failed = "document.getElementById('uploads').innerText.includes('did not arrive')
        && document.querySelector('progress').hidden";
    browser
        .wait_until(failed, PATIENCE)
        .context("the page does not say that it failed")?;
    ensure!(browser.execute(&format!("return {told}"))? == true);

    let _server = Server::start(port)?;
    browser.wait_until("document.getElementById('notice').hidden", PATIENCE)?;
    browser.execute(choose)?;
    let arrived = "document.getElementById('uploads').innerText.includes('5 bytes of 5 bytes')";
    browser
        .wait_until(arrived, PATIENCE)
        .context("the file does not arrive after a cut")?;
    let beside = "return document.body.dispatchEvent(new DragEvent('drop', { bubbles: true, cancelable: true }))";
    ensure!(
        browser.execute(beside)? == false,
        "what is dropped beside the area takes the page's place"
    );
    Ok(())
}

#[test]
#[ignore = "needs Chromium: run `cargo xtask test`"]
fn a_dropped_file_arrives_whole_and_its_way_is_told() -> Result<()> {
    const BYTES: u32 = 5_000_000;
    let server = Server::start(0)?;
    let driver = Driver::start()?;
    let ready = "document.getElementById('area').ondrop";
    let browser = open(&driver, &server, "upload", &Screen::Desktop, ready)?;
    // What the bar has shown, and a file of known content.
    browser.execute(&format!(
        "window.shown = [];
         new MutationObserver(() => shown.push(document.querySelector('progress').value))
             .observe(document.getElementById('uploads'), {{ subtree: true, childList: true, characterData: true }});
         const bytes = new Uint8Array({BYTES});
         for (let i = 0; i < bytes.length; i++) bytes[i] = Math.imul(i, 2654435761) >>> 24;
         window.file = new File([bytes], 'world.bin');"
    ))?;
    drop_files(&browser, "[window.file]")?;
    let content: Vec<u8> = (0..BYTES)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let hash = blake3::hash(&content);
    let arrived = format!("document.getElementById('uploads').innerText.includes('{hash}')");
    browser
        .wait_until(&arrived, PATIENCE)
        .context("the file does not arrive as it was")?;
    let shown = browser
        .execute("return [...new Set(shown)].filter((it) => it > 0 && it < file.size).length")?;
    ensure!(
        shown.as_u64() >= Some(5),
        "the bar moved only {shown} times on its way"
    );
    ensure!(browser.execute("return document.querySelector('progress').value")? == BYTES);
    browser.screenshot("gallery-upload")?;
    browser.expect_no_errors()?;
    fits_a_phone(&driver, &server, "upload", ready)
}

/// A picture of one colour, 32 pixels square, as a file.
fn paint(browser: &Browser, name: &str, colour: &str) -> Result<()> {
    browser.execute(&format!(
        "const canvas = new OffscreenCanvas(32, 32);
         const context = canvas.getContext('2d');
         context.fillStyle = '{colour}';
         context.fillRect(0, 0, 32, 32);
         window.painted = null;
         canvas.convertToBlob().then((blob) => {{
             window.painted = new File([blob], '{name}', {{ type: 'image/png' }});
         }});"
    ))?;
    browser.wait_until("painted", PATIENCE)?;
    drop_files(browser, "[painted]")
}

/// The middle of the picture with this name, as it is drawn.
fn colour_of(name: &str) -> String {
    format!(
        "(() => {{
            const image = document.querySelector('img[alt=\"{name}\"]');
            const context = new OffscreenCanvas(32, 32).getContext('2d');
            context.drawImage(image, 0, 0);
            return [...context.getImageData(16, 16, 1, 1).data].join(' ');
        }})()"
    )
}

#[test]
#[ignore = "needs Chromium: run `cargo xtask test`"]
fn a_picture_that_one_drops_is_seen_by_the_other_and_by_who_comes_later() -> Result<()> {
    let server = Server::start(0)?;
    let driver = Driver::start()?;
    let ready = "document.getElementById('area').ondrop";
    let ann = open(&driver, &server, "share", &Screen::Desktop, ready)?;
    let ben = open(&driver, &server, "share", &Screen::Desktop, ready)?;
    paint(&ann, "red.png", "rgb(255, 0, 0)")?;
    paint(&ben, "blue.png", "rgb(0, 0, 255)")?;
    let red = format!("{} === '255 0 0 255'", colour_of("red.png"));
    let blue = format!("{} === '0 0 255 255'", colour_of("blue.png"));
    ben.wait_until(&red, PATIENCE)
        .context("Ben does not see Ann's")?;
    ann.wait_until(&blue, PATIENCE)
        .context("Ann does not see Ben's")?;
    let both = format!("{red} && {blue}");
    let late = open(&driver, &server, "share", &Screen::Desktop, &both)?;
    late.screenshot("gallery-share")?;
    for browser in [&ann, &ben, &late] {
        browser.expect_no_errors()?;
    }
    fits_a_phone(&driver, &server, "share", &both)
}

#[test]
#[ignore = "needs Chromium: run `cargo xtask test`"]
fn twelve_pictures_come_over_the_socket_and_a_second_visit_transfers_none() -> Result<()> {
    let server = Server::start(0)?;
    let driver = Driver::start()?;
    let browser = open(&driver, &server, "images", &Screen::Desktop, "page.done")?;
    let drawn =
        "return [...document.images].filter((it) => it.complete && it.naturalWidth === 320).length";
    ensure!(browser.execute(drawn)? == 12);
    let page = browser.execute("return page")?;
    ensure!(page["bytes"].as_u64() > Some(90_000), "{page}");
    ensure!(page["bytesFetched"] == page["bytes"], "{page}");
    let requests = "return performance.getEntriesByType('resource').map((it) => it.name)
        .filter((it) => !it.startsWith('blob:') && !/\\.(js|css|wasm)$/.test(it))";
    let requests = browser.execute(requests)?;
    ensure!(requests == Value::Array(vec![]), "{requests}");
    browser.screenshot("gallery-images")?;
    browser.until_cached(12)?;

    browser.open(&server.page("/gallery/images"))?;
    browser.wait_until("page.done", PATIENCE)?;
    ensure!(browser.execute(drawn)? == 12);
    let fetched = browser.execute("return page.bytesFetched")?;
    ensure!(fetched == 0, "the second visit fetched {fetched} bytes");
    browser.expect_no_errors()?;
    fits_a_phone(&driver, &server, "images", "page.done")
}
