//! What a feed is, and its file `DIR/.feeds/NAME.json` (no topic's name begins with a dot).

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use twopath_log::{Log, Topic};
use twopath_query::not_lowered;
use twopath_speed::{Backend, FeedQuery, Firings, SpeedError};
use twopath_storage::{OsStorage, Storage, create_dir_durably, write_atomically};

use super::{FeedError, FeedKind};
use crate::question::plan_of;
use crate::systems::{Keeping, StateBackend, StatePlace};

/// A feed: what it reads, which topic it appends to, and what it does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    pub name: String,
    /// A topic.
    pub input: String,
    /// The others that it reads beside that one, of a SELECT over several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<String>,
    pub output: String,
    /// A SELECT over what it reads.
    pub sql: String,
    /// Where a changelog's groups are kept, and the base of a table's rows.
    #[serde(default)]
    pub state: StateBackend,
    /// How often the changes of its rows are appended at most, in milliseconds; as soon as they come where `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every_ms: Option<u64>,
    /// How long after a window's end its rows are on time, in microseconds of event time; only final ones are appended beside early ones where `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_time_us: Option<i64>,
    /// Which topics of those names it was run on; `None` before it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topics: Option<TopicIds>,
}

/// Which topics a feed goes from and to. Another topic can have the name of one that was deleted, and how far the feed is says nothing of that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopicIds {
    pub input: String,
    /// Of [`Definition::beside`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<String>,
    pub output: String,
    /// Tells it from feeds of its name that were dropped before and had appended to the same output; 0 where there was none.
    #[serde(default, skip_serializing_if = "is_first")]
    pub life: u64,
}

fn is_first(life: &u64) -> bool {
    *life == 0
}

const NAME_BYTES_MAX: usize = 190;

