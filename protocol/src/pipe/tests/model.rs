//! Tasks at both ends that do anything in any order, and what they may believe of it.

use proptest::prelude::*;

use super::*;
use crate::id::StreamId;

#[derive(Clone, Copy, Debug)]
enum Op {
    Open {
        end: usize,
    },
    Answer {
        end: usize,
        accept: bool,
    },
    Write {
        end: usize,
        pick: usize,
        bytes: usize,
    },
    Read {
        end: usize,
        pick: usize,
        bytes: usize,
    },
    End {
        end: usize,
        pick: usize,
    },
    DropReader {
        end: usize,
        pick: usize,
    },
    DropWriter {
        end: usize,
        pick: usize,
    },
    Reset {
        end: usize,
        pick: usize,
        by_reader: bool,
    },
    Hear {
        end: usize,
    },
    Service {
        end: usize,
    },
    Deliver {
        end: usize,
    },
}

fn any_op() -> impl Strategy<Value = Op> {
    let end = || 0usize..2;
    let pick = || 0usize..8;
    let bytes = || prop_oneof![1usize..3, 1usize..2000, 1usize..16_000];
    prop_oneof![
        1 => end().prop_map(|end| Op::Open { end }),
        3 => (end(), prop::bool::weighted(0.9)).prop_map(|(end, accept)| Op::Answer { end, accept }),
        6 => (end(), pick(), bytes()).prop_map(|(end, pick, bytes)| Op::Write { end, pick, bytes }),
        6 => (end(), pick(), bytes()).prop_map(|(end, pick, bytes)| Op::Read { end, pick, bytes }),
        2 => (end(), pick()).prop_map(|(end, pick)| Op::End { end, pick }),
        1 => (end(), pick()).prop_map(|(end, pick)| Op::DropReader { end, pick }),
        1 => (end(), pick()).prop_map(|(end, pick)| Op::DropWriter { end, pick }),
        1 => (end(), pick(), any::<bool>())
            .prop_map(|(end, pick, by_reader)| Op::Reset { end, pick, by_reader }),
        6 => end().prop_map(|end| Op::Hear { end }),
        3 => end().prop_map(|end| Op::Service { end }),
        8 => end().prop_map(|end| Op::Deliver { end }),
    ]
}

/// The byte at `offset` of what one end writes: never stored, always known.
fn byte_at(end: usize, offset: usize) -> u8 {
    (offset.wrapping_mul(31) ^ (offset >> 8) ^ (end * 101)) as u8
}

/// A stream as one end's task has it.
#[derive(Default)]
struct Task {
    reader: Option<ReadHalf>,
    writer: Option<WriteHalf>,
    read: usize,
    written: usize,
    has_ended: bool,
    let_reader_go: bool,
}

impl Task {
    fn hold(&mut self, stream: ByteStream) {
        let (reader, writer) = stream.into_split();
        (self.reader, self.writer) = (Some(reader), Some(writer));
    }
}

struct World {
    pair: Pair,
    /// Who opened it, its id once that is known, and both ends' tasks.
    streams: Vec<(usize, Option<StreamId>, [Task; 2])>,
}

impl World {
    fn new() -> Self {
        Self {
            pair: Pair::new(),
            streams: vec![],
        }
    }

    fn task(&mut self, end: usize, pick: usize) -> Option<(&mut Task, &mut Task)> {
        let count = self.streams.len();
        let (_, _, tasks) = self.streams.get_mut(pick % count.max(1))?;
        let [first, second] = tasks;
        Some(if end == 0 {
            (first, second)
        } else {
            (second, first)
        })
    }

