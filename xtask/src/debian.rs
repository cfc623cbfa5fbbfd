//! Packages of Debian or Ubuntu, unpacked into a folder of their own, with everything they need down to the C library, so that they
//! run on this machine without being installed and whatever the system's own versions are.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    cache::{self, Cache},
    error::Error,
    machine::{self, file_name},
    run,
};

/// Debian's name for the release that is always in the making and has the newest servers.
pub const UNSTABLE: &str = "sid";

/// The mirror that this machine's own package sources name, and the keys that they trust.
#[derive(Debug, Eq, PartialEq)]
struct Mirror {
    address: String,
    keys: Option<String>,
}

/// Whether packages of this distribution can be had.
pub fn available() -> bool {
    mirror().is_some() && run::answers("dpkg", &["--version"])
}

/// Whether this is Debian itself, whose mirrors have the release in the making too.
pub fn has_unstable() -> bool {
    available() && machine::release("ID").as_deref() == Some("debian")
}

/// The name of this machine's own release, for packages as old as the system.
pub fn own_release() -> Option<String> {
    machine::release("VERSION_CODENAME")
}

/// Unpacks `packages` of `release` and all that they depend on into `root`. Nothing is installed and no service starts.
pub fn unpack(cache: &Cache, release: &str, packages: &[&str], root: &Path) -> Result<(), Error> {
    let what = packages.first().copied().unwrap_or_default();
    let mirror = mirror().ok_or_else(|| Error::Machine("no package source names a Debian mirror".to_owned()))?;
    let apt = PrivateApt::new(root, release, &mirror)?;
    run::quietly(cache, &format!("package list of {release}"), apt.command().arg("update"))?;
    run::quietly(
        cache,
        &format!("download {what} of {release}"),
        apt.command().args(["install", "--download-only", "-y", "--no-install-recommends"]).args(packages),
    )?;
    for archive in apt.archives() {
        run::quietly(cache, &format!("unpack {what}"), Command::new("dpkg").arg("-x").arg(&archive).arg(root))?;
    }
    cache::remove_folder(&apt.folder)
}

/// An apt that knows one release and believes that nothing is installed yet.
struct PrivateApt {
    folder: PathBuf,
}

impl PrivateApt {
    fn new(root: &Path, release: &str, mirror: &Mirror) -> Result<Self, Error> {
        let folder = root.join(".apt");
        cache::make_folder(&folder.join("lists/partial"))?;
        cache::make_folder(&folder.join("cache/archives/partial"))?;
        cache::write(&folder.join("status"), "")?;
        let keys = mirror.keys.as_ref().map(|keys| format!(" [signed-by={keys}]")).unwrap_or_default();
        let parts = if machine::release("ID").as_deref() == Some("ubuntu") { "main universe" } else { "main" };
        cache::write(&folder.join("sources"), &format!("deb{keys} {} {release} {parts}\n", mirror.address))?;
        Ok(Self { folder })
    }

    fn command(&self) -> Command {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive");
        for (option, path) in [
            ("Dir::Etc::sourcelist", "sources"),
            ("Dir::State::Lists", "lists"),
            ("Dir::Cache", "cache"),
            ("Dir::State::status", "status"),
        ] {
            command.arg("-o").arg(format!("{option}={}", self.folder.join(path).display()));
        }
        // A mirror that stands still for weeks is signed all the same, and what is fetched serves only tests.
        command.args(["-o", "Acquire::Check-Valid-Until=false"]);
        command.args(["-o", "Dir::Etc::sourceparts=-", "-o", "APT::Sandbox::User=root", "-o", "Debug::NoLocking=1"]);
        command
    }

    fn archives(&self) -> Vec<PathBuf> {
        let all = cache::entries(&self.folder.join("cache/archives"));
        all.into_iter().filter(|path| path.extension().is_some_and(|end| end == "deb")).collect()
    }
}

