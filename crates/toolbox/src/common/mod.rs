//! What applets share: arguments and usage, errors, buffered output, copying.

pub mod accounts;
pub mod arp;
pub mod calendar;
pub mod checksum;
pub mod copying;
pub mod crypt;
pub mod daemon;
pub mod dns;
pub mod glob;
pub mod lines;
pub mod links;
pub mod modes;
pub mod mounts;
pub mod options;
pub mod route_table;
pub mod routes;
pub mod running;
pub mod screen;
pub mod session;
pub mod signals;
pub mod syslog;
pub mod volumes;
pub mod walk;
