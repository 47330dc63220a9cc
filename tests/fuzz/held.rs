//! One case of one body, held to its memory: a peer pays for what it sends, never for what it claims.

use tests::fuzz::Target;

/// Runs a body on `bytes`; returns the most memory it held at a time.
///
/// # Panics
/// When the body does, when it held more than it may, or when it left memory behind and does so again: what is made
/// once for the whole process, as the tables that codebooks begin with, is nobody's to give back.
pub(crate) fn run(target: &Target, bytes: &[u8]) -> usize {
    let measure = || allocation_counter::measure(|| (target.body)(bytes));
    let used = measure();
    let allowed = target.memory_fixed + target.memory_per_byte * bytes.len();
    let held = usize::try_from(used.bytes_max).expect("memory has an address");
    assert!(
        held <= allowed,
        "{} bytes made {} hold {held} bytes, {allowed} are allowed",
        bytes.len(),
        target.name
    );
    if used.bytes_current != 0 {
        let left = measure().bytes_current;
        assert_eq!(left, 0, "{} left memory behind", target.name);
    }
    held
}
