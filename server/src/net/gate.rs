//! The door of the process: how many connections it takes, in all and from one address.
//!
//! In: an address. Out: a permit, which gives the place back when it is dropped, wherever and however
//! the connection ends; or a refusal, counted.

use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::{net::IpAddr, sync::Arc};

use dashmap::DashMap;
use tickwire_protocol::error::CloseCode;

use super::metrics::Metrics;
use crate::limits::Limits;

/// Counts the connections there are.
#[derive(Debug)]
pub(super) struct Gate {
    connections_max: usize,
    per_address_max: usize,
    connections: AtomicUsize,
    addresses: DashMap<IpAddr, usize>,
    metrics: Arc<Metrics>,
}

/// A place in the process, held by one connection.
#[derive(Debug)]
pub(crate) struct Permit {
    gate: Arc<Gate>,
    address: Option<IpAddr>,
}

impl Gate {
    pub(super) fn new(limits: &Limits, metrics: Arc<Metrics>) -> Self {
        Self {
            connections_max: limits.connections_max,
            per_address_max: limits.connections_per_address_max,
            connections: AtomicUsize::new(0),
            addresses: DashMap::new(),
            metrics,
        }
    }

    /// Lets one more connection in, or says with which code it is to be closed.
    pub(super) fn enter(self: &Arc<Self>, address: Option<IpAddr>) -> Result<Permit, CloseCode> {
        if self.connections.fetch_add(1, Relaxed) >= self.connections_max {
            self.connections.fetch_sub(1, Relaxed);
            self.metrics.refused_process_full.add(1);
            return Err(CloseCode::Full);
        }
        // From here on the permit's drop undoes what was counted.
        let mut permit = Permit {
            gate: self.clone(),
            address: None,
        };
        if let Some(address) = address.filter(|address| !address.is_loopback()) {
            let mut count = self.addresses.entry(address).or_insert(0);
            if *count >= self.per_address_max {
                self.metrics.refused_address_full.add(1);
                return Err(CloseCode::RateLimited);
            }
            *count += 1;
            permit.address = Some(address);
        }
        Ok(permit)
    }

    /// Connections inside.
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Relaxed)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.gate.connections.fetch_sub(1, Relaxed);
        if let Some(address) = self.address {
            self.gate.addresses.remove_if_mut(&address, |_, count| {
                *count -= 1;
                *count == 0
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(connections_max: usize, connections_per_address_max: usize) -> Arc<Gate> {
        let limits = Limits {
            connections_max,
            connections_per_address_max,
            ..Limits::default()
        };
        Arc::new(Gate::new(&limits, Arc::new(Metrics::new(1))))
    }

    #[test]
    fn a_full_process_refuses_and_a_dropped_permit_makes_room() {
        let gate = gate(2, 10);
        let first = gate.enter(None).unwrap();
        let _second = gate.enter(None).unwrap();
        assert_eq!(gate.enter(None).unwrap_err(), CloseCode::Full);
        assert_eq!(gate.metrics.refused_process_full.read(), 1);
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
        assert_eq!(gate.enter(address(1)).unwrap_err(), CloseCode::RateLimited);
        assert!(gate.enter(address(2)).is_ok());
        assert_eq!(gate.connections(), 2);
        drop(held);
        assert!(gate.enter(address(1)).is_ok());
        assert!(gate.addresses.is_empty());
    }
}
