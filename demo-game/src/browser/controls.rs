//! From keys, mouse, fingers and gamepad to a [`Steer`]: whichever the player used last steers.

use std::iter;

use tickwire_client::browser::{Devices, Pad, Pointer, PointerKind};

use crate::components::Steer;
use crate::rules::vector::Vec2;

/// Farthest the thumb pulls the stick, CSS pixels.
pub(super) const STICK_REACH: f32 = 58.0;
/// Nearer than this to its middle a stick rests.
const STICK_REST: f32 = 0.16;
/// How far the mouse must move to take over from the keys, CSS pixels.
const MOUSE_TAKES_OVER: f32 = 6.0;

/// What steers now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Mode {
    /// Keys turn the ship.
    #[default]
    Keys,
    /// The ship turns to the mouse.
    Mouse,
    /// A stick under the left thumb, buttons under the right.
    Touch,
    /// A gamepad.
    Pad,
}

/// A round button on the screen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Button {
    pub(super) centre: Vec2,
    pub(super) radius: f32,
    pub(super) is_down: bool,
}

impl Button {
    fn holds(&self, place: Vec2) -> bool {
        place.distance(self.centre) <= self.radius * 1.25
    }
}

/// The stick as it is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Stick {
    pub(super) base: Vec2,
    pub(super) thumb: Vec2,
    pub(super) is_down: bool,
}

/// All ways to steer.
#[derive(Default)]
pub(super) struct Controls {
    pub(super) mode: Mode,
    pub(super) stick: Stick,
    pub(super) buttons: Option<[Button; 3]>,
    mouse: Vec2,
    screen: Vec2,
}

impl Controls {
    /// Before the player has used anything: for fingers where they are what a page is mostly used with.
    pub(super) fn new(is_for_fingers: bool) -> Self {
        let mode = if is_for_fingers {
            Mode::Touch
        } else {
            Mode::default()
        };
        Self {
            mode,
            ..Self::default()
        }
    }

    /// True when the buttons for thumbs are to be drawn.
    pub(super) fn is_touch(&self) -> bool {
        self.mode == Mode::Touch
    }

    /// Where thumbs press, centre and radius; nowhere while something else steers.
    pub(super) fn thumbs(&self) -> impl Iterator<Item = (Vec2, f32)> {
        let buttons = self.buttons.iter().flatten();
        let places = buttons.map(|button| (button.centre, button.radius));
        let stick = (self.stick.base, STICK_REACH);
        places.chain(iter::once(stick)).filter(|_| self.is_touch())
    }

    /// Reads the devices. `ship` is where the own ship is on the screen.
    pub(super) fn read(&mut self, devices: &Devices, ship: Vec2, screen: Vec2) -> Steer {
        self.screen = screen;
        let pointers = devices.pointers();
        self.choose_mode(devices, &pointers);
        let steer = match self.mode {
            Mode::Keys => keys(devices),
            Mode::Mouse => self.mouse(devices, &pointers, ship),
            Mode::Touch => self.touch(&pointers),
            Mode::Pad => devices.gamepads().first().map(pad).unwrap_or_default(),
        };
        steer.rounded()
    }

    fn choose_mode(&mut self, devices: &Devices, pointers: &[Pointer]) {
        let turns = [
            "KeyA",
            "KeyD",
            "ArrowLeft",
            "ArrowRight",
            "ArrowUp",
            "ArrowDown",
        ];
        if turns.iter().any(|key| devices.pressed(key)) {
            self.mode = Mode::Keys;
        }
        for pointer in pointers {
            let at = Vec2::new(pointer.at.0, pointer.at.1);
            match pointer.kind {
                PointerKind::Touch if pointer.is_down => self.mode = Mode::Touch,
                PointerKind::Mouse | PointerKind::Pen
                    if pointer.is_down || at.distance(self.mouse) > MOUSE_TAKES_OVER =>
                {
                    // The first sight of a resting mouse is no movement.
                    if self.mouse != Vec2::ZERO {
                        self.mode = Mode::Mouse;
                    }
                    self.mouse = at;
                }
                _ => {}
            }
        }
        let is_moved = |pad: &Pad| {
            pad.axes.iter().any(|axis| axis.abs() > 0.4) || pad.buttons.iter().any(|b| *b > 0.5)
        };
        if devices.gamepads().iter().any(is_moved) {
            self.mode = Mode::Pad;
        }
    }

