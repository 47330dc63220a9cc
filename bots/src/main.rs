//! The command for any game: bots that press what the game's schema allows.

use std::process::ExitCode;

use clap::Parser as _;
use tickwire_bots::{Options, SchemaBot};

fn main() -> ExitCode {
    let options = Options::parse();
    let (play, seed) = (options.play, options.seed);
    tickwire_bots::main(move |number, schema| {
        let bot = SchemaBot::new(schema, play, seed.wrapping_add(number as u64))?;
        Ok(Box::new(bot))
    })
}
