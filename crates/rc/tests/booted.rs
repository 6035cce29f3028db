//! Process 1 with real processes, control groups and signals, in namespaces.

#![allow(clippy::unwrap_used, clippy::panic)]

mod world;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use world::{World, add_service, wait_for};

/// A daemon that leaves its starter and writes its number.
const DAEMON: &str =
    "command=/bin/sleep\ncommand_args=1000\ncommand_background=yes\npidfile=/run/$RC_SVCNAME.pid";

#[test]
fn services_start_in_order_each_in_a_group_and_leave_nothing_behind() {
    // Its process starts another, which leaves its group of processes, its session and its parent.
    let wild = "start() {
        ebegin Wild
        setsid sh -c 'setsid sleep 1001 & setsid sh -c \"trap : TERM; while :; do sleep 1002; done\" &' &
        eend 0
    }
    stop() { :; }
    depend() { need base; }
    rc_timeout_stopsec=1";
    let world = World::boot(&[
        ("wild", wild),
        ("base", DAEMON),
        (
            "last",
            "depend() { need wild; }\nstart() { service_started base && service_started wild; }",
        ),
    ]);
    let status = world.run("rc-status default");
    assert_eq!(status.matches("[  started  ]").count(), 3, "{status}");
    wait_for("four processes", || {
        (world.processes("wild").len() >= 3).then_some(())
    });
    assert_eq!(world.processes("base").len(), 1);
    // Who needs it stops before it.
    world.run("rc-service base stop");
    let (status, text) = world.try_run("rc-service wild status");
    assert_eq!(status, 3, "{text}");
    assert_eq!(world.processes("wild"), [0; 0]);
    assert_eq!(world.processes("base"), [0; 0]);
    let (_, left) = world.try_run("ps -e -o args= | grep -c '[s]leep 100'");
    assert_eq!(left.trim(), "0");
    // They are told, not only the console.
    assert!(
        world.run("rc-log wild").contains("Wild"),
        "{}",
        world.run("rc-log wild")
    );
    world.run("rc-service last start");
    assert!(world.run("rc-why base").contains("needed by wild"));
}

#[test]
fn what_forks_faster_than_it_can_be_counted_ends_with_its_group() {
    // Each process starts the next and ends, so that no number that was read is of any use.
    let bomb =
        "start() { sh -c 'n() { n & }; f() { (f) & }; for i in 1 2 3 4 5 6 7 8; do f; done' & }
    stop() { :; }
    rc_timeout_stopsec=0";
    let world = World::boot(&[("bomb", bomb)]);
    wait_for("processes", || {
        (!world.processes("bomb").is_empty()).then_some(())
    });
    world.run("rc-service bomb stop");
    assert_eq!(world.processes("bomb"), [0; 0]);
    // The machine is as usable as before.
    world.run("rc-service bomb start");
    world.run("rc-service bomb stop");
    assert_eq!(world.processes("bomb"), [0; 0]);
}

#[test]
fn a_daemon_that_is_killed_comes_back_each_time() {
    let text = "supervisor=supervise-daemon\ncommand=/bin/sleep\ncommand_args=1000\nrespawn_max=0\nrespawn_period=1";
    let world = World::boot(&[("tough", text)]);
    let daemon = || {
        let pid = world.run("cat /run/openrc/options/tough/child_pid");
        pid.trim().parse::<i32>().unwrap()
    };
    let mut last = daemon();
    for _ in 0..5 {
        world.run(&format!("kill -9 {last}"));
        last = wait_for("the next", || {
            let now = daemon();
            (now != last && now != 0).then_some(now)
        });
    }
    let status = world.run("rc-status --json default");
    assert!(
        status.contains("\"name\":\"tough\",\"state\":\"started\""),
        "{status}"
    );
    assert!(status.contains("\"restarts\":"), "{status}");
    assert!(world.run("rc-sstat").starts_with("tough: up (pid "));
    world.run("rc-service tough stop");
    assert_eq!(world.processes("tough"), [0; 0]);
}

