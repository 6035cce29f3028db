//! What applets share: arguments and usage, errors, buffered output, copying.

pub mod accounts;
pub mod base64;
pub mod calendar;
pub mod copying;
pub mod crypt;
pub mod daemon;
pub mod dns;
pub mod dumping;
pub mod glob;
pub mod lines;
pub mod links;
pub mod modes;
pub mod mounts;
pub mod options;
pub mod packing;
pub mod route_table;
pub mod routes;
pub mod running;
pub mod screen;
pub mod session;
pub mod signals;
pub mod syslog;
pub mod unpacking;
pub mod volumes;
