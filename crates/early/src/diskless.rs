//! A system that runs from memory (Alpine's diskless mode): its root is made at every boot, in a tmpfs, from the
//! packages on a medium and the overlay with what the administrator changed.

use crate::cmdline::{CommandLine, Diskless};
use crate::medium::Found;
use crate::{Error, fetch, medium, modloop, modules, network, overlay, programs, say};
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind, mount_remount, unmount};
use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

/// Whether this initramfs can make a root: it has the package manager for that.
pub fn is_possible() -> bool {
    programs::find("apk").is_some()
}

/// What the initramfs trusts packages by.
const KEYS: &str = "/etc/apk/keys";
/// What is installed where neither an overlay nor the command line says something.
const BASE: &str = "base";

/// Makes the root on `target`, up to where init can be started.
pub fn prepare_root(line: &CommandLine, target: &Path) -> Result<(), Error> {
    let options = &line.diskless;
    let tree = modules::Tree::of_running_kernel()?;
    for name in &line.modules {
        // Alpine's usual lines name modules that are built in here, or not needed.
        if let Err(error) = tree.load(name) {
            say(line, &error.to_string());
        }
    }
    begin(options, target)?;
    if let Some(setting) = &options.network {
        say(line, "setting up the network");
        network::configure(setting)?;
    }
    let found = medium::search(line, &tree)?;
    let repositories = repositories(line, &found)?;
    let chosen = overlay::choose(options, &found, Path::new("/run/early"))?;
    match &chosen {
        Some(path) => {
            say(line, &format!("the overlay is {}", path.display()));
            overlay::apply(path, target)?;
            resize(target)?;
        }
        None => say(line, "there is no overlay"),
    }
    say(line, "installing the packages");
    if chosen.as_deref() == Some(Path::new(overlay::DEFAULT)) {
        // The image's declaration cannot know what the medium is called here.
        add_repositories(&repositories, target)?;
    }
    install(options, &repositories, target)?;
    modloop::attach(line, &found, &tree, target)?;
    finish(options, target)
}

/// Takes away what a try left behind that failed.
pub fn undo(target: &Path) {
    let text = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let mut below: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split(' ').nth(1))
        .filter(|point| Path::new(point).starts_with(target))
        .collect();
    below.reverse();
    for point in below {
        // What cannot go is in the way of nothing: the next try mounts over it.
        let _ = unmount(point, UnmountFlags::DETACH);
    }
}

/// Mounts the empty root, with the media's folder in it.
fn begin(options: &Diskless, target: &Path) -> Result<(), Error> {
    std::fs::create_dir_all(target).map_err(|e| Error::io("make", target, e))?;
    let mut data = "mode=0755".to_owned();
    if let Some(size) = &options.root_size {
        data.push_str(",size=");
        data.push_str(size);
    }
    let data = CString::new(data).unwrap_or_default();
    mount(
        "tmpfs",
        target,
        "tmpfs",
        MountFlags::empty(),
        Some(data.as_c_str()),
    )
    .map_err(|e| Error::io("mount a tmpfs on", target, e))?;
    let media = target.join(medium::FOLDER.trim_start_matches('/'));
    std::fs::create_dir_all(&media).map_err(|e| Error::io("make", &media, e))?;
    // The same names lead to the media from here, for the package manager, and from inside the root.
    let here = Path::new(medium::FOLDER);
    match std::os::unix::fs::symlink(&media, here) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(Error::io("make", here, e)),
        _ => Ok(()),
    }
}

/// Where packages come from: what the command line says, else the media.
fn repositories(line: &CommandLine, found: &Found) -> Result<Vec<String>, Error> {
    let options = &line.diskless;
    let own: Vec<String> = found
        .repositories()
        .map(|path| path.display().to_string())
        .collect();
    if !options.repositories.is_empty() {
        return Ok(options.repositories.clone());
    }
    if own.is_empty() {
        return Err(Error::NoMedium {
            seconds: line.root_timeout,
            looked_at: if found.looked_at.is_empty() {
                "no device that could be read".to_owned()
            } else {
                found.looked_at.join(", ")
            },
        });
    }
    Ok(own)
}

