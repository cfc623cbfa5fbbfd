//! What this machine is, and the system packages that it lacks.

use std::{
    env, fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    cache::{self, Cache},
    error::Error,
    run,
};

/// What a chore needs from the system.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Need {
    /// A C++ compiler, and libclang for the bindings to RocksDB.
    Build,
    /// Python, Java and node, whose drivers are tested.
    Drivers,
    /// What servers that were unpacked into the cache expect of the system.
    Servers,
}

/// Whether this process runs as root.
pub fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|found| found.uid() == 0)
}

/// A field of `/etc/os-release`, such as `VERSION_CODENAME`.
pub fn release(field: &str) -> Option<String> {
    release_field(&fs::read_to_string("/etc/os-release").ok()?, field)
}

fn release_field(text: &str, field: &str) -> Option<String> {
    text.lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix('='))
        .map(|value| value.trim_matches('"').to_owned())
}

/// Installs the system packages that are missing, or says which one command does it.
pub fn supply(cache: &Cache, needs: &[Need]) -> Result<(), Error> {
    let packages = missing(needs);
    if packages.is_empty() {
        return Ok(());
    }
    let list = packages.join(" ");
    if !run::answers("apt-get", &["--version"]) {
        return Err(Error::Machine(format!(
            "this machine lacks what Debian calls {list}: install them, then run this again"
        )));
    }
    if !is_root() {
        return Err(Error::Machine(format!(
            "system packages are missing. Run this, then run the same command again:\n\n    \
             sudo apt-get update && sudo apt-get install -y --no-install-recommends {list}\n"
        )));
    }
    let _lock = cache.lock("apt")?;
    eprintln!("installing system packages: {list}");
    let apt = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    run::quietly(cache, "apt-get update", apt().arg("update"))?;
    run::quietly(cache, "apt-get install", apt().args(["install", "-y", "--no-install-recommends"]).args(&packages))?;
    match missing(needs).as_slice() {
        [] => Ok(()),
        still => Err(Error::Machine(format!("still missing after apt-get install: {}", still.join(" ")))),
    }
}

fn missing(needs: &[Need]) -> Vec<&'static str> {
    let mut packages = Vec::new();
    let mut want = |present: bool, package: &'static str| {
        if !present {
            packages.push(package);
        }
    };
    for need in needs {
        match need {
            Need::Build => {
                want(run::answers("c++", &["--version"]) && run::answers("cc", &["--version"]), "build-essential");
                want(libclang().is_some(), "libclang-dev");
            }
            Need::Drivers => {
                want(run::answers("python3", &["-c", "import ensurepip, venv"]), "python3-venv");
                want(run::answers("javac", &["-version"]), "default-jdk-headless");
                want(run::answers("mvn", &["--version"]), "maven");
                want(run::answers("node", &["--version"]), "nodejs");
                want(run::answers("npm", &["--version"]), "npm");
            }
            Need::Servers => {
                want(run::answers("setpriv", &["--version"]), "util-linux");
                want(Path::new("/usr/share/zoneinfo/UTC").exists(), "tzdata");
            }
        }
    }
    packages
}

/// The folder of a libclang, where the bindings' generator would look too.
pub fn libclang() -> Option<PathBuf> {
    let named = env::var_os("LIBCLANG_PATH").map(PathBuf::from);
    let versions = cache::entries(Path::new("/usr/lib")).into_iter().rev();
    let llvm = versions.filter(|path| file_name(path).starts_with("llvm-")).map(|path| path.join("lib"));
    let plain =
        ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"].map(PathBuf::from);
    named.into_iter().chain(llvm).chain(plain).find(|folder| {
        cache::entries(folder)
            .iter()
            .any(|path| file_name(path).starts_with("libclang") && file_name(path).contains(".so"))
            && !only_cpp(folder)
    })
}

/// `libclang-cpp` alone is another library than the one wanted.
fn only_cpp(folder: &Path) -> bool {
    let mut found = cache::entries(folder).into_iter().filter(|path| file_name(path).starts_with("libclang"));
    found.all(|path| file_name(&path).starts_with("libclang-cpp"))
}

/// Extra arguments for clang where libclang came without the C headers of its own.
pub fn clang_arguments() -> Option<String> {
    let headers = libclang()?.join("clang");
    let own = cache::entries(&headers).iter().any(|version| version.join("include/stdbool.h").exists());
    if own || env::var_os("BINDGEN_EXTRA_CLANG_ARGS").is_some() {
        return None;
    }
    let include = run::output(Command::new("cc").arg("-print-file-name=include"))?;
    Some(format!("-I{}", include.trim()))
}

/// The last part of a path as text.
pub fn file_name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn release_fields_are_read_with_and_without_quotes() {
        let text = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_CODENAME=bookworm\nID=debian\n";
        assert_eq!(release_field(text, "ID").as_deref(), Some("debian"));
        assert_eq!(release_field(text, "PRETTY_NAME").as_deref(), Some("Debian GNU/Linux 12 (bookworm)"));
        assert_eq!(release_field(text, "VERSION"), None);
    }
}
