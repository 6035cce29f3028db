//! Searching the history while the word is typed: Ctrl-R and Ctrl-S.

use super::Outcome;
use super::keys::Key;
use super::reading::{Reading, Step};

fn holds(entry: &[u8], word: &[u8]) -> Option<usize> {
    entry
        .windows(word.len().max(1))
        .position(|part| part == word)
}

impl Reading<'_> {
    pub(crate) fn search(&mut self, back: bool) -> Step {
        let home = (self.place, self.line.cursor());
        let mut back = back;
        let mut word: Vec<u8> = Vec::new();
        // How many bytes each key added, and where the search was before.
        let mut trail: Vec<(usize, usize)> = Vec::new();
        let mut failed = false;
        let result = loop {
            self.ask_word(&word, back, failed);
            match self.next_key(true) {
                Key::Control(letter @ (18 | 19)) => {
                    back = letter == 18;
                    if word.is_empty() {
                        word = self.editor.sought.clone();
                        trail.push((word.len(), self.place));
                        failed = !word.is_empty() && !self.seek(&word, back, true);
                    } else {
                        trail.push((0, self.place));
                        failed = !self.seek(&word, back, false);
                    }
                }
                Key::Control(8 | 127) => {
                    if let Some((added, place)) = trail.pop() {
                        word.truncate(word.len().saturating_sub(added));
                        self.visit(place);
                        self.show_match(&word);
                        failed = !word.is_empty() && holds(self.line.text(), &word).is_none();
                    } else {
                        self.bell();
                    }
                }
                Key::Text(bytes, length) => {
                    word.extend_from_slice(bytes.get(..length).unwrap_or_default());
                    trail.push((length, self.place));
                    failed = !self.seek(&word, back, true);
                }
                Key::Control(7) => {
                    self.visit(home.0);
                    self.line.move_to(home.1);
                    break Step::On;
                }
                Key::Control(3) => break Step::Done(Outcome::Interrupted),
                Key::Control(10 | 13) => break self.found(&word, true),
                Key::Gone => break Step::Done(Outcome::Gone),
                Key::Idle => break Step::Done(Outcome::Idle),
                Key::Escape => break Step::On,
                other => {
                    // The key does with what was found what it always does.
                    self.replay.push_front(other);
                    break Step::On;
                }
            }
        };
        if !word.is_empty() {
            self.editor.sought = word;
        }
        self.question = None;
        self.screen.spoil();
        result
    }

    fn found(&mut self, word: &[u8], run: bool) -> Step {
        if !word.is_empty() {
            self.editor.sought = word.to_vec();
        }
        self.question = None;
        self.screen.spoil();
        if run { self.accept() } else { Step::On }
    }

    fn ask_word(&mut self, word: &[u8], back: bool, failed: bool) {
        let mut question = Vec::new();
        if failed {
            question.extend_from_slice(b"failed ");
        }
        if back {
            question.extend_from_slice(b"reverse-");
        }
        let question = [b"(", question.as_slice(), b"i-search)`", word, b"': "].concat();
        if self.question.is_none() {
            self.screen.spoil();
        }
        self.question = Some(question);
    }

    /// Goes to the nearest entry with the word in it. `here`: this one may be it.
    fn seek(&mut self, word: &[u8], back: bool, here: bool) -> bool {
        if here && holds(self.line.text(), word).is_some() {
            self.show_match(word);
            return true;
        }
        // The same command again would look as if nothing had happened.
        let current = self.line.text().to_vec();
        let found = self.host.history().find(self.place, back, &mut |entry| {
            entry != current && holds(entry, word).is_some()
        });
        match found {
            Some(place) => {
                self.visit(place);
                self.show_match(word);
                true
            }
            None => {
                self.bell();
                false
            }
        }
    }

    fn show_match(&mut self, word: &[u8]) {
        if let Some(at) = holds(self.line.text(), word) {
            self.line.move_to(at);
        }
    }
}
