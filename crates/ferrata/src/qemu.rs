//! The machine that QEMU makes: its arguments, and which accelerator works here.

use anyhow::{Context as _, Result, bail};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The program.
pub const PROGRAM: &str = "qemu-system-x86_64";

/// How a guest is started.
#[derive(Clone, Debug)]
pub enum Firmware {
    /// QEMU loads the kernel itself: kernel, initramfs, command line.
    Direct(PathBuf, PathBuf, String),
    /// OVMF finds the boot program on the disk. The file is OVMF's code.
    Uefi(PathBuf),
    /// QEMU's own BIOS starts the first drive.
    Bios,
    /// The network card's firmware fetches a script from this address and runs it.
    Network(String),
}

/// A drive.
#[derive(Clone, Debug)]
pub struct Drive {
    /// Its file.
    pub file: PathBuf,
    /// `raw` or `qcow2`.
    pub format: &'static str,
    /// A disc in a SATA drive, instead of a disk.
    pub disc: bool,
}

/// A machine to run.
#[derive(Clone, Debug)]
pub struct Machine {
    /// How it starts.
    pub firmware: Firmware,
    /// Its drives; the first is the one to boot from.
    pub drives: Vec<Drive>,
    /// In MiB.
    pub memory: u32,
    /// `tcg` or `kvm`.
    pub accelerator: &'static str,
    /// The host's port on the loopback that leads to the guest's port 22.
    pub ssh_port: Option<u16>,
    /// A command that speaks HTTP on its standard input and output, for the guest's connections to
    /// <http://10.0.2.100>.
    pub http: Option<Vec<OsString>>,
    /// The guest's time and speed are counted in instructions, so that two runs take the same virtual time.
    pub counted: bool,
}

impl Machine {
    /// The whole command line, the program first. The console is on standard input and output.
    pub fn arguments(&self) -> Result<Vec<OsString>> {
        let mut all: Vec<OsString> = vec![PROGRAM.into()];
        let mut add = |words: &[&str]| all.extend(words.iter().map(OsString::from));
        add(&[
            "-nodefaults",
            "-no-user-config",
            "-display",
            "none",
            "-machine",
            "q35",
        ]);
        add(&[
            "-m",
            &format!("{}M", self.memory),
            "-accel",
            self.accelerator,
        ]);
        add(&[
            "-cpu",
            if self.accelerator == "kvm" {
                "host"
            } else {
                "qemu64"
            },
        ]);
        if self.counted {
            add(&[
                "-icount",
                "shift=0,sleep=off",
                "-rtc",
                "clock=vm,base=2026-01-01",
            ]);
        }
        add(&["-serial", "mon:stdio", "-device", "virtio-rng-pci"]);
        for (number, drive) in self.drives.iter().enumerate() {
            let (access, device) = if drive.disc {
                (",media=cdrom,readonly=on", "ide-cd,bus=ide.0")
            } else {
                ("", "virtio-blk-pci")
            };
            let file = comma(&drive.file)?;
            add(&[
                "-drive",
                &format!(
                    "if=none,id=drive{number},format={}{access},file={file}",
                    drive.format
                ),
                "-device",
                &format!("{device},drive=drive{number},bootindex={}", number + 1),
            ]);
        }
        let mut net = "user,id=net".to_owned();
        if let Some(port) = self.ssh_port {
            net.push_str(&format!(",hostfwd=tcp:127.0.0.1:{port}-:22"));
        }
        if let Some(command) = &self.http {
            let words: Result<Vec<String>> = command.iter().map(shell_word).collect();
            net.push_str(&format!(
                ",guestfwd=tcp:10.0.2.100:80-cmd:{}",
                words?.join(" ").replace(',', ",,")
            ));
        }
        let mut card = "virtio-net-pci,netdev=net".to_owned();
        if let Firmware::Network(script) = &self.firmware {
            net.push_str(&format!(",bootfile={script}"));
            card.push_str(",bootindex=0");
        }
        add(&["-netdev", &net, "-device", &card]);
        match &self.firmware {
            Firmware::Bios | Firmware::Network(_) => {}
            Firmware::Uefi(code) => {
                add(&[
                    "-drive",
                    &format!("if=pflash,format=raw,readonly=on,file={}", comma(code)?),
                ]);
            }
            Firmware::Direct(kernel, initramfs, cmdline) => {
                for (option, value) in [("-kernel", kernel), ("-initrd", initramfs)] {
                    all.push(option.into());
                    all.push(value.into());
                }
                all.push("-append".into());
                all.push(cmdline.into());
            }
        }
        Ok(all)
    }

