//! Panes put together into windows: what is left to do at answering time where windows overlap or have no fixed bounds.
//!
//! Parts are merged by pane, as groups of any key are. Then the groups that are alike in their other keys stand in order of their panes,
//! each window is a run of them, and runs are merged with what they share ([`Frames`]).

use std::borrow::Cow;
use std::ops::Range;

use super::accumulator::{Accumulate, Accumulator};
use super::canonical::{as_i64, from_i64};
use super::frames::Frames;
use super::selection::Selection;
use super::table::GroupTable;
use arrow_array::{Array, ArrayRef, Int64Array};
use twopath_query::{DataType, EvalError, PanedWindows, Panes, Query, Value};

/// The groups by window that `ask` wants, of parts with groups by pane. The key [`Panes::key`] says which window a group is of.
///
/// # Errors
/// [`EvalError::OutOfRange`] where a bound of a window that is wanted is beyond 64-bit microseconds.
pub fn assembled(query: &Query, panes: &Panes, parts: &[&GroupTable], ask: &Selection) -> Result<GroupTable, EvalError> {
    let Some(bounds) = Bounds::of(panes, ask) else { return Ok(GroupTable::new(query)) };
    within_bounds(query, panes, &merged(query, panes, parts, ask, &bounds), &bounds)
}

/// The groups by window of a table with groups by pane, of windows that end after the one moment, if there is one, and not after the other.
///
/// # Errors
/// As [`assembled`].
pub(super) fn ending(query: &Query, panes: &Panes, table: &GroupTable, after: Option<i64>, to: i64) -> Result<GroupTable, EvalError> {
    let (after, to) = (after.map_or(i128::MIN / 2, i128::from), i128::from(to));
    let bounds = match panes.windows {
        PanedWindows::Hop { size_us, .. } => Bounds { from: after + 1 - i128::from(size_us), to: to - i128::from(size_us) },
        PanedWindows::Cumulate { .. } => Bounds { from: after + 1, to },
        PanedWindows::Session { .. } => {
            let (groups, mut windows) = (runs(panes, table), Windows::default());
            for (start, end, run) in sessions(panes, table, &groups)?.into_iter().filter(|(_, end, _)| (after + 1..=to).contains(end)) {
                windows.add(start, (start, end), run)?;
            }
            return Ok(table_of(query, panes, table, &groups, windows));
        }
    };
    within_bounds(query, panes, &merged(query, panes, &[table], &Selection::default(), &bounds), &bounds)
}

fn within_bounds(query: &Query, panes: &Panes, table: &GroupTable, bounds: &Bounds) -> Result<GroupTable, EvalError> {
    let groups = runs(panes, table);
    let windows = match panes.windows {
        PanedWindows::Hop { slide_us, size_us, offset_us } => hop(&groups, slide_us, size_us, offset_us, bounds)?,
        PanedWindows::Cumulate { step_us, size_us, offset_us } => cumulate(&groups, step_us, size_us, offset_us, bounds)?,
        PanedWindows::Session { .. } => {
            let mut windows = Windows::default();
            for (start, end, run) in sessions(panes, table, &groups)?.into_iter().filter(|(start, ..)| bounds.holds(*start)) {
                windows.add(start, (start, end), run)?;
            }
            windows
        }
    };
    Ok(table_of(query, panes, table, &groups, windows))
}

