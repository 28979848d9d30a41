//! What a topic is, and its file `topic.json`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use serde::{Deserialize, Serialize};

use twopath_base::PartitionId;
use twopath_base::checksum::crc32c;

use crate::error::LogError;
use crate::hash::xxh64;

/// When an append counts as done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// Once the operating system has it: survives the death of the process, not of the machine.
    None,
    /// As `None`, and synced every so often in the background: the last interval may be lost with the machine.
    Interval(Duration),
    /// Once it is on the disk (fdatasync per append).
    Batch,
}

/// How records find their partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartitionBy {
    /// By a stable hash of this column (XXH64 of the value; equal keys always meet in one partition).
    Key(String),
    /// Batch by batch in turn.
    RoundRobin,
}

/// How much of a topic is kept: everything, unless it says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// Segments whose last record arrived longer ago than this may go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age: Option<Duration>,
    /// The oldest segments may go while the topic has more bytes than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

impl Retention {
    /// Nothing is ever taken away.
    pub const NONE: Retention = Retention { age: None, bytes: None };

    pub fn of_age(age: Duration) -> Retention {
        Retention { age: Some(age), bytes: None }
    }

    pub fn of_bytes(bytes: u64) -> Retention {
        Retention { age: None, bytes: Some(bytes) }
    }
}

/// When and how a keyed topic is compacted: its newest record for each key stays, older ones go.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compaction {
    /// Only if at least this share of the bytes that are old enough was never compacted (0 to 1).
    pub dirty_ratio_min: f64,
    /// Segments whose last record arrived less long ago than this are left alone.
    pub age_min: Duration,
    /// A tombstone (a row whose columns are all NULL but for the key and the event time) stays for so long after its arrival.
    pub tombstone_age: Duration,
}

impl Default for Compaction {
    /// At half dirty, at any age, with tombstones for a day.
    fn default() -> Self {
        Compaction { dirty_ratio_min: 0.5, age_min: Duration::ZERO, tombstone_age: Duration::from_secs(24 * 3600) }
    }
}

/// What is moved to an object store, and where to. Without an age and a size: every sealed segment but each partition's newest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offload {
    /// A folder (a path or `file:///path`), or, with the cargo feature `s3`, `s3://bucket/prefix`.
    pub to: String,
    /// Segments whose last record arrived longer ago than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub older_than: Option<Duration>,
    /// The oldest segments while more bytes than this are local (each partition's share of it).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_local_bytes: Option<u64>,
}

/// What a topic is made of.
#[derive(Debug, Clone)]
pub struct TopicConfig {
    pub name: String,
    pub schema: SchemaRef,
    pub partitions: u32,
    pub partition_by: PartitionBy,
    /// The event-time column (a timestamp), if there is one.
    pub time_column: Option<String>,
    pub durability: Durability,
    /// A segment is sealed once it is at least this large ([`TopicConfig::SEGMENT_BYTES`] unless there is a reason).
    pub segment_bytes: u64,
    /// What the writer takes away in the background, each time a segment is sealed.
    pub retention: Retention,
    pub compaction: Option<Compaction>,
    /// What the writer moves to an object store in the background, each time a segment is sealed.
    pub offload: Option<Offload>,
}

impl TopicConfig {
    /// How large a segment grows unless told otherwise.
    pub const SEGMENT_BYTES: u64 = 64 << 20;

    /// One partition, in turn, no time column, durability `none`, segments of [`Self::SEGMENT_BYTES`].
    pub fn new(name: impl Into<String>, schema: SchemaRef) -> TopicConfig {
        TopicConfig {
            name: name.into(),
            schema,
            partitions: 1,
            partition_by: PartitionBy::RoundRobin,
            time_column: None,
            durability: Durability::None,
            segment_bytes: Self::SEGMENT_BYTES,
            retention: Retention::NONE,
            compaction: None,
            offload: None,
        }
    }

    pub(crate) fn partition_ids(&self) -> impl Iterator<Item = PartitionId> + use<> {
        (0..self.partitions).map(PartitionId)
    }

    pub(crate) fn check_partition(&self, partition: PartitionId) -> Result<(), LogError> {
        let partitions = self.partitions as usize;
        if partition.index() < partitions {
            return Ok(());
        }
        Err(LogError::NoSuchPartition { topic: self.name.clone(), partition, partitions })
    }

