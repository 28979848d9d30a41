//! What a disk may hold after the power went.
//!
//! The model, from what POSIX promises and what ext4 and XFS (in their default modes) do beyond it:
//!
//! - **Bytes that were synced are there**: a sync that returned covers everything done to that file before it.
//! - **Bytes that were not synced come in any order, sector by sector** (512 bytes, written whole or not at all): each sector reads as it was
//!   at any moment since the last sync. A sector that the file did not reach then reads as zeros.
//! - **The length of a file is its own matter**: any length that it had since the last sync, or any multiple of a sector in between. So it
//!   may be ahead of the data, which then reads as zeros, or behind it, and cut the data off.
//! - **After a sync that failed** the bytes from before it are in doubt for ever: a later sync covers only what was done after the failed one
//!   (Linux marks the pages as clean; they can still be read, and are never written).
//! - **A folder's entries** (made, renamed, removed) are lost or kept one by one, unless the folder was synced after them. A rename is
//!   one change. An entry says nothing about the file's bytes: a file that was renamed and never synced may be there, empty.
//! - **Not modelled**: sectors that were torn within, or show other files' bytes; a disk that lies about syncs; moves from folder to folder.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Component, Path};

use super::Change;

/// What the disk writes whole or not at all.
pub const SECTOR_BYTES: usize = 512;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Node {
    File(usize),
    Dir(usize),
}

/// The files after some changes, with everything that a disk may not have of them yet.
#[derive(Debug, Clone)]
pub struct Disk {
    files: Vec<FileStates>,
    /// The first is the root.
    dirs: Vec<Dir>,
}

#[derive(Debug, Clone, Default)]
struct FileStates {
    /// What the file held at each moment since the last sync: the first is what that covered, the last is what a reader sees.
    states: Vec<Vec<u8>>,
    /// After a failed sync: the states up to it, which no sync covers, and what was done since.
    doubtful: Option<(usize, Vec<Edit>)>,
}

#[derive(Debug, Clone)]
enum Edit {
    Write { at: usize, bytes: Vec<u8> },
    Truncate(usize),
}

#[derive(Debug, Clone, Default)]
struct Dir {
    synced: BTreeMap<String, Node>,
    /// As a reader sees it.
    now: BTreeMap<String, Node>,
    pending: Vec<EntryChange>,
}

#[derive(Debug, Clone)]
struct EntryChange {
    gone: Option<String>,
    made: Option<(String, Node)>,
}

impl EntryChange {
    fn apply(&self, entries: &mut BTreeMap<String, Node>) {
        if let Some(name) = &self.gone {
            entries.remove(name);
        }
        if let Some((name, node)) = &self.made {
            entries.insert(name.clone(), *node);
        }
    }
}

impl Edit {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Edit::Write { at, bytes: new } => {
                bytes.resize(bytes.len().max(at + new.len()), 0);
                bytes[*at..at + new.len()].copy_from_slice(new);
            }
            Edit::Truncate(len) => bytes.resize(*len, 0),
        }
    }
}

impl FileStates {
    fn edit(&mut self, edit: Edit) {
        let mut now = self.states.last().cloned().unwrap_or_default();
        edit.apply(&mut now);
        self.states.push(now);
        if let Some((_, since)) = &mut self.doubtful {
            since.push(edit);
        }
    }

    fn sync(&mut self, done: bool) {
        if !done {
            self.doubtful = Some((self.states.len(), Vec::new()));
            return;
        }
        match &mut self.doubtful {
            None => drop(self.states.drain(..self.states.len() - 1)),
            Some((doubtful, since)) => {
                self.states.truncate(*doubtful);
                self.states.iter_mut().for_each(|state| since.iter().for_each(|edit| edit.apply(state)));
                since.clear();
            }
        }
    }

