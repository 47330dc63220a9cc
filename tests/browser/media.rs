//! The gallery's pages that play: a picture that sharpens, music, live video, a call of two.

use anyhow::{Context as _, Result, ensure};

use crate::{
    driver::{Driver, PATIENCE, Screen},
    gallery::{fits_a_phone, open},
    server::Server,
};

/// Whether a video shows something: pixels of more than one brightness.
const SHOWS: &str = "const shows = (video) => {
    const canvas = new OffscreenCanvas(32, 24);
    const context = canvas.getContext('2d');
    context.drawImage(video, 0, 0, 32, 24);
    const reds = context.getImageData(0, 0, 32, 24).data.filter((_, i) => i % 4 === 1);
    return Math.max(...reds) - Math.min(...reds) > 30;
};";

#[test]
#[ignore = "needs Chromium: run `cargo xtask test`"]
fn a_picture_is_drawn_before_it_is_whole_and_again_as_it_sharpens() -> Result<()> {
    let server = Server::start(0)?;
    let driver = Driver::start()?;
    let whole = "page.drawings.at(-1)?.complete";
    let browser = driver.browser(&Screen::Desktop)?;
    browser.open(&server.page("/gallery/progressive"))?;
    let first = format!(
        "page.drawings.length > 0 && (() => {{ {SHOWS}
            return {{ ...page.drawings[0], shows: shows(document.getElementById('canvas')) }};
        }})()"
    );
    let first = browser
        .wait_until(&first, PATIENCE)
        .context("nothing is drawn")?;
    browser.screenshot("gallery-progressive-early")?;
    ensure!(
        first["shows"] == true,
        "the first drawing is empty: {first}"
    );
    let share =
        first["bytes"].as_f64().context("bytes")? / first["total"].as_f64().context("total")?;
    ensure!(
        share < 0.4 && first["complete"] == false,
        "drawn first at {first}"
    );
    browser
        .wait_until(whole, PATIENCE)
        .context("it is never whole")?;
    let drawings = browser.execute("return page.drawings")?;
    let drawings = drawings.as_array().context("a list")?;
    ensure!(drawings.len() >= 3, "drawn only {} times", drawings.len());
    browser.screenshot("gallery-progressive")?;
    browser.expect_no_errors()?;
    fits_a_phone(&driver, &server, "progressive", whole)
}

#[test]
#[ignore = "needs Chromium: run `cargo xtask test`"]
fn music_sounds_before_the_file_is_whole_and_the_server_waits_for_the_player() -> Result<()> {
    let server = Server::start(0)?;
    let driver = Driver::start()?;
    let ready = "!document.getElementById('play').disabled";
    let browser = open(&driver, &server, "music", &Screen::Desktop, ready)?;
    browser.execute("document.getElementById('play').click()")?;
    for seconds in [1, 4] {
        let sounds = format!("page.audio.currentTime > {seconds} && page.level > 0.05");
        browser
            .wait_until(&sounds, PATIENCE)
            .context("nothing sounds")?;
        let page = browser.execute(
            "const { total, bytes, seconds, audio } = page;
             const played = bytes * audio.currentTime / seconds;
             return { total, waiting: page.sent() - played, ahead: seconds - audio.currentTime };",
        )?;
        let of = |name: &str| page[name].as_f64().unwrap_or(f64::NAN);
        // Four seconds that are decoded, the chunk they are of, and a window, which grows from 128 to 256 KiB when the
        // page takes the first chunk at once.
        ensure!(
            of("waiting") < of("total") / 3.0 && of("ahead") < 5.0,
            "the page does not hold the server back: {page}"
        );
    }
    browser.screenshot("gallery-music")?;
    for (label, state) in [("Play", "closed"), ("Stop", "running")] {
        browser.execute("document.getElementById('play').click()")?;
        let pressed = format!(
            "page.audio.state === '{state}' && document.getElementById('play').textContent === '{label}'"
        );
        browser
            .wait_until(&pressed, PATIENCE)
            .with_context(|| format!("the button does not become {label}"))?;
    }
    browser
        .wait_until("page.audio.currentTime > 0.2", PATIENCE)
        .context("it does not play again")?;
    browser.expect_no_errors()?;
    fits_a_phone(&driver, &server, "music", ready)
}

