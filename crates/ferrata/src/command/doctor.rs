//! `ferrata doctor`: what the host has and lacks.

use crate::context::Context;
use anyhow::Result;
use std::process::{Command, ExitCode, Stdio};

/// A program that the work needs: its name, the argument that prints its version, Debian's package.
const PROGRAMS: [(&str, &str, &str); 16] = [
    ("/usr/bin/cargo", "--version", "cargo-web"),
    ("/usr/bin/rustc", "--version", "rustc-web"),
    ("clang-19", "--version", "clang-19"),
    ("ld.lld-19", "--version", "lld-19"),
    ("llvm-ar-19", "--version", "llvm-19"),
    ("make", "--version", "make"),
    ("bc", "--version", "bc"),
    ("flex", "--version", "flex"),
    ("bison", "--version", "bison"),
    ("mke2fs", "-V", "e2fsprogs"),
    ("sfdisk", "--version", "fdisk"),
    ("mksquashfs", "-version", "squashfs-tools"),
    ("xorriso", "-version", "xorriso"),
    ("syslinux", "--version", "syslinux"),
    ("ssh", "-V", "openssh-client"),
    ("qemu-system-x86_64", "--version", "qemu-system-x86"),
];

/// Prints a line for everything; fails if something is missing.
pub fn run(context: &Context) -> Result<ExitCode> {
    let mut missing = Vec::new();
    for (program, argument, package) in PROGRAMS {
        match first_line(program, argument) {
            Some(line) => println!("ok       {program}: {line}"),
            None => {
                println!("MISSING  {program} (package {package})");
                missing.push(package);
            }
        }
    }
    for (file, package) in [
        (
            "/usr/lib/systemd/boot/efi/linuxx64.efi.stub",
            "systemd-boot-efi",
        ),
        (
            "/usr/lib/llvm-19/lib/clang/19/lib/linux/libclang_rt.builtins-x86_64.a",
            "libclang-rt-19-dev",
        ),
        ("/usr/include/openssl/opensslv.h", "libssl-dev"),
        ("/usr/include/libelf.h", "libelf-dev"),
        ("/usr/share/OVMF/OVMF_CODE_4M.fd", "ovmf"),
        ("/usr/lib/ISOLINUX/isolinux.bin", "isolinux"),
        ("/usr/lib/syslinux/mbr/gptmbr.bin", "syslinux-common"),
    ] {
        if std::path::Path::new(file).exists() {
            println!("ok       {file}");
        } else {
            println!("MISSING  {file} (package {package})");
            missing.push(package);
        }
    }
    let namespaces = first_line("unshare", "--version").is_some()
        && Command::new("unshare")
            .args([
                "--user",
                "--map-root-user",
                "--mount",
                "--pid",
                "--net",
                "--fork",
                "true",
            ])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
    if namespaces {
        println!("ok       user, mount, pid and network namespaces");
    } else {
        println!(
            "MISSING  user namespaces (sysctl kernel.unprivileged_userns_clone, user.max_user_namespaces)"
        );
    }
    println!("cache    {}", context.cache.display());
    println!("keys     {}", context.config.display());
    if missing.is_empty() && namespaces {
        return Ok(ExitCode::SUCCESS);
    }
    if !missing.is_empty() {
        println!("hint: apt-get install {}", missing.join(" "));
    }
    Ok(ExitCode::FAILURE)
}

fn first_line(program: &str, argument: &str) -> Option<String> {
    let output = Command::new(program)
        .arg(argument)
        .stdin(Stdio::null())
        .output()
        .ok()?;
    // mke2fs and ssh tell their version on standard error.
    let text = if output.stdout.is_empty() {
        output.stderr
    } else {
        output.stdout
    };
    String::from_utf8_lossy(&text)
        .lines()
        .next()
        .map(str::to_owned)
}
