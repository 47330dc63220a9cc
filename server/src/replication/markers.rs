//! What a game puts on its entities to say what players see of them.

use bevy_ecs::prelude::{Component, Entity};
use tickwire_protocol::{id::PlayerId, schema::Audience};

/// Players see this entity: the components of it that are registered.
///
/// Removing it (or despawning the entity, or its parent) takes the entity away from them.
#[derive(Component, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replicated;

/// The player to whom the owner-only components of this entity go, wherever that player looks.
#[derive(Component, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner(pub PlayerId);

/// The team of this entity. On a replicated entity: whose players get its team-only components, when it is
/// in their view. On a player's own entity: the team that player is of.
#[derive(Component, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Team(pub u8);

/// Every player sees this entity, wherever it is. Of use only in a room with a grid.
#[derive(Component, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AlwaysRelevant;

/// Who sees this entity at all; without it, everyone.
///
/// A component is seen by those whom both this and its own audience let through: a team's component of an
/// entity for the filter, say, by those of that team whom the filter lets see the entity.
#[derive(Component, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VisibleTo(pub Audience);

/// How much this entity matters when a player's byte budget is short; 1.0 without it. Values below zero or
/// not finite count as zero, and even zero is sent in the end.
#[derive(Component, Clone, Copy, Debug, PartialEq)]
pub struct Priority(pub f32);

/// The part of the world a player sees, on the player's own entity. Of use only in a room with a grid, where
/// a player without one sees what is always relevant and nothing else.
///
/// It may be changed every tick. One that touches more than [`VIEW_CELLS_MAX`](crate::limits::VIEW_CELLS_MAX) cells
/// of the grid is cut around its centre: see [`Grid::new`](super::Grid::new). A size that is NaN counts as zero, which
/// shows the cell of the centre.
#[derive(Component, Clone, Copy, Debug, PartialEq)]
pub struct View {
    pub(super) shape: ViewShape,
    pub(super) centre: ViewCentre,
}

/// The outline of a view.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ViewShape {
    /// A rectangle.
    Rectangle {
        /// Half its width, in units.
        half_width: f32,
        /// Half its height, in units.
        half_height: f32,
    },
    /// A circle.
    Circle {
        /// Its radius, in units.
        radius: f32,
    },
}

/// What a view is around.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ViewCentre {
    /// The entity the view sits on.
    Own,
    /// Another entity.
    Entity(Entity),
    /// A point, in units.
    Point([f32; 2]),
}

impl View {
    /// A view of `width` × `height` units around the entity it sits on.
    #[must_use]
    pub const fn rectangle(width: f32, height: f32) -> Self {
        let shape = ViewShape::Rectangle {
            half_width: width / 2.0,
            half_height: height / 2.0,
        };
        Self {
            shape,
            centre: ViewCentre::Own,
        }
    }

    /// A view of everything within `radius` units of the entity it sits on.
    #[must_use]
    pub const fn circle(radius: f32) -> Self {
        Self {
            shape: ViewShape::Circle { radius },
            centre: ViewCentre::Own,
        }
    }

    /// Its outline.
    #[must_use]
    pub const fn shape(&self) -> ViewShape {
        self.shape
    }

    /// What it is around.
    #[must_use]
    pub const fn centre(&self) -> ViewCentre {
        self.centre
    }

    /// The same view around a point. At one that is not finite, the view stays where it was.
    #[must_use]
    pub const fn at(self, x: f32, y: f32) -> Self {
        Self {
            centre: ViewCentre::Point([x, y]),
            ..self
        }
    }

    /// The same view around another entity. While that one has no position, the view stays where it was.
    #[must_use]
    pub const fn following(self, entity: Entity) -> Self {
        Self {
            centre: ViewCentre::Entity(entity),
            ..self
        }
    }
}