    /// One of the contents that the disk may have.
    fn draw(&self, draw: &mut dyn FnMut(u64) -> u64) -> Vec<u8> {
        let mut pick = |n: usize| draw(n as u64) as usize;
        let states = &self.states;
        let last = states.len() - 1;
        match pick(6) {
            0 => return states[0].clone(),
            1 => return states[last].clone(),
            _ => {}
        }
        let mut len = states[pick(states.len())].len();
        let (least, most) = (states.iter().map(Vec::len).min().unwrap_or(0), states.iter().map(Vec::len).max().unwrap_or(0));
        if pick(3) == 0 {
            let sectors = most.div_ceil(SECTOR_BYTES) - least / SECTOR_BYTES + 1;
            len = ((least / SECTOR_BYTES + pick(sectors)) * SECTOR_BYTES).clamp(least, most);
        }
        let mut bytes = vec![0; len];
        for (i, sector) in bytes.chunks_mut(SECTOR_BYTES).enumerate() {
            let at = i * SECTOR_BYTES;
            let state = &states[pick(states.len())];
            let there = state.get(at..).unwrap_or_default();
            let n = there.len().min(sector.len());
            sector[..n].copy_from_slice(&there[..n]);
        }
        bytes
    }
}

impl Default for Disk {
    fn default() -> Self {
        Disk { files: Vec::new(), dirs: vec![Dir::default()] }
    }
}

