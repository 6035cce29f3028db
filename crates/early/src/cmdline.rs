//! The kernel's command line, as far as early userspace cares
//! (the kernel's `Documentation/admin-guide/kernel-parameters`).

/// What `/proc/cmdline` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLine {
    /// `root=`: a device, or how to recognise it.
    pub root: Option<String>,
    /// `rootfstype=`: the kinds to try, in order; empty: what the superblock says.
    pub root_types: Vec<String>,
    /// `rootflags=`: options for the mount.
    pub root_flags: Option<String>,
    /// `rw`: mount the root writable at once. `ro`, the default, leaves it to the init.
    pub writable: bool,
    /// `init=`: the program to hand over to.
    pub init: String,
    /// `modules=a,b`: modules to load first.
    pub modules: Vec<String>,
    /// `rootdelay=` or `rootwait=`: how many seconds to wait for the root's device.
    pub root_timeout: u64,
    /// `quiet`: no progress lines.
    pub quiet: bool,
    /// What the kernel did not know and hands to init as arguments (`single`, a runlevel).
    pub init_args: Vec<String>,
    /// What a system that runs from memory is made of.
    pub diskless: Diskless,
}

/// The options of a system that runs from memory, by Alpine's names (mkinitfs-bootparam(7)).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diskless {
    /// `alpine_dev=`: the medium's device, with `:TYPE` where its kind is to be given.
    pub medium: Option<String>,
    /// `alpine_repo=`: repositories to install from, addresses or paths; none: those on the medium.
    pub repositories: Vec<String>,
    /// `apkovl=`: the overlay: an address, `DEVICE:PATH`, `DEVICE:TYPE:PATH`, a path on the medium, or `none` for the
    /// image's own.
    pub overlay: Option<String>,
    /// `ovl_dev=`: the device that the overlay is looked for on.
    pub overlay_device: Option<String>,
    /// `modloop=`: the modules' image: an address, a path on the medium, or `none`.
    pub modloop: Option<String>,
    /// `modloop_ram=yes|no`: whether it is copied into memory; nothing: where there is plenty.
    pub modloop_in_memory: Option<bool>,
    /// `pkgs=`: packages to install beside the world.
    pub packages: Vec<String>,
    /// `ip=`: the network.
    pub network: Option<String>,
    /// `root_size=`: how large the root may grow, as tmpfs takes it.
    pub root_size: Option<String>,
    /// `usbdelay=`: how many seconds to let devices appear when the medium is there already.
    pub settle: u64,
    /// `keep_apk_new`: what packages bring beside the overlay's files stays as `.apk-new`.
    pub keep_new: bool,
}

impl Default for CommandLine {
    fn default() -> CommandLine {
        CommandLine {
            root: None,
            root_types: Vec::new(),
            root_flags: None,
            writable: false,
            init: "/sbin/init".to_owned(),
            modules: Vec::new(),
            root_timeout: 10,
            quiet: false,
            init_args: Vec::new(),
            diskless: Diskless::default(),
        }
    }
}

impl CommandLine {
    /// Reads a command line. Unknown words are the kernel's; the last of a repeated one counts.
    pub fn parse(text: &str) -> CommandLine {
        let mut line = CommandLine::default();
        let mut behind_dashes = false;
        for word in words(text) {
            if behind_dashes {
                line.init_args.push(word);
                continue;
            }
            let (key, value) = match word.split_once('=') {
                Some((key, value)) => (key, Some(value)),
                None => (word.as_str(), None),
            };
            match (key, value) {
                ("--", None) => behind_dashes = true,
                ("root", Some(v)) => line.root = Some(v.to_owned()),
                ("rootfstype", Some(v)) => line.root_types = list(v),
                ("rootflags", Some(v)) => line.root_flags = Some(v.to_owned()),
                ("rw", None) => line.writable = true,
                ("ro", None) => line.writable = false,
                ("init", Some(v)) => line.init = v.to_owned(),
                ("modules", Some(v)) => line.modules.extend(list(v)),
                ("rootdelay" | "rootwait", Some(v)) => {
                    line.root_timeout = v.parse().unwrap_or(line.root_timeout);
                }
                // Wait for ever, says the kernel's manual: a day is near enough.
                ("rootwait", None) => line.root_timeout = 86_400,
                ("quiet", None) => line.quiet = true,
                ("single" | "s" | "S" | "1", None) => line.init_args.push("single".to_owned()),
                _ => line.diskless.option(key, value),
            }
        }
        line
    }
}

