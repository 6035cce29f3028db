//! `pstree`: the processes as a tree, equal branches drawn once.

use super::processes::{self, Process};
use crate::common::accounts::Accounts;
use crate::common::lines::{Output, say};
use crate::common::options::Options;
use std::collections::HashMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

pub const USAGE: &str = "[-p] [PID | USER]

-p  show the numbers    PID  its branch only (1)    USER  that user's branches only";

/// A tree deeper than this is cut: no terminal is as wide.
const DEEPEST: usize = 2000;

#[derive(Debug)]
struct Node {
    pid: i32,
    uid: u32,
    name: Vec<u8>,
    children: Vec<usize>,
}

/// `pstree`
pub fn main(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "pstree",
        letters: "p",
        long: &[],
    };
    let given = match options.take(arguments, 0, 1) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let (mut pid, mut user) = (1, None);
    if let Some(word) = given.operands.first() {
        let bytes = word.as_bytes();
        if bytes.first().is_some_and(u8::is_ascii_digit) {
            match word.to_str().and_then(|text| text.parse().ok()) {
                Some(number) => pid = number,
                None => {
                    say("pstree", format!("invalid number '{}'", word.display()));
                    return 1;
                }
            }
        } else {
            match Accounts::system().user(bytes) {
                Ok(Some(found)) => user = Some(found.uid),
                _ => {
                    say("pstree", format!("unknown user {}", word.display()));
                    return 1;
                }
            }
        }
    }
    let width = usize::from(sys::tty::size(0).0);
    let tree = Tree::new(listed(), given.has('p'));
    let mut pen = Pen::new(width);
    match user {
        None => {
            if let Some(at) = tree.by_pid.get(&pid) {
                tree.draw(*at, &mut pen);
            }
        }
        Some(uid) => {
            let tops = tree.of_user(uid);
            if tops.is_empty() {
                say("pstree", "no processes found");
                return 1;
            }
            for (index, at) in tops.into_iter().enumerate() {
                if index > 0 {
                    pen.end();
                }
                tree.draw(at, &mut pen);
            }
        }
    }
    let mut out = Output::new();
    out.put(&pen.written);
    out.finish("pstree", 0, 1)
}

/// The processes, and their threads as children in braces.
fn listed() -> Vec<Process> {
    let mut all = Vec::new();
    for process in processes::all() {
        let threads = if process.threads > 1 {
            processes::threads(process.pid)
        } else {
            Vec::new()
        };
        for mut thread in threads {
            if thread.pid != process.pid {
                thread.ppid = process.pid;
                thread.name = [b"{", thread.name.as_slice(), b"}"].concat();
                all.push(thread);
            }
        }
        all.push(process);
    }
    all
}

struct Tree {
    nodes: Vec<Node>,
    by_pid: HashMap<i32, usize>,
    numbers: bool,
}

impl Tree {
    fn new(processes: Vec<Process>, numbers: bool) -> Tree {
        let mut tree = Tree {
            nodes: Vec::new(),
            by_pid: HashMap::new(),
            numbers,
        };
        let mut parents = Vec::new();
        for process in processes {
            tree.by_pid.insert(process.pid, tree.nodes.len());
            parents.push(process.ppid);
            tree.nodes.push(Node {
                pid: process.pid,
                uid: process.uid,
                name: process.name,
                children: Vec::new(),
            });
        }
        for (index, parent) in parents.into_iter().enumerate() {
            let above = tree.by_pid.get(&parent).copied();
            if let Some(node) = above
                .filter(|above| *above != index)
                .and_then(|above| tree.nodes.get_mut(above))
            {
                node.children.push(index);
            }
        }
        for index in 0..tree.nodes.len() {
            let Some(node) = tree.nodes.get_mut(index) else {
                continue;
            };
            let mut children = std::mem::take(&mut node.children);
            children.sort_by(|a, b| tree.key(*a).cmp(&tree.key(*b)));
            if let Some(node) = tree.nodes.get_mut(index) {
                node.children = children;
            }
        }
        tree
    }

    fn key(&self, at: usize) -> Option<(&[u8], u32, std::cmp::Reverse<i32>)> {
        let node = self.nodes.get(at)?;
        Some((&node.name, node.uid, std::cmp::Reverse(node.pid)))
    }

    /// The branches of a user, without those that are within another one of it.
    fn of_user(&self, uid: u32) -> Vec<usize> {
        let mut tops = Vec::new();
        let mut waiting: Vec<usize> = self.by_pid.get(&1).copied().into_iter().collect();
        while let Some(at) = waiting.pop() {
            let Some(node) = self.nodes.get(at) else {
                continue;
            };
            if node.uid == uid {
                tops.push(at);
            } else {
                waiting.extend(node.children.iter().rev());
            }
        }
        tops
    }

