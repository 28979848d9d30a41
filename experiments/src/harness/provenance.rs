//! What a result must say about where it comes from.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::{DateTime, Utc};
use twopath_log::Durability;

use twopath_results::result::{Machine, Provenance};

/// What the parent adds to what the program knows of itself.
#[derive(Debug, Clone)]
pub struct Occasion<'a> {
    pub seed: u64,
    pub durability: Durability,
    pub workers: usize,
    pub progress_mode: &'a str,
    pub started: DateTime<Utc>,
    /// As it was typed, but for the path of the program.
    pub command: String,
    /// Where logs and views are written.
    pub dir: &'a Path,
}

/// The provenance of a comparison on this machine.
pub fn provenance(occasion: &Occasion) -> Provenance {
    let mut versions: BTreeMap<String, String> = env!("TWOPATH_VERSIONS")
        .split(',')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, version)| (if name == "arrow-array" { "arrow" } else { name }.to_string(), version.to_string()))
        .collect();
    versions.insert("rustc".into(), env!("TWOPATH_RUSTC").into());
    let machine = machine(occasion.dir);
    let polars = std::env::var("POLARS_MAX_THREADS").ok().and_then(|n| n.parse().ok()).unwrap_or(machine.cores);
    Provenance {
        commit: env!("TWOPATH_COMMIT").into(),
        version: env!("CARGO_PKG_VERSION").into(),
        seed: occasion.seed,
        versions,
        threads: BTreeMap::from([("timely".to_string(), occasion.workers), ("polars".to_string(), polars)]),
        machine,
        durability: match occasion.durability {
            Durability::None => "none".into(),
            Durability::Interval(every) => format!("interval, every {} ms", every.as_millis()),
            Durability::Batch => "batch".into(),
        },
        progress_mode: occasion.progress_mode.into(),
        started: occasion.started.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
        command: occasion.command.clone(),
    }
}

/// The command line with the program's path cut to its name.
pub fn command_line(arguments: impl IntoIterator<Item = String>) -> String {
    let mut arguments = arguments.into_iter();
    let program = arguments.next().unwrap_or_default();
    let program = Path::new(&program).file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or(program);
    let quoted =
        arguments.map(|a| if a.is_empty() || a.contains([' ', '\n', '"', '\'']) { format!("'{}'", a.replace('\'', r"'\''")) } else { a });
    std::iter::once(program).chain(quoted).collect::<Vec<_>>().join(" ")
}

/// What Linux tells in `/proc` and `/etc`; `unknown` elsewhere.
fn machine(dir: &Path) -> Machine {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let unknown = || "unknown".to_string();
    let memory_kib = field(&read("/proc/meminfo"), "MemTotal").and_then(|v| v.split_whitespace().next()?.parse::<u64>().ok());
    Machine {
        cpu: field(&read("/proc/cpuinfo"), "model name").unwrap_or_else(unknown),
        cores: std::thread::available_parallelism().map_or(1, |n| n.get()),
        memory_bytes: memory_kib.unwrap_or(0) * 1024,
        os: read("/etc/os-release")
            .lines()
            .find_map(|line| line.strip_prefix("PRETTY_NAME="))
            .map_or_else(|| std::env::consts::OS.to_string(), |name| name.trim_matches('"').to_string()),
        kernel: Some(read("/proc/sys/kernel/osrelease").trim().to_string()).filter(|k| !k.is_empty()).unwrap_or_else(unknown),
        filesystem: dir.canonicalize().ok().and_then(|dir| filesystem(&read("/proc/self/mountinfo"), &dir)).unwrap_or_else(unknown),
    }
}

/// `name : value` of the first line that has it.
fn field(text: &str, name: &str) -> Option<String> {
    text.lines().filter_map(|line| line.split_once(':')).find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_string())
}

/// The type of the mount that holds `dir`: the longest mount point that it lies under, the last of several.
fn filesystem(mountinfo: &str, dir: &Path) -> Option<String> {
    let mounts = mountinfo.lines().filter_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        Some((Path::new(left.split(' ').nth(4)?), right.split(' ').next()?))
    });
    mounts.filter(|(point, _)| dir.starts_with(point)).max_by_key(|(point, _)| point.components().count()).map(|(_, kind)| kind.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filesystem_is_that_of_the_longest_mount_point() {
        let mounts = "22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n23 22 0:20 / /data rw - xfs /dev/vdb rw\n24 22 0:21 / /dat rw - tmpfs tmpfs rw\n";
        assert_eq!(filesystem(mounts, Path::new("/data/run/1")).as_deref(), Some("xfs"));
        assert_eq!(filesystem(mounts, Path::new("/database")).as_deref(), Some("ext4"));
    }

    #[test]
    fn command_lines_name_no_folder() {
        let line = command_line(["/somewhere/bin/twopath", "compare", "--sql", "SELECT 1"].map(String::from));
        assert_eq!(line, "twopath compare --sql 'SELECT 1'");
    }

    #[test]
    fn everything_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let occasion = Occasion {
            seed: 7,
            durability: Durability::None,
            workers: 2,
            progress_mode: "demand",
            started: DateTime::from_timestamp(0, 0).unwrap(),
            command: String::new(),
            dir: dir.path(),
        };
        let found = provenance(&occasion);
        assert_eq!(found.started, "1970-01-01T00:00:00Z");
        for library in ["polars", "timely", "arrow"] {
            assert!(found.versions[library].starts_with(|c: char| c.is_ascii_digit()), "{library}: {:?}", found.versions);
        }
        assert!(found.commit == "unknown" || found.commit.len() >= 40, "{}", found.commit);
        assert!(found.machine.cores > 0);
    }
}