/// A root's size may stand in the overlay's fstab: a line for `/` of kind tmpfs.
fn resize(target: &Path) -> Result<(), Error> {
    let text = std::fs::read_to_string(target.join("etc/fstab")).unwrap_or_default();
    let Some(given) = root_options(&text) else {
        return Ok(());
    };
    let data = CString::new(given).unwrap_or_default();
    mount_remount(target, MountFlags::empty(), data.as_c_str())
        .map_err(|e| Error::io("resize as /etc/fstab says", target, e))
}

/// The options of the tmpfs, without those that are flags of the mount.
fn root_options(fstab: &str) -> Option<String> {
    let line = fstab.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        match fields.as_slice() {
            [_, "/", "tmpfs", options, ..] => Some((*options).to_owned()),
            _ => None,
        }
    })?;
    let kept: Vec<&str> = line
        .split(',')
        .filter(|option| {
            ["size=", "nr_inodes=", "nr_blocks=", "mode=", "huge="]
                .iter()
                .any(|known| option.starts_with(known))
        })
        .collect();
    (!kept.is_empty()).then(|| kept.join(","))
}

/// Installs the world of the overlay, and what the command line adds.
fn install(options: &Diskless, repositories: &[String], target: &Path) -> Result<(), Error> {
    copy_keys(&target.join("etc/apk/keys"))?;
    let list = target.join("etc/apk/repositories");
    let has_list = list.exists();
    if !has_list {
        let text: String = repositories
            .iter()
            .map(|line| format!("{line}\n"))
            .collect();
        std::fs::write(&list, text).map_err(|e| Error::io("write", &list, e))?;
    }
    // Scripts of packages look for these.
    for name in ["dev", "proc"] {
        let to = target.join(name);
        std::fs::create_dir_all(&to).map_err(|e| Error::io("make", &to, e))?;
        mount_bind(Path::new("/").join(name), &to).map_err(|e| Error::io("mount", &to, e))?;
    }
    let arguments = arguments(options, repositories, target, has_list);
    let words: Vec<&OsStr> = arguments.iter().map(OsString::as_os_str).collect();
    programs::run("apk", &words)
        .map(drop)
        .map_err(|error| Error::Packages {
            from: repositories.join(", "),
            why: error.to_string(),
        })
}

/// The words for `apk`.
fn arguments(
    options: &Diskless,
    repositories: &[String],
    target: &Path,
    has_list: bool,
) -> Vec<OsString> {
    let mut words: Vec<OsString> = ["add", "--initdb", "--quiet", "--no-progress", "--root"]
        .iter()
        .map(OsString::from)
        .collect();
    words.push(target.into());
    if has_list {
        // The overlay's own come behind; those that cannot be reached now are not needed now.
        words.push("--force-missing-repositories".into());
        for repository in repositories {
            words.push("--repository".into());
            words.push(repository.into());
        }
    }
    let remote = options.network.is_some() || repositories.iter().any(|r| fetch::is_address(r));
    if !remote {
        words.push("--no-network".into());
    }
    if target.join("etc/apk/cache").symlink_metadata().is_err() {
        words.push("--no-cache".into());
    }
    words.extend(options.packages.iter().map(OsString::from));
    let world = std::fs::read(target.join("etc/apk/world")).unwrap_or_default();
    if world.trim_ascii().is_empty() {
        words.push(BASE.into());
    }
    words
}

/// Puts repositories before those that the root has by now.
fn add_repositories(repositories: &[String], target: &Path) -> Result<(), Error> {
    let list = target.join("etc/apk/repositories");
    let mut text: String = repositories
        .iter()
        .map(|line| format!("{line}\n"))
        .collect();
    text.push_str(&std::fs::read_to_string(&list).unwrap_or_default());
    std::fs::write(&list, text).map_err(|e| Error::io("write", &list, e))
}

fn copy_keys(to: &Path) -> Result<(), Error> {
    std::fs::create_dir_all(to).map_err(|e| Error::io("make", to, e))?;
    for entry in std::fs::read_dir(KEYS).into_iter().flatten().flatten() {
        let target = to.join(entry.file_name());
        std::fs::copy(entry.path(), &target).map_err(|e| Error::io("copy", entry.path(), e))?;
    }
    Ok(())
}

/// What is left to do before init: unused mounts go, names that only the initramfs knows are carried over.
fn finish(options: &Diskless, target: &Path) -> Result<(), Error> {
    for name in ["dev", "proc"] {
        let _ = unmount(target.join(name), UnmountFlags::DETACH);
    }
    if !options.keep_new {
        remove_new(&target.join("etc"));
    }
    let servers = target.join("etc/resolv.conf");
    if options.network.is_some() && !servers.exists() {
        // Only where there is a network; without name servers it is no worse off.
        let _ = std::fs::copy("/etc/resolv.conf", &servers);
    }
    Ok(())
}

