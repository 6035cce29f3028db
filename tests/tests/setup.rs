//! The programs that set a system up, in the built root.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use system::{good, in_root};

fn set_up(script: &str) -> String {
    let not = "not() { if \"$@\"; then echo \"went well: $*\"; exit 9; fi; }";
    good(&in_root(&format!(
        "set -e; {not}; apk add -q setup; {script}"
    )))
}

#[test]
fn from_a_file_of_answers() {
    let text = set_up(
        // The host's name servers are mounted read-only over the root's own.
        r#"
umount /etc/resolv.conf
setup-ferrata -c /tmp/answers
sed -i -e 's/-n ferrata"/-n box.example.org"/' -e 's/audio,video/audio/' /tmp/answers
setup-ferrata -f /tmp/answers </dev/null
cat /etc/hostname /etc/network/interfaces /etc/resolv.conf /etc/apk/repositories
grep ^ada: /etc/passwd; grep ^audio: /etc/group
ls /etc/runlevels/boot /etc/runlevels/default
"#,
    );
    for line in [
        "box.example.org",
        "iface eth0 inet dhcp",
        "search example.com",
        "nameserver 192.0.2.1",
        "https://example.com/ferrata",
        "networking",
        "ntpd",
        "dropbear",
    ] {
        assert!(text.lines().any(|l| l == line), "{line}: {text}");
    }
    assert!(
        text.contains("\nada:x:1000:") && text.contains(":ada"),
        "{text}"
    );
    assert!(text.contains("The system is set up."), "{text}");
}

#[test]
fn questions_are_asked_until_the_answer_is_one() {
    let text = set_up(
        r#"
printf '%s\n' -x 'a b' box | setup-hostname; cat /etc/hostname
printf '%s\n' 10.0.0.300 10.0.0.2/33 10.0.0.2/25 gateway 10.0.0.1 | INTERFACES=eth7 setup-interfaces
cat /etc/network/interfaces
setup-timezone -z CET-1CEST,M3.5.0,M10.5.0/3
. /etc/profile.d/timezone.sh; date -d @0 +%Z
not setup-timezone -z Mars/Phobos
not setup-dns 1.1.1
not setup-lbu nowhere
not setup-apkrepos nonsense
not setup-hostname -n "$(printf 'a%.0s' $(seq 1 70))"
not setup-user 'a:b'
"#,
    );
    assert!(text.contains("[localhost] box\n"), "{text}");
    assert!(
        text.contains(
            "auto eth7\niface eth7 inet static\n\taddress 10.0.0.2/25\n\tgateway 10.0.0.1\n"
        ),
        "{text}"
    );
    assert!(text.contains("\nCET\n"), "{text}");
}

#[test]
fn users_get_their_keys_and_groups() {
    let text = set_up(
        r#"
setup-user -a -u -f 'Ada Lovelace' -g audio -k 'ssh-ed25519 AAAA ada' ada
grep ^ada: /etc/passwd; id ada; cat /home/ada/.ssh/authorized_keys; stat -c '%a %U' /home/ada/.ssh
not setup-user -u ada
not setup-user -u -k nonsense bob
"#,
    );
    assert!(text.contains("Ada Lovelace:/home/ada"), "{text}");
    assert!(
        text.contains("(wheel)") && text.contains("(audio)"),
        "{text}"
    );
    assert!(text.contains("ssh-ed25519 AAAA ada\n700 ada"), "{text}");
}