impl Diskless {
    fn option(&mut self, key: &str, value: Option<&str>) {
        // An empty value takes back what stood before.
        let given = value.filter(|v| !v.is_empty()).map(str::to_owned);
        match (key, value) {
            ("alpine_dev", Some(_)) => self.medium = given,
            ("alpine_repo", Some("auto")) => self.repositories = Vec::new(),
            ("alpine_repo", Some(v)) => self.repositories = list(v),
            ("apkovl", Some(_)) => self.overlay = given,
            ("ovl_dev", Some(_)) => self.overlay_device = given,
            ("modloop", Some(_)) => self.modloop = given,
            ("nomodloop", None) => self.modloop = Some("none".to_owned()),
            ("modloop_ram", Some(v)) => self.modloop_in_memory = Some(v != "no"),
            ("pkgs", Some(v)) => self.packages.extend(list(v)),
            ("ip", Some(_)) => self.network = given,
            ("root_size", Some(_)) => self.root_size = given,
            ("usbdelay", Some(v)) => self.settle = v.parse().unwrap_or(0),
            ("keep_apk_new", _) => self.keep_new = value != Some("no"),
            _ => {}
        }
    }
}

fn list(value: &str) -> Vec<String> {
    value
        .split(',')
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Words apart by white space; double quotes keep white space together, as the kernel's own parser has it.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            c if c.is_whitespace() && !quoted => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            c => word.push(c),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_usual_line() {
        let line = CommandLine::parse(
            "BOOT_IMAGE=/vmlinuz root=UUID=ab-cd rootfstype=ext4,xfs rw quiet modules=loop,sd-mod init=/bin/x\n",
        );
        assert_eq!(line.root.as_deref(), Some("UUID=ab-cd"));
        assert_eq!(line.root_types, ["ext4", "xfs"]);
        assert!(line.writable && line.quiet);
        assert_eq!(line.modules, ["loop", "sd-mod"]);
        assert_eq!(line.init, "/bin/x");
    }

    #[test]
    fn nothing_given_means_the_defaults() {
        assert_eq!(CommandLine::parse(" \n"), CommandLine::default());
    }

    #[test]
    fn quotes_hold_words_together() {
        let line = CommandLine::parse(r#"rootflags="a b" root="LABEL=my disk""#);
        assert_eq!(line.root_flags.as_deref(), Some("a b"));
        assert_eq!(line.root.as_deref(), Some("LABEL=my disk"));
    }

    #[test]
    fn the_last_one_counts_and_bad_numbers_do_not() {
        let line = CommandLine::parse("root=/dev/a ro rw ro root=/dev/b rootdelay=x");
        assert_eq!(line.root.as_deref(), Some("/dev/b"));
        assert!(!line.writable);
        assert_eq!(line.root_timeout, 10);
    }

    #[test]
    fn alpines_options_of_a_system_in_memory() {
        let line = CommandLine::parse(
            "modules=loop,squashfs alpine_repo=http://a/x,/media/b modloop=/boot/modloop-virt ip=dhcp \
             apkovl=sda1:vfat:/h.apkovl.tar.gz ovl_dev=sda1 pkgs=curl,vim usbdelay=3 root_size=50% quiet",
        );
        let options = line.diskless;
        assert_eq!(options.repositories, ["http://a/x", "/media/b"]);
        assert_eq!(options.modloop.as_deref(), Some("/boot/modloop-virt"));
        assert_eq!(options.network.as_deref(), Some("dhcp"));
        assert_eq!(
            options.overlay.as_deref(),
            Some("sda1:vfat:/h.apkovl.tar.gz")
        );
        assert_eq!(options.overlay_device.as_deref(), Some("sda1"));
        assert_eq!(options.packages, ["curl", "vim"]);
        assert_eq!(
            (options.settle, options.root_size.as_deref()),
            (3, Some("50%"))
        );
        assert_eq!(line.root, None);
    }

    #[test]
    fn what_is_typed_later_takes_back() {
        let options =
            CommandLine::parse("apkovl=http://a/b apkovl= alpine_repo=/a alpine_repo=auto")
                .diskless;
        assert_eq!(options, Diskless::default());
    }

    #[test]
    fn what_is_for_init_goes_to_init() {
        assert_eq!(
            CommandLine::parse("single -- a b=c").init_args,
            ["single", "a", "b=c"]
        );
    }
}