    /// Whether a topic can be made so.
    pub(crate) fn check(&self) -> Result<(), LogError> {
        check_name(&self.name)?;
        let bad = |what: String| Err(LogError::BadConfig { topic: self.name.clone(), what });
        if self.partitions == 0 || self.partitions > PARTITIONS_MAX {
            return bad(format!("it wants {} partitions; give it 1 to {PARTITIONS_MAX}", self.partitions));
        }
        if self.segment_bytes == 0 || self.segment_bytes > 1 << 40 {
            return bad(format!("segments of {} bytes; give them 1 byte to 1 TiB", self.segment_bytes));
        }
        if self.schema.fields().is_empty() {
            return bad("its schema has no columns".into());
        }
        let mut names = std::collections::HashSet::new();
        for field in self.schema.fields() {
            if !names.insert(field.name()) {
                return bad(format!("two columns are named '{}'; rename one", field.name()));
            }
            if holds_dictionary(field.data_type()) {
                return bad(format!("column '{}' is dictionary-encoded; cast it to its value type first", field.name()));
            }
            if field.data_type().to_string().parse::<DataType>().ok().as_ref() != Some(field.data_type()) {
                return bad(format!(
                    "column '{}' has the type {}, which a topic cannot keep; cast it first",
                    field.name(),
                    field.data_type()
                ));
            }
        }
        if let PartitionBy::Key(key) = &self.partition_by {
            let Ok(field) = self.schema.field_with_name(key) else {
                return bad(format!("its key column '{key}' is not in the schema; it has {}", column_names(&self.schema)));
            };
            if !crate::rows::partitioning::can_hash(field.data_type()) {
                return bad(format!(
                    "its key column '{key}' has the type {}; use text, whole numbers, dates, times or booleans",
                    field.data_type()
                ));
            }
        }
        if let Some(compaction) = &self.compaction {
            if !matches!(self.partition_by, PartitionBy::Key(_)) {
                return bad("it wants compaction and has no key; name its key column".into());
            }
            if !(0.0..=1.0).contains(&compaction.dirty_ratio_min) {
                return bad(format!("a dirty ratio of {}; give it 0 to 1", compaction.dirty_ratio_min));
            }
        }
        if let Some(time) = &self.time_column {
            match self.schema.field_with_name(time) {
                Err(_) => return bad(format!("its time column '{time}' is not in the schema; it has {}", column_names(&self.schema))),
                Ok(field) if !matches!(field.data_type(), DataType::Timestamp(..)) => {
                    return bad(format!("its time column '{time}' has the type {}; cast it to a timestamp first", field.data_type()));
                }
                Ok(_) => {}
            }
        }
        Ok(())
    }

    /// That a batch has the topic's columns and fits a frame.
    pub(crate) fn check_batch(&self, batch: &RecordBatch) -> Result<(), LogError> {
        let (rows, max) = (batch.num_rows(), u32::MAX as usize);
        if rows > max {
            return Err(LogError::BatchTooLarge { topic: self.name.clone(), rows, max });
        }
        let schema = &self.schema;
        let found = batch.schema_ref();
        if Arc::ptr_eq(schema, found) {
            return Ok(());
        }
        let mismatch = |column: &str, expected: String, found: String| {
            Err(LogError::SchemaMismatch { topic: self.name.clone(), column: column.to_owned(), expected, found })
        };
        for (i, want) in schema.fields().iter().enumerate() {
            let Some(got) = found.fields().get(i) else {
                return mismatch(want.name(), format!("it as column {i}"), format!("{i} columns"));
            };
            if got.name() != want.name() {
                return mismatch(want.name(), format!("it as column {i}"), format!("'{}' there", got.name()));
            }
            if got.data_type() != want.data_type() {
                return mismatch(want.name(), want.data_type().to_string(), got.data_type().to_string());
            }
            if !want.is_nullable() && batch.column(i).null_count() > 0 {
                return mismatch(want.name(), "no NULLs".into(), format!("{} of them", batch.column(i).null_count()));
            }
        }
        match found.fields().get(schema.fields().len()) {
            Some(extra) => mismatch(extra.name(), format!("{} columns", schema.fields().len()), "one more".into()),
            None => Ok(()),
        }
    }
}

const PARTITIONS_MAX: u32 = 1024;
const NAME_BYTES_MAX: usize = 200;

pub(crate) fn check_name(name: &str) -> Result<(), LogError> {
    let fits = !name.is_empty()
        && name.len() <= NAME_BYTES_MAX
        && !name.starts_with('.')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if fits { Ok(()) } else { Err(LogError::BadTopicName { name: name.to_owned() }) }
}

fn column_names(schema: &Schema) -> String {
    schema.fields().iter().map(|f| format!("'{}'", f.name())).collect::<Vec<_>>().join(", ")
}

fn holds_dictionary(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(..) => true,
        DataType::List(f)
        | DataType::LargeList(f)
        | DataType::ListView(f)
        | DataType::LargeListView(f)
        | DataType::FixedSizeList(f, _)
        | DataType::Map(f, _) => holds_dictionary(f.data_type()),
        DataType::Struct(fields) => fields.iter().any(|f| holds_dictionary(f.data_type())),
        DataType::Union(fields, _) => fields.iter().any(|(_, f)| holds_dictionary(f.data_type())),
        DataType::RunEndEncoded(_, values) => holds_dictionary(values.data_type()),
        _ => false,
    }
}

