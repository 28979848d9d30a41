//! A run at rest: an Arrow IPC file of one record batch, laid out as [`GroupTable::to_batch`] lays it out, in the order in which groups came.

use std::io::Cursor;

use arrow_ipc::reader::FileReader;
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
    let batches = FileReader::try_new(Cursor::new(bytes), None).and_then(|reader| reader.collect::<Result<Vec<_>, _>>());
    let batches = batches.map_err(|e| e.to_string())?;
    let [batch] = batches.as_slice() else { return Err(format!("it holds {} record batches, not one", batches.len())) };
    let run = GroupTable::from_batch(layout, batch)?;
    if run.len() as u64 != at_rest.groups {
        return Err(format!("it holds {} groups, its checkpoint says {}", run.len(), at_rest.groups));
    }
    Ok(run)
}
