//! The images that are built, from outside.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::PathBuf;
use std::process::Command;
use system::{ferrata, good};

fn images() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../dist/images")
}

fn sha256(path: &std::path::Path) -> String {
    let output = Command::new("sha256sum").arg(path).output().unwrap();
    good(&output).split(' ').next().unwrap().to_owned()
}

#[test]
fn a_locked_image_is_the_same_again() {
    let made = ferrata().args(["image", "container"]).output().unwrap();
    good(&made);
    let image = images().join(format!(
        "ferrata-container-{}-x86_64.oci.tar",
        env!("CARGO_PKG_VERSION")
    ));
    let before = sha256(&image);
    std::fs::remove_file(&image).unwrap();
    let text = good(
        &ferrata()
            .args(["image", "container", "--locked"])
            .output()
            .unwrap(),
    );
    assert_eq!(sha256(&image), before);
    assert!(text.contains("Alpine 3.24.2"), "{text}");
    let checked = Command::new("sha256sum")
        .args(["-c", "--quiet"])
        .arg(image.with_extension("").with_extension("sha256"))
        .current_dir(images())
        .output()
        .unwrap();
    good(&checked);
}

#[test]
fn a_lock_file_that_does_not_fit_is_refused() {
    let none = ferrata()
        .args(["image", "no-such-image", "--locked"])
        .output()
        .unwrap();
    assert_eq!(none.status.code(), Some(1));
    let text = String::from_utf8_lossy(&none.stderr);
    assert!(text.contains("no image no-such-image"), "{text}");
}