/// Of a table with groups by pane: those that are in a window which ends after `watermark`, and the least end of such a window. Later records may yet move
/// the end of a session.
pub(super) fn open(panes: &Panes, table: &GroupTable, watermark: Option<i64>) -> Result<(Vec<u32>, Option<i128>), EvalError> {
    let after = watermark.map_or(i128::MIN / 2, i128::from);
    let places = runs(panes, table);
    let mut found = (Vec::new(), None);
    let mut add = |groups: &[Place], (last, least): (i128, i128)| {
        if last > after {
            found.0.extend(groups.iter().map(|place| place.group));
            found.1 = Some(found.1.map_or(least, |known: i128| known.min(least)));
        }
    };
    // The first after a moment of those that lie so far apart from one that is known.
    let next = |moment: i128, known: i128, apart: i128| moment + 1 + (known - moment - 1).rem_euclid(apart);
    match panes.windows {
        PanedWindows::Hop { slide_us, size_us, offset_us } => {
            let (slide, size) = (i128::from(slide_us), i128::from(size_us));
            for place in &places {
                let pane = i128::from(place.pane);
                let last = pane - (pane - i128::from(offset_us)).rem_euclid(slide) + size;
                add(std::slice::from_ref(place), (last, next(pane.max(after), last, slide)));
            }
        }
        PanedWindows::Cumulate { step_us, size_us, offset_us } => {
            let (step, size) = (i128::from(step_us), i128::from(size_us));
            for place in &places {
                let pane = i128::from(place.pane);
                let last = pane - (pane - i128::from(offset_us)).rem_euclid(size) + size;
                add(std::slice::from_ref(place), (last, next(pane.max(after), last, step)));
            }
        }
        PanedWindows::Session { .. } => {
            for (_, end, run) in sessions(panes, table, &places)? {
                add(&places[run], (end, end));
            }
        }
    }
    found.0.sort_unstable();
    Ok(found)
}

/// Which windows are wanted: a closed range of what the window's key says.
struct Bounds {
    from: i128,
    to: i128,
}

impl Bounds {
    /// `None` where no window is.
    fn of(panes: &Panes, ask: &Selection) -> Option<Self> {
        // Half of what 128 bits hold is beyond every bound, and can be added to.
        let mut bounds = Bounds { from: i128::MIN / 2, to: i128::MAX / 2 };
        let timestamp = |value: &Value| if let Value::Timestamp(us) = value { Some(i128::from(*us)) } else { None };
        if let Some(key) = &ask.key {
            let window = timestamp(key.get(panes.key)?)?;
            bounds = Bounds { from: window, to: window };
        }
        if panes.key == 0 {
            if let Some(from) = &ask.first_key.0 {
                bounds.from = bounds.from.max(timestamp(from)?);
            }
            if let Some(to) = &ask.first_key.1 {
                bounds.to = bounds.to.min(timestamp(to)?);
            }
        }
        (bounds.from <= bounds.to).then_some(bounds)
    }

    fn holds(&self, window: i128) -> bool {
        (self.from..=self.to).contains(&window)
    }

    /// The panes that the wanted windows are made of, by their starts.
    fn panes(&self, windows: PanedWindows) -> Range<i128> {
        let (from, to) = (self.from, self.to);
        match windows {
            PanedWindows::Hop { size_us, .. } => from..to + i128::from(size_us),
            PanedWindows::Cumulate { size_us, .. } => from - i128::from(size_us)..to,
            PanedWindows::Session { .. } => i128::MIN..i128::MAX,
        }
    }
}

fn pane_us(windows: PanedWindows) -> i64 {
    match windows {
        PanedWindows::Hop { slide_us, size_us, .. } => {
            let (mut a, mut b) = (slide_us, size_us);
            while b != 0 {
                (a, b) = (b, a % b);
            }
            a
        }
        PanedWindows::Cumulate { step_us, .. } => step_us,
        PanedWindows::Session { gap_us, .. } => gap_us,
    }
}

/// The panes that are needed, of all parts in one table. Those without a time are in no window.
fn merged<'a>(query: &Query, panes: &Panes, parts: &[&'a GroupTable], ask: &Selection, bounds: &Bounds) -> Cow<'a, GroupTable> {
    let wanted = |part: &GroupTable| match &ask.key {
        Some(key) => of_key(panes, part, key, ask, bounds),
        None => within(panes, part, ask, bounds),
    };
    let found: Vec<(&GroupTable, Vec<u32>)> = parts.iter().map(|p| (*p, wanted(p))).filter(|(_, groups)| !groups.is_empty()).collect();
    if let [(part, groups)] = &found[..]
        && groups.len() == part.len()
    {
        return Cow::Borrowed(*part);
    }
    let mut table = found.first().map_or_else(|| GroupTable::new(query), |(part, _)| part.emptied());
    for (part, groups) in found {
        table.merge_groups(part, &groups);
    }
    Cow::Owned(table)
}