/// Replaces each program in `programs` by a script that starts it through its own loader and libraries.
///
/// A program finds its siblings and its data by its own path, so the script takes the program's place, and the program
/// moves to a folder beside it and is told the script's path as its name. `root` is where the tree will live in the end.
pub fn wrap(tree: &Path, root: &Path, programs: &str) -> Result<(), Error> {
    let loader =
        loader(tree).ok_or_else(|| Error::Failed(format!("no loader among the packages in {}", tree.display())))?;
    let libraries = [
        loader.parent().map(Path::to_path_buf),
        triple_folder(tree, "usr/lib", &loader),
        triple_folder(tree, "lib", &loader),
    ];
    let mut libraries: Vec<String> = libraries.iter().flatten().filter_map(|path| moved(path, tree, root)).collect();
    libraries.dedup();
    let loader = moved(&loader, tree, root).unwrap_or_default();
    let programs = tree.join(programs);
    let aside = programs.with_file_name("bin.unwrapped");
    cache::make_folder(&aside)?;
    for program in cache::entries(&programs) {
        if !is_elf(&program) {
            continue;
        }
        let target = aside.join(file_name(&program));
        fs::rename(&program, &target).map_err(|source| Error::io("move", &program, source))?;
        let name = moved(&program, tree, root).unwrap_or_default();
        let target = moved(&target, tree, root).unwrap_or_default();
        let path = libraries.join(":");
        cache::write_script(
            &program,
            &format!("#!/bin/sh\nexec '{loader}' --library-path '{path}' --argv0 '{name}' '{target}' \"$@\"\n"),
        )?;
    }
    Ok(())
}

fn moved(path: &Path, tree: &Path, root: &Path) -> Option<String> {
    Some(root.join(path.strip_prefix(tree).ok()?).display().to_string())
}

fn loader(tree: &Path) -> Option<PathBuf> {
    let folders = ["usr/lib", "lib"].into_iter().flat_map(|base| cache::entries(&tree.join(base)));
    folders.filter(|path| path.is_dir()).flat_map(|folder| cache::entries(&folder)).find(|path| {
        let name = file_name(path);
        name.starts_with("ld-linux") && name.contains(".so.")
    })
}

fn triple_folder(tree: &Path, base: &str, loader: &Path) -> Option<PathBuf> {
    Some(tree.join(base).join(loader.parent()?.file_name()?)).filter(|path| path.is_dir())
}

fn is_elf(path: &Path) -> bool {
    let real = fs::symlink_metadata(path).is_ok_and(|found| found.is_file());
    real && fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"\x7fELF"))
}

fn mirror() -> Option<Mirror> {
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    files.extend(cache::entries(Path::new("/etc/apt/sources.list.d")));
    files.iter().find_map(|file| {
        let text = fs::read_to_string(file).ok()?;
        match file.extension().and_then(|end| end.to_str()) {
            Some("sources") => mirror_of_stanzas(&text),
            Some("list") => mirror_of_lines(&text),
            _ => None,
        }
    })
}

/// The first mirror of the form with fields; security archives hold only updates.
fn mirror_of_stanzas(text: &str) -> Option<Mirror> {
    text.split("\n\n").find_map(|stanza| {
        let field =
            |name: &str| stanza.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
        let address = field("URIs")?.split_whitespace().find(|address| is_main_archive(address))?;
        Some(Mirror {
            address: address.to_owned(),
            keys: field("Signed-By").filter(|keys| keys.starts_with('/')).map(str::to_owned),
        })
    })
}

/// The first mirror of the form with one line each.
fn mirror_of_lines(text: &str) -> Option<Mirror> {
    text.lines().filter_map(|line| line.trim().strip_prefix("deb ")).find_map(|line| {
        let (options, rest) = match line.trim().strip_prefix('[') {
            Some(inner) => inner.split_once(']')?,
            None => ("", line),
        };
        let address = rest.split_whitespace().next().filter(|address| is_main_archive(address))?;
        let keys = options.split_whitespace().find_map(|option| option.strip_prefix("signed-by="));
        Some(Mirror { address: address.to_owned(), keys: keys.map(str::to_owned) })
    })
}

fn is_main_archive(address: &str) -> bool {
    ["/debian", "/ubuntu"].iter().any(|name| address.trim_end_matches('/').ends_with(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirror_and_its_keys_come_from_the_machines_own_sources() {
        let stanzas = "Types: deb\nURIs: http://mirror.test/debian-security\nSuites: a\n\nTypes: deb\n# note\nURIs: http://mirror.test/debian\nSigned-By: /keys.gpg\n";
        let expected = Mirror { address: "http://mirror.test/debian".into(), keys: Some("/keys.gpg".into()) };
        assert_eq!(mirror_of_stanzas(stanzas), Some(expected));
        let lines = "# deb http://old.test/debian x main\ndeb http://mirror.test/debian-security x main\ndeb [arch=amd64 signed-by=/k] http://mirror.test/debian/ x main\n";
        assert_eq!(
            mirror_of_lines(lines),
            Some(Mirror { address: "http://mirror.test/debian/".into(), keys: Some("/k".into()) })
        );
        let ubuntu = mirror_of_lines("deb http://mirror.test/ubuntu noble main");
        assert_eq!(ubuntu, Some(Mirror { address: "http://mirror.test/ubuntu".into(), keys: None }));
        assert_eq!(mirror_of_lines("deb http://mirror.test/other noble main"), None);
    }
}