#[test]
#[ignore = "needs Chromium: run `cargo xtask test`"]
fn live_video_plays_and_everyone_sees_the_same() -> Result<()> {
    let server = Server::start_apart()?;
    let driver = Driver::start()?;
    let plays = format!(
        "(() => {{ {SHOWS}
            const video = document.querySelector('video');
            return video.currentTime > 2 && video.videoWidth === 480 && shows(video);
        }})()"
    );
    let ann = open(&driver, &server, "video", &Screen::Desktop, &plays)?;
    let before = ann.execute("return document.querySelector('video').currentTime")?;
    ann.wait_until(
        &format!("document.querySelector('video').currentTime > {before} + 1"),
        PATIENCE,
    )
    .context("it stands still")?;
    ann.screenshot("gallery-video")?;
    ann.expect_no_errors()?;
    fits_a_phone(&driver, &server, "video", &plays)?;

    // Streams end with their connection: the page opens another one when it is back.
    let port = server.port()?;
    ann.execute("window.before = document.querySelector('video').src")?;
    drop(server);
    let told = "document.getElementById('notice').innerText.includes('Trying again')";
    ann.wait_until(told, PATIENCE)
        .context("the cut is not told")?;
    let _server = Server::start(port)?;
    let goes_on = format!("document.querySelector('video').src !== before && {plays}");
    ann.wait_until(&goes_on, PATIENCE)
        .context("the film does not go on after a cut")?;
    ensure!(ann.execute("return document.getElementById('notice').hidden")? == true);
    Ok(())
}

#[test]
#[ignore = "needs Chromium: run `cargo xtask test`"]
fn two_browsers_see_and_hear_each_other() -> Result<()> {
    let server = Server::start_apart()?;
    let driver = Driver::start()?;
    let ready = "!document.getElementById('join').disabled";
    let ann = open(&driver, &server, "call", &Screen::Desktop, ready)?;
    let ben = open(&driver, &server, "call", &Screen::Desktop, ready)?;
    for browser in [&ann, &ben] {
        browser.execute("document.getElementById('join').click()")?;
    }
    let other = format!(
        "(() => {{ {SHOWS}
            const other = [...document.querySelectorAll('video')].find((it) => !it.srcObject);
            return other && other.currentTime > 2 && shows(other) && other.webkitAudioDecodedByteCount > 0;
        }})()"
    );
    let both_see = || -> Result<()> {
        for (browser, name) in [(&ann, "Ann"), (&ben, "Ben")] {
            browser
                .wait_until(&other, PATIENCE)
                .with_context(|| format!("{name} does not see and hear the other"))?;
        }
        Ok(())
    };
    let shown = |count: u32| format!("document.querySelectorAll('video').length === {count}");
    both_see()?;
    ann.screenshot("gallery-call")?;

    // Who leaves is no longer shown, and sees nobody; and may come again.
    ben.execute("document.getElementById('join').click()")?;
    for (browser, count) in [(&ann, 1), (&ben, 0)] {
        browser
            .wait_until(&shown(count), PATIENCE)
            .context("who left is still shown")?;
    }
    ben.wait_until(ready, PATIENCE)?;
    ben.execute("document.getElementById('join').click()")?;
    both_see().context("after one has left and come again")?;
    for browser in [&ann, &ben] {
        browser.expect_no_errors()?;
    }
    fits_a_phone(&driver, &server, "call", ready)?;

    let port = server.port()?;
    drop(server);
    for browser in [&ann, &ben] {
        browser.wait_until(&shown(1), PATIENCE)?;
    }
    let _server = Server::start(port)?;
    both_see().context("after a cut")?;
    drop(ben);
    ann.wait_until(&shown(1), PATIENCE)
        .context("whose browser is closed is still shown")?;
    Ok(())
}