impl Definition {
    /// The topics that it reads.
    pub fn inputs(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.input).chain(&self.beside)
    }

    /// The topics that it reads, as messages name them.
    pub fn inputs_named(&self) -> String {
        self.inputs().map(String::as_str).collect::<Vec<_>>().join(", ")
    }

    /// The group of each input that says how far the feed is there.
    pub fn group(&self) -> String {
        format!("feed.{}", self.name)
    }

    /// What kind it is, by its inputs; `None` if its query does not fit those, or they are gone.
    pub fn kind(&self, log: &Log) -> Option<FeedKind> {
        let inputs = self.inputs().map(|input| log.topic(input)).collect::<Result<Vec<_>, _>>().ok()?;
        self.query(&inputs).ok().map(|query| query.kind())
    }

    /// Its query, made ready for its inputs.
    ///
    /// # Errors
    /// [`FeedError::Query`], with the place in the text; and what of it a feed cannot do.
    pub fn query(&self, inputs: &[Topic]) -> Result<FeedQuery, FeedError> {
        let wrong = |source| FeedError::Query { name: self.name.clone(), source };
        let plan = plan_of(&self.sql, inputs).map_err(wrong)?;
        let firings = Firings { early: self.every_ms.is_some(), on_time_us: self.on_time_us };
        let query = if inputs.len() > 1 {
            let query = FeedQuery::kept(plan.maintained())?;
            if let Some(unread) = inputs.iter().find(|input| !query.topics().contains(&input.name())) {
                let what = format!("it names {0} and reads nothing of it; leave {0} out", unread.name());
                return Err(SpeedError::NoFeed { what }.into());
            }
            query
        } else {
            match plan.closing().map_err(|e| wrong(not_lowered(&self.sql, e)))? {
                Some(closing) => FeedQuery::closing(closing, firings)?,
                None => {
                    let kept = plan.maintained();
                    match kept.is_final {
                        true => FeedQuery::kept(kept)?,
                        false => FeedQuery::new(plan.query().map_err(|e| wrong(not_lowered(&self.sql, e)))?)?,
                    }
                }
            }
        };
        if self.on_time_us.is_some() && query.kind() != FeedKind::Windows {
            let what = "only groups by windows are on time, those of a query over one topic with EMIT ON WINDOW CLOSE that is no more than that; leave --on-time out";
            return Err(SpeedError::NoFeed { what: what.into() }.into());
        }
        match (query.kind(), self.every_ms) {
            (_, None) | (FeedKind::Table | FeedKind::Windows, _) => Ok(query),
            // Each change of a group is its own, unless all rows are kept.
            (FeedKind::Changelog, Some(_)) => Ok(FeedQuery::kept(plan.maintained())?),
            (FeedKind::Rows, Some(_)) => {
                Err(SpeedError::NoFeed { what: "its rows are passed on as they come; leave --every out".into() }.into())
            }
        }
    }

    /// That what it has appended so far, as `earlier` says, is of the same kind: groups are a changelog unless they are appended every so often, and rows of windows say
    /// whether they are final where not all of them are.
    pub(super) fn check_kind(&self, earlier: &Definition, inputs: &[Topic]) -> Result<(), FeedError> {
        let (is, wanted) = (earlier.query(inputs)?, self.query(inputs)?);
        if (is.kind(), is.schema()) == (wanted.kind(), wanted.schema()) {
            return Ok(());
        }
        let said = |feed: &Definition, kind: FeedKind| match (feed.every(), feed.on_time_us, kind) {
            (None, None, FeedKind::Windows) => "windows when they close".to_owned(),
            (None, Some(_), _) => "windows when they are on time, and after that".to_owned(),
            (None, None, _) => "whenever a group changes".to_owned(),
            (Some(every), ..) => format!("every {every:?}"),
        };
        let (is, wanted) = (format!("appends {}", said(earlier, is.kind())), said(self, wanted.kind()));
        Err(FeedError::Differs { name: self.name.clone(), is, wanted })
    }

    /// How often the changes of its rows are appended at most.
    pub fn every(&self) -> Option<Duration> {
        self.every_ms.map(Duration::from_millis)
    }

    /// All feeds that are defined in a folder of topics, by name.
    pub fn all(dir: &Path) -> Result<Vec<Definition>, FeedError> {
        let folder = folder(dir);
        let mut names = match OsStorage.list(&folder) {
            Ok(names) => names,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(FeedError::io(&folder)(e)),
        };
        names.sort_unstable();
        names.iter().filter(|n| n.ends_with(".json")).map(|n| read(&folder.join(n))).collect()
    }

    /// Whether it can be kept. A feed that is defined cannot become another one, because what it has appended so far would not be the
    /// same feed's.
    pub fn check(&self, dir: &Path) -> Result<(), FeedError> {
        self.check_name()?;
        let path = self.path(dir);
        if path.exists() { self.check_same(&read(&path)?) } else { self.check_circle(&Self::all(dir)?) }
    }

    /// The definition of that name, where there is one.
    pub fn earlier(dir: &Path, name: &str) -> Result<Option<Definition>, FeedError> {
        let path = path_of(dir, name);
        if path.exists() { read(&path).map(Some) } else { Ok(None) }
    }

    /// Where its state is kept, as the speed layer is told. `input` is its input's id, which names the state on a server that several folders of
    /// topics may share.
    pub(super) fn backend(&self, log: &Log, input: &str, keeping: Keeping) -> Backend {
        self.state.at(&self.place(log, input, &self.state_dir(log.dir())), keeping)
    }

    /// Removes the state that it keeps: it is made again from its input.
    pub(super) fn remove_state(&self, log: &Log, input: &str) -> Result<(), FeedError> {
        let dir = self.state_dir(log.dir());
        self.state.remove(&self.place(log, input, &dir))?;
        match std::fs::remove_dir_all(&dir) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(FeedError::io(&dir)(e)),
            _ => Ok(()),
        }
    }

    fn place<'a>(&self, log: &'a Log, input: &str, dir: &'a Path) -> StatePlace<'a> {
        let name = match self.state {
            StateBackend::Remote(_) => format!("{input}:feed:{}", self.name),
            _ => self.group(),
        };
        StatePlace { dir, log, name }
    }

    /// A folder of its own.
    pub(super) fn state_dir(&self, dir: &Path) -> PathBuf {
        folder(dir).join(format!("{}.state", self.name))
    }

    /// Keeps the definition, or finds that it is kept already.
    pub fn keep(&self, dir: &Path) -> Result<(), FeedError> {
        self.check(dir)?;
        let path = self.path(dir);
        if path.exists() && read(&path)? == *self {
            return Ok(());
        }
        let mut json = serde_json::to_vec_pretty(self).expect("texts always become JSON");
        json.push(b'\n');
        create_dir_durably(&OsStorage, &folder(dir)).map_err(FeedError::io(&folder(dir)))?;
        write_atomically(&OsStorage, &path, &json).map_err(FeedError::io(&path))
    }

    /// The feed of that name.
    ///
    /// # Errors
    /// [`FeedError::NoSuchFeed`], naming those that there are.
    pub fn named(dir: &Path, name: &str) -> Result<Definition, FeedError> {
        let feeds = Self::all(dir)?;
        let known = feeds.iter().map(|f| f.name.clone()).collect::<Vec<_>>().join(", ");
        let known = if known.is_empty() { "none".to_owned() } else { known };
        feeds.into_iter().find(|f| f.name == name).ok_or_else(|| FeedError::NoSuchFeed { name: name.to_owned(), known })
    }

    /// Forgets the feed: its group in the input, which kept retention from what the feed still had to read, its state, and its definition. What
    /// it has appended stays.
    pub fn forget(&self, log: &Log) -> Result<(), FeedError> {
        if let Some(kept) = Definition::earlier(log.dir(), &self.name)?
            && let Some(topics) = &kept.topics
        {
            kept.remove_state(log, &topics.input)?;
        }
        let topics = log.topics()?;
        for input in self.inputs().filter(|input| topics.contains(input)) {
            let input = log.topic(input)?;
            if input.groups()?.contains(&self.group()) {
                input.local()?.group(&self.group())?.remove()?;
            }
        }
        let path = self.path(log.dir());
        OsStorage.remove(&path).map_err(FeedError::io(&path))
    }

    fn path(&self, dir: &Path) -> PathBuf {
        path_of(dir, &self.name)
    }

    fn check_name(&self) -> Result<(), FeedError> {
        let name = &self.name;
        let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        if !name.is_empty() && name.len() <= NAME_BYTES_MAX && !name.starts_with('.') && name.bytes().all(fits) {
            return Ok(());
        }
        Err(FeedError::BadName { name: name.clone() })
    }

    fn check_same(&self, kept: &Definition) -> Result<(), FeedError> {
        let differs = |what: &str, is: &str, wanted: &str| {
            let (is, wanted) = (format!("{what} {is}"), wanted.to_owned());
            Err(FeedError::Differs { name: self.name.clone(), is, wanted })
        };
        if !kept.inputs().eq(self.inputs()) {
            return differs("reads", &kept.inputs_named(), &self.inputs_named());
        }
        if kept.output != self.output {
            return differs("appends to", &kept.output, &self.output);
        }
        if kept.sql != self.sql {
            return differs("is defined as", &kept.sql, &self.sql);
        }
        // What is in memory is nowhere else, and can be kept anywhere from now on.
        if kept.state != self.state && kept.state != StateBackend::Memory {
            return differs("keeps its state", &format!("in {}", kept.state), &format!("in {}", self.state));
        }
        Ok(())
    }

    fn check_circle(&self, others: &[Definition]) -> Result<(), FeedError> {
        let mut reached = vec![self.output.as_str()];
        for i in 0.. {
            let Some(&topic) = reached.get(i) else { return Ok(()) };
            if self.inputs().any(|input| input == topic) {
                break;
            }
            for next in others.iter().filter(|d| d.inputs().any(|input| input == topic)).map(|d| d.output.as_str()) {
                if !reached.contains(&next) {
                    reached.push(next);
                }
            }
        }
        Err(FeedError::Circle { input: self.inputs_named(), output: self.output.clone() })
    }
}

