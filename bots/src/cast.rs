//! Who plays: a game's bots in, and what each of them says at the door; a player for every seat out.

use std::process::ExitCode;

use serde::Serialize;
use tickwire_protocol::schema::Schema;

use crate::{
    bot::Bot,
    options::Options,
    payload,
    player::MakeBot,
    run::{self, Outcome},
    statistics::Slice,
};

type Join = dyn Fn(usize) -> Result<Vec<u8>, String> + Send + Sync;

/// The players of a load test, by their numbers, which begin at 0.
///
/// Most games need [`main`](crate::main) alone. One whose `on_knock` or `on_join` reads what a player says needs that
/// too:
///
/// ```no_run
/// # use tickwire_bots::{Bot, Eyes};
/// # struct Homing;
/// # impl Bot for Homing {
/// #     fn press(&mut self, _: &Eyes<'_>, _: &mut Vec<u8>) {}
/// # }
/// #[derive(serde::Serialize)]
/// struct Ticket {
///     team: u8,
/// }
///
/// fn main() -> std::process::ExitCode {
///     tickwire_bots::Cast::new(|_number, _schema| Ok(Box::new(Homing)))
///         .join(|number| Ticket { team: (number % 2) as u8 })
///         .main()
/// }
/// ```
pub struct Cast {
    make_bot: Box<MakeBot>,
    join: Option<Box<Join>>,
}

impl Cast {
    /// Players whose bots `make_bot` makes: called once per player, with its number and the game's schema, on the
    /// thread that plays it.
    #[must_use]
    pub fn new(
        make_bot: impl Fn(usize, &Schema) -> Result<Box<dyn Bot>, String> + Send + Sync + 'static,
    ) -> Self {
        Self {
            make_bot: Box::new(make_bot),
            join: None,
        }
    }

    /// Has the player of each number say this at the door, as MessagePack: what `Joining::payload` reads. Called for
    /// each connection. `--join` on the command line takes its place.
    #[must_use]
    pub fn join<T: Serialize>(mut self, join: impl Fn(usize) -> T + Send + Sync + 'static) -> Self {
        self.join = Some(Box::new(move |number| payload::encode(&join(number))));
        self
    }

    /// The command, as [`main`](fn@crate::main).
    #[must_use]
    pub fn main(self) -> ExitCode {
        run::main_with(self)
    }

    /// Plays, as [`run`](fn@crate::run).
    ///
    /// # Errors
    /// As there.
    pub fn run(self, options: Options) -> Result<Outcome, String> {
        self.run_watched(options, |_, _| {})
    }

    /// Plays and is watched, as [`run_watched`](crate::run_watched).
    ///
    /// # Errors
    /// As there.
    pub fn run_watched(
        self,
        options: Options,
        watch: impl FnMut(usize, &Slice),
    ) -> Result<Outcome, String> {
        run::run_with(self, options, watch)
    }

    /// Makes the bots.
    pub(crate) fn make_bot(&self) -> &MakeBot {
        &*self.make_bot
    }

    /// What a player says at the door.
    pub(crate) fn joining(&self, number: usize, options: &Options) -> Result<Vec<u8>, String> {
        match (&options.join, &self.join) {
            (Some(payload), _) => Ok(payload.bytes().to_vec()),
            (None, Some(join)) => join(number),
            (None, None) => Ok(Vec::new()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Cast;
    use crate::{options::Options, payload};

    #[test]
    fn a_player_says_what_the_command_asks_for_or_else_its_own() {
        let cast = || Cast::new(|_, _| Err("nobody plays".into()));
        let plain = Options::for_target("ws://h/play");
        let asked = Options {
            join: Some("\"red\"".parse().expect("it is JSON")),
            ..plain.clone()
        };
        let said = |cast: Cast, options| cast.joining(7, options);
        assert_eq!(said(cast(), &plain), Ok(Vec::new()));
        let own = || cast().join(|number| number as u8);
        assert_eq!(said(own(), &plain), payload::encode(&7u8));
        assert_eq!(said(own(), &asked), payload::encode(&"red"));
        let endless = cast().join(|_| "a".repeat(10_000));
        assert!(said(endless, &plain).is_err());
    }
}
