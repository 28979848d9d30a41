//! The changelog: a topic with the state after each step of the groups that the step changed.
//!
//! ```text
//! _key                  generation and key, as hexadecimal digits: what the topic is keyed by, and compacted by; the head's is empty
//! _step                 which step it is of; NULL with all else but the key: the group is gone
//! _generation
//! _head                 in the head's row alone: whose state it is, and up to where
//! carrier, day, ...     the columns that the query groups by
//! a0_count, ...         the accumulators, as they are at rest; where queries could not read a column (lists, bytes), its values as hexadecimal digits
//! ```
//!
//! A step is one frame, with its number as the producer's sequence, so that a step is in the topic whole or not at all, and once. Whoever reads all of it,
//! and of each key takes the last row, has the state at the last head. Compaction leaves just that.

use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, RecordBatchOptions, StringArray, new_null_array};
use arrow_row::{RowConverter, SortField};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use arrow_select::concat::concat;
use arrow_select::filter::filter_record_batch;
use twopath_base::{Offset, PartitionId};
use twopath_log::{Compaction, Entry, Log, LogError, PartitionBy, ProducerSequence, Start, Topic, TopicConfig, TopicWriter, producer_id};

use super::codec::Codec;
use super::index::{full_key, split_key};
use super::store::{Put, Step, StoreError};

const KEY: &str = "_key";
const STEP: &str = "_step";
const GENERATION: &str = "_generation";
const HEAD: &str = "_head";
/// The columns before the groups' own.
const OWN: usize = 4;
const ONLY: PartitionId = PartitionId(0);

pub(super) struct Changelog {
    topic: Topic,
    /// The groups as the codec lays them out.
    at_rest: SchemaRef,
    /// Of one that is written: the writer, the producer and its epoch.
    writer: Option<(TopicWriter, u64, u32)>,
}

/// What stands together in the changelog: a step, or what compaction left of some.
pub(super) struct Frame {
    /// Those of heads last.
    pub rows: Vec<Row>,
    /// The offset after it.
    pub end: Offset,
}

/// A row of the changelog.
pub(super) enum Row {
    Group { key: Vec<u8>, value: Vec<u8> },
    Gone { key: Vec<u8> },
    Head(Vec<u8>),
}

