//! The heap of programs that make and drop many small objects.
//!
//! musl's allocator guards itself against the memory bugs of C programs and takes a lock and a search for each object
//! for it. What is written in Rust needs neither: small objects come from free lists, one for each size of a thread,
//! and only the large ones, and the chunks that small ones are cut from, are musl's.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr::null_mut;

/// Sizes are whole steps: also the alignment that every object has.
const STEP: usize = 16;
/// The largest small object in steps.
const CLASSES: usize = 32;
/// What small objects are cut from: bytes.
const CHUNK: usize = 16 * 1024;

/// Free lists in front of the system's allocator, for `#[global_allocator]`. What a small object took is kept for the
/// next of its size and not given back; an object that another thread drops goes to that thread's list.
pub struct Heap;

struct Lists {
    free: [Cell<*mut Free>; CLASSES + 1],
    chunk: Cell<*mut u8>,
    left: Cell<usize>,
}

struct Free {
    next: *mut Free,
}

thread_local! {
    static LISTS: Lists = const {
        Lists { free: [const { Cell::new(null_mut()) }; CLASSES + 1], chunk: Cell::new(null_mut()), left: Cell::new(0) }
    };
}

/// The list of a size, or none for what is the system's.
#[inline(always)]
fn class(layout: &Layout) -> Option<usize> {
    let steps = layout.size().div_ceil(STEP);
    (steps <= CLASSES && layout.align() <= STEP).then_some(steps)
}

#[cold]
#[inline(never)]
fn cut(lists: &Lists, steps: usize) -> *mut u8 {
    let size = steps * STEP;
    if lists.left.get() < size {
        // SAFETY: the layout is of a size that is not zero and of an alignment that is a power of two.
        let chunk = unsafe { System.alloc(Layout::from_size_align_unchecked(CHUNK, STEP)) };
        if chunk.is_null() {
            return chunk;
        }
        lists.chunk.set(chunk);
        lists.left.set(CHUNK);
    }
    let place = lists.chunk.get();
    // SAFETY: `left` bytes from `chunk` on are of one allocation and unused; `size` is not more.
    lists.chunk.set(unsafe { place.add(size) });
    lists.left.set(lists.left.get() - size);
    place
}

// SAFETY: objects of a class come from chunks that are never given back, each from one cut, of its class' size and
// aligned to STEP, and are on one list at most, when nobody uses them; all others are the system's from beginning to
// end. Nothing here panics, and the lists have no destructor, so they are there as long as their thread.
unsafe impl GlobalAlloc for Heap {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(steps) = class(&layout) else {
            // SAFETY: the caller's promise is the system's.
            return unsafe { System.alloc(layout) };
        };
        LISTS.with(|lists| {
            let first = lists.free[steps].get();
            if first.is_null() {
                return cut(lists, steps);
            }
            // SAFETY: what is on a list was given back and holds the link that `dealloc` wrote.
            lists.free[steps].set(unsafe { (*first).next });
            first.cast()
        })
    }

    #[inline]
    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        let Some(steps) = class(&layout) else {
            // SAFETY: no class, so `alloc` had it from the system.
            return unsafe { System.dealloc(place, layout) };
        };
        LISTS.with(|lists| {
            let free: *mut Free = place.cast();
            // SAFETY: the object is ours again, at least STEP bytes and aligned to STEP.
            unsafe { (*free).next = lists.free[steps].get() };
            lists.free[steps].set(free);
        });
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise: `size` is right for this alignment.
        let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (class(&layout), class(&new)) {
            (Some(old), Some(new)) if old == new => place,
            // SAFETY: neither is small, so the object is and stays the system's.
            (None, None) => unsafe { System.realloc(place, layout, size) },
            _ => {
                // SAFETY: two objects that do not overlap, of which at least the smaller size is there.
                unsafe {
                    let other = self.alloc(new);
                    if !other.is_null() {
                        other.copy_from_nonoverlapping(place, layout.size().min(size));
                        self.dealloc(place, layout);
                    }
                    other
                }
            }
        }
    }
}
