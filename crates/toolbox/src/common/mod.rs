//! What applets share: arguments and usage, errors, buffered output, copying.

pub mod calendar;
pub mod glob;
pub mod lines;
pub mod options;
pub mod screen;
