//! From packages to images.
