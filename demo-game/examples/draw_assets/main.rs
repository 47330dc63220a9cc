//! Draws the demo's pictures and computes its sounds: `cargo run -p tickwire-demo --example draw_assets`.
//!
//! Nothing comes in but constants; PNG and WAV files go out to `assets/` (or to a folder given as the
//! argument). The files are committed, so that nobody has to run this to play; running it again writes the
//! same bytes.

mod nebula;
mod pickups;
mod raster;
mod rocks;
mod shapes;
mod ship;
mod sounds;
mod wav;

use std::path::PathBuf;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets");
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| default.into()));
    std::fs::create_dir_all(&folder)?;
    let mut files = vec![
        ("ship_hull.png".to_owned(), ship::hull().to_png()?),
        ("ship_trim.png".to_owned(), ship::trim().to_png()?),
        ("seeker.png".to_owned(), ship::seeker().to_png()?),
        ("nebula.png".to_owned(), nebula::nebula().to_png()?),
    ];
    for look in 0..rocks::LOOKS {
        files.push((format!("rock_{look}.png"), rocks::rock(look).to_png()?));
    }
    for (name, picture) in pickups::all() {
        files.push((format!("pickup_{name}.png"), picture.to_png()?));
    }
    for (name, sound) in sounds::all() {
        files.push((format!("{name}.wav"), wav::to_wav(&sound)?));
    }
    let mut total = 0;
    for (name, bytes) in files {
        total += bytes.len();
        println!("{:>7} {name}", bytes.len());
        std::fs::write(folder.join(name), bytes)?;
    }
    println!("{total:>7} bytes in all");
    Ok(())
}
