//! The geometry of interest: cells of the grid and the part of the world a player sees.
//!
//! In: positions and views in world units. Out: cells. The decision to question: interest is decided cell by
//! cell, not entity by entity, because players who see the same cell share its bytes. What a player sees
//! beyond its view is bounded all the same: a held cell lies within the hysteresis, whole.

use super::markers::{View, ViewShape};
use crate::limits::{CELL_NUMBER_MAX, VIEW_CELLS_KEPT_MAX, VIEW_CELLS_MAX};

/// How far an entity may stand outside its cell before it changes, as a part of the cell: one that trembles
/// on a border must not enter and leave each tick.
pub(super) const BORDER: f32 = 1.0 / 16.0;

/// One square of the grid. Ordered by row, then column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Cell {
    pub(super) y: i32,
    pub(super) x: i32,
}

/// Cells from `low` to `high`, both included.
#[derive(Clone, Copy, Debug)]
pub(super) struct CellRange {
    low: Cell,
    high: Cell,
}

/// A view with its centre found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Region {
    pub(super) centre: [f32; 2],
    pub(super) shape: ViewShape,
}

impl Cell {
    /// The cell of a position, which is the one it had as long as it is not clearly outside.
    ///
    /// A position that is not finite stays where it was, or goes to the first cell.
    pub(super) fn of(position: [f32; 2], before: Option<Self>, cell_units: f32) -> Self {
        let number = |at: f32, before: Option<i32>| {
            let cells = at / cell_units;
            match before {
                Some(before) if !cells.is_finite() => before,
                Some(before) if (cells - before as f32 - 0.5).abs() <= 0.5 + BORDER => before,
                _ => cell_number(cells),
            }
        };
        Self {
            y: number(position[1], before.map(|cell| cell.y)),
            x: number(position[0], before.map(|cell| cell.x)),
        }
    }

    /// Its middle, in world units.
    pub(super) fn centre(self, cell_units: f32) -> [f32; 2] {
        [
            (self.x as f32 + 0.5) * cell_units,
            (self.y as f32 + 0.5) * cell_units,
        ]
    }
}

/// The number of the cell at a coordinate, in cells; the outermost one beyond the grid's end.
fn cell_number(cells: f32) -> i32 {
    let end = CELL_NUMBER_MAX as f32;
    // NaN casts to zero.
    cells.floor().clamp(-end, end) as i32
}

impl CellRange {
    pub(super) fn cells(self) -> impl Iterator<Item = Cell> {
        (self.low.y..=self.high.y)
            .flat_map(move |y| (self.low.x..=self.high.x).map(move |x| Cell { y, x }))
    }

    pub(super) const fn holds(self, cell: Cell) -> bool {
        self.low.y <= cell.y
            && cell.y <= self.high.y
            && self.low.x <= cell.x
            && cell.x <= self.high.x
    }

    /// The range with those cells around it that lie within `reach_units`: fewer when it would be more than
    /// [`VIEW_CELLS_KEPT_MAX`] in all.
    pub(super) fn grown(self, reach_units: f32, cell_units: f32) -> Self {
        let sides = [self.high.x - self.low.x + 1, self.high.y - self.low.y + 1];
        let fits = |by: i32| {
            let [width, height] = sides.map(|side| (side + 2 * by) as usize);
            width * height <= VIEW_CELLS_KEPT_MAX
        };
        let most = (reach_units / cell_units).ceil() as i32;
        let by = (1..=most).take_while(|&by| fits(by)).last().unwrap_or(0);
        Self {
            low: Cell {
                y: self.low.y - by,
                x: self.low.x - by,
            },
            high: Cell {
                y: self.high.y + by,
                x: self.high.x + by,
            },
        }
    }
}