impl Changelog {
    /// Opens it to read; `None` where it is not there.
    pub fn open(log: &Log, name: &str, codec: &Codec) -> Result<Option<Changelog>, StoreError> {
        match log.topic(name) {
            Ok(topic) => Changelog::of(topic, codec).map(Some),
            Err(LogError::NoSuchTopic { .. }) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// Opens it to write, making it where it is not there. One process at a time can.
    pub fn open_to_write(log: &Log, name: &str, codec: &Codec) -> Result<Changelog, StoreError> {
        let mut changelog = match Changelog::open(log, name, codec)? {
            Some(changelog) => changelog,
            None => {
                let mut config = TopicConfig::new(name, schema(codec));
                config.partition_by = PartitionBy::Key(KEY.into());
                config.compaction = Some(Compaction::default());
                Changelog::of(log.create_topic(config).map_err(failed)?, codec)?
            }
        };
        let writer = changelog.topic.writer().map_err(failed)?;
        let producer = producer_id(&format!("state {name}"));
        let epoch = writer.begin_producer(producer).map_err(failed)?;
        changelog.writer = Some((writer, producer, epoch));
        Ok(changelog)
    }

    fn of(topic: Topic, codec: &Codec) -> Result<Changelog, StoreError> {
        if *topic.schema() != schema(codec) || topic.partitions() != 1 {
            return Err(StoreError::Failed(format!("topic '{}' is there already, and is no changelog of this query", topic.name())));
        }
        Ok(Changelog { topic, at_rest: Arc::clone(codec.schema()), writer: None })
    }

    pub fn end(&self) -> Result<Offset, StoreError> {
        Ok(self.topic.end().map_err(failed)?.get(ONLY))
    }

    /// Appends a step, with the keys of groups that are gone, and returns where the topic ends after it.
    pub fn append(&self, step: &Step<'_>, gone: &[Vec<u8>]) -> Result<Offset, StoreError> {
        let (writer, producer, epoch) = self.writer.as_ref().expect("it was opened to write");
        let rows = self.rows(step, gone);
        let append = ProducerSequence { producer: *producer, epoch: *epoch, sequence: step.number };
        let base = writer.append_to(ONLY, &rows, Some(append)).map_err(failed)?;
        let end = Offset(base.0 + rows.num_rows() as u64);
        // What a producer appended before is not appended again.
        if self.end()? == end { Ok(end) } else { Err(StoreError::Failed(format!("the changelog had step {} already", step.number))) }
    }

    fn rows(&self, step: &Step<'_>, gone: &[Vec<u8>]) -> RecordBatch {
        let changed: usize = step.puts.iter().map(|put| put.keys.len()).sum();
        let others = gone.len() + 1;
        let mut keys = StringBuilder::with_capacity(changed + others, 0);
        let mut text = String::new();
        let mut append = |key: &[&[u8]]| {
            text.clear();
            key.iter().for_each(|part| push_hex(&mut text, part));
            keys.append_value(&text);
        };
        step.puts.iter().for_each(|put| put.keys.iter().for_each(|key| append(&[&put.generation.to_be_bytes(), key])));
        gone.iter().for_each(|key| append(&[key]));
        append(&[]);
        let keys = keys.finish();
        let number = Some(step.number as i64);
        let rests = |of_gone, of_head| std::iter::repeat_n(of_gone, gone.len()).chain([of_head]);
        let steps = Int64Array::from_iter(std::iter::repeat_n(number, changed).chain(rests(None, number)));
        let generations = step.puts.iter().flat_map(|put| std::iter::repeat_n(Some(put.generation as i64), put.keys.len()));
        let generations = Int64Array::from_iter(generations.chain(rests(None, None)));
        let head = std::str::from_utf8(step.head).expect("a head is text");
        let heads = StringArray::from_iter(std::iter::repeat_n(None, changed + gone.len()).chain([Some(head)]));
        let mut columns: Vec<ArrayRef> = vec![Arc::new(keys), Arc::new(steps), Arc::new(generations), Arc::new(heads)];
        for (i, field) in self.at_rest.fields().iter().enumerate() {
            let parts: Vec<ArrayRef> = step.puts.iter().map(|put| shown(put.batch.column(i))).collect();
            let nulls = new_null_array(&shown_type(field.data_type()), others);
            let parts = parts.iter().map(|part| &**part).chain([&*nulls]).collect::<Vec<_>>();
            columns.push(concat(&parts).expect("columns of one type"));
        }
        RecordBatch::try_new(Arc::clone(self.topic.schema()), columns).expect("the topic's columns, of one length")
    }

    /// Gives the frames from an offset on, in order. Returns where the topic ends.
    pub fn read(&self, from: Offset, codec: &Codec, mut each: impl FnMut(Frame) -> Result<(), StoreError>) -> Result<Offset, StoreError> {
        let mut reader = self.topic.reader(ONLY, Start::Offset(from), None).map_err(failed)?;
        let mut end = from;
        while let Some(entry) = reader.next().map_err(failed)? {
            let Entry::Records(records) = entry else { continue };
            end = records.end;
            let mut rows = Vec::new();
            let damaged = |what: &str| StoreError::Damaged(format!("the changelog's rows before offset {end} {what}"));
            let batch = records.batch;
            let keys = batch.column(0).as_string::<i32>();
            let (steps, heads) = (batch.column(1), batch.column(3).as_string::<i32>());
            let generations = batch.column(2).as_primitive::<Int64Type>();
            for row in (0..batch.num_rows()).filter(|&row| steps.is_null(row)) {
                rows.push(Row::Gone { key: unhex(keys.value(row)).ok_or_else(|| damaged("have a key that is none"))? });
            }
            let mut numbers: Vec<i64> = generations.iter().flatten().collect();
            numbers.sort_unstable();
            numbers.dedup();
            for number in numbers {
                let of_it = generations.iter().map(|g| Some(g == Some(number))).collect();
                let groups = filter_record_batch(&batch, &of_it).map_err(|e| damaged(&e.to_string()))?;
                let put = self.put(number as u64, &groups, codec).map_err(|e| damaged(&e))?;
                for (key, value) in put.keys.iter().zip(put.values.iter()) {
                    rows.push(Row::Group { key: full_key(put.generation, key), value: value.to_vec() });
                }
            }
            for row in (0..batch.num_rows()).filter(|&row| heads.is_valid(row)) {
                rows.push(Row::Head(heads.value(row).as_bytes().to_vec()));
            }
            each(Frame { rows, end })?;
        }
        Ok(end)
    }

    /// The groups of rows of one generation.
    fn put(&self, generation: u64, rows: &RecordBatch, codec: &Codec) -> Result<Put, String> {
        let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
        let columns = rows.columns()[OWN..].iter().zip(self.at_rest.fields());
        let columns = columns.map(|(column, field)| hidden(column, field.data_type())).collect::<Result<_, String>>()?;
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.at_rest), columns, &options).map_err(|e| e.to_string())?;
        let keys = codec.keys_of(&batch);
        let put = codec.encode(generation, batch, keys);
        let told = rows.column(0).as_string::<i32>();
        let same = |(told, key): (Option<&str>, &[u8])| {
            told.and_then(unhex).is_some_and(|told| split_key(&told).is_some_and(|told| told == (generation, key)))
        };
        if told.iter().zip(put.keys.iter()).all(same) { Ok(put) } else { Err("have a key that is not their group's".into()) }
    }
}

