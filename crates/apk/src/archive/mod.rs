//! The layers below a package: tar entries inside concatenated gzip members.

pub mod member;
pub mod tar;