/// The overlay's files stand; the packages' own beside them would come again with every boot.
fn remove_new(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path: PathBuf = entry.path();
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        if kind.is_dir() {
            remove_new(&path);
        } else if path.extension().is_some_and(|ending| ending == "apk-new") {
            let _ = std::fs::remove_file(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(options: &Diskless, repositories: &[&str], target: &Path, has_list: bool) -> String {
        let repositories: Vec<String> = repositories.iter().map(|r| (*r).to_owned()).collect();
        let words = arguments(options, &repositories, target, has_list);
        words.join(OsStr::new(" ")).into_string().unwrap()
    }

    #[test]
    fn the_package_manager_is_told_where_from_and_what() {
        let top = std::env::temp_dir().join(format!("early-diskless-{}", std::process::id()));
        std::fs::create_dir_all(top.join("etc/apk")).unwrap();
        let at = top.display();
        let mut options = Diskless::default();
        assert_eq!(
            words(&options, &["/media/vda/apks"], &top, false),
            format!("add --initdb --quiet --no-progress --root {at} --no-network --no-cache base")
        );
        options.packages = vec!["curl".into()];
        std::fs::write(top.join("etc/apk/world"), "base\ndropbear\n").unwrap();
        std::os::unix::fs::symlink("/media/vdb/cache", top.join("etc/apk/cache")).unwrap();
        assert_eq!(
            words(&options, &["http://h/r"], &top, true),
            format!(
                "add --initdb --quiet --no-progress --root {at} --force-missing-repositories --repository http://h/r curl"
            )
        );
        std::fs::remove_dir_all(&top).unwrap();
    }

    #[test]
    fn fstab_says_how_large_the_root_may_be() {
        let text =
            "# x\nproc /proc proc defaults 0 0\ntmpfs / tmpfs rw,noatime,size=300M,mode=0755 0 0\n";
        assert_eq!(root_options(text).as_deref(), Some("size=300M,mode=0755"));
        assert_eq!(root_options("tmpfs / tmpfs defaults"), None);
        assert_eq!(root_options("tmpfs /tmp tmpfs size=1M"), None);
        assert_eq!(root_options(""), None);
    }

    #[test]
    fn without_a_medium_the_error_lists_what_was_looked_at() {
        let line = CommandLine::parse("rootdelay=3");
        let found = Found {
            media: Vec::new(),
            looked_at: vec!["/dev/vda (ext4)".into()],
        };
        let error = repositories(&line, &found).unwrap_err().to_string();
        assert!(
            error.contains("3 seconds") && error.contains("/dev/vda (ext4)"),
            "{error}"
        );
        let line = CommandLine::parse("alpine_repo=http://h/r");
        assert_eq!(repositories(&line, &found).unwrap(), ["http://h/r"]);
    }

    #[test]
    fn the_mediums_repositories_come_first() {
        let top = std::env::temp_dir().join(format!("early-list-{}", std::process::id()));
        std::fs::create_dir_all(top.join("etc/apk")).unwrap();
        let own = ["/media/sr0/apks".to_owned()];
        add_repositories(&own, &top).unwrap();
        let list = top.join("etc/apk/repositories");
        assert_eq!(std::fs::read_to_string(&list).unwrap(), "/media/sr0/apks\n");
        std::fs::write(&list, "http://h/r\n").unwrap();
        add_repositories(&own, &top).unwrap();
        assert_eq!(
            std::fs::read_to_string(&list).unwrap(),
            "/media/sr0/apks\nhttp://h/r\n"
        );
        std::fs::remove_dir_all(&top).unwrap();
    }

    #[test]
    fn new_files_of_packages_go() {
        let top = std::env::temp_dir().join(format!("early-new-{}", std::process::id()));
        std::fs::create_dir_all(top.join("a")).unwrap();
        for name in ["a/x.apk-new", "a/x", "y.apk-new"] {
            std::fs::write(top.join(name), "").unwrap();
        }
        remove_new(&top);
        assert!(top.join("a/x").exists() && !top.join("a/x.apk-new").exists());
        assert!(!top.join("y.apk-new").exists());
        std::fs::remove_dir_all(&top).unwrap();
    }
}
