//! What a run cost, as the operating system counts it: CPU by layer, peak memory, bytes read and written.
//!
//! A thread belongs to the [`Layer`] that its name starts with (`speed-0`, `batch-run`); pools of the engines are known by their
//! libraries' names. CPU is read thread by thread from `/proc/self/task`, and a thread started by [`spawn`] leaves its exact figure
//! behind when it ends. Work that one layer does on another's thread (the log's part of an append happens on the producer's) is
//! moved to where it belongs by [`charge`]. What remains of the process's CPU is [`Cpu::unattributed`], so that nothing can be lost
//! unseen. Linux only: elsewhere the figures of other threads and of the process are 0.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use serde::{Deserialize, Serialize};

/// Who is charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    Log,
    Batch,
    Speed,
    Serving,
    /// Generator, querying client and harness: what a user's own programs would be.
    Load,
}

impl Layer {
    pub const ALL: [Layer; 5] = [Layer::Log, Layer::Batch, Layer::Speed, Layer::Serving, Layer::Load];

    /// As in results, and at the start of threads' names.
    pub fn name(self) -> &'static str {
        match self {
            Layer::Log => "log",
            Layer::Batch => "batch",
            Layer::Speed => "speed",
            Layer::Serving => "serving",
            Layer::Load => "load",
        }
    }

    /// The layer that a thread of this name belongs to.
    pub fn of_thread(name: &str) -> Option<Layer> {
        // Those of librdkafka and of its Rust face are the log's, where Kafka keeps it.
        let pools = [
            ("polars", Layer::Batch),
            ("rayon", Layer::Batch),
            ("timely", Layer::Speed),
            ("rdk", Layer::Log),
            ("kafka", Layer::Log),
            ("producer pollin", Layer::Log),
            ("admin client po", Layer::Log),
        ];
        let own = Layer::ALL.into_iter().map(|layer| (layer.name(), layer));
        let belongs = |prefix: &str| name.strip_prefix(prefix).is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric()));
        own.chain(pools).find(|(prefix, _)| belongs(prefix)).map(|(_, layer)| layer)
    }
}

/// CPU time of threads that were seen so far, in nanoseconds, by thread number.
static THREADS: Mutex<BTreeMap<i32, (Layer, u64)>> = Mutex::new(BTreeMap::new());

/// What [`charge`] moved to (or, negative, away from) each layer, in nanoseconds.
static MOVED: [AtomicI64; Layer::ALL.len()] = [const { AtomicI64::new(0) }; Layer::ALL.len()];

thread_local! {
    static OWN: Cell<Option<Layer>> = const { Cell::new(None) };
}

fn threads() -> MutexGuard<'static, BTreeMap<i32, (Layer, u64)>> {
    THREADS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts a thread of `layer` named `<layer>-<name>` (the system keeps 15 bytes), whose CPU is counted to its last instruction.
pub fn spawn<T: Send + 'static>(layer: Layer, name: &str, f: impl FnOnce() -> T + Send + 'static) -> io::Result<JoinHandle<T>> {
    thread::Builder::new().name(format!("{}-{name}", layer.name())).spawn(move || {
        let _last = adopt(layer);
        f()
    })
}

/// Counts the calling thread to `layer`, whatever its name, and exactly to the moment at which the guard is dropped.
#[must_use]
pub fn adopt(layer: Layer) -> Adopted {
    OWN.set(Some(layer));
    threads().insert(thread_number(), (layer, thread_cpu_ns()));
    Adopted { layer }
}

/// See [`adopt`].
pub struct Adopted {
    layer: Layer,
}

impl Drop for Adopted {
    fn drop(&mut self) {
        threads().insert(thread_number(), (self.layer, thread_cpu_ns()));
    }
}

