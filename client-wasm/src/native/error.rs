//! Why there is no connection.

use std::io;

use tickwire_protocol::{
    error::PeerMisbehaved,
    websocket::{AddressError, upgrade::UpgradeError},
};

/// Why a first attempt to connect failed. Later ones are made by the connection itself, and told as
/// [`ClientEvent::Disconnected`](crate::ClientEvent::Disconnected).
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The address is none.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// `wss://` was asked of a client that opens plain sockets.
    #[error("{0}: TLS is the caller's: give `Connection::connect_by` what opens a TLS stream")]
    NeedsTls(String),
    /// The name stands for no host, nobody listens there, the line broke, or nothing came in time.
    #[error("the server cannot be reached: {0}")]
    Unreachable(#[from] io::Error),
    /// Something answers there, but does not take this client: it is no Tickwire server, or a full one.
    #[error(transparent)]
    Upgrade(#[from] UpgradeError),
    /// The server broke a rule of WebSocket.
    #[error("the server broke a rule: {0}")]
    Misbehaved(#[from] PeerMisbehaved),
    /// The server, or its game, did not let the player in; or this client did not like the server's game.
    #[error("{message}")]
    Refused {
        /// The close code: see [`CloseCode`](tickwire_protocol::error::CloseCode).
        code: u16,
        /// The reason as it was given.
        reason: Box<str>,
        /// The same as a sentence for a player.
        message: String,
    },
}