    fn mouse(&self, devices: &Devices, pointers: &[Pointer], ship: Vec2) -> Steer {
        let is_down = pointers
            .iter()
            .any(|p| p.kind != PointerKind::Touch && p.is_down);
        let held = keys(devices);
        Steer {
            turn: 0.0,
            aim: Some((self.mouse - ship).angle()),
            fire: held.fire || is_down,
            ..held
        }
    }

    fn touch(&mut self, pointers: &[Pointer]) -> Steer {
        let mut buttons = self.layout();
        let mut stick = Stick {
            base: self.rest(),
            ..Stick::default()
        };
        stick.thumb = stick.base;
        for pointer in pointers
            .iter()
            .filter(|p| p.is_down && p.kind == PointerKind::Touch)
        {
            let start = Vec2::new(pointer.start.0, pointer.start.1);
            let at = Vec2::new(pointer.at.0, pointer.at.1);
            if start.x < self.screen.x * 0.5 {
                // The stick is where the thumb came down: nobody looks at their thumb.
                stick.base = start;
                stick.thumb = start + (at - start).clamped(STICK_REACH);
                stick.is_down = true;
            } else if let Some(button) = buttons.iter_mut().find(|button| button.holds(at)) {
                button.is_down = true;
            } else {
                buttons[0].is_down = true;
            }
        }
        let pull = (stick.thumb - stick.base) * (1.0 / STICK_REACH);
        self.stick = stick;
        self.buttons = Some(buttons);
        let (aim, thrust) = stick_steer(pull);
        Steer {
            turn: 0.0,
            aim,
            thrust,
            fire: buttons[0].is_down,
            boost: buttons[1].is_down,
            seek: buttons[2].is_down,
        }
    }

    fn rest(&self) -> Vec2 {
        Vec2::new(92.0, self.screen.y - 112.0)
    }

    fn layout(&self) -> [Button; 3] {
        let corner = self.screen;
        let button = |x: f32, y: f32, radius: f32| Button {
            centre: Vec2::new(corner.x - x, corner.y - y),
            radius,
            is_down: false,
        };
        [
            button(78.0, 104.0, 46.0),
            button(158.0, 64.0, 30.0),
            button(68.0, 196.0, 30.0),
        ]
    }
}

fn keys(devices: &Devices) -> Steer {
    let any = |codes: &[&str]| codes.iter().any(|code| devices.held(code));
    let axis = |less: &[&str], more: &[&str]| f32::from(i8::from(any(more)) - i8::from(any(less)));
    Steer {
        turn: axis(&["KeyA", "ArrowLeft"], &["KeyD", "ArrowRight"]),
        aim: None,
        thrust: axis(&["KeyS", "ArrowDown"], &["KeyW", "ArrowUp"]),
        fire: any(&["Space", "KeyJ"]),
        seek: any(&["KeyE", "KeyK"]),
        boost: any(&["ShiftLeft", "ShiftRight"]),
    }
}

/// Standard layout: left stick flies, A or right trigger fires, B boosts, X lets a seeker go.
fn pad(pad: &Pad) -> Steer {
    let down = |button: usize| {
        pad.buttons
            .get(button)
            .is_some_and(|pressed| *pressed > 0.4)
    };
    let (aim, thrust) = stick_steer(Vec2::new(pad.axes[0], pad.axes[1]));
    Steer {
        turn: 0.0,
        aim,
        thrust,
        fire: down(0) || down(7),
        seek: down(2) || down(5),
        boost: down(1) || down(6),
    }
}

/// A stick gives the heading by its direction and the thrust by how far it is pulled.
fn stick_steer(pull: Vec2) -> (Option<f32>, f32) {
    let strength = pull.length();
    if strength < STICK_REST {
        return (None, 0.0);
    }
    // A short pull turns on the spot, so that one can aim without flying off.
    let thrust = ((strength - 0.35) / 0.55).clamp(0.0, 1.0);
    (Some(pull.angle()), thrust)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_pull_turns_without_thrust_and_a_long_one_thrusts() {
        assert_eq!(stick_steer(Vec2::new(0.05, 0.0)), (None, 0.0));
        assert_eq!(stick_steer(Vec2::new(0.3, 0.0)), (Some(0.0), 0.0));
        assert_eq!(stick_steer(Vec2::new(0.0, 1.0)).1, 1.0);
    }
}