/// `topic.json`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: u32,
    name: String,
    /// 16 hexadecimal digits.
    id: String,
    fields: Vec<Column>,
    partitions: u32,
    partition_by: PartitionBy,
    time_column: Option<String>,
    durability: Durability,
    segment_bytes: u64,
    #[serde(default, skip_serializing_if = "is_none")]
    retention: Retention,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    compaction: Option<Compaction>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    offload: Option<Offload>,
    /// CRC-32C of the file, with zeros in this place: 8 hexadecimal digits.
    crc32c: String,
}

fn is_none(retention: &Retention) -> bool {
    *retention == Retention::NONE
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Column {
    name: String,
    /// As arrow-rs writes it.
    r#type: String,
    nullable: bool,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<String, String>,
}

const FORMAT: u32 = 1;

fn columns(schema: &Schema) -> Vec<Column> {
    let column = |f: &Arc<Field>| Column {
        name: f.name().clone(),
        r#type: f.data_type().to_string(),
        nullable: f.is_nullable(),
        metadata: f.metadata().iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
    };
    schema.fields().iter().map(column).collect()
}

/// A number that differs between schemas: what frames carry of theirs.
pub(crate) fn fingerprint(schema: &Schema) -> u64 {
    let text: String = columns(schema).iter().map(|c| format!("{}\n{}\n{}\n", c.name, c.r#type, c.nullable)).collect();
    xxh64(text.as_bytes())
}

pub(crate) fn to_json(config: &TopicConfig, id: u64) -> Vec<u8> {
    let file = File {
        format: FORMAT,
        name: config.name.clone(),
        id: format!("{id:016x}"),
        fields: columns(&config.schema),
        partitions: config.partitions,
        partition_by: config.partition_by.clone(),
        time_column: config.time_column.clone(),
        durability: config.durability,
        segment_bytes: config.segment_bytes,
        retention: config.retention,
        compaction: config.compaction,
        offload: config.offload.clone(),
        crc32c: NO_CRC.into(),
    };
    let mut json = serde_json::to_vec_pretty(&file).expect("plain data always becomes JSON");
    json.push(b'\n');
    let crc = crc32c(&json);
    let at = crc_place(&json).expect("the field was just written");
    json[at..at + NO_CRC.len()].copy_from_slice(format!("{crc:08x}").as_bytes());
    json
}

const NO_CRC: &str = "00000000";

/// Where the digits of the checksum stand.
fn crc_place(json: &[u8]) -> Option<usize> {
    let before = b"\"crc32c\": \"";
    let at = json.windows(before.len()).rposition(|w| w == before)? + before.len();
    (at + NO_CRC.len() <= json.len()).then_some(at)
}

/// Makes the checksum of a topic's file fit it.
pub(crate) fn mend_crc(json: &mut [u8]) {
    let Some(at) = crc_place(json) else { return };
    json[at..at + NO_CRC.len()].copy_from_slice(NO_CRC.as_bytes());
    let crc = format!("{:08x}", crc32c(json));
    json[at..at + NO_CRC.len()].copy_from_slice(crc.as_bytes());
}

/// Whether the checksum of a topic's file fits it.
fn is_whole(json: &[u8]) -> bool {
    let Some(at) = crc_place(json) else { return false };
    let digits = at..at + NO_CRC.len();
    let mut without = json.to_vec();
    without[digits.clone()].copy_from_slice(NO_CRC.as_bytes());
    json[digits] == *format!("{:08x}", crc32c(&without)).as_bytes()
}

pub(crate) fn from_json(path: &Path, json: &[u8]) -> Result<(TopicConfig, u64), LogError> {
    let bad = |what: String| LogError::BadTopicFile { path: path.to_owned(), what };
    let file: File = serde_json::from_slice(json).map_err(|e| bad(format!("not a topic's file: {e}")))?;
    if !is_whole(json) {
        return Err(bad("its checksum does not fit it: it was damaged, or changed by hand".into()));
    }
    if file.format != FORMAT {
        return Err(bad(format!("written in format {}, and this program knows format {FORMAT} only", file.format)));
    }
    let id = u64::from_str_radix(&file.id, 16).map_err(|_| bad(format!("'{}' is not a topic's id", file.id)))?;
    let field = |c: Column| {
        let data_type: DataType = c.r#type.parse().map_err(|e| bad(format!("column '{}': {e}", c.name)))?;
        Ok(Field::new(c.name, data_type, c.nullable).with_metadata(c.metadata.into_iter().collect::<std::collections::HashMap<_, _>>()))
    };
    let fields = file.fields.into_iter().map(field).collect::<Result<Vec<_>, LogError>>()?;
    let config = TopicConfig {
        name: file.name,
        schema: Arc::new(Schema::new(fields)),
        partitions: file.partitions,
        partition_by: file.partition_by,
        time_column: file.time_column,
        durability: file.durability,
        segment_bytes: file.segment_bytes,
        retention: file.retention,
        compaction: file.compaction,
        offload: file.offload,
    };
    config.check().map_err(|e| bad(e.to_string()))?;
    Ok((config, id))
}