/// The groups whose first key is asked for and whose pane is in a wanted window.
fn within(panes: &Panes, part: &GroupTable, ask: &Selection, bounds: &Bounds) -> Vec<u32> {
    let starts = as_i64(part.key_column(panes.key).as_ref());
    let needed = bounds.panes(panes.windows);
    let (from, to) = if panes.key == 0 { (None, None) } else { (ask.first_key.0.as_ref(), ask.first_key.1.as_ref()) };
    let wanted =
        |group: usize| starts.is_valid(group) && needed.contains(&starts.value(group).into()) && part.keys[0].within(group, from, to);
    (0..part.len()).filter(|&group| wanted(group)).map(|group| group as u32).collect()
}

/// The groups that are alike in their other keys and whose pane is in the window of this key.
fn of_key(panes: &Panes, part: &GroupTable, key: &[Value], ask: &Selection, bounds: &Bounds) -> Vec<u32> {
    if key.len() != part.keys.len() {
        return Vec::new();
    }
    let needed = bounds.panes(panes.windows);
    let step = i128::from(pane_us(panes.windows));
    let count = (needed.end.saturating_sub(needed.start) / step) as usize;
    if !matches!(panes.windows, PanedWindows::Session { .. }) && count < part.len() {
        // The windows' bounds are bounds of panes.
        let starts = (0..count as i128).map(|i| needed.start + i * step).filter_map(|start| i64::try_from(start).ok());
        let mut key = key.to_vec();
        let found = starts.filter_map(|start| {
            key[panes.key] = Value::Timestamp(start);
            part.find(&key)
        });
        let (from, to) = if panes.key == 0 { (None, None) } else { (ask.first_key.0.as_ref(), ask.first_key.1.as_ref()) };
        let mut groups: Vec<u32> = found.filter(|&g| part.keys[0].within(g, from, to)).map(|g| g as u32).collect();
        groups.sort_unstable();
        return groups;
    }
    let mut groups = within(panes, part, ask, bounds);
    let others = || (0..key.len()).filter(|&k| k != panes.key);
    groups.retain(|&group| others().all(|k| part.keys[k].same_value(group as usize, &key[k])));
    groups
}

/// A group's place: which of the other keys it has, and its pane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    others: u32,
    pane: i64,
    group: u32,
}

/// The groups that are in windows, in order of their places.
fn runs(panes: &Panes, table: &GroupTable) -> Vec<Place> {
    let others: Vec<usize> = (0..table.keys.len()).filter(|&k| k != panes.key).collect();
    let mut numbers = GroupTable::of_keys(others.iter().map(|&k| table.keys[k].data_type));
    let columns: Vec<ArrayRef> = others.iter().map(|&k| table.key_column(k)).collect();
    let others = numbers.number(&columns, table.len());
    let starts = as_i64(table.key_column(panes.key).as_ref());
    let place = |group: usize| Place { others: others[group], pane: starts.value(group), group: group as u32 };
    let mut places: Vec<Place> = (0..table.len()).filter(|&group| starts.is_valid(group)).map(place).collect();
    places.sort_unstable();
    places
}

/// Windows: what the key of each says, and which run of groups it is made of.
#[derive(Default)]
struct Windows {
    keys: Vec<i64>,
    runs: Vec<Range<u32>>,
}

impl Windows {
    /// Adds a window that is wanted; `start` and `end` are its bounds.
    fn add(&mut self, key: i128, (start, end): (i128, i128), run: Range<usize>) -> Result<(), EvalError> {
        let within = |bound: i128| i64::try_from(bound).map_err(|_| EvalError::OutOfRange);
        within(start)?;
        within(end)?;
        self.keys.push(within(key)?);
        self.runs.push(run.start as u32..run.end as u32);
        Ok(())
    }
}

fn hop(places: &[Place], slide_us: i64, size_us: i64, offset_us: i64, bounds: &Bounds) -> Result<Windows, EvalError> {
    let (slide, size, offset) = (i128::from(slide_us), i128::from(size_us), i128::from(offset_us));
    let mut windows = Windows::default();
    for (from, run) in alike(places, |a, b| a.others == b.others) {
        let (mut end, mut next) = (0, i128::MIN);
        for (at, place) in run.iter().enumerate() {
            let pane = i128::from(place.pane);
            let last = pane - (pane - offset).rem_euclid(slide);
            let first = last - (last - (pane - size) - 1).div_euclid(slide) * slide;
            // Those that hold the pane before as well are there already; the others begin with this one.
            let mut start = first.max(next);
            next = last + slide;
            while start <= last {
                while end < run.len() && i128::from(run[end].pane) < start + size {
                    end += 1;
                }
                if bounds.holds(start) {
                    windows.add(start, (start, start + size), from + at..from + end)?;
                }
                start += slide;
            }
        }
    }
    Ok(windows)
}

