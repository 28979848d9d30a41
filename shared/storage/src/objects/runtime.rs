//! One thread that drives all calls to object stores, and callers that wait for them without knowing.

use std::future::Future;
use std::sync::OnceLock;
use std::sync::mpsc::channel;

use tokio::runtime::{Builder, Handle};

use super::ObjectError;

static RUNTIME: OnceLock<Result<Handle, String>> = OnceLock::new();

fn runtime() -> Result<&'static Handle, ObjectError> {
    let start = || {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
        let handle = runtime.handle().clone();
        let drive = move || runtime.block_on(std::future::pending::<()>());
        std::thread::Builder::new().name("objects".into()).spawn(drive).map_err(|e| e.to_string())?;
        Ok(handle)
    };
    RUNTIME.get_or_init(start).as_ref().map_err(|e| ObjectError::Failed(format!("the thread for object stores cannot be started: {e}")))
}

/// Waits for a call. Callers may be on any thread, also on one that runs an asynchronous runtime of its own.
pub(super) fn wait_for<T: Send + 'static>(call: impl Future<Output = Result<T, ObjectError>> + Send + 'static) -> Result<T, ObjectError> {
    let (answer, answered) = channel();
    runtime()?.spawn(async move {
        let _ = answer.send(call.await);
    });
    answered.recv().unwrap_or_else(|_| Err(ObjectError::Failed("the call was broken off by a bug in the store's client".into())))
}
