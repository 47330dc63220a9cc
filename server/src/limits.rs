//! Every bound that only a server decides, in one place, with what happens when it is reached.
//!
//! What both ends hold each other to is in [`tickwire_protocol::limits`].

/// How many ticks a group's state is kept for a player who holds it. Who is further behind gets the group
/// whole.
pub const BASELINE_FRAMES_MAX: u32 = 32;

/// Older states kept of one group. Beyond it the oldest is forgotten, and who holds it gets the group whole.
pub const BASELINES_PER_GROUP_MAX: usize = 32;

/// Cells that one view may touch. A larger view is cut around its centre.
pub const VIEW_CELLS_MAX: usize = 1024;

/// The outermost cell of a grid, in cells from the origin. What lies beyond counts as in it.
pub const CELL_NUMBER_MAX: i32 = 1 << 20;

/// How many snapshots' waiting something new or gone is ahead of what merely changed, under a byte budget.
pub const URGENT_FRAMES: f32 = 8.0;

/// Ticks whose unused byte budget a player may use at once.
pub const BUDGET_BURST_FRAMES: u32 = 4;

/// The frame after which a room learns its first codebook; each later one takes twice as long.
pub const CODEBOOK_FRAMES_FIRST: u32 = 20;

/// The longest time between two attempts to learn a better codebook.
pub const CODEBOOK_FRAMES_MAX: u32 = 1200;
