//! Figures of one run, by hand: every number below is chosen so that no two sums are the same.

use twopath_base::Position;

use super::*;
use crate::harness::load::Schedule;
use crate::harness::recording::Stored;

fn costs(cpu_s: &[(&str, f64)], bytes_written: u64) -> Costs {
    Costs { cpu_s: cpu_s.iter().map(|(layer, s)| (layer.to_string(), *s)).collect(), bytes_written, ..Costs::default() }
}

/// 2 million events of history, then 1,000 a second for 4 s from 0.5 s on; the fix came at 2.5 s and took a second.
fn recording() -> Recording {
    let layers = |log, speed, batch, load| [("log", log), ("speed", speed), ("batch", batch), ("load", load)];
    Recording {
        events_loaded: 2_000_000,
        schedule: Schedule { start_us: 500_000, rate: 1_000.0, events: 4_000 },
        loaded_us: 300_000,
        deployed_us: 2_500_000,
        fixed_us: 3_500_000,
        end_us: 5_000_000,
        costs_loaded: costs(&layers(1.0, 2.0, 0.5, 10.0), 100),
        costs_deployed: costs(&layers(1.5, 3.0, 0.75, 20.0), 250),
        // The serving layer's first second comes with the fix.
        costs_fixed: Costs { ..costs(&[("log", 1.75), ("speed", 7.0), ("batch", 0.75), ("serving", 1.0), ("load", 25.0)], 1_250) },
        costs: Costs {
            rss_bytes_max: 77,
            bytes_read: 78,
            view_bytes: 79,
            state_bytes: 80,
            ..costs(&[("log", 2.0), ("speed", 8.5), ("batch", 1.0), ("serving", 1.25), ("index", 0.125), ("load", 30.0)], 1_290)
        },
        history_bytes: 44_000_000,
        log_bytes: 81,
        ..Recording::default()
    }
}

fn cpu(layers: &[(&str, f64)]) -> BTreeMap<String, f64> {
    layers.iter().map(|(layer, s)| (layer.to_string(), *s)).collect()
}

#[test]
fn the_phases_of_a_run() {
    let Phases { load, live, change } = phases(&recording());
    let loaded = PhaseCosts {
        duration_ms: 300.0,
        events: 2_000_000,
        cpu_s: cpu(&[("log", 1.0), ("speed", 2.0), ("batch", 0.5)]),
        bytes_written: 100,
    };
    assert_eq!(load, loaded, "the load's own time is no layer's");
    // Event 2,000 is due at 2.5 s, when the fix comes; those after it, up to the one due at 3.5 s, arrive meanwhile.
    let changed = PhaseCosts {
        duration_ms: 1_000.0,
        events: 1_000,
        cpu_s: cpu(&[("log", 0.25), ("speed", 4.0), ("batch", 0.0), ("serving", 1.0)]),
        bytes_written: 1_000,
    };
    assert_eq!(change, changed);
    // Both sides of it, with layers that are on one side only.
    let lived = PhaseCosts {
        duration_ms: 4_500.0 - 1_000.0,
        events: 3_000,
        cpu_s: cpu(&[("log", 0.5 + 0.25), ("speed", 1.0 + 1.5), ("batch", 0.25 + 0.25), ("serving", 0.25), ("index", 0.125)]),
        bytes_written: 150 + 40,
    };
    assert_eq!(live, lived);
}

#[test]
fn without_a_fix_all_of_the_schedule_is_live() {
    let mut recording = recording();
    (recording.deployed_us, recording.fixed_us) = (recording.end_us, recording.end_us);
    let phases = phases(&recording);
    assert_eq!((phases.live.events, phases.live.duration_ms), (4_000, 4_500.0));
    assert_eq!((phases.change.events, phases.change.duration_ms), (0, 0.0));
}

#[test]
fn the_cost_of_a_run() {
    let cost = cost(&recording(), 2_004_000);
    let per_million = |seconds: f64| seconds / 2.004;
    let by_layer = &cost.cpu_s_per_million_events.by_layer;
    assert_eq!(by_layer["speed"], per_million(8.5));
    assert_eq!(by_layer["load"], per_million(30.0), "told, and not in the total");
    let total = per_million(2.0) + per_million(8.5) + per_million(1.0) + per_million(1.25) + per_million(0.125);
    assert!((cost.cpu_s_per_million_events.total - total).abs() < 1e-12, "{}", cost.cpu_s_per_million_events.total);
    assert_eq!((cost.rss_bytes_max, cost.bytes_written, cost.bytes_read), (77, 1_290, 78));
    assert_eq!((cost.view_bytes, cost.state_bytes, cost.log_bytes), (79, 80, 81));
    assert_eq!(cost.log_bytes_per_event_at_rest, Some(22.0));
    assert!(cost.phases.is_some());
    let nothing = super::cost(&Recording { events_loaded: 0, ..recording() }, 0);
    assert_eq!(nothing.log_bytes_per_event_at_rest, None);
    assert_eq!(nothing.cpu_s_per_million_events.by_layer["log"], 2.0 * 1e6, "as if of one event");
}

fn read(read_us: u64) -> Recorded {
    let rows = Stored { file: 0, at: 0, bytes: 0 };
    Recorded { due_us: read_us - 5, read_us, version: 1, position: Position::zero(1), approximate: false, key: None, rows }
}

