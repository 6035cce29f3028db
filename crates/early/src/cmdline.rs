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
                _ => {}
            }
        }
        line
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
    fn what_is_for_init_goes_to_init() {
        assert_eq!(
            CommandLine::parse("single -- a b=c").init_args,
            ["single", "a", "b=c"]
        );
    }
}