impl Disk {
    /// Does one more change. Panics where the changes are not those of a real run from an empty folder on.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::CreateDir(path) => self.create_dir(path),
            Change::Create(path) => {
                self.files.push(FileStates { states: vec![Vec::new()], doubtful: None });
                let node = Node::File(self.files.len() - 1);
                self.enter(path, None, Some(node));
            }
            Change::Write { path, at, bytes } => self.file(path).edit(Edit::Write { at: *at as usize, bytes: bytes.clone() }),
            Change::Truncate { path, len } => self.file(path).edit(Edit::Truncate(*len as usize)),
            Change::Sync { path, done } => self.file(path).sync(*done),
            Change::Rename { from, to } => {
                assert_eq!(from.parent(), to.parent(), "the model does not know moves from folder to folder");
                let node = self.node(from).unwrap_or_else(|| panic!("{} is not there", from.display()));
                self.enter(to, Some(from), Some(node));
            }
            Change::Remove(path) => self.enter(path, Some(path), None),
            Change::SyncDir(path) => {
                let dir = self.dir(path);
                let dir = &mut self.dirs[dir];
                dir.synced = dir.now.clone();
                dir.pending.clear();
            }
        }
    }

    /// Makes in `root`, an empty folder, files as the disk may have them now. `draw(n)` gives a number below `n`: the same numbers, the same files.
    pub fn image(&self, root: &Path, draw: &mut dyn FnMut(u64) -> u64) -> io::Result<()> {
        self.image_of(0, root, draw)
    }

    fn image_of(&self, dir: usize, at: &Path, draw: &mut dyn FnMut(u64) -> u64) -> io::Result<()> {
        let dir = &self.dirs[dir];
        let mut entries = dir.synced.clone();
        if !dir.pending.is_empty() {
            // As a file system with a journal loses them, from the end; or one by one.
            let kept = match draw(2) {
                0 => draw(dir.pending.len() as u64 + 1),
                _ => u64::MAX,
            };
            for (i, change) in dir.pending.iter().enumerate() {
                if (kept == u64::MAX && draw(4) > 0) || (kept != u64::MAX && (i as u64) < kept) {
                    change.apply(&mut entries);
                }
            }
        }
        for (name, node) in entries {
            let path = at.join(name);
            match node {
                Node::File(file) => fs::write(&path, self.files[file].draw(draw))?,
                Node::Dir(dir) => {
                    fs::create_dir(&path)?;
                    self.image_of(dir, &path, draw)?;
                }
            }
        }
        Ok(())
    }

    fn create_dir(&mut self, path: &Path) {
        for ancestor in path.ancestors().collect::<Vec<_>>().into_iter().rev() {
            if !ancestor.as_os_str().is_empty() && self.node(ancestor).is_none() {
                self.dirs.push(Dir::default());
                let node = Node::Dir(self.dirs.len() - 1);
                self.enter(ancestor, None, Some(node));
            }
        }
    }

    fn enter(&mut self, path: &Path, gone: Option<&Path>, made: Option<Node>) {
        let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let change = EntryChange { gone: gone.map(name), made: made.map(|node| (name(path), node)) };
        let dir = self.dir(path.parent().unwrap_or(Path::new("")));
        change.apply(&mut self.dirs[dir].now);
        self.dirs[dir].pending.push(change);
    }

    fn node(&self, path: &Path) -> Option<Node> {
        let mut node = Node::Dir(0);
        for component in path.components() {
            let (Node::Dir(dir), Component::Normal(name)) = (node, component) else {
                return None;
            };
            node = *self.dirs[dir].now.get(&*name.to_string_lossy())?;
        }
        Some(node)
    }

    fn dir(&self, path: &Path) -> usize {
        match self.node(path) {
            Some(Node::Dir(dir)) => dir,
            other => panic!("{} is {other:?}, and not a folder", path.display()),
        }
    }

    fn file(&mut self, path: &Path) -> &mut FileStates {
        match self.node(path) {
            Some(Node::File(file)) => &mut self.files[file],
            other => panic!("{} is {other:?}, and not a file", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images(changes: &[Change]) -> Vec<BTreeMap<String, Vec<u8>>> {
        let mut disk = Disk::default();
        changes.iter().for_each(|c| disk.apply(c));
        let mut state = 1_u64;
        let mut draw = move |n: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % n
        };
        let image = |_| {
            let dir = tempfile::tempdir().unwrap();
            disk.image(dir.path(), &mut draw).unwrap();
            let name = |e: &fs::DirEntry| e.file_name().to_string_lossy().into_owned();
            fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap()).map(|e| (name(&e), fs::read(e.path()).unwrap())).collect()
        };
        (0..200).map(image).collect()
    }

    fn append(at: u64, bytes: &[u8]) -> Change {
        Change::Write { path: "a".into(), at, bytes: bytes.to_vec() }
    }

    #[test]
    fn what_was_synced_is_there_and_the_rest_may_be() {
        let sync = |done| Change::Sync { path: "a".into(), done };
        let made = [Change::Create("a".into()), Change::SyncDir("".into()), append(0, &[1; 600])];
        let more = [sync(true), append(600, &[2; 600])];
        let images = images(&[&made[..], &more].concat());
        assert!(images.iter().all(|i| i["a"].starts_with(&[1; 600]) && i["a"].len() <= 1200));
        let tails: std::collections::BTreeSet<_> = images.iter().map(|i| i["a"][600..].to_vec()).collect();
        let mut zeros_then_data = vec![0; 424];
        zeros_then_data.extend([2; 176]);
        for wanted in [vec![], vec![2; 600], vec![0; 600], zeros_then_data] {
            assert!(tails.contains(&wanted), "{} bytes", wanted.len());
        }
    }

    #[test]
    fn a_failed_sync_leaves_doubt_that_a_later_one_does_not_lift() {
        let sync = |done| Change::Sync { path: "a".into(), done };
        let made = [Change::Create("a".into()), Change::SyncDir("".into()), append(0, &[1; 512])];
        let images = images(&[&made[..], &[sync(false), append(512, &[2; 512]), sync(true)]].concat());
        assert!(images.iter().all(|i| i["a"].len() == 1024 && i["a"][512..] == [2; 512]));
        assert!(images.iter().any(|i| i["a"][..512] == [1; 512]) && images.iter().any(|i| i["a"][..512] == [0; 512]));
    }

    #[test]
    fn entries_are_lost_or_kept_until_their_folder_is_synced() {
        let made = [Change::Create("b".into()), Change::SyncDir("".into()), Change::Create("a".into())];
        let all = images(&[&made[..], &[Change::Rename { from: "a".into(), to: "b".into() }]].concat());
        assert!(all.iter().all(|i| i.contains_key("b")));
        assert!(all.iter().any(|i| i.contains_key("a")) && all.iter().any(|i| !i.contains_key("a")));
        let synced = images(&[&made[..], &[Change::Rename { from: "a".into(), to: "b".into() }, Change::SyncDir("".into())]].concat());
        assert!(synced.iter().all(|i| i.keys().eq(["b"])));
    }
}
