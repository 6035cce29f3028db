//! Changes to the account files that several applets of this group make.

use crate::common::accounts::{Accounts, Error, Group, Lock, Table, fields};

/// What went wrong with an account.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] Error),
    /// The account itself.
    #[error("{0}")]
    Account(String),
}

/// A name for messages.
pub fn show(name: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(name)
}

/// The first number of a range that `taken` does not have. System accounts have their own range.
pub fn free_number(system: bool, taken: &[u32]) -> Option<u32> {
    let range = if system { 100..=999 } else { 1000..=59_999 };
    range.into_iter().find(|number| !taken.contains(number))
}

/// Adds a user to a group's members, or takes it from them.
pub fn change_member(
    accounts: &Accounts,
    lock: &Lock,
    user: &[u8],
    group: &[u8],
    member: bool,
) -> Result<(), Trouble> {
    let Some(mut changed) = accounts.group(group)? else {
        return Err(Trouble::Account(format!("unknown group {}", show(group))));
    };
    let is_member = changed.members.iter().any(|name| name == user);
    match (is_member, member) {
        (true, true) => return Ok(()),
        (false, false) => {
            return Err(Trouble::Account(format!(
                "{} is not a member of {}",
                show(user),
                show(group)
            )));
        }
        (false, true) => changed.members.push(user.to_vec()),
        (true, false) => changed.members.retain(|name| name != user),
    }
    replace_group(accounts, lock, &changed)
}

fn replace_group(accounts: &Accounts, lock: &Lock, group: &Group) -> Result<(), Trouble> {
    let mut lines = accounts.lines(Table::Groups)?;
    for line in &mut lines {
        if fields(line).first() == Some(&group.name.as_slice()) {
            *line = group.line();
        }
    }
    Ok(accounts.replace(lock, Table::Groups, &lines)?)
}

/// Adds a line to a file.
pub fn append(
    accounts: &Accounts,
    lock: &Lock,
    table: Table,
    line: Vec<u8>,
) -> Result<(), Trouble> {
    let mut lines = accounts.lines(table)?;
    lines.push(line);
    Ok(accounts.replace(lock, table, &lines)?)
}

/// Removes the lines of that name from a file.
pub fn remove(accounts: &Accounts, lock: &Lock, table: Table, name: &[u8]) -> Result<(), Trouble> {
    let mut lines = accounts.lines(table)?;
    let before = lines.len();
    lines.retain(|line| fields(line).first() != Some(&name));
    if lines.len() == before {
        return Ok(());
    }
    Ok(accounts.replace(lock, table, &lines)?)
}
