//! The options of `set` and of the command line.

/// Which are on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    pub(crate) all_export: bool,
    pub(crate) error_exit: bool,
    pub(crate) no_glob: bool,
    pub(crate) interactive: bool,
    pub(crate) monitor: bool,
    pub(crate) no_exec: bool,
    pub(crate) no_clobber: bool,
    pub(crate) no_unset: bool,
    pub(crate) verbose: bool,
    pub(crate) trace: bool,
    pub(crate) pipe_fail: bool,
    pub(crate) notify: bool,
    pub(crate) ignore_eof: bool,
    pub(crate) emacs: bool,
    pub(crate) vi: bool,
}

impl Options {
    /// Each with its letter (`-`: it has none) and its name.
    pub(crate) fn all(&mut self) -> [(char, &'static str, &mut bool); 15] {
        [
            ('a', "allexport", &mut self.all_export),
            ('b', "notify", &mut self.notify),
            ('C', "noclobber", &mut self.no_clobber),
            ('e', "errexit", &mut self.error_exit),
            ('E', "emacs", &mut self.emacs),
            ('f', "noglob", &mut self.no_glob),
            ('i', "interactive", &mut self.interactive),
            ('-', "ignoreeof", &mut self.ignore_eof),
            ('m', "monitor", &mut self.monitor),
            ('n', "noexec", &mut self.no_exec),
            ('u', "nounset", &mut self.no_unset),
            ('v', "verbose", &mut self.verbose),
            ('V', "vi", &mut self.vi),
            ('x', "xtrace", &mut self.trace),
            ('-', "pipefail", &mut self.pipe_fail),
        ]
    }

    /// Sets the option of that letter; `false`: there is none.
    pub(crate) fn set_letter(&mut self, letter: char, on: bool) -> bool {
        let name = self
            .all()
            .into_iter()
            .find(|(known, ..)| *known == letter && letter != '-')
            .map(|(_, name, _)| name);
        name.is_some_and(|name| self.set_name(name.as_bytes(), on))
    }

    /// Sets the option of that name; `false`: there is none.
    pub(crate) fn set_name(&mut self, name: &[u8], on: bool) -> bool {
        // The keys are those of one editor.
        if on && name == b"vi" {
            self.emacs = false;
        } else if on && name == b"emacs" {
            self.vi = false;
        }
        self.all()
            .into_iter()
            .find(|(_, known, _)| known.as_bytes() == name)
            .is_some_and(|(.., place)| {
                *place = on;
                true
            })
    }

    /// `$-`
    pub(crate) fn letters(&self) -> Vec<u8> {
        let mut copy = self.clone();
        copy.all()
            .into_iter()
            .filter(|(letter, _, on)| **on && *letter != '-')
            .map(|(letter, ..)| letter as u8)
            .collect()
    }
}