#[test]
fn a_daemon_that_ends_too_often_is_given_up_and_that_is_told() {
    let text = "supervisor=supervise-daemon\ncommand=/bin/sh\ncommand_args='-c \"echo so it goes; exit 5\"'\nrespawn_max=2\nrespawn_period=60";
    let world = World::boot(&[("weak", text)]);
    wait_for("the end", || {
        (world.try_run("test -e /run/openrc/failed/weak").0 == 0).then_some(())
    });
    let why = world.run("rc-why weak");
    assert!(
        why.contains("weak is failed") && why.contains("too often") && why.contains("so it goes"),
        "{why}"
    );
    // It can be tried again.
    world.try_run("rc-service weak zap");
    assert!(world.run("rc-why weak").starts_with("weak is stopped"));
}

#[test]
fn a_service_is_started_when_it_says_that_it_is_ready() {
    let by_line = "supervisor=supervise-daemon\nnotify=fd:5\ncommand=/bin/sh\n\
        command_args='-c \"sleep 0.3; touch /run/line; echo >&5; exec sleep 1000\"'";
    let by_packet = "command=/bin/sh\nnotify=socket:ready\ncommand_background=yes\npidfile=/run/packet.pid\n\
        command_args='-c \"sleep 0.3; touch /run/packet; python3 /root/notify.py; exec sleep 1000\"'";
    let behind =
        "depend() { need line packet; }\nstart() { test -e /run/line && test -e /run/packet; }";
    let never = "notify=fd:5\ncommand=/bin/sh\ncommand_background=yes\npidfile=/run/never.pid\ncommand_args='-c \"exit 0\"'";
    let world = World::prepare(
        &[
            ("line", by_line),
            ("packet", by_packet),
            ("behind", behind),
            ("never", never),
        ],
        |root| {
            let text = "import os, socket\ns = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n\
                s.sendto(b'READY=1', os.environ['NOTIFY_SOCKET'])\n";
            fs::write(root.join("root/notify.py"), text).unwrap();
        },
    );
    for name in ["line", "packet", "behind"] {
        let (status, text) = world.try_run(&format!("rc-service {name} status; rc-why {name}"));
        assert!(status == 0 && text.contains("status: started"), "{text}");
    }
    assert!(world.run("rc-why never").contains("never is failed"));
}

#[test]
fn a_script_that_hangs_is_ended_and_the_rest_goes_on() {
    let hangs = "rc_timeout=1\nstart() { setsid sleep 1003 & sleep 1003; }";
    let world = World::boot(&[
        ("hangs", hangs),
        ("fine", DAEMON),
        ("needs", "depend() { need hangs; }"),
        ("after", "depend() { after hangs; }"),
    ]);
    let status = world.run("rc-status default");
    for (name, state) in [
        ("hangs", "failed"),
        ("needs", "failed"),
        ("fine", "started"),
        ("after", "started"),
    ] {
        let line = status.lines().find(|line| line.contains(name)).unwrap();
        assert!(line.contains(state), "{status}");
    }
    assert!(world.run("rc-why hangs").contains("took too long"));
    assert!(
        world
            .run("rc-why needs")
            .contains("needs hangs, which is not started")
    );
    wait_for("the end of what it left", || {
        world.processes("hangs").is_empty().then_some(())
    });
    assert!(
        world.console().contains("hangs failed to start"),
        "{}",
        world.console()
    );
}