/// Of the topic.
fn schema(codec: &Codec) -> SchemaRef {
    let mut fields = vec![
        Field::new(KEY, DataType::Utf8, false),
        Field::new(STEP, DataType::Int64, true),
        Field::new(GENERATION, DataType::Int64, true),
        Field::new(HEAD, DataType::Utf8, true),
    ];
    let names: Vec<&str> = codec.layout().keys.iter().map(|key| key.name.as_str()).collect();
    for (i, field) in codec.schema().fields().iter().enumerate() {
        // The name that people gave, where it can be told from the others.
        let is_free = |name: &&str| *name != "?column?" && names.iter().filter(|n| *n == name).count() == 1;
        let taken = |name: &&str| fields.iter().any(|f| f.name() == name) || codec.schema().field_with_name(name).is_ok();
        let name = names.get(i).copied().filter(|name| is_free(name) && !taken(name)).unwrap_or(field.name());
        fields.push(Field::new(name, shown_type(field.data_type()), true));
    }
    Arc::new(Schema::new(fields))
}

/// Whether queries read columns of this type.
fn is_readable(data_type: &DataType) -> bool {
    !matches!(data_type, DataType::List(_) | DataType::Binary | DataType::Decimal256(..))
}

/// The type that a column of this type has in the topic.
fn shown_type(data_type: &DataType) -> DataType {
    if is_readable(data_type) { data_type.clone() } else { DataType::Utf8 }
}

fn row_of(data_type: &DataType) -> RowConverter {
    RowConverter::new(vec![SortField::new(data_type.clone())]).expect("the codec has rows of it")
}

/// A column as it stands in the topic.
fn shown(column: &ArrayRef) -> ArrayRef {
    if is_readable(column.data_type()) {
        return Arc::clone(column);
    }
    let rows = row_of(column.data_type()).convert_columns(&[Arc::clone(column)]).expect("a column of this type");
    Arc::new(StringArray::from_iter_values(rows.iter().map(|row| hex(row.data()))))
}

/// What [`shown`] was given.
fn hidden(column: &ArrayRef, data_type: &DataType) -> Result<ArrayRef, String> {
    if is_readable(data_type) {
        return Ok(Arc::clone(column));
    }
    let rows = column.as_string::<i32>().iter().map(|row| row.and_then(unhex)).collect::<Option<Vec<_>>>();
    let (rows, converter) = (rows.ok_or("have a value that is not hexadecimal digits")?, row_of(data_type));
    let parser = converter.parser();
    let columns = converter.convert_rows(rows.iter().map(|row| parser.parse(row))).map_err(|e| e.to_string())?;
    Ok(Arc::clone(&columns[0]))
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    push_hex(&mut text, bytes);
    text
}

fn push_hex(text: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    text.extend(bytes.iter().flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]).map(char::from));
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    text.as_bytes().chunks(2).map(|pair| Some(digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?)).collect()
}

fn failed(error: LogError) -> StoreError {
    let reason = format!("the changelog: {error}");
    match error {
        LogError::Locked { .. } => StoreError::Taken(reason),
        _ => StoreError::Failed(reason),
    }
}
