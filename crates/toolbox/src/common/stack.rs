//! A stack of its own for what recurses as deeply as its input says.

use super::lines::{cause, say};

/// What is asked for, the largest first, in bytes: a machine with little memory grants less.
const SIZES: [usize; 4] = [256 << 20, 64 << 20, 16 << 20, 4 << 20];

/// How much stack there is.
#[derive(Clone, Copy)]
pub struct Stack {
    top: usize,
    most: usize,
}

/// An address in the frame of the caller.
fn here() -> usize {
    let mark = 0_u8;
    std::ptr::from_ref(std::hint::black_box(&mark)).addr()
}

impl Stack {
    /// Whether no more should be put on it; a quarter is left for what does not ask.
    pub fn is_used_up(self) -> bool {
        self.top.abs_diff(here()) > self.most
    }
}

/// Runs the work of an applet on a large stack, and returns its status.
pub fn with_large(applet: &str, work: impl FnOnce(Stack) -> i32 + Clone + Send + 'static) -> i32 {
    let mut refused = None;
    for size in SIZES {
        let work = work.clone();
        let thread = std::thread::Builder::new().stack_size(size).spawn(move || {
            work(Stack {
                top: here(),
                most: size / 4 * 3,
            })
        });
        match thread {
            Ok(thread) => return thread.join().unwrap_or(2),
            Err(error) => refused = Some(error),
        }
    }
    if let Some(error) = refused {
        say(applet, cause(&error));
    }
    2
}
