//! Files from the network, by `wget`.

use crate::{Error, programs};
use std::ffi::OsStr;
use std::path::Path;

/// Whether a value is an address, and no path.
pub fn is_address(value: &str) -> bool {
    ["http://", "https://", "ftp://"]
        .iter()
        .any(|scheme| value.starts_with(scheme))
}

/// Fetches an address into a file.
pub fn fetch(address: &str, file: &Path) -> Result<(), Error> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).map_err(|e| Error::io("make", folder, e))?;
    }
    programs::run(
        "wget",
        &[
            OsStr::new("-q"),
            OsStr::new("-O"),
            file.as_os_str(),
            OsStr::new(address),
        ],
    )
    .map_err(|error| Error::Fetch {
        address: address.to_owned(),
        why: error.to_string(),
    })?;
    Ok(())
}