fn verdict(wrong: bool, wrong_engine: bool, outdated: bool, error: f64) -> Verdict {
    Verdict { wrong, wrong_engine, outdated, error, ..Verdict::default() }
}

#[test]
fn answers_are_right_from_the_first_on_after_which_none_is_wrong() {
    let reads: Vec<Recorded> = [1_000, 2_000, 3_000, 4_500, 5_000, 6_000].map(read).to_vec();
    let wrong = |which: &[usize]| -> Vec<Verdict> { (0..reads.len()).map(|i| verdict(which.contains(&i), false, false, 0.0)).collect() };
    let corrected = |which: &[usize], deployed_us| corrected_us(&reads, &wrong(which), deployed_us);
    assert_eq!(corrected(&[0, 1, 3], 2_500), Some(5_000));
    assert_eq!(corrected(&[0, 5], 2_500), None, "the last is wrong");
    assert_eq!(corrected(&[0], 2_000), Some(2_000), "at the moment of the deployment");
    assert_eq!(corrected(&[], 2_001), Some(3_000), "none was wrong: the first after it");
    assert_eq!(corrected(&[], 7_000), None);
}

#[test]
fn answers_are_counted_by_what_is_wrong_with_them() {
    let reads: Vec<Recorded> = [1_000, 2_000, 3_000, 4_500, 9_000].map(read).to_vec();
    let verdicts = [
        verdict(true, false, true, 8.0),
        verdict(true, true, true, 1.0),
        verdict(false, false, true, 50.0),
        verdict(true, false, false, 3.0),
        verdict(false, false, true, 60.0),
    ];
    let found = answers(&reads, &verdicts, 2_000);
    assert_eq!((found.checked, found.wrong, found.wrong_engine, found.outdated), (5, 3, 1, 4));
    // From the first wrong one after the deployment to the last.
    assert_eq!(found.wrong_for_ms, 2.5);
    assert_eq!((found.error_mean, found.error_max), (4.0, 8.0), "of the wrong ones");
    assert_eq!(answers(&reads, &verdicts, 4_000).wrong_for_ms, 0.0, "one moment");
    let right = vec![verdict(false, false, false, 0.0); 5];
    let found = answers(&reads, &right, 0);
    assert_eq!((found.wrong, found.wrong_for_ms, found.error_mean, found.error_max), (0, 0.0, 0.0, 0.0));
}

#[test]
fn rows_are_wrong_until_a_full_answer_has_them_right() {
    let reads: Vec<Recorded> = [1_000, 2_000, 3_000, 4_500, 9_000, 9_500].map(read).to_vec();
    let key = |answer: Recorded| Recorded { key: Some(0), approximate: true, ..answer };
    let reads: Vec<Recorded> = reads.into_iter().enumerate().map(|(i, read)| if i == 1 || i == 3 { key(read) } else { read }).collect();
    let verdict = |wrong_rows: &[u64], error_own| {
        let wrong_rows = wrong_rows.to_vec();
        Verdict { wrong_approximate: error_own > 0.0, error_own, wrong_rows, ..Verdict::default() }
    };
    // Row 7 is wrong from 1 to 3 ms; 8 from 3 to the end, and 9 from 9 ms on; a key's answer ends nothing.
    let verdicts =
        [verdict(&[7], 2.0), verdict(&[], 0.0), verdict(&[8], 4.0), verdict(&[], 0.0), verdict(&[8, 9], 3.0), verdict(&[8, 9], 3.0)];
    let found = approximate(&reads, &verdicts);
    assert_eq!((found.answers, found.wrong, found.rows), (2, 4, 3));
    assert_eq!((found.row_wrong_for_ms, found.row_wrong_longest_ms), (3.0, 6.5));
    assert_eq!((found.error_mean, found.error_max), (3.0, 4.0));
    // Three rows for as long as one another: three times 999.914 is a little more than their sum as a float.
    let alike = approximate(&[read(0), read(999_914)], &[verdict(&[1, 2, 3], 1.0), verdict(&[], 0.0)]);
    assert_eq!((alike.rows, alike.row_wrong_for_ms, alike.row_wrong_longest_ms), (3, 999.914, 999.914));
}

#[test]
fn marks_stand_in_time_from_the_schedule_s_start() {
    let span = |what, from_us, to_us| Span { what, from_us, to_us };
    let mut recording = recording();
    recording.record.marks = vec![span(Happening::CatchUp { version: 2, events: 7 }, 2_600_000, Some(3_000_000))];
    recording.marks = vec![span(Happening::Deploy { version: 2 }, 2_500_000, None), span(Happening::Deploy { version: 1 }, 100_000, None)];
    let marks = marks(&recording, Some(2_900_000), recording.schedule.start_us);
    let told: Vec<_> = marks.iter().map(|mark| (mark.at_ms, mark.until_ms)).collect();
    assert_eq!(told, [(-400.0, None), (2_000.0, None), (2_100.0, Some(2_500.0)), (2_400.0, None)]);
    assert!(matches!(marks[3].what, Happening::Corrected));
    assert_eq!(super::marks(&recording, None, 0).len(), 3);
}
