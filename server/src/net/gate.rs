//! The door of the process: how many connections it takes, in all, from one address, and at a time that
//! have not said who they are.
//!
//! In: an address. Out: a permit, which gives its places back when it is dropped, wherever and however
//! the connection ends; or a refusal, counted.

use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::{net::IpAddr, sync::Arc};

use dashmap::DashMap;
use tickwire_protocol::error::CloseCode;

use super::metrics::Metrics;
use crate::limits::{HTTP_ADDRESSES_LEAST, Limits};

/// Counts the connections there are.
#[derive(Debug)]
pub(super) struct Gate {
    connections_max: usize,
    per_address_max: usize,
    handshakes_max: usize,
    http_per_address_max: usize,
    connections: AtomicUsize,
    /// Connections that were ever let in: each one's number.
    entered: AtomicU64,
    addresses: DashMap<IpAddr, usize>,
    http_addresses: DashMap<IpAddr, usize>,
    metrics: Arc<Metrics>,
}

/// A place among the HTTP connections, of an address and in all, held by one of them.
#[derive(Debug)]
pub(super) struct HttpPermit {
    gate: Arc<Gate>,
    address: Option<IpAddr>,
}

/// A place in the process, held by one connection.
#[derive(Debug)]
pub(crate) struct Permit {
    gate: Arc<Gate>,
    number: u64,
    address: Option<IpAddr>,
    is_greeting: bool,
}

/// Why a connection gets no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The process has all the connections it may have.
    Process,
    /// The address has.
    Address,
    /// The address has all the HTTP connections it may have: no code can be said to it.
    HttpAddress,
    /// Too many connections have been upgraded and have no seat yet.
    Handshakes,
}

impl Refusal {
    /// What the close frame says.
    pub(super) const fn code(self) -> CloseCode {
        match self {
            Self::Process | Self::Handshakes => CloseCode::Full,
            Self::Address | Self::HttpAddress => CloseCode::RateLimited,
        }
    }

    /// For a person.
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::Process => "the server has no place left",
            Self::Address | Self::HttpAddress => "too many connections from one address",
            Self::Handshakes => "too many are coming in at once, try again in a moment",
        }
    }
}

impl Gate {
    pub(super) fn new(limits: &Limits, metrics: Arc<Metrics>) -> Self {
        Self {
            connections_max: limits.connections_max,
            per_address_max: limits.connections_per_address_max,
            handshakes_max: limits.handshakes_max,
            http_per_address_max: (limits.http_connections_max / HTTP_ADDRESSES_LEAST).max(1),
            connections: AtomicUsize::new(0),
            entered: AtomicU64::new(0),
            addresses: DashMap::new(),
            http_addresses: DashMap::new(),
            metrics,
        }
    }

    /// Lets one more HTTP connection of an address in; `None`, counted, when it has too many.
    pub(super) fn enter_http(self: &Arc<Self>, address: Option<IpAddr>) -> Option<HttpPermit> {
        let address = counted(address);
        if let Some(address) = address {
            let mut count = self.http_addresses.entry(address).or_insert(0);
            if *count >= self.http_per_address_max {
                self.metrics.count_refusal(Refusal::HttpAddress);
                return None;
            }
            *count += 1;
        }
        self.metrics.http_connections.add(1);
        Some(HttpPermit {
            gate: self.clone(),
            address,
        })
    }

    /// Lets one more connection in, or says why not.
    pub(super) fn enter(self: &Arc<Self>, address: Option<IpAddr>) -> Result<Permit, Refusal> {
        let entered = self.try_enter(address);
        if let Err(refusal) = &entered {
            self.metrics.count_refusal(*refusal);
        }
        entered
    }

    fn try_enter(self: &Arc<Self>, address: Option<IpAddr>) -> Result<Permit, Refusal> {
        if self.connections.fetch_add(1, Relaxed) >= self.connections_max {
            self.connections.fetch_sub(1, Relaxed);
            return Err(Refusal::Process);
        }
        // From here on the permit's drop undoes what was counted.
        let mut permit = Permit {
            gate: self.clone(),
            number: self.entered.fetch_add(1, Relaxed),
            address: None,
            is_greeting: false,
        };
        if let Some(address) = counted(address) {
            let mut count = self.addresses.entry(address).or_insert(0);
            if *count >= self.per_address_max {
                return Err(Refusal::Address);
            }
            *count += 1;
            permit.address = Some(address);
        }
        if !self.metrics.handshakes.try_rise(self.handshakes_max) {
            return Err(Refusal::Handshakes);
        }
        permit.is_greeting = true;
        Ok(permit)
    }

    /// Connections inside.
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Relaxed)
    }
}

impl Permit {
    /// The connection's number, for logs: no other one of this process has it.
    pub(crate) const fn number(&self) -> u64 {
        self.number
    }

