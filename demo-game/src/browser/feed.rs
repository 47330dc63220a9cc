//! What has been said and done: kill feed, chat lines, and the large words in the middle of the screen.

use std::collections::VecDeque;

/// Seconds a line of the kill feed stays.
const KILL_SECONDS: f32 = 6.0;
/// Seconds a line of chat stays.
const CHAT_SECONDS: f32 = 12.0;
/// Lines of each kept.
const LINES_MAX: usize = 6;

/// A kill: two names with their colours, and how.
#[derive(Clone, Debug)]
pub(super) struct KillLine {
    pub(super) killer: Option<(String, u8)>,
    pub(super) victim: (String, u8),
    pub(super) is_seeker: bool,
    pub(super) concerns_me: bool,
    until: f32,
}

/// A line of chat.
#[derive(Clone, Debug)]
pub(super) struct ChatLine {
    pub(super) name: String,
    pub(super) hue: u8,
    pub(super) text: String,
    until: f32,
}

/// Large words.
#[derive(Clone, Debug)]
pub(super) struct Banner {
    pub(super) title: String,
    pub(super) below: String,
    pub(super) colour: String,
    pub(super) since: f32,
    pub(super) until: f32,
}

/// All of it.
#[derive(Default)]
pub(super) struct Feed {
    pub(super) kills: VecDeque<KillLine>,
    pub(super) chat: VecDeque<ChatLine>,
    pub(super) banner: Option<Banner>,
}

impl Feed {
    /// Adds a kill.
    pub(super) fn kill(
        &mut self,
        killer: Option<(String, u8)>,
        victim: (String, u8),
        is_seeker: bool,
        concerns_me: bool,
        now: f32,
    ) {
        self.kills.push_back(KillLine {
            killer,
            victim,
            is_seeker,
            concerns_me,
            until: now + KILL_SECONDS,
        });
        if self.kills.len() > LINES_MAX {
            self.kills.pop_front();
        }
    }

    /// Adds a line of chat.
    pub(super) fn say(&mut self, name: String, hue: u8, text: String, now: f32) {
        self.chat.push_back(ChatLine {
            name,
            hue,
            text,
            until: now + CHAT_SECONDS,
        });
        if self.chat.len() > LINES_MAX {
            self.chat.pop_front();
        }
    }

    /// Shows large words for some seconds, over any that stand there.
    pub(super) fn announce(
        &mut self,
        title: &str,
        below: &str,
        colour: &str,
        now: f32,
        seconds: f32,
    ) {
        self.banner = Some(Banner {
            title: title.into(),
            below: below.into(),
            colour: colour.into(),
            since: now,
            until: now + seconds,
        });
    }

    /// Forgets what is old.
    pub(super) fn settle(&mut self, now: f32) {
        self.kills.retain(|line| line.until > now);
        self.chat.retain(|line| line.until > now);
        if self
            .banner
            .as_ref()
            .is_some_and(|banner| banner.until <= now)
        {
            self.banner = None;
        }
    }
}

impl KillLine {
    /// How solid the line still is.
    pub(super) fn alpha(&self, now: f32) -> f32 {
        (self.until - now).clamp(0.0, 1.0)
    }
}

impl ChatLine {
    /// How solid the line still is.
    pub(super) fn alpha(&self, now: f32) -> f32 {
        (self.until - now).clamp(0.0, 1.0)
    }
}