/// Runs `f` and charges its CPU on this thread to `layer` instead of the thread's own.
pub fn charge<T>(layer: Layer, f: impl FnOnce() -> T) -> T {
    let before = thread_cpu_ns();
    let result = f();
    let used = thread_cpu_ns().saturating_sub(before) as i64;
    MOVED[layer as usize].fetch_add(used, Ordering::Relaxed);
    let own = OWN.get().or_else(|| Layer::of_thread(thread::current().name().unwrap_or_default()));
    if let Some(own) = own {
        MOVED[own as usize].fetch_sub(used, Ordering::Relaxed);
    }
    result
}

/// CPU seconds of the process so far.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cpu {
    /// One entry per layer, by its name.
    pub by_layer: BTreeMap<&'static str, f64>,
    /// The process's CPU that no layer's thread accounts for.
    pub unattributed: f64,
}

/// Looks at all threads and sums up. Called now and then it also keeps the figures of threads that no [`spawn`] started and that
/// end unseen.
pub fn cpu() -> Cpu {
    let mut threads = threads();
    for (number, name, used_ns) in living_threads() {
        match threads.get_mut(&number) {
            Some((_, seen_ns)) => *seen_ns = used_ns.max(*seen_ns),
            None => {
                if let Some(layer) = Layer::of_thread(&name) {
                    threads.insert(number, (layer, used_ns));
                }
            }
        }
    }
    let mut by_layer = Layer::ALL.map(|layer| MOVED[layer as usize].load(Ordering::Relaxed));
    for &(layer, used_ns) in threads.values() {
        by_layer[layer as usize] += used_ns as i64;
    }
    let attributed: i64 = by_layer.iter().sum();
    Cpu {
        by_layer: Layer::ALL.map(|layer| (layer.name(), by_layer[layer as usize].max(0) as f64 / 1e9)).into(),
        unattributed: (process_cpu_ns() as i64 - attributed).max(0) as f64 / 1e9,
    }
}

/// Number, name and CPU of each thread that is alive. One that ends while it is looked at is left out.
fn living_threads() -> Vec<(i32, String, u64)> {
    let Ok(tasks) = fs::read_dir("/proc/self/task") else { return Vec::new() };
    let look = |path: std::path::PathBuf| {
        let number = path.file_name()?.to_str()?.parse().ok()?;
        let name = fs::read_to_string(path.join("comm")).ok()?;
        let used = fs::read_to_string(path.join("schedstat")).ok()?;
        Some((number, name.trim_end().to_owned(), used.split_whitespace().next()?.parse().ok()?))
    };
    tasks.flatten().filter_map(|task| look(task.path())).collect()
}

