//! What a daemon may do beyond what its user may: capabilities(7) in the words of cap_iab(3), secure bits, and that it
//! never gains more.
//!
//! `^cap_net_bind_service` gives a user's program that capability, `cap_…` (or `%cap_…`) lets programs with file
//! capabilities inherit it, `!cap_…` takes it away for good.

use rustix::io::Result;
use rustix::thread::{
    CapabilitiesSecureBits, CapabilitySet, capabilities, configure_capability_in_ambient_set,
    remove_capability_from_bounding_set, set_capabilities, set_capabilities_secure_bits,
    set_keep_capabilities, set_no_new_privs,
};

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Privileges {
    /// Bits of the capabilities that are inherited.
    pub inheritable: u64,
    /// Bits of those that any program gets.
    pub ambient: u64,
    /// Bits of those that are gone for good.
    pub dropped: u64,
    /// The secure bits.
    pub secure_bits: Option<u32>,
    /// It can never gain privileges.
    pub no_new_privs: bool,
}

/// All names, by number.
const NAMES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

/// A word that names no capability.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is no capability: ^cap_net_bind_service is one, several are joined by commas")]
pub struct Unknown(String);

impl Privileges {
    /// Reads capabilities and adds them.
    pub fn add(&mut self, text: &str) -> std::result::Result<(), Unknown> {
        for word in text
            .split([',', ' ', '\t', '\n'])
            .filter(|word| !word.is_empty())
        {
            let name = word.trim_start_matches(['^', '%', '!']);
            let signs = word.strip_suffix(name).unwrap_or_default();
            let lower = name.to_ascii_lowercase();
            let bit = lower
                .strip_prefix("cap_")
                .and_then(|plain| NAMES.iter().position(|known| *known == plain))
                .or_else(|| lower.parse().ok().filter(|number| *number < NAMES.len()))
                .map(|number| 1_u64 << number)
                .ok_or_else(|| Unknown(word.to_owned()))?;
            if signs.contains('!') {
                self.dropped |= bit;
            }
            if signs.contains('^') {
                self.ambient |= bit;
            }
            if signs.contains(['^', '%']) || signs.is_empty() {
                self.inheritable |= bit;
            }
        }
        Ok(())
    }

    /// What has to be done before the user changes.
    pub fn prepare(&self) -> Result<()> {
        for bit in bits(self.dropped) {
            remove_capability_from_bounding_set(bit)?;
        }
        if self.inheritable != 0 {
            let mut sets = capabilities(None)?;
            sets.inheritable |= CapabilitySet::from_bits_retain(self.inheritable);
            set_capabilities(None, sets)?;
        }
        // Another user could not set them any more.
        if let Some(secure_bits) = self.secure_bits {
            set_capabilities_secure_bits(CapabilitiesSecureBits::from_bits_retain(secure_bits))?;
        }
        if self.ambient != 0 {
            set_keep_capabilities(true)?;
        }
        Ok(())
    }

    /// What is done behind that.
    pub fn apply(&self) -> Result<()> {
        for bit in bits(self.ambient) {
            configure_capability_in_ambient_set(bit, true)?;
        }
        if self.no_new_privs {
            set_no_new_privs(true)?;
        }
        Ok(())
    }
}

fn bits(set: u64) -> impl Iterator<Item = CapabilitySet> {
    (0..64)
        .map(|number| 1_u64 << number)
        .filter(move |bit| set & bit != 0)
        .map(CapabilitySet::from_bits_retain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_cap_iab() {
        let mut privileges = Privileges::default();
        privileges
            .add("^cap_net_bind_service,!cap_sys_admin,%cap_kill,CAP_CHOWN,13")
            .unwrap();
        assert_eq!(privileges.ambient, 1 << 10);
        assert_eq!(privileges.dropped, 1 << 21);
        assert_eq!(privileges.inheritable, 1 << 10 | 1 << 5 | 1 | 1 << 13);
        privileges.add("").unwrap();
        for bad in ["x", "^", "cap_", "cap_nothing", "41", "-1", "^^%!"] {
            assert!(privileges.add(bad).is_err(), "{bad}");
        }
        assert_eq!(bits(0b101).count(), 2);
    }
}