#[test]
fn process_1_survives_an_upgrade_and_a_fault_with_all_services() {
    let supervised = "supervisor=supervise-daemon\ncommand=/bin/sleep\ncommand_args=1000";
    let world = World::boot(&[("plain", DAEMON), ("tended", supervised)]);
    let before = (world.processes("plain"), world.processes("tended"));
    assert_eq!((before.0.len(), before.1.len()), (1, 2));
    let fd = |world: &World| world.run("ls /proc/1/fd | wc -l");
    let open = fd(&world);
    for round in 0..6 {
        let how = ["QUIT", "SEGV", "ABRT"][round % 3];
        World::signal(world.init(), how);
        wait_for("process 1", || {
            (world.try_run("rc-service plain status").0 == 0
                && world
                    .try_run("tr '\\0' ' ' </proc/1/cmdline | grep -q recover")
                    .0
                    == 0)
                .then_some(())
        });
    }
    assert_eq!(
        before,
        (world.processes("plain"), world.processes("tended"))
    );
    assert_eq!(world.run("rc-status -r").trim(), "default");
    // It answers as before, keeps no descriptor, and reaps.
    world.run("rc-service plain restart && rc-service tended restart");
    assert_eq!(fd(&world), open);
    world.run("(sleep 0.1 &) ; sleep 0.3; ! ps -e -o stat= | grep -q Z");
}

#[test]
fn hostile_words_on_the_socket_do_no_harm() {
    let world = World::prepare(&[("plain", DAEMON)], |root| {
        let text = "import os, random, socket, struct, sys\n\
            random.seed(7)\n\
            def connect():\n    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)\n    s.connect('/run/rc.sock')\n    return s\n\
            words = [b'1', b'start', b'stop', b'plain', b'level', b'default', b'..', b'nodeps', b'', b'\\xff' * 300]\n\
            for n in range(2000):\n    s = connect()\n    data = b'\\0'.join(random.choice(words[2:]) for _ in range(random.randrange(6)))\n    if n % 3 == 0: data = random.randbytes(random.randrange(1500))\n    try:\n        s.send(data)\n        if n % 2: socket.send_fds(s, [data or b'x'], [0] * random.randrange(1, 20))\n    except OSError: pass\n    if n % 5: s.close()\n\
            waiting = [connect() for _ in range(30)]\n";
        fs::write(root.join("root/hostile.py"), text).unwrap();
    });
    let open = world.run("ls /proc/1/fd | wc -l");
    world.run("timeout 60 python3 /root/hostile.py");
    world.run("rc-service plain status");
    world.run("rc-service plain restart");
    wait_for("closed descriptors", || {
        (world.run("ls /proc/1/fd | wc -l") == open).then_some(())
    });
    // Nobody but root is heard.
    let (status, text) =
        world.try_run("setpriv --reuid 65534 --clear-groups rc-service plain stop");
    assert!(status != 0, "{text}");
    world.run("rc-service plain status");
}

#[test]
fn a_transaction_that_was_cut_off_is_finished_before_services_start() {
    let service = "start() { test -e /var/recovered; }";
    let world = World::prepare(&[("late", service)], |root| {
        fs::create_dir_all(root.join("lib/apk/db")).unwrap_or(());
        fs::remove_file(root.join("lib")).unwrap();
        fs::create_dir_all(root.join("lib/apk/db")).unwrap();
        for entry in fs::read_dir("/usr/lib").unwrap().flatten() {
            let name = entry.file_name();
            let link = root.join("lib").join(&name);
            let _ = std::os::unix::fs::symlink(std::path::Path::new("/usr/lib").join(&name), link);
        }
        fs::write(root.join("lib/apk/db/journal"), "x").unwrap();
        let apk = root.join("sbin/apk");
        fs::write(
            &apk,
            "#!/bin/sh\ntest \"$*\" = recover && rm /lib/apk/db/journal && touch /var/recovered\n",
        )
        .unwrap();
        fs::set_permissions(&apk, fs::Permissions::from_mode(0o755)).unwrap();
    });
    world.run("rc-service late status");
    assert!(
        world.console().contains("packages were being changed"),
        "{}",
        world.console()
    );
}