impl Region {
    /// A view around a place. Of a size that is NaN, which is neither within a reach nor beyond it nor equal to
    /// itself, nothing here would hold: it counts as zero.
    pub(super) const fn new(view: &View, centre: [f32; 2]) -> Self {
        let shape = match view.shape {
            ViewShape::Rectangle {
                half_width,
                half_height,
            } => ViewShape::Rectangle {
                half_width: or_zero(half_width),
                half_height: or_zero(half_height),
            },
            ViewShape::Circle { radius } => ViewShape::Circle {
                radius: or_zero(radius),
            },
        };
        Self { centre, shape }
    }

    /// Half its width and height.
    fn half(&self) -> [f32; 2] {
        match self.shape {
            ViewShape::Rectangle {
                half_width,
                half_height,
            } => [half_width, half_height],
            ViewShape::Circle { radius } => [radius; 2],
        }
    }

    /// Whether another has the same shape and its centre is at most so far from this one's.
    pub(super) fn is_within(&self, other: &Self, units: f32) -> bool {
        let [dx, dy] = [0, 1].map(|axis| self.centre[axis] - other.centre[axis]);
        self.shape == other.shape && dx * dx + dy * dy <= units * units
    }

    /// The cells it may touch: a box around it. A view of more than [`VIEW_CELLS_MAX`] cells is cut around
    /// its centre.
    pub(super) fn range(&self, cell_units: f32) -> CellRange {
        let [[left, right], [top, bottom]] = self.ends(cell_units);
        let cell = |x, y| Cell {
            y: cell_number(y),
            x: cell_number(x),
        };
        CellRange {
            low: cell(left, top),
            high: cell(right, bottom),
        }
    }

    /// How far the centre may move before the [`range`](Self::range) is another.
    pub(super) fn leeway_of_range(&self, cell_units: f32) -> f32 {
        let ends = self.ends(cell_units);
        let parts = ends.as_flattened().iter().map(|end| end - end.floor());
        parts.map(|part| part.min(1.0 - part)).fold(1.0, f32::min) * cell_units
    }

    /// Whether it is cut because it may touch more than [`VIEW_CELLS_MAX`] cells.
    pub(super) fn is_cut(&self, cell_units: f32) -> bool {
        is_too_far(self.reach(cell_units))
    }

    /// How far it reaches on each axis, in cells, before it is cut.
    fn reach(&self, cell_units: f32) -> [f32; 2] {
        let end = CELL_NUMBER_MAX as f32;
        self.half()
            .map(|half| (half.max(0.0) / cell_units + BORDER).min(end))
    }

    /// Where the range begins and ends on each axis, in cells.
    fn ends(&self, cell_units: f32) -> [[f32; 2]; 2] {
        let side_max = (VIEW_CELLS_MAX as f32).sqrt();
        let mut reach = self.reach(cell_units);
        if is_too_far(reach) {
            reach = reach.map(|reach| reach.min(side_max / 2.0 - 1.0));
        }
        [0, 1].map(|axis| {
            let centre = self.centre[axis] / cell_units;
            [centre - reach[axis], centre + reach[axis]]
        })
    }

    /// How far the view reaches into a cell; below zero when no entity of it can be inside the view.
    pub(super) fn inside(&self, cell: Cell, cell_units: f32) -> f32 {
        let distances = self.distances(cell, cell_units);
        self.depth(distances.map(|(nearest, _)| nearest), 0.0)
    }

    /// How far the centre may move before a cell that is seen is one no more, because the view does not touch it
    /// and an entity of it can be more than `reach_units` outside; below zero when it is none now.
    pub(super) fn leeway_of_held(&self, cell: Cell, cell_units: f32, reach_units: f32) -> f32 {
        let distances = self.distances(cell, cell_units);
        let touched = self.depth(distances.map(|(nearest, _)| nearest), 0.0);
        let enclosed = self.depth(distances.map(|(_, farthest)| farthest), reach_units);
        touched.max(enclosed)
    }

