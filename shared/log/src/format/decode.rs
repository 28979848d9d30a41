//! From a frame's body to a record batch over the same bytes.
//!
//! A frame of a few rows is decoded in well under a microsecond: where the schema allows it, the places of each column's nodes and
//! buffers in a message are worked out once, columns that are not asked for cost nothing, and the message's metadata, which the
//! frame's checksum covers, is not checked again. Arrow's own decoder does the rest (nested, view and union types).

use arrow_array::{ArrayRef, RecordBatch, make_array};
use arrow_buffer::Buffer;
use arrow_data::ArrayData;
use arrow_ipc::MetadataVersion;
use arrow_ipc::reader::FileDecoder;
use arrow_schema::{DataType, Schema, SchemaRef, UnionMode};

use crate::config::TopicConfig;
use crate::error::LogError;
use crate::format::frame::{ALIGN_BYTES, Header, block_in_frame, get_u32};

/// Bytes before a message's metadata: a marker and its length.
const PREFIX_BYTES: usize = 8;

pub(crate) struct Decoder {
    plain: Option<Plain>,
    any: FileDecoder,
}

/// What to decode without Arrow's decoder.
struct Plain {
    schema: SchemaRef,
    columns: Vec<Column>,
}

struct Column {
    data_type: DataType,
    /// Indexes into the message's nodes and buffers.
    node: usize,
    buffer: usize,
}

impl Decoder {
    pub fn new(config: &TopicConfig, projection: Option<&[usize]>) -> Result<Decoder, LogError> {
        let schema = config.schema.clone();
        let count = schema.fields().len();
        let all: Vec<usize> = (0..count).collect();
        let wanted = projection.unwrap_or(&all);
        let ascending = wanted.windows(2).all(|pair| pair[0] < pair[1]);
        if let Some(&column) = wanted.iter().find(|&&c| c >= count || !ascending) {
            return Err(LogError::BadProjection { topic: config.name.clone(), column, columns: count });
        }
        let arrow = |source| LogError::Arrow { topic: config.name.clone(), source };
        let projected = if projection.is_some() { schema.project(wanted).map_err(arrow)?.into() } else { schema.clone() };
        let plain = places(&schema, wanted).map(|columns| Plain { schema: projected, columns });
        let any = FileDecoder::new(schema, MetadataVersion::V5).with_projection(wanted.to_vec());
        // SAFETY: what is skipped is the check that offsets, lengths and UTF-8 are as Arrow wants them. They were when the writer encoded
        // valid arrays, and the body's checksum, which every reader checks first, says that these are the bytes that the writer wrote.
        let any = unsafe { any.with_skip_validation(true) };
        Ok(Decoder { plain, any })
    }

    /// The records in `body`, whose checksum holds.
    pub fn decode(&self, header: &Header, body: &Buffer) -> Result<RecordBatch, String> {
        let batch = match &self.plain {
            Some(plain) => plain.decode(header, body),
            None => {
                let block = block_in_frame(header);
                self.any.read_record_batch(&block, body).map_err(|e| format!("the frame's records cannot be decoded: {e}"))?
            }
        };
        batch.filter(|b| b.num_rows() == header.count as usize).ok_or_else(|| "the frame does not hold what its header says".into())
    }
}

