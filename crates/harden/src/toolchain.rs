//! The toolchain of a build: clang, lld and rustc of the build host, configured so that hardening is what happens
//! when nobody says anything.

use crate::{Arch, flags};
use std::path::Path;

/// Files to lay into the toolchain's folder, and the environment of a build that uses them.
#[derive(Clone, Debug)]
pub struct Toolchain {
    /// Path below the folder, contents, mode.
    pub files: Vec<(String, Vec<u8>, u32)>,
    /// Names and values.
    pub environment: Vec<(String, String)>,
    /// All of it as text: part of the key of whatever is built with it.
    pub identity: String,
}

/// The toolchain for an architecture. `folder` is where the files will lie when a build sees them, `sysroot` where its
/// headers and libraries do. `off` are the names of flags that the recipe switched off.
pub fn toolchain(arch: Arch, folder: &Path, sysroot: &Path, off: &[&str]) -> Toolchain {
    let on = || flags::of(arch).filter(|flag| !off.contains(&flag.name));
    let triple = arch.triple();
    let config = format!("{}-ferrata-linux-musl.cfg", arch.name());
    let mut text = format!(
        "# Made from the table in crates/harden: a flag is switched off by the name it has there.\n\
         --target={triple}\n--sysroot={}\n-fuse-ld=lld\n-rtlib=compiler-rt\n--unwindlib=none\n-Wno-unused-command-line-argument\n",
        sysroot.display()
    );
    // The relative relocations of a PIE as a bitmap, a tenth of the table's size; musl has read it since 1.2.4.
    text.push_str("-Wl,--pack-dyn-relocs=relr\n");
    let pie = on().any(|flag| flag.name == "pie");
    for word in on().flat_map(|flag| flag.compile.iter().chain(flag.link)) {
        text.push_str(word);
        text.push('\n');
    }
    if !pie {
        text.push_str("-fno-pie\n-no-pie\n");
    }
    let wrapper = |program: &str| {
        format!(
            "#!/bin/sh\nexec /usr/bin/{program} --config={}/{config} \"$@\"\n",
            folder.display()
        )
        .into_bytes()
    };
    let mut files = vec![
        (config.clone(), text.clone().into_bytes(), 0o644),
        ("bin/cc".to_owned(), wrapper("clang-19"), 0o755),
        ("bin/c++".to_owned(), wrapper("clang++-19"), 0o755),
        // rustc's libraries ask for an unwinder that programs which never unwind do not call.
        ("lib/libunwind.a".to_owned(), b"!<arch>\n".to_vec(), 0o644),
    ];
    for (name, program) in [
        ("ar", "llvm-ar-19"),
        ("ranlib", "llvm-ranlib-19"),
        ("nm", "llvm-nm-19"),
        ("strip", "llvm-strip-19"),
        ("objcopy", "llvm-objcopy-19"),
        ("objdump", "llvm-objdump-19"),
        ("readelf", "llvm-readelf-19"),
        ("ld", "ld.lld-19"),
    ] {
        files.push((
            format!("bin/{name}"),
            format!("#!/bin/sh\nexec /usr/bin/{program} \"$@\"\n").into_bytes(),
            0o755,
        ));
    }
    for name in ["cc", "ar", "ranlib", "nm", "strip", "objcopy", "ld"] {
        // As configure scripts look for them.
        let long = format!("bin/{triple}-{name}");
        let text = format!("#!/bin/sh\nexec {}/bin/{name} \"$@\"\n", folder.display());
        files.push((long, text.into_bytes(), 0o755));
    }
    let bin = |name: &str| format!("{}/bin/{name}", folder.display());
    let rust = arch.rust_triple();
    let upper = rust.to_uppercase().replace('-', "_");
    let under = rust.replace('-', "_");
    let rust_flags: Vec<String> = [
        "-Clink-self-contained=no",
        "-Ctarget-feature=+crt-static",
        "-Cpanic=immediate-abort",
        // Nothing unwinds, so nothing reads how to.
        "-Cforce-unwind-tables=no",
        // Functions with the same code are kept once: no Rust program may tell functions apart by their addresses.
        "-Clink-arg=-Wl,--icf=all",
    ]
    .into_iter()
    .chain(["-Zunstable-options"])
    .chain(on().flat_map(|flag| flag.rust.iter().copied()))
    .map(str::to_owned)
    .chain([
        format!("-Clink-arg=-L{}/lib", folder.display()),
        // The standard library of a package, rust-std, where the recipe does not build its own.
        format!("--sysroot={}/usr", sysroot.display()),
    ])
    .collect();
    let mut environment = vec![
        ("CC".to_owned(), bin("cc")),
        ("CXX".to_owned(), bin("c++")),
        ("LD".to_owned(), bin("ld")),
        ("AR".to_owned(), bin("ar")),
        ("RANLIB".to_owned(), bin("ranlib")),
        ("NM".to_owned(), bin("nm")),
        ("STRIP".to_owned(), bin("strip")),
        ("HOSTCC".to_owned(), "/usr/bin/gcc".to_owned()),
        ("CFLAGS".to_owned(), "-Os -fomit-frame-pointer".to_owned()),
        ("CXXFLAGS".to_owned(), "-Os -fomit-frame-pointer".to_owned()),
        (
            "LDFLAGS".to_owned(),
            "-Wl,--as-needed,-O1,--sort-common".to_owned(),
        ),
        ("CHOST".to_owned(), triple.clone()),
        ("CTARGET".to_owned(), triple),
        ("CBUILD".to_owned(), "x86_64-pc-linux-gnu".to_owned()),
        ("CARCH".to_owned(), arch.name().to_owned()),
        (
            "PKG_CONFIG_SYSROOT_DIR".to_owned(),
            sysroot.display().to_string(),
        ),
        (
            "PKG_CONFIG_LIBDIR".to_owned(),
            format!("{}/usr/lib/pkgconfig", sysroot.display()),
        ),
        ("RUSTC".to_owned(), "/usr/bin/rustc".to_owned()),
        // The nightly-only flags of the table, with a released compiler.
        ("RUSTC_BOOTSTRAP".to_owned(), "1".to_owned()),
        ("CARGO_BUILD_TARGET".to_owned(), rust),
    ];
    // Build scripts run on the build host, and are the host's programs.
    environment.push((
        "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER".to_owned(),
        "/usr/bin/gcc".to_owned(),
    ));
    environment.push((format!("CARGO_TARGET_{upper}_LINKER"), bin("cc")));
    environment.push((
        format!("CARGO_TARGET_{upper}_RUSTFLAGS"),
        rust_flags.join(" "),
    ));
    environment.push((format!("CC_{under}"), bin("cc")));
    environment.push((format!("AR_{under}"), bin("ar")));
    let mut identity = text;
    for (name, value) in &environment {
        identity.push_str(&format!("{name}={value}\n"));
    }
    for (name, contents, mode) in &files {
        identity.push_str(&format!(
            "{name} {mode:o} {}\n",
            String::from_utf8_lossy(contents)
        ));
    }
    Toolchain {
        files,
        environment,
        identity,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hardening_is_the_default_and_goes_by_name() {
        let at = |off: &[&str]| {
            let made = toolchain(
                Arch::X86_64,
                Path::new("/toolchain"),
                Path::new("/sysroot"),
                off,
            );
            String::from_utf8(made.files[0].1.clone()).unwrap()
        };
        let all = at(&[]);
        for word in [
            "-fPIE",
            "-fstack-protector-strong",
            "-Wl,-z,now",
            "-fcf-protection=full",
            "--sysroot=/sysroot",
        ] {
            assert!(
                all.lines().any(|line| line == word),
                "{word} is missing:\n{all}"
            );
        }
        let without = at(&["pie"]);
        assert!(without.contains("-no-pie") && !without.contains("-fPIE"));
    }

    #[test]
    fn what_changes_the_build_changes_the_identity() {
        let of =
            |arch, off: &[&str]| toolchain(arch, Path::new("/t"), Path::new("/s"), off).identity;
        assert_ne!(of(Arch::X86_64, &[]), of(Arch::X86_64, &["ssp"]));
        assert_ne!(of(Arch::X86_64, &[]), of(Arch::Aarch64, &[]));
        assert!(of(Arch::Aarch64, &[]).contains("-mbranch-protection=standard"));
    }
}
