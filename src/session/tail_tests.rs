//! A tail does what a plain list does, within its bytes.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Push(usize),
    GoBack(u64),
}

/// The event of a chunk: its number shows, and is the same whenever it comes again.
fn frame(id: ChunkId, length: usize) -> Bytes {
    format!("{id}:{}\n", "x".repeat(length)).into()
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![5 => (0..40_usize).prop_map(Step::Push), 1 => (0..30_u64).prop_map(Step::GoBack)];
    proptest::collection::vec(step, 0..60)
}

proptest! {
    #[test]
    fn a_tail_holds_the_end_of_a_plain_list(
        first in 0..5_u64,
        bound in 0..200_usize,
        steps in steps(),
        from in 0..40_u64,
        most in 0..200_usize,
    ) {
        let mut tail = Tail::new(first, bound);
        let (mut list, mut floor): (Vec<Bytes>, u64) = (vec![Bytes::new(); first as usize], first);
        for step in steps {
            match step {
                Step::Push(length) => {
                    let frame = frame(list.len() as u64, length);
                    list.push(frame.clone());
                    tail.push(frame);
                    let size = |from: u64| list[from as usize..].iter().map(Bytes::len).sum::<usize>();
                    while size(floor) > bound && floor + 1 < list.len() as u64 {
                        floor += 1;
                    }
                }
                Step::GoBack(count) => {
                    list.truncate(count as usize);
                    floor = floor.min(list.len() as u64);
                    tail.go_back(count);
                }
            }
            prop_assert_eq!(tail.next(), list.len() as u64);
            prop_assert_eq!(tail.floor, floor);
            prop_assert_eq!(tail.bytes, list[floor as usize..].iter().map(Bytes::len).sum::<usize>());
            prop_assert!(tail.bytes <= bound || tail.frames.len() == 1);
        }
        let taken = tail.take(from, most);
        if from < floor {
            prop_assert_eq!(taken, Taken::Behind);
        } else if from >= list.len() as u64 {
            prop_assert_eq!(taken, Taken::Nothing);
        } else {
            let Taken::Frames(bytes, next) = taken else { panic!("{from} is there") };
            prop_assert!(next > from);
            prop_assert_eq!(&bytes, &list[from as usize..next as usize].concat());
            prop_assert!(bytes.len() <= most || next == from + 1);
            let one_more = list.get(next as usize).map_or(usize::MAX, Bytes::len);
            prop_assert!(bytes.len().saturating_add(one_more) > most, "what fits is taken");
        }
    }

    #[test]
    fn readers_anywhere_get_each_chunk_once_and_in_order(
        bound in 0..100_usize,
        steps in steps(),
        froms in proptest::collection::vec(0..40_u64, 1..6),
        most in 0..100_usize,
    ) {
        let (mut tail, mut list) = (Tail::new(0, bound), Vec::<Bytes>::new());
        let mut readers: Vec<(u64, u64, Vec<u8>)> = froms.iter().map(|from| (*from, *from, Vec::new())).collect();
        // What Redis loses comes again, the same.
        let mut lengths = std::collections::HashMap::new();
        for step in steps {
            match step {
                Step::Push(length) => {
                    let id = list.len() as u64;
                    list.push(frame(id, *lengths.entry(id).or_insert(length)));
                    tail.push(list[id as usize].clone());
                }
                Step::GoBack(count) => {
                    list.truncate(count as usize);
                    tail.go_back(count);
                }
            }
            for (_, next, read) in &mut readers {
                match tail.take(*next, most) {
                    Taken::Frames(bytes, after) => {
                        read.extend_from_slice(&bytes);
                        *next = after;
                    }
                    // The log has it.
                    Taken::Behind => {
                        read.extend_from_slice(&list[*next as usize]);
                        *next += 1;
                    }
                    Taken::Nothing => {}
                }
            }
        }
        for (from, next, read) in readers {
            let whole: Vec<u8> = (from..next).flat_map(|id| frame(id, lengths[&id])).collect();
            prop_assert_eq!(read, whole);
        }
    }
}
