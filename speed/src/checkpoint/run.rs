//! A run at rest: an Arrow IPC file of one record batch, laid out as [`GroupTable::to_batch`] lays it out, in the order in which groups came.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::reader::{FileDecoder, read_footer_length};
use arrow_ipc::root_as_footer;
use arrow_ipc::writer::FileWriter;
use twopath_base::checksum::crc32c;
use twopath_query::Query;
use twopath_view::GroupTable;

use super::manifest::RunAtRest;

/// The bytes of a run's file.
pub(super) fn encode(run: &GroupTable) -> Result<Vec<u8>, String> {
    let batch = run.to_batch_unsorted();
    let mut writer = FileWriter::try_new(Vec::with_capacity(batch.get_array_memory_size()), &batch.schema()).map_err(|e| e.to_string())?;
    writer.write(&batch).and_then(|()| writer.into_inner()).map_err(|e| e.to_string())
}

/// That the bytes are those that were written.
pub(super) fn verify(bytes: &[u8], at_rest: &RunAtRest) -> Result<(), String> {
    if bytes.len() as u64 != at_rest.bytes {
        return Err(format!("it has {} bytes, its checkpoint says {}", bytes.len(), at_rest.bytes));
    }
    let crc = crc32c(bytes);
    if crc != at_rest.crc32c {
        return Err(format!("its checksum is {crc:08x}, its checkpoint says {:08x}", at_rest.crc32c));
    }
    Ok(())
}

/// The run, of bytes that were verified.
pub(super) fn decode(bytes: Vec<u8>, at_rest: &RunAtRest, layout: &Query) -> Result<GroupTable, String> {
    let batch = only_batch(&Buffer::from_vec(bytes))?;
    let run = GroupTable::from_batch(layout, &batch)?;
    if run.len() as u64 != at_rest.groups {
        return Err(format!("it holds {} groups, its checkpoint says {}", run.len(), at_rest.groups));
    }
    Ok(run)
}

/// The one record batch of an Arrow IPC file, over the file's own bytes, which were verified: Arrow takes it that a message's buffers lie in it.
fn only_batch(file: &Buffer) -> Result<RecordBatch, String> {
    let (ends, arrow) = ("it ends before its Arrow footer does", |e: arrow_schema::ArrowError| e.to_string());
    let (rest, trailer) = file.split_last_chunk().ok_or(ends)?;
    let footer_len = read_footer_length(*trailer).map_err(arrow)?;
    let footer = rest.len().checked_sub(footer_len).and_then(|from| rest.get(from..)).ok_or(ends)?;
    let footer = root_as_footer(footer).map_err(|e| e.to_string())?;
    let blocks: Vec<_> = footer.recordBatches().into_iter().flatten().collect();
    let [block] = blocks[..] else { return Err(format!("it holds {} record batches, not one", blocks.len())) };
    let schema = try_fb_to_schema(footer.schema().ok_or("its Arrow footer has no schema")?).map_err(arrow)?;
    // Of the metadata Arrow reads the first eight bytes unasked.
    let part = |from: i64, metadata: i32, body: i64| {
        let (from, metadata, body) = (usize::try_from(from).ok()?, usize::try_from(metadata).ok()?, usize::try_from(body).ok()?);
        let len = metadata.checked_add(body).filter(|_| metadata >= 8)?;
        (from.checked_add(len)? <= file.len()).then_some((from, len))
    };
    let (from, len) =
        part(block.offset(), block.metaDataLength(), block.bodyLength()).ok_or("its Arrow footer points at no message in it")?;
    let decoder = FileDecoder::new(Arc::new(schema), footer.version());
    let batch = decoder.read_record_batch(block, &file.slice_with_length(from, len)).map_err(arrow)?;
    batch.ok_or_else(|| "its record batch is none".into())
}