/// That the message in a frame's body is a record batch and points at nothing outside of it. Arrow's decoders take that for granted, as
/// readers may once the checksum fits; who verifies may not.
pub(crate) fn check_message(schema: &Schema, header: &Header, body: &[u8]) -> Result<(), &'static str> {
    let no_message = "the frame's message is not one of Arrow's";
    let metadata = body.get(..header.metadata_len as usize).filter(|m| m.len() > PREFIX_BYTES && m[..4] == [0xff; 4]).ok_or(no_message)?;
    if get_u32(metadata, 4) as usize != metadata.len() - PREFIX_BYTES {
        return Err(no_message);
    }
    let message = arrow_ipc::root_as_message(&metadata[PREFIX_BYTES..]).map_err(|_| no_message)?;
    let batch = message.header_as_record_batch().filter(|b| b.compression().is_none()).ok_or(no_message)?;
    let room = header.body_len - u64::from(header.metadata_len) - header.offsets_len();
    let inside = |offset: i64, length: i64| match (u64::try_from(offset), u64::try_from(length)) {
        (Ok(offset), Ok(length)) => offset.is_multiple_of(ALIGN_BYTES) && offset.checked_add(length).is_some_and(|end| end <= room),
        _ => false,
    };
    if batch.length() != i64::from(header.count) {
        return Err("the frame does not hold as many records as its header says");
    }
    if !batch.buffers().is_none_or(|all| all.iter().all(|b| inside(b.offset(), b.length()))) {
        return Err("the frame's message points outside of the frame");
    }
    let mut units = Vec::new();
    let mut variadic = batch.variadicBufferCounts().into_iter().flatten();
    schema.fields().iter().for_each(|f| units_of(f.data_type(), &mut variadic, &mut units));
    let whole = |(b, unit): (&arrow_ipc::Buffer, &u64)| (b.length() as u64).is_multiple_of(*unit);
    if !batch.buffers().is_none_or(|all| all.iter().zip(&units).all(whole)) {
        return Err("the frame's message ends inside a value");
    }
    if !batch.nodes().is_none_or(|all| all.iter().all(|n| (0..=n.length()).contains(&n.null_count()))) {
        return Err("the frame's message has more NULLs than values");
    }
    Ok(())
}

/// Bytes of the values in each buffer that a column of this type takes in a message.
fn units_of(data_type: &DataType, variadic: &mut impl Iterator<Item = i64>, units: &mut Vec<u64>) {
    use DataType::*;
    match data_type {
        Null => {}
        Utf8 | Binary => units.extend([1, 4, 1]),
        LargeUtf8 | LargeBinary => units.extend([1, 8, 1]),
        Utf8View | BinaryView => {
            units.extend([1, 16]);
            // As many more as the message says; it cannot have more buffers than bytes.
            units.extend(std::iter::repeat_n(1, variadic.next().unwrap_or(0).clamp(0, 1 << 16) as usize));
        }
        List(_) | Map(..) => units.extend([1, 4]),
        LargeList(_) => units.extend([1, 8]),
        ListView(_) => units.extend([1, 4, 4]),
        LargeListView(_) => units.extend([1, 8, 8]),
        FixedSizeList(..) | Struct(_) => units.push(1),
        Union(_, UnionMode::Sparse) => units.push(1),
        Union(_, UnionMode::Dense) => units.extend([1, 4]),
        RunEndEncoded(..) => {}
        other => units.extend([1, other.primitive_width().unwrap_or(1) as u64]),
    }
    match data_type {
        List(f) | LargeList(f) | ListView(f) | LargeListView(f) | FixedSizeList(f, _) | Map(f, _) => {
            units_of(f.data_type(), variadic, units);
        }
        Struct(fields) => fields.iter().for_each(|f| units_of(f.data_type(), variadic, units)),
        Union(fields, _) => fields.iter().for_each(|(_, f)| units_of(f.data_type(), variadic, units)),
        RunEndEncoded(ends, values) => [ends, values].into_iter().for_each(|f| units_of(f.data_type(), variadic, units)),
        _ => {}
    }
}

/// The places of the wanted columns in each message, if they and all columns before them have places that do not depend on the data.
fn places(schema: &SchemaRef, wanted: &[usize]) -> Option<Vec<Column>> {
    let (mut node, mut buffer) = (0, 0);
    let mut columns = Vec::with_capacity(wanted.len());
    for (i, field) in schema.fields().iter().enumerate() {
        let data_type = field.data_type();
        if wanted.contains(&i) {
            if !(fixed_bytes(data_type, 0).is_some() || is_text(data_type)) {
                return None;
            }
            columns.push(Column { data_type: data_type.clone(), node, buffer });
        }
        let (nodes, buffers) = shape(data_type)?;
        node += nodes;
        buffer += buffers;
    }
    Some(columns)
}