    /// The command, ready to start.
    pub fn command(&self) -> Result<Command> {
        let arguments = self.arguments()?;
        let (program, rest) = arguments.split_first().context("an empty command line")?;
        let mut command = Command::new(program);
        command.args(rest);
        Ok(command)
    }
}

/// A path inside one of QEMU's comma-separated options.
fn comma(path: &Path) -> Result<String> {
    let text = path
        .to_str()
        .with_context(|| format!("{}: QEMU takes only names in UTF-8", path.display()))?;
    Ok(text.replace(',', ",,"))
}

/// A word of the command that QEMU splits as a shell would.
fn shell_word(word: &OsString) -> Result<String> {
    let text = word
        .to_str()
        .with_context(|| format!("{}: QEMU takes only names in UTF-8", word.display()))?;
    Ok(format!("'{}'", text.replace('\'', "'\\''")))
}

/// Which accelerator works: KVM where a guest really runs under it, else emulation. The answer is kept in `cache`
/// for this boot of the host; `kernel` is what the trial starts.
pub fn accelerator(cache: &Path, kernel: &Path) -> Result<&'static str> {
    if std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/kvm")
        .is_err()
    {
        return Ok("tcg");
    }
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let file = cache.join("accelerator");
    let known = std::fs::read_to_string(&file).unwrap_or_default();
    match known.split_once(' ') {
        Some(("kvm", at)) if at == boot => return Ok("kvm"),
        Some(("tcg", at)) if at == boot => return Ok("tcg"),
        _ => {}
    }
    let works = kvm_works(kernel)?;
    let answer = if works { "kvm" } else { "tcg" };
    std::fs::create_dir_all(cache).with_context(|| cache.display().to_string())?;
    std::fs::write(&file, format!("{answer} {boot}"))
        .with_context(|| file.display().to_string())?;
    Ok(answer)
}

/// Starts the kernel under KVM with nothing to run: it must panic, and so end QEMU, within some seconds. A device
/// node alone is no proof: there are hosts on which guests hang.
fn kvm_works(kernel: &Path) -> Result<bool> {
    let mut child = Command::new(PROGRAM)
        .args([
            "-nodefaults",
            "-no-user-config",
            "-display",
            "none",
            "-no-reboot",
            "-m",
            "128M",
        ])
        .args([
            "-accel",
            "kvm",
            "-cpu",
            "host",
            "-append",
            "panic=-1 quiet",
            "-kernel",
        ])
        .arg(kernel)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("{PROGRAM} (package qemu-system-x86)"))?;
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(8) {
        if let Some(status) = child.try_wait()? {
            return Ok(status.success());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    child.kill()?;
    child.wait()?;
    Ok(false)
}

/// OVMF's code, where Debian and others have it.
pub fn ovmf() -> Result<PathBuf> {
    let known = [
        "/usr/share/OVMF/OVMF_CODE_4M.fd",
        "/usr/share/OVMF/OVMF_CODE.fd",
        "/usr/share/edk2/x64/OVMF_CODE.4m.fd",
    ];
    match known.iter().map(Path::new).find(|path| path.exists()) {
        Some(path) => Ok(path.to_owned()),
        None => bail!("OVMF is not installed: package ovmf"),
    }
}

/// A port of the loopback that nothing listens on, from `first` upwards.
pub fn free_port(first: u16) -> Result<u16> {
    (first..first.saturating_add(200))
        .find(|port| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .with_context(|| format!("no free port on the loopback from {first} upwards"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_names_survive_qemus_quoting() {
        let machine = Machine {
            firmware: Firmware::Direct("/k".into(), "/i".into(), "quiet".into()),
            drives: vec![Drive {
                file: "/a,b c/disk".into(),
                format: "raw",
                disc: false,
            }],
            memory: 256,
            accelerator: "tcg",
            ssh_port: Some(2222),
            http: Some(vec!["/x y/fer'rata".into(), "a,b".into()]),
            counted: false,
        };
        let all: Vec<String> = machine
            .arguments()
            .unwrap()
            .into_iter()
            .map(|a| a.into_string().unwrap())
            .collect();
        assert!(all.contains(&"if=none,id=drive0,format=raw,file=/a,,b c/disk".to_owned()));
        let net = all.iter().find(|word| word.starts_with("user,")).unwrap();
        assert!(net.ends_with(r"-cmd:'/x y/fer'\''rata' 'a,,b'"), "{net}");
    }
}