    fn apply(&mut self, op: Op) {
        match op {
            Op::Open { end } => {
                let options = StreamOptions::new(StreamKind::Bytes);
                let mut tasks = [Task::default(), Task::default()];
                tasks[end].hold(self.pair.exchanges[end].hub().open(options));
                self.streams.push((end, None, tasks));
            }
            Op::Answer { end, accept } => self.answer(end, accept),
            Op::Write { end, pick, bytes } => {
                if let Some((task, _)) = self.task(end, pick)
                    && let Some(writer) = &mut task.writer
                {
                    let at = task.written;
                    let bytes: Vec<u8> = (at..at + bytes).map(|at| byte_at(end, at)).collect();
                    task.written += writer.try_write(&bytes).unwrap_or(0);
                }
            }
            Op::Read { end, pick, bytes } => {
                if let Some((task, other)) = self.task(end, pick) {
                    read(task, other, 1 - end, bytes);
                }
            }
            Op::End { end, pick } => {
                if let Some((task, other)) = self.task(end, pick) {
                    finish(task, other);
                }
            }
            Op::DropReader { end, pick } => {
                if let Some((task, _)) = self.task(end, pick) {
                    task.let_reader_go |= task.reader.take().is_some();
                }
            }
            Op::DropWriter { end, pick } => {
                if let Some((task, _)) = self.task(end, pick) {
                    task.has_ended |= task.writer.take().is_some();
                }
            }
            Op::Reset {
                end,
                pick,
                by_reader,
            } => {
                if let Some((task, _)) = self.task(end, pick) {
                    if by_reader && let Some(half) = task.reader.take() {
                        half.reset(300, "enough");
                    } else if let Some(half) = task.writer.take() {
                        half.reset(300, "enough");
                    }
                }
            }
            Op::Hear { end } => self.pair.hear(end),
            Op::Service { end } => self.pair.exchanges[end].service(&mut self.pair.muxes[end], NOW),
            Op::Deliver { end } => {
                self.pair.deliver(end);
            }
        }
        for (opener, id, tasks) in &mut self.streams {
            let pipe = |task: &Task| match (&task.reader, &task.writer) {
                (Some(half), _) => half.pipe.id(),
                (_, Some(half)) => half.pipe.id(),
                _ => None,
            };
            *id = id.or_else(|| pipe(&tasks[*opener]));
        }
    }

    fn answer(&mut self, end: usize, accept: bool) {
        let Some(incoming) = self.pair.incoming[end].pop() else {
            return;
        };
        if !accept {
            return incoming.refuse(404, "no");
        }
        let stream = incoming.accept();
        let id = stream.id();
        let known = self.streams.iter_mut().find(|(_, known, _)| *known == id);
        if let Some((opener, _, tasks)) = known {
            tasks[1 - *opener].hold(stream);
        }
    }
}

/// Reads what `other` wrote.
fn read(task: &mut Task, other: &Task, from: usize, bytes: usize) {
    let mut buffer = vec![0; bytes];
    let Some(Ok(bytes)) = task.reader.as_mut().map(|it| it.try_read(&mut buffer)) else {
        return;
    };
    if bytes == 0 {
        assert!(other.has_ended, "an end that nobody made");
        assert_eq!(task.read, other.written, "an end before the end");
    }
    for (at, byte) in (task.read..).zip(&buffer[..bytes]) {
        assert_eq!(*byte, byte_at(from, at), "something is missing before this");
    }
    task.read += bytes;
}

/// Ends what `task` writes, and looks whether `other` has taken it if that is what it hears.
fn finish(task: &mut Task, other: &Task) {
    let Some(writer) = &mut task.writer else {
        return;
    };
    task.has_ended |= writer.end().is_ok();
    if let Some(Ok(())) = now(writer.finished()) {
        let has_answered = other.let_reader_go && other.written > 0;
        assert!(
            other.read == task.written || has_answered,
            "{} bytes of {} were taken",
            other.read,
            task.written
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_interleaving_of_tasks_loses_nothing_that_they_take_for_whole(
        ops in prop::collection::vec(any_op(), 1..200),
    ) {
        let mut world = World::new();
        for end in [0, 1] {
            world.apply(Op::Open { end });
        }
        for op in ops {
            world.apply(op);
        }
        world.pair.settle();
        for end in [0, 1] {
            for pick in 0..world.streams.len() {
                world.apply(Op::Read { end, pick, bytes: 100_000 });
                world.apply(Op::End { end, pick });
            }
        }
        world.streams.clear();
        world.pair.incoming = [vec![], vec![]];
        world.pair.settle();
        for end in [0, 1] {
            world.pair.incoming[end].clear();
        }
        world.pair.settle();
        for end in [0, 1] {
            prop_assert!(world.pair.muxes[end].is_empty());
            prop_assert!(world.pair.exchanges[end].is_empty());
            prop_assert_eq!(world.pair.exchanges[end].hub().unsent_bytes(), 0);
        }
    }
}
