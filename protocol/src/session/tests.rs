//! Both ends of a session, against each other and against bad peers.
