//! The heap as the allocator of a whole program: objects keep what was written to them, whatever else comes and goes.

use std::sync::mpsc;
use std::thread;

#[global_allocator]
static HEAP: sys::heap::Heap = sys::heap::Heap;

/// The test needs numbers that are spread and the same each time, not random ones.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) as usize % limit
    }
}

fn filled(size: usize, mark: u8) -> Vec<u8> {
    let mut object = Vec::with_capacity(size);
    object.resize(object.capacity(), mark);
    object
}

#[test]
fn objects_of_all_sizes_keep_their_bytes() {
    let mut numbers = Numbers(1);
    let mut live: Vec<(u8, Vec<u8>)> = Vec::new();
    for round in 0..100_000_u32 {
        let mark = u8::try_from(round % 251).unwrap();
        match numbers.below(3) {
            // Around the border between small and large, and far beyond it.
            0 => live.push((mark, filled(1 + numbers.below(700), mark))),
            1 if !live.is_empty() => {
                let (mark, object) = live.swap_remove(numbers.below(live.len()));
                assert!(object.iter().all(|byte| *byte == mark), "round {round}");
            }
            2 if !live.is_empty() => {
                let at = numbers.below(live.len());
                let (mark, object) = &mut live[at];
                object.resize(1 + numbers.below(3000), *mark);
                object.shrink_to_fit();
                assert!(object.iter().all(|byte| byte == mark), "round {round}");
            }
            _ => {}
        }
        if live.len() > 500 {
            live.truncate(100);
        }
    }
}

#[test]
fn objects_are_aligned() {
    #[repr(align(64))]
    struct Wide([u8; 64]);
    for size in 1..600 {
        let object = filled(size, 0);
        assert_eq!(object.as_ptr().align_offset(16), 0, "{size} bytes");
    }
    let wide: Vec<Box<Wide>> = (0..20).map(|_| Box::new(Wide([7; 64]))).collect();
    for one in &wide {
        assert_eq!(std::ptr::from_ref(&**one).align_offset(64), 0);
        assert!(one.0.iter().all(|byte| *byte == 7));
    }
}

#[test]
fn threads_drop_what_others_made() {
    let (give, take) = mpsc::channel::<Vec<u8>>();
    let makers: Vec<_> = (0..4_u8)
        .map(|mark| {
            let give = give.clone();
            thread::spawn(move || {
                for round in 0..20_000 {
                    give.send(filled(1 + round % 520, mark)).unwrap();
                }
            })
        })
        .collect();
    drop(give);
    let mut count = 0;
    for object in take {
        assert!(object.iter().all(|byte| *byte == object[0]));
        count += 1;
    }
    assert_eq!(count, 80_000);
    for maker in makers {
        maker.join().unwrap();
    }
}
