//! A histogram of times with fixed bounds, as Prometheus wants it: one atomic add per observation.

use core::{
    fmt::{self, Write},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use tickwire_protocol::time::Micros;

/// Upper bounds of the buckets in micros: from a tenth of a millisecond to the tick that is lost.
const BOUNDS_MICROS: [u64; 12] = [
    100, 250, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 250_000, 1_000_000,
];

/// Times, counted by bucket.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    buckets: [AtomicU64; BOUNDS_MICROS.len() + 1],
    sum_micros: AtomicU64,
}

impl Histogram {
    pub(crate) fn observe(&self, span: Micros) {
        self.observe_many(span, 1);
    }

    /// Counts `times` observations of the same span.
    pub(crate) fn observe_many(&self, span: Micros, times: u64) {
        let bucket = BOUNDS_MICROS.partition_point(|&bound| bound < span.0);
        self.buckets[bucket].fetch_add(times, Relaxed);
        self.sum_micros.fetch_add(span.0 * times, Relaxed);
    }

    /// Writes the sum of several histograms in Prometheus' text format.
    pub(super) fn write_sum<'a>(
        out: &mut String,
        name: &str,
        help: &str,
        parts: impl Iterator<Item = &'a Self> + Clone,
    ) -> fmt::Result {
        writeln!(out, "# HELP {name} {help}\n# TYPE {name} histogram")?;
        let mut count = 0;
        for (i, bound) in BOUNDS_MICROS.iter().map(Some).chain([None]).enumerate() {
            count += parts
                .clone()
                .map(|part| part.buckets[i].load(Relaxed))
                .sum::<u64>();
            match bound {
                Some(&micros) => {
                    let seconds = Micros(micros).as_seconds();
                    writeln!(out, "{name}_bucket{{le=\"{seconds}\"}} {count}")?;
                }
                None => writeln!(out, "{name}_bucket{{le=\"+Inf\"}} {count}")?,
            }
        }
        let sum = Micros(parts.map(|part| part.sum_micros.load(Relaxed)).sum());
        writeln!(out, "{name}_sum {}\n{name}_count {count}", sum.as_seconds())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_cumulative_and_bounds_belong_to_the_bucket_they_name() {
        let (one, other) = (Histogram::default(), Histogram::default());
        one.observe(Micros(100));
        one.observe(Micros(101));
        other.observe(Micros(5_000_000));
        let mut out = String::new();
        Histogram::write_sum(&mut out, "t", "help", [&one, &other].into_iter()).unwrap();
        assert!(out.contains("t_bucket{le=\"0.0001\"} 1\n"), "{out}");
        assert!(out.contains("t_bucket{le=\"0.00025\"} 2\n"), "{out}");
        assert!(out.contains("t_bucket{le=\"1\"} 2\n"), "{out}");
        assert!(out.contains("t_bucket{le=\"+Inf\"} 3\n"), "{out}");
        assert!(out.contains("t_sum 5.000201\nt_count 3\n"), "{out}");
    }
}
