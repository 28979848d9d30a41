//! The files that `--from` names.

use std::path::{Path, PathBuf};

use crate::cli::Failure;

/// Each path as it is, and those with `*` or `?` as the files that they stand for, sorted; a file of that very name goes first.
pub(super) fn expand(given: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut paths = Vec::new();
    for path in given {
        if !path.to_string_lossy().contains(['*', '?']) || path.exists() {
            paths.push(path.clone());
            continue;
        }
        let found = matching(path);
        if found.is_empty() {
            return Err(Failure::of(format!("{}: no file is called so", path.display())));
        }
        paths.extend(found);
    }
    Ok(paths)
}

/// The files whose paths match, part by part.
fn matching(pattern: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for part in pattern.components() {
        let name = part.as_os_str().to_string_lossy().into_owned();
        if !name.contains(['*', '?']) {
            found.iter_mut().for_each(|path| path.push(&name));
            continue;
        }
        found = found.iter().flat_map(|folder| entries(folder, &name)).collect();
    }
    found.retain(|path| path.exists());
    found.sort();
    found
}

fn entries(folder: &Path, pattern: &str) -> Vec<PathBuf> {
    let listed = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let names = std::fs::read_dir(listed).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let fits = |name: &std::ffi::OsString| {
        let name = name.to_string_lossy();
        // As in a shell, hidden files are named in full.
        (!name.starts_with('.') || pattern.starts_with('.'))
            && matches(&pattern.chars().collect::<Vec<_>>(), &name.chars().collect::<Vec<_>>())
    };
    names.filter(fits).map(|name| folder.join(name)).collect()
}

/// Whether a name is as a pattern says: `*` stands for any characters, `?` for one.
fn matches(pattern: &[char], name: &[char]) -> bool {
    let (mut p, mut n) = (0, 0);
    // Where the last star stands, and how much of the name it took.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || *c == name[n] => (p, n) = (p + 1, n + 1),
            _ => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    (p, n) = (at + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        let fits = |pattern: &str, name: &str| matches(&pattern.chars().collect::<Vec<_>>(), &name.chars().collect::<Vec<_>>());
        for (pattern, name) in
            [("*", "a"), ("a*c", "abbc"), ("a*c", "ac"), ("*.csv", "a.b.csv"), ("d?.csv", "d1.csv"), ("*a*b*", "xaybz"), ("é?", "éx")]
        {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("?", ""), ("a*c", "abcd"), ("*.csv", "a.csv.gz"), ("d?.csv", "d12.csv"), ("a", "b")] {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn files_are_found_in_order() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b/2.csv", "a/1.csv", "a/.hidden.csv", "a/x.txt", "c[1].csv"] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let names = |pattern: &str| -> Vec<String> {
            let found = expand(&[folder.path().join(pattern)]).unwrap();
            found.iter().map(|p| p.strip_prefix(folder.path()).unwrap().display().to_string()).collect()
        };
        assert_eq!(names("?/*.csv"), ["a/1.csv", "b/2.csv"]);
        assert_eq!(names("c[1].csv"), ["c[1].csv"]);
        assert!(expand(&[folder.path().join("*.parquet")]).is_err());
    }
}