/// How many nodes and buffers a column of this type takes in a message; `None` where that depends on the data.
fn shape(data_type: &DataType) -> Option<(usize, usize)> {
    let nested = |own: usize, child: &DataType| shape(child).map(|(nodes, buffers)| (nodes + 1, buffers + own));
    match data_type {
        DataType::Null => Some((1, 0)),
        t if is_text(t) => Some((1, 3)),
        t if fixed_bytes(t, 0).is_some() => Some((1, 2)),
        DataType::List(f) | DataType::LargeList(f) | DataType::Map(f, _) => nested(2, f.data_type()),
        DataType::FixedSizeList(f, _) => nested(1, f.data_type()),
        DataType::Struct(fields) => fields.iter().try_fold((1, 1), |(nodes, buffers), f| {
            let (n, b) = shape(f.data_type())?;
            Some((nodes + n, buffers + b))
        }),
        _ => None,
    }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Binary | DataType::LargeBinary)
}

/// Bytes of the values of `rows` rows, of a type whose values all have one width.
fn fixed_bytes(data_type: &DataType, rows: usize) -> Option<usize> {
    match data_type {
        DataType::Boolean => Some(rows.div_ceil(8)),
        DataType::FixedSizeBinary(width) => Some(rows * *width as usize),
        _ => data_type.primitive_width().map(|width| rows * width),
    }
}

impl Plain {
    /// `None` if the message is not what the header and the schema say.
    fn decode(&self, header: &Header, body: &Buffer) -> Option<RecordBatch> {
        let rows = header.count as usize;
        let metadata = body.get(PREFIX_BYTES..header.metadata_len as usize)?;
        // SAFETY: the writer encoded this message, and the body's checksum holds, as above.
        let message = unsafe { arrow_ipc::root_as_message_unchecked(metadata) };
        let batch = message.header_as_record_batch()?;
        let (nodes, buffers) = (batch.nodes()?, batch.buffers()?);
        let part = |index: usize, bytes_min: usize| -> Option<Buffer> {
            let place = (index < buffers.len()).then(|| buffers.get(index))?;
            let from = header.metadata_len as usize + usize::try_from(place.offset()).ok()?;
            let len = usize::try_from(place.length()).ok()?;
            (len >= bytes_min && from.checked_add(len)? <= body.len()).then(|| body.slice_with_length(from, len))
        };
        let column = |c: &Column| -> Option<ArrayRef> {
            let node = (c.node < nodes.len()).then(|| nodes.get(c.node))?;
            if node.length() != rows as i64 {
                return None;
            }
            let mut data = ArrayData::builder(c.data_type.clone()).len(rows).null_count(node.null_count() as usize);
            if node.null_count() > 0 {
                data = data.null_bit_buffer(Some(part(c.buffer, rows.div_ceil(8))?));
            }
            let data = match fixed_bytes(&c.data_type, rows) {
                Some(bytes) => data.add_buffer(part(c.buffer + 1, bytes)?),
                None => data.add_buffer(part(c.buffer + 1, 0)?).add_buffer(part(c.buffer + 2, 0)?),
            };
            // SAFETY: buffers and lengths are those that the writer took from a valid array, as above; the body is aligned, because
            // frames and messages are padded to 64 bytes and mappings start at pages.
            Some(make_array(unsafe { data.build_unchecked() }))
        };
        let columns = self.columns.iter().map(column).collect::<Option<Vec<_>>>()?;
        // SAFETY: the columns have the schema's types, and `rows` rows each.
        Some(unsafe { RecordBatch::new_unchecked(self.schema.clone(), columns, rows) })
    }
}