fn path_of(dir: &Path, name: &str) -> PathBuf {
    folder(dir).join(format!("{name}.json"))
}

fn folder(dir: &Path) -> PathBuf {
    dir.join(".feeds")
}

fn read(path: &Path) -> Result<Definition, FeedError> {
    let json = OsStorage.read(path).map_err(FeedError::io(path))?;
    serde_json::from_slice(&json).map_err(|e| FeedError::BadFile { path: path.to_owned(), what: format!("not a feed's definition: {e}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(name: &str, input: &str, output: &str) -> Definition {
        Definition {
            name: name.into(),
            input: input.into(),
            beside: Vec::new(),
            output: output.into(),
            sql: "SELECT 1".into(),
            state: StateBackend::Memory,
            every_ms: None,
            on_time_us: None,
            topics: None,
        }
    }

    #[test]
    fn a_definition_is_kept_and_does_not_change() {
        let dir = tempfile::tempdir().unwrap();
        let first = feed("f", "a", "b");
        first.keep(dir.path()).unwrap();
        first.keep(dir.path()).unwrap();
        assert_eq!(Definition::all(dir.path()).unwrap(), std::slice::from_ref(&first));
        let other = Definition { sql: "SELECT 2".into(), ..first.clone() };
        let error = other.keep(dir.path()).unwrap_err().to_string();
        assert_eq!(
            error,
            "feed 'f' is defined as SELECT 1, not SELECT 2; give this feed another --name and output, or run it as it is defined"
        );
        assert!(matches!(feed("../x", "a", "b").keep(dir.path()), Err(FeedError::BadName { .. })));

        assert_eq!(Definition::earlier(dir.path(), &first.name).unwrap().unwrap().topics, None);
        let run = Definition { topics: Some(TopicIds { input: "1".into(), beside: Vec::new(), output: "2".into(), life: 0 }), ..first };
        run.keep(dir.path()).unwrap();
        assert_eq!(Definition::earlier(dir.path(), &run.name).unwrap().unwrap(), run);
    }

    #[test]
    fn no_circles() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(feed("x", "a", "a").keep(dir.path()), Err(FeedError::Circle { .. })));
        feed("ab", "a", "b").keep(dir.path()).unwrap();
        feed("bc", "b", "c").keep(dir.path()).unwrap();
        feed("ac", "a", "c").keep(dir.path()).unwrap();
        assert!(matches!(feed("ca", "c", "a").keep(dir.path()), Err(FeedError::Circle { .. })));
        let beside = Definition { beside: vec!["c".into()], ..feed("xca", "x", "a") };
        assert!(matches!(beside.keep(dir.path()), Err(FeedError::Circle { .. })));
    }
}