fn cumulate(places: &[Place], step_us: i64, size_us: i64, offset_us: i64, bounds: &Bounds) -> Result<Windows, EvalError> {
    let (step, size, offset) = (i128::from(step_us), i128::from(size_us), i128::from(offset_us));
    let start = |place: &Place| i128::from(place.pane) - (i128::from(place.pane) - offset).rem_euclid(size);
    let mut windows = Windows::default();
    for (from, run) in alike(places, |a, b| a.others == b.others && start(a) == start(b)) {
        let start = start(&run[0]);
        let (mut window_end, mut end) = (i128::from(run[0].pane) + step, 0);
        while window_end <= start + size {
            while end < run.len() && i128::from(run[end].pane) < window_end {
                end += 1;
            }
            if bounds.holds(window_end) {
                windows.add(window_end, (start, start + size), from..from + end)?;
            }
            window_end += step;
        }
    }
    Ok(windows)
}

/// Sessions: where each begins and ends, and which run of the places it is made of.
fn sessions(panes: &Panes, table: &GroupTable, places: &[Place]) -> Result<Vec<(i128, i128, Range<usize>)>, EvalError> {
    let PanedWindows::Session { gap_us, first, last } = panes.windows else { unreachable!("other windows have fixed bounds") };
    let groups: Vec<u32> = places.iter().map(|place| place.group).collect();
    let of_panes = |aggregate: usize| Ok::<_, EvalError>(as_i64(table.accumulators[aggregate].finalise(&groups)?.as_ref()));
    let (firsts, lasts) = (of_panes(first)?, of_panes(last)?);
    let (gap, mut sessions, mut from) = (i128::from(gap_us), Vec::new(), 0);
    for at in 1..=places.len() {
        let goes_on = at < places.len()
            && places[at - 1].others == places[at].others
            && i128::from(firsts.value(at)) - i128::from(lasts.value(at - 1)) < gap;
        if !goes_on {
            sessions.push((firsts.value(from).into(), i128::from(lasts.value(at - 1)) + gap, from..at));
            from = at;
        }
    }
    Ok(sessions)
}

/// Runs of neighbours that are alike, and where each begins.
fn alike(places: &[Place], alike: impl Fn(&Place, &Place) -> bool) -> impl Iterator<Item = (usize, &[Place])> {
    places.chunk_by(alike).scan(0, |from, run| {
        let begins = *from;
        *from += run.len();
        Some((begins, run))
    })
}

/// The table of the windows' groups.
fn table_of(query: &Query, panes: &Panes, table: &GroupTable, places: &[Place], windows: Windows) -> GroupTable {
    let in_order: Vec<u32> = places.iter().map(|p| p.group).collect();
    let numbers: Vec<u32> = (0..places.len() as u32).collect();
    let longest = windows.runs.iter().map(|run| run.len()).max().unwrap_or(0);
    let merged = |accumulator: &Accumulator| {
        let mut panes = accumulator.emptied();
        panes.grow(in_order.len(), accumulator.complete());
        panes.merge(accumulator, &in_order, &numbers);
        Frames::new(panes, in_order.len(), longest).merged(&windows.runs)
    };
    let accumulators = table.accumulators.iter().map(merged).collect();
    let firsts: Vec<u32> = windows.runs.iter().map(|run| in_order[run.start as usize]).collect();
    let count = windows.keys.len();
    let mut keys: Vec<ArrayRef> = table.keys.iter().map(|k| k.take(&firsts)).collect();
    keys[panes.key] = from_i64(Int64Array::from(windows.keys), DataType::Timestamp);
    GroupTable::from_columns(query, &keys, accumulators, count).expect("no two windows of one key are the same")
}
