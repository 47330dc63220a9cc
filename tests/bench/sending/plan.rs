//! What one measurement is made of, as arguments that a child process is started with.

use std::str::FromStr;

/// Inputs per second where there are thousands: 8000 bots that press 30 times would need six cores for
/// themselves, most of them for sending.
pub(crate) const CROWD_INPUT_HZ: u32 = 1;

/// The servers that are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum System {
    Floor,
    Tickwire,
    Axum,
}

impl System {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Tickwire => "tickwire",
            Self::Axum => "axum",
        }
    }
}

impl FromStr for System {
    type Err = String;
    fn from_str(name: &str) -> Result<Self, String> {
        [Self::Floor, Self::Tickwire, Self::Axum]
            .into_iter()
            .find(|system| system.name() == name)
            .ok_or_else(|| format!("no system is called {name}: floor, tickwire or axum"))
    }
}

/// One measurement.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Plan {
    /// Which server.
    #[arg(long)]
    pub(crate) system: System,
    /// Connections.
    #[arg(long)]
    pub(crate) players: usize,
    /// Rooms they are spread over.
    #[arg(long, default_value_t = 1)]
    pub(crate) rooms: usize,
    /// Entities of each room's reference world (Tickwire).
    #[arg(long, default_value_t = 1000)]
    pub(crate) entities: usize,
    /// Whether players see a part of the world only (Tickwire).
    #[arg(long)]
    pub(crate) interest: bool,
    /// Size of a message down (floor and axum; Tickwire sends real snapshots).
    #[arg(long, default_value_t = 0)]
    pub(crate) snapshot_bytes: usize,
    /// Messages down per second.
    #[arg(long, default_value_t = 20)]
    pub(crate) rate_hz: u32,
    /// Messages up per second.
    #[arg(long, default_value_t = 30)]
    pub(crate) input_hz: u32,
    /// Seconds that count.
    #[arg(long, default_value_t = 20)]
    pub(crate) seconds: u32,
    /// Worker threads (Tickwire); 0 means one per core.
    #[arg(long, default_value_t = 0)]
    pub(crate) workers: usize,
    /// Tickwire serves until its parent ends it, whoever comes and goes, within its default limits.
    #[arg(long)]
    pub(crate) hold: bool,
}

impl Plan {
    /// The arguments that make a child read the same plan.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let mut arguments: Vec<String> = [
            ("system", self.system.name().to_owned()),
            ("players", self.players.to_string()),
            ("rooms", self.rooms.to_string()),
            ("entities", self.entities.to_string()),
            ("snapshot-bytes", self.snapshot_bytes.to_string()),
            ("rate-hz", self.rate_hz.to_string()),
            ("input-hz", self.input_hz.to_string()),
            ("seconds", self.seconds.to_string()),
            ("workers", self.workers.to_string()),
        ]
        .into_iter()
        .flat_map(|(name, value)| [format!("--{name}"), value])
        .collect();
        let switches = [("--interest", self.interest), ("--hold", self.hold)];
        let set = switches.into_iter().filter(|(_, is_set)| *is_set);
        arguments.extend(set.map(|(name, _)| name.to_owned()));
        arguments
    }
}
