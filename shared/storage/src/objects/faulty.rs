//! Object stores that fail and lie: for tests.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow_buffer::Buffer;

use super::{ObjectError, ObjectStores, Objects, RealStores};

/// How a call goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectFault {
    /// An error, and nothing was done.
    Fails,
    /// An error, though it was done: the answer got lost.
    AnswerLost,
    /// Half of the bytes are stored or read, and no error is told.
    Truncates,
    /// One of the bytes stored or read is another, and no error is told.
    Garbles,
    /// This call and all after it fail, as if the process had died or the store were gone.
    Gone,
}

/// Stores, any one call to which can be made to go wrong: real ones, unless others are given. Clones share the plan.
#[derive(Clone)]
pub struct FaultyStores {
    stores: Arc<dyn ObjectStores>,
    plan: Arc<Mutex<Plan>>,
}

impl Default for FaultyStores {
    fn default() -> Self {
        Self::over(Arc::new(RealStores))
    }
}

#[derive(Default)]
struct Plan {
    calls: u64,
    fault: Option<(u64, ObjectFault)>,
    struck: Option<String>,
}

impl FaultyStores {
    /// These stores, and nothing goes wrong yet.
    pub fn over(stores: Arc<dyn ObjectStores>) -> Self {
        FaultyStores { stores, plan: Arc::default() }
    }

    /// The call after `calls` more good ones goes wrong.
    pub fn fail_after(&self, calls: u64, fault: ObjectFault) {
        let mut plan = self.plan();
        plan.fault = Some((plan.calls + calls, fault));
        plan.struck = None;
    }

    /// Everything works again.
    pub fn heal(&self) {
        self.plan().fault = None;
    }

    /// Which call went wrong, if one has.
    pub fn struck(&self) -> Option<String> {
        self.plan().struck.clone()
    }

    /// Calls so far.
    pub fn calls(&self) -> u64 {
        self.plan().calls
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn call(&self, what: &str, name: &str) -> Option<ObjectFault> {
        let mut plan = self.plan();
        let number = plan.calls;
        plan.calls += 1;
        let (_, fault) = plan.fault.filter(|(at, fault)| *at == number || (*fault == ObjectFault::Gone && *at < number))?;
        plan.struck.get_or_insert(format!("{what} {name} ({fault:?})"));
        Some(fault)
    }
}

impl ObjectStores for FaultyStores {
    fn open(&self, address: &str) -> Result<Arc<dyn Objects>, ObjectError> {
        Ok(Arc::new(FaultyObjects { stores: self.clone(), objects: self.stores.open(address)? }))
    }
}

struct FaultyObjects {
    stores: FaultyStores,
    objects: Arc<dyn Objects>,
}

fn injected<T>() -> Result<T, ObjectError> {
    Err(ObjectError::Failed("injected failure".into()))
}

fn spoil(bytes: &mut Vec<u8>, fault: ObjectFault) {
    let half = bytes.len() / 2;
    match fault {
        ObjectFault::Truncates => bytes.truncate(half),
        ObjectFault::Garbles if !bytes.is_empty() => bytes[half] ^= 0x20,
        _ => {}
    }
}

impl Objects for FaultyObjects {
    fn put(&self, name: &str, bytes: Buffer) -> Result<(), ObjectError> {
        match self.stores.call("put", name) {
            None => self.objects.put(name, bytes),
            Some(ObjectFault::Fails | ObjectFault::Gone) => injected(),
            Some(ObjectFault::AnswerLost) => self.objects.put(name, bytes).and_then(|()| injected()),
            Some(fault) => {
                let mut bytes = bytes.to_vec();
                spoil(&mut bytes, fault);
                self.objects.put(name, Buffer::from(bytes))
            }
        }
    }

    fn get(&self, name: &str, range: Range<u64>) -> Result<Vec<u8>, ObjectError> {
        match self.stores.call("get", name) {
            None => self.objects.get(name, range),
            Some(ObjectFault::Fails | ObjectFault::Gone | ObjectFault::AnswerLost) => injected(),
            Some(fault) => {
                let mut bytes = self.objects.get(name, range)?;
                spoil(&mut bytes, fault);
                Ok(bytes)
            }
        }
    }

    fn len(&self, name: &str) -> Result<u64, ObjectError> {
        match self.stores.call("len", name) {
            Some(ObjectFault::Truncates) => Ok(self.objects.len(name)? / 2),
            Some(ObjectFault::Fails | ObjectFault::Gone | ObjectFault::AnswerLost) => injected(),
            _ => self.objects.len(name),
        }
    }

    fn delete(&self, name: &str) -> Result<(), ObjectError> {
        match self.stores.call("delete", name) {
            Some(ObjectFault::Fails | ObjectFault::Gone) => injected(),
            Some(ObjectFault::AnswerLost) => self.objects.delete(name).and_then(|()| injected()),
            _ => self.objects.delete(name),
        }
    }
}