    /// The connection has a seat, or was turned away: its handshake is over.
    pub(crate) fn end_handshake(&mut self) {
        if core::mem::take(&mut self.is_greeting) {
            self.gate.metrics.handshakes.add(-1);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.end_handshake();
        self.gate.connections.fetch_sub(1, Relaxed);
        if let Some(address) = &self.address {
            release(&self.gate.addresses, address);
        }
    }
}

impl Drop for HttpPermit {
    fn drop(&mut self) {
        self.gate.metrics.http_connections.add(-1);
        if let Some(address) = &self.address {
            release(&self.gate.http_addresses, address);
        }
    }
}

/// Counts one place less, and forgets an address that has none.
fn release(addresses: &DashMap<IpAddr, usize>, address: &IpAddr) {
    addresses.remove_if_mut(address, |_, count| {
        *count -= 1;
        *count == 0
    });
}

/// The address that a connection counts for, if it counts for any.
fn counted(address: Option<IpAddr>) -> Option<IpAddr> {
    address.map(origin).filter(|origin| !origin.is_loopback())
}

/// What counts as one address: of IPv6 the network of 64 bits, all of whose addresses a household has; and an IPv4
/// address as itself, in whatever form the socket gives it.
fn origin(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            let network = u128::from(address) & !u128::from(u64::MAX);
            IpAddr::V6(network.into())
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(connections_max: usize, connections_per_address_max: usize) -> Arc<Gate> {
        let limits = Limits {
            connections_max,
            connections_per_address_max,
            handshakes_max: 3,
            ..Limits::default()
        };
        Arc::new(Gate::new(&limits, Arc::new(Metrics::new(1))))
    }

    #[test]
    fn a_full_process_refuses_and_a_dropped_permit_makes_room() {
        let gate = gate(2, 10);
        let first = gate.enter(None).unwrap();
        let _second = gate.enter(None).unwrap();
        assert_eq!(gate.enter(None).unwrap_err(), Refusal::Process);
        drop(first);
        assert!(gate.enter(None).is_ok());
        assert_eq!(gate.connections(), 1);
    }

    #[test]
    fn one_address_cannot_take_all_places_and_leaves_nothing_behind() {
        let gate = gate(100, 2);
        let address = |last| Some(IpAddr::from([192, 0, 2, last]));
        let held = [
            gate.enter(address(1)).unwrap(),
            gate.enter(address(1)).unwrap(),
        ];
        assert_eq!(gate.enter(address(1)).unwrap_err(), Refusal::Address);
        assert!(gate.enter(address(2)).is_ok());
        assert_eq!(gate.connections(), 2);
        drop(held);
        assert!(gate.enter(address(1)).is_ok());
        assert!(gate.addresses.is_empty());
    }

    #[test]
    fn a_household_is_one_address_in_whatever_form() {
        let origin_of = |text: &str| origin(text.parse().unwrap()).to_string();
        assert_eq!(origin_of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(origin_of("2001:db8:1:2:ffff::1"), "2001:db8:1:2::");
        assert_eq!(origin_of("::ffff:192.0.2.1"), "192.0.2.1");
        assert_eq!(origin_of("192.0.2.1"), "192.0.2.1");
        let loopback = ["::1", "127.0.0.1", "::ffff:127.0.0.1"];
        assert!(
            loopback
                .iter()
                .all(|text| origin(text.parse().unwrap()).is_loopback())
        );
    }

    #[test]
    fn who_is_refused_in_the_end_holds_none_of_the_places_before() {
        let gate = gate(100, 100);
        let address = Some(IpAddr::from([192, 0, 2, 1]));
        let mut held: Vec<_> = (0..3).map(|_| gate.enter(address).unwrap()).collect();
        assert_eq!(gate.enter(address).unwrap_err(), Refusal::Handshakes);
        assert_eq!((gate.connections(), gate.metrics.handshakes.read()), (3, 3));
        // Said twice, it counts once.
        held[0].end_handshake();
        held[0].end_handshake();
        held.push(gate.enter(address).unwrap());
        assert_eq!(gate.enter(address).unwrap_err(), Refusal::Handshakes);
        drop(held);
        assert_eq!((gate.connections(), gate.metrics.handshakes.read()), (0, 0));
        assert!(gate.addresses.is_empty());
    }

    #[test]
    fn one_address_cannot_take_all_http_connections() {
        let limits = Limits {
            http_connections_max: 2 * HTTP_ADDRESSES_LEAST,
            ..Limits::default()
        };
        let gate = Arc::new(Gate::new(&limits, Arc::new(Metrics::new(1))));
        let address = |last| Some(IpAddr::from([192, 0, 2, last]));
        let held = [gate.enter_http(address(1)), gate.enter_http(address(1))];
        assert!(held.iter().all(Option::is_some));
        assert!(gate.enter_http(address(1)).is_none());
        assert!(gate.enter_http(address(2)).is_some());
        drop(held);
        assert!(gate.enter_http(address(1)).is_some());
        assert!(gate.http_addresses.is_empty());
    }
}