/// CPU time of the calling thread, in nanoseconds.
pub fn thread_cpu_ns() -> u64 {
    clock_ns(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// CPU time of the process with all threads that ever ran in it, in nanoseconds.
pub fn process_cpu_ns() -> u64 {
    clock_ns(libc::CLOCK_PROCESS_CPUTIME_ID)
}

/// CPU seconds that another process has used with all of its threads; none where it is gone, or the system does not say.
pub fn cpu_of(process: u32) -> Option<f64> {
    let mut clock: libc::clockid_t = 0;
    // SAFETY: the call writes a clock's number to the pointer and keeps nothing.
    let found = unsafe { libc::clock_getcpuclockid(process.try_into().ok()?, &mut clock) };
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: as in `clock_ns`. The process may have ended since, which the call says.
    let told = found == 0 && unsafe { libc::clock_gettime(clock, &mut time) } == 0;
    told.then(|| time.tv_sec as f64 + time.tv_nsec as f64 / 1e9)
}

fn clock_ns(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes one timespec to the pointer and keeps nothing; std has no reader for CPU clocks.
    let done = unsafe { libc::clock_gettime(clock, &mut time) };
    assert_eq!(done, 0, "CPU clocks exist on every system this runs on");
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

fn thread_number() -> i32 {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::gettid() }
}

/// Peak resident memory of the process, in bytes; 0 where the system does not say.
pub fn rss_bytes_max() -> u64 {
    field("/proc/self/status", "VmHWM:") * 1024
}

/// Resident memory of the process that is no file's, in bytes; 0 where the system does not say.
pub fn rss_anon_bytes() -> u64 {
    field("/proc/self/status", "RssAnon:") * 1024
}

/// Bytes that the process handed to and took from files and pipes with system calls. Mapped pages are in neither, and a file
/// system that keeps its files in memory changes nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Io {
    pub read: u64,
    pub written: u64,
}

/// See [`Io`].
pub fn io() -> Io {
    Io { read: field("/proc/self/io", "rchar:"), written: field("/proc/self/io", "wchar:") }
}

fn field(file: &str, name: &str) -> u64 {
    let text = fs::read_to_string(file).unwrap_or_default();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok());
    value.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Uses at least `ns` of this thread's CPU.
    fn burn(ns: u64) {
        let until = thread_cpu_ns() + ns;
        while thread_cpu_ns() < until {
            std::hint::spin_loop();
        }
    }

    fn seconds(cpu: &Cpu, layer: Layer) -> f64 {
        cpu.by_layer[layer.name()]
    }

    // One test, because the meters are the process's: nothing else in this crate may run threads of these layers meanwhile.
    #[test]
    fn cpu_is_charged_to_layers() {
        let before = cpu();
        // A thread that has ended is counted in full.
        spawn(Layer::Speed, "test", || burn(30_000_000)).unwrap().join().unwrap();
        let after = cpu();
        let speed = seconds(&after, Layer::Speed) - seconds(&before, Layer::Speed);
        assert!(speed >= 0.030, "speed used {speed} s");

        // Work charged elsewhere is not counted twice.
        spawn(Layer::Load, "test", || charge(Layer::Serving, || burn(30_000_000))).unwrap().join().unwrap();
        let charged = cpu();
        let serving = seconds(&charged, Layer::Serving) - seconds(&after, Layer::Serving);
        let load = seconds(&charged, Layer::Load) - seconds(&after, Layer::Load);
        assert!(serving >= 0.030, "serving used {serving} s");
        assert!(load < serving, "load used {load} s, of which serving's {serving} s were to be taken away");

        // A thread known by its name alone, and seen while it lives.
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let (ready, waiting) = std::sync::mpsc::channel();
        let pool = thread::Builder::new().name("polars-7".into()).spawn(move || {
            burn(30_000_000);
            ready.send(()).unwrap();
            let _ = stopped.recv();
        });
        waiting.recv().unwrap();
        let pooled = cpu();
        assert!(seconds(&pooled, Layer::Batch) - seconds(&charged, Layer::Batch) >= 0.015);
        drop(stop);
        pool.unwrap().join().unwrap();
        assert!(seconds(&cpu(), Layer::Batch) >= seconds(&pooled, Layer::Batch), "what was seen is kept");
    }

    #[test]
    fn what_nobody_is_charged_for_is_told() {
        let before = cpu().unattributed;
        thread::spawn(|| burn(30_000_000)).join().unwrap();
        assert!(cpu().unattributed - before > 0.0);
    }

    #[test]
    fn files_and_memory_are_metered() {
        let before = io();
        let path = std::env::temp_dir().join(format!("twopath-meters-{}", std::process::id()));
        fs::write(&path, vec![7; 1 << 20]).unwrap();
        assert_eq!(fs::read(&path).unwrap().len(), 1 << 20);
        fs::remove_file(&path).unwrap();
        let after = io();
        assert!(after.written - before.written >= 1 << 20);
        assert!(after.read - before.read >= 1 << 20);
        assert!(rss_bytes_max() > 1 << 20);
    }

    #[test]
    fn threads_find_their_layer_by_name() {
        assert_eq!(Layer::of_thread("speed-0"), Some(Layer::Speed));
        assert_eq!(Layer::of_thread("timely:work-1"), Some(Layer::Speed));
        assert_eq!(Layer::of_thread("polars-3"), Some(Layer::Batch));
        assert_eq!(Layer::of_thread("rdk:broker1"), Some(Layer::Log));
        assert_eq!(Layer::of_thread("producer pollin"), Some(Layer::Log));
        assert_eq!(Layer::of_thread("twopath"), None);
        assert_eq!(Layer::of_thread("loader"), None);
    }
}
