//! The commands, one file each.

pub mod audit;
pub mod boot;
pub mod build;
pub mod doctor;
pub mod image;
pub mod repo;
pub mod run;
pub mod source;
pub mod test;