    /// How deep a point that far from the centre lies inside the view and `reach_units` around it; below zero
    /// outside. It changes by no more than the centre moves.
    fn depth(&self, [dx, dy]: [f32; 2], reach_units: f32) -> f32 {
        match self.shape {
            ViewShape::Rectangle {
                half_width,
                half_height,
            } => (half_width - dx).min(half_height - dy) + reach_units,
            ViewShape::Circle { radius } => radius - dx.hypot(dy) + reach_units,
        }
    }

    /// For each axis, how far the nearest and the farthest place of a cell (border included) are from the
    /// centre.
    fn distances(&self, cell: Cell, cell_units: f32) -> [(f32, f32); 2] {
        let half = (0.5 + BORDER) * cell_units;
        let middle = cell.centre(cell_units);
        [0, 1].map(|axis| {
            let apart = (middle[axis] - self.centre[axis]).abs();
            ((apart - half).max(0.0), apart + half)
        })
    }
}

const fn or_zero(units: f32) -> f32 {
    if units.is_nan() { 0.0 } else { units }
}

/// Whether a view that reaches so far, in cells, may touch more than [`VIEW_CELLS_MAX`].
fn is_too_far([x, y]: [f32; 2]) -> bool {
    (2.0 * x + 2.0) * (2.0 * y + 2.0) > VIEW_CELLS_MAX as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entity_on_a_border_keeps_its_cell() {
        let cell = Cell::of([99.0, 50.0], None, 100.0);
        assert_eq!(cell, Cell { y: 0, x: 0 });
        assert_eq!(Cell::of([105.0, 50.0], Some(cell), 100.0), cell);
        assert_eq!(
            Cell::of([107.0, 50.0], Some(cell), 100.0),
            Cell { y: 0, x: 1 }
        );
        assert_eq!(Cell::of([f32::NAN, f32::INFINITY], Some(cell), 100.0), cell);
        assert_eq!(Cell::of([f32::NAN, f32::NAN], None, 100.0), cell);
    }

    #[test]
    fn cells_in_range_that_touch_are_all_that_touch() {
        let shapes = [View::rectangle(500.0, 200.0), View::circle(260.0)];
        for view in shapes {
            let region = Region::new(&view, [-130.0, 77.0]);
            let in_range: Vec<_> = region
                .range(100.0)
                .cells()
                .filter(|&cell| region.inside(cell, 100.0) >= 0.0)
                .collect();
            let all = (-20..20).flat_map(|y| (-20..20).map(move |x| Cell { y, x }));
            assert_eq!(
                in_range,
                all.filter(|&cell| region.inside(cell, 100.0) >= 0.0)
                    .collect::<Vec<_>>()
            );
        }
    }

    #[test]
    fn a_view_of_the_whole_universe_is_cut() {
        for side in [1e9, f32::INFINITY, f32::NAN] {
            let region = Region::new(&View::rectangle(side, side), [0.0, 0.0]);
            let range = region.range(1.0);
            assert!(range.cells().count() <= VIEW_CELLS_MAX);
            for reach in [0.0, 1.6, 40.0, f32::INFINITY] {
                let kept = range.grown(reach, 1.0);
                assert!(kept.cells().count() <= VIEW_CELLS_KEPT_MAX);
                assert!(range.cells().all(|cell| kept.holds(cell)));
            }
        }
    }

    #[test]
    fn what_touches_a_view_or_lies_within_its_hysteresis_is_in_the_range_that_is_kept() {
        for view in [View::rectangle(500.0, 200.0), View::circle(260.0)] {
            for step in 0u8..50 {
                let region = Region::new(&view, [f32::from(step) * 7.3 - 130.0, 77.0]);
                let kept = region.range(100.0).grown(160.0, 100.0);
                let all = (-20..20).flat_map(|y| (-20..20).map(move |x| Cell { y, x }));
                let stays = |cell: &Cell| region.leeway_of_held(*cell, 100.0, 160.0) >= 0.0;
                assert!(all.filter(stays).all(|cell| kept.holds(cell)));
            }
        }
    }
}
