//! From a recipe (APKBUILD) to signed packages.