#[test]
fn it_goes_down_in_order_and_leaves_nothing() {
    let tell = |name: &str, depend: &str| {
        format!("start() {{ :; }}\nstop() {{ echo down {name}; }}\ndepend() {{ {depend}; }}")
    };
    let stubborn =
        "start() { setsid sh -c 'trap : TERM; while :; do sleep 1; done' & }\nstop() { return 1; }";
    let world = World::boot(&[
        ("a", &tell("a", ":")),
        ("b", &tell("b", "need a")),
        ("c", &tell("c", "use b; after b")),
        ("stubborn", stubborn),
    ]);
    world.run("poweroff");
    let console = world.ends();
    let at = |name: &str| {
        console
            .find(&format!("down {name}"))
            .unwrap_or_else(|| panic!("{name}: {console}"))
    };
    assert!(at("c") < at("b") && at("b") < at("a"), "{console}");
}

#[test]
fn circles_are_named_and_block_nothing() {
    let world = World::boot(&[
        ("hen", "depend() { need egg; }"),
        ("egg", "depend() { need hen; }"),
        ("x", "depend() { after y; }\nstart() { :; }"),
        ("y", "depend() { after x; }\nstart() { :; }"),
        ("fine", DAEMON),
    ]);
    for name in ["x", "y", "fine"] {
        world.run(&format!("rc-service {name} status"));
    }
    let console = world.console();
    assert!(console.contains("egg needs hen needs egg"), "{console}");
    assert!(world.run("rc-why hen").contains("lead back to itself"));
}

#[test]
fn settings_reach_the_daemon() {
    let text = "command=/bin/sleep\ncommand_args=1000\ncommand_background=yes\npidfile=/run/set.pid\n\
        command_user=nobody:nogroup\numask=027\ndirectory=/tmp\nno_new_privs=yes\ncapabilities=^cap_net_bind_service\n\
        rc_ulimit='-n 77'\nSSD_NICELEVEL=5\noom_score_adj=300";
    let world = World::boot(&[("set", text)]);
    let status = world.run("p=$(cat /run/set.pid); cat /proc/$p/status /proc/$p/limits /proc/$p/oom_score_adj; readlink /proc/$p/cwd; ps -o ni= -p $p");
    for (key, value) in [
        ("Uid:", "65534"),
        ("Gid:", "65534"),
        ("Umask:", "0027"),
        ("NoNewPrivs:", "1"),
        ("CapAmb:", "0000000000000400"),
        ("Max open files", "77"),
    ] {
        let line = status.lines().find(|line| line.starts_with(key)).unwrap();
        assert!(line.contains(value), "{line}");
    }
    assert!(status.contains("\n300\n/tmp\n"), "{status}");
    assert_eq!(status.lines().last().unwrap().trim(), "5");
}

#[test]
fn restarts_levels_and_hotplugged_services() {
    let world = World::prepare(
        &[
            (
                "a",
                "start() { echo \"$RC_CMD\" >>/var/told; }\nstop() { echo \"$RC_CMD\" >>/var/told; }",
            ),
            ("b", "depend() { need a; }\nstart() { :; }"),
        ],
        |root| {
            add_service(root, "plug", "start() { service_hotplugged || :; }");
            add_service(root, "other", "start() { :; }");
            fs::create_dir_all(root.join("etc/runlevels/office")).unwrap();
            fs::write(root.join("etc/rc.conf"), "rc_hotplug='plu*'\nrc_sys=lxc\n").unwrap();
        },
    );
    world.run("rc-service a restart");
    assert_eq!(world.run("cat /var/told"), "start\nrestart\nrestart\n");
    world.run("rc-service b status");
    world.run("IN_HOTPLUG=1 rc-service plug start");
    let (status, text) = world.try_run("IN_HOTPLUG=1 rc-service other start");
    assert!(status == 1 && text.contains("rc_hotplug"), "{text}");
    world.run("rc-service other start; rc-update add b office; openrc -n office");
    world.run("rc-service other status");
    world.run("openrc office; rc-service plug status; rc-service a status");
    let (status, _) = world.try_run("rc-service other status");
    assert_eq!(status, 3);
    assert_eq!(world.run("openrc --sys").trim(), "LXC");
    assert_eq!(world.run("rc-depend b").trim(), "a b");
    world.run("rc-config list >/dev/null; rc-config restart a");
}