    fn equal(&self, a: usize, b: usize, depth: usize) -> bool {
        let (Some(a), Some(b)) = (self.nodes.get(a), self.nodes.get(b)) else {
            return false;
        };
        depth < DEEPEST
            && a.name == b.name
            && (!self.numbers || a.pid == b.pid)
            && a.children.len() == b.children.len()
            && a.children
                .iter()
                .zip(&b.children)
                .all(|(a, b)| self.equal(*a, *b, depth + 1))
    }

    fn draw(&self, top: usize, pen: &mut Pen) {
        self.branch(top, 1, &mut Vec::new(), true, 0, pen);
    }

    /// Draws a node. `above`: for each level the columns up to its fork, and whether more follow on it.
    /// `begins`: it stands behind its parent in the same line.
    fn branch(
        &self,
        at: usize,
        times: usize,
        above: &mut Vec<(usize, bool)>,
        begins: bool,
        closing: usize,
        pen: &mut Pen,
    ) {
        let Some(node) = self.nodes.get(at) else {
            return;
        };
        if !begins {
            for (level, (width, more)) in above.iter().enumerate() {
                pen.text(&b" ".repeat(width + 1));
                pen.text(match (level + 1 == above.len(), *more) {
                    (true, true) => b"|-",
                    (true, false) => b"`-",
                    (false, true) => b"| ",
                    (false, false) => b"  ",
                });
            }
        }
        let before = pen.column;
        if times > 1 {
            pen.text(format!("{times}*[").as_bytes());
        }
        for byte in &node.name {
            match byte {
                b'\\' => pen.text(b"\\\\"),
                0x20..=0x7e => pen.text(&[*byte]),
                _ => pen.text(format!("\\{byte:03o}").as_bytes()),
            }
        }
        if self.numbers {
            pen.text(format!("({})", node.pid).as_bytes());
        }
        let width = pen.column - before;
        if node.children.is_empty() || above.len() >= DEEPEST || pen.column >= pen.width {
            pen.text(&b"]".repeat(closing));
            pen.end();
            return;
        }
        // Equal branches become one.
        let mut groups: Vec<(usize, usize)> = Vec::new();
        for child in &node.children {
            match groups
                .iter_mut()
                .find(|(known, _)| self.equal(*known, *child, above.len()))
            {
                Some((_, count)) => *count += 1,
                None => groups.push((*child, 1)),
            }
        }
        let last = groups.len() - 1;
        pen.text(if last > 0 { b"-+-" } else { b"---" });
        for (index, (child, count)) in groups.into_iter().enumerate() {
            above.push((width, index < last));
            let closing = closing + usize::from(count > 1);
            self.branch(child, count, above, index == 0, closing, pen);
            above.pop();
        }
    }
}

/// Writes lines that end with `+` where they would not fit.
struct Pen {
    written: Vec<u8>,
    column: usize,
    width: usize,
}

impl Pen {
    fn new(width: usize) -> Pen {
        Pen {
            written: Vec::new(),
            column: 0,
            width,
        }
    }

    fn text(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.column += 1;
            match self.column.cmp(&self.width) {
                std::cmp::Ordering::Less => self.written.push(*byte),
                std::cmp::Ordering::Equal => self.written.push(b'+'),
                std::cmp::Ordering::Greater => {}
            }
        }
    }

    fn end(&mut self) {
        self.written.push(b'\n');
        self.column = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(all: &[(i32, i32, &str)], numbers: bool, width: usize) -> String {
        let processes = all.iter().map(|(pid, ppid, name)| Process {
            pid: *pid,
            ppid: *ppid,
            name: name.as_bytes().to_vec(),
            ..Process::default()
        });
        let tree = Tree::new(processes.collect(), numbers);
        let mut pen = Pen::new(width);
        tree.draw(tree.by_pid[&1], &mut pen);
        String::from_utf8(pen.written).unwrap()
    }

    const ALL: &[(i32, i32, &str)] = &[
        (1, 0, "init"),
        (2, 1, "sh"),
        (3, 2, "a\\b\n"),
        (4, 2, "cat"),
        (5, 1, "getty"),
        (6, 1, "getty"),
    ];

    #[test]
    fn branches() {
        assert_eq!(
            drawn(ALL, false, 80),
            "init-+-2*[getty]\n     `-sh-+-a\\\\b\\012\n          `-cat\n"
        );
        assert_eq!(drawn(&ALL[..2], true, 80), "init(1)---sh(2)\n");
        assert_eq!(
            drawn(ALL, false, 10),
            "init-+-2*+\n     `-sh+\n         +\n"
        );
    }

    #[test]
    fn a_deep_tree_and_one_that_goes_round() {
        let deep: Vec<(i32, i32, &str)> = (1..5000).map(|pid| (pid, pid - 1, "x")).collect();
        assert!(drawn(&deep, false, 80).starts_with("x---x---x"));
        assert_eq!(drawn(&[(1, 1, "x")], false, 80), "x\n");
    }
}
