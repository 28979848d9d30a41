//! Groups of accumulators.

use std::borrow::Borrow;

use arrow_array::ArrayRef;

use super::accumulator::{Accumulate, Accumulator};
use super::index::{Index, Tag, next_group};
use super::keys::{EMPTY_HASH, KeyColumn, KeyInput, tag};
use super::plain;
use super::recent::Recent;
use twopath_query::{DataType, EvalError, Query, Value};

/// The number of the part, of `n`, of the groups with this tag. Its high bits choose the part, its low bits the place in an index.
#[inline(always)]
pub(super) fn part_of(tag: Tag, n: usize) -> usize {
    ((u64::from(tag) * n as u64) >> 32) as usize
}

/// No group has this number.
pub(super) const NO_GROUP: u32 = u32::MAX;

/// Groups by key, each with the accumulators of a query's aggregates, stored by column. Groups are numbered in the order in which they
/// came; a log being nearly in time order, those of the current window lie together.
#[derive(Debug, Clone)]
pub struct GroupTable {
    pub(super) keys: Vec<KeyColumn>,
    /// By group.
    pub(super) tags: Vec<Tag>,
    pub(super) index: Index,
    recent: Recent,
    pub(super) accumulators: Vec<Accumulator>,
    /// Where no more groups are kept than an answer shows: the last one's value in what they are ordered by first, as an integer.
    pub(super) bound: Option<i64>,
    /// Whether groups whose last aggregate, a count, is 0 are nothing, and may go.
    pub(super) nets: bool,
    /// Reused from batch to batch: row hashes and row groups.
    hashes: Vec<u64>,
    groups: Vec<u32>,
}

impl GroupTable {
    /// An empty table laid out for the query's keys and aggregates. Where the query groups by nothing, it has its one group.
    pub fn new(query: &Query) -> Self {
        Self::with_accumulators(query, query.aggregates.iter().map(Accumulator::new).collect())
    }

    /// [`GroupTable::new`] with room for `groups` groups, for a table that is likely to have as many: its index need not grow.
    pub fn with_room(query: &Query, groups: usize) -> Self {
        let mut table = Self::new(query);
        table.index.reserve(groups);
        table.recent.fit(groups);
        table
    }

    /// A table that numbers keys of these types, and has nothing else.
    pub(super) fn of_keys(types: impl Iterator<Item = DataType>) -> Self {
        Self::laid_out(types.map(KeyColumn::new).collect(), Vec::new())
    }

    /// The group of each row of these key columns, in canonical type; new ones are added in the order in which they come.
    pub(super) fn number(&mut self, keys: &[ArrayRef], rows: usize) -> Vec<u32> {
        assert!(self.accumulators.is_empty(), "accumulators would not have the new groups");
        let inputs = self.key_inputs(keys);
        let mut groups = Vec::new();
        self.resolve(&inputs, rows, &mut groups);
        groups
    }

    /// The group of each row of these key columns, or else [`NO_GROUP`].
    pub(super) fn lookup(&self, keys: &[ArrayRef], rows: usize) -> Vec<u32> {
        if keys.is_empty() {
            return vec![0; rows];
        }
        let inputs = self.key_inputs(keys);
        let plain = (self.keys.iter().map(KeyColumn::plain).collect(), inputs.iter().map(KeyInput::plain).collect());
        if let (Some::<Vec<&[i64]>>(mine), Some::<Vec<&[i64]>>(theirs)) = plain {
            match (&mine[..], &theirs[..]) {
                (&[a], &[x]) => return plain::lookup(&self.index, [a], [x], NO_GROUP),
                (&[a, b], &[x, y]) => return plain::lookup(&self.index, [a, b], [x, y], NO_GROUP),
                (&[a, b, c], &[x, y, z]) => return plain::lookup(&self.index, [a, b, c], [x, y, z], NO_GROUP),
                _ => {}
            }
        }
        let mut hashes = vec![EMPTY_HASH; rows];
        inputs.iter().for_each(|input| input.hash_into(&mut hashes));
        let found = |(row, &hash): (usize, &u64)| {
            let same = |group: u32| self.keys.iter().zip(&inputs).all(|(k, input)| k.same(group as usize, input, row));
            self.index.find(tag(hash), same).unwrap_or(NO_GROUP)
        };
        hashes.iter().enumerate().map(found).collect()
    }

    /// As [`GroupTable::new`], with these accumulators in place of the usual ones.
    pub(super) fn with_accumulators(query: &Query, accumulators: Vec<Accumulator>) -> Self {
        Self::laid_out(query.keys.iter().map(|k| KeyColumn::new(k.expr.data_type)).collect(), accumulators)
    }

    /// A table without groups, laid out as this one.
    pub(super) fn emptied(&self) -> Self {
        let keys = self.keys.iter().map(|k| KeyColumn::new(k.data_type)).collect();
        let table = Self::laid_out(keys, self.accumulators.iter().map(Accumulator::emptied).collect());
        GroupTable { nets: self.nets, ..table }
    }

    fn laid_out(keys: Vec<KeyColumn>, accumulators: Vec<Accumulator>) -> Self {
        let (tags, index) = (Vec::new(), Index::default());
        let mut table = GroupTable {
            keys,
            tags,
            index,
            recent: Recent::default(),
            accumulators,
            bound: None,
            nets: false,
            hashes: Vec::new(),
            groups: Vec::new(),
        };
        if table.keys.is_empty() {
            table.tags.push(tag(EMPTY_HASH));
            table.accumulators.iter_mut().for_each(|a| a.grow(1, false));
        }
        table
    }

    /// The number of groups.
    pub fn len(&self) -> usize {
        self.tags.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Approximate bytes in memory.
    pub fn bytes(&self) -> usize {
        self.keys.iter().map(KeyColumn::bytes).sum::<usize>()
            + self.accumulators.iter().map(Accumulator::bytes).sum::<usize>()
            + self.tags.capacity() * size_of::<Tag>()
            + self.index.bytes()
            + self.recent.bytes()
            + self.hashes.capacity() * size_of::<u64>()
            + self.groups.capacity() * size_of::<u32>()
    }

    /// Folds rows in: `keys` are the evaluated key columns and `args` the evaluated arguments of each aggregate (none for COUNT(*)), all of
    /// one length, in the canonical Arrow type of their SQL type ([`super::arrow_type`]).
    pub fn update(&mut self, keys: &[ArrayRef], args: &[Vec<ArrayRef>], rows: usize) -> Result<(), EvalError> {
        assert_eq!(keys.len(), self.keys.len(), "one column per key");
        assert_eq!(args.len(), self.accumulators.len(), "a list of arguments per aggregate");
        assert!(keys.iter().chain(args.iter().flatten()).all(|a| a.len() == rows), "columns of one length");
        let inputs = self.key_inputs(keys);
        let mut groups = std::mem::take(&mut self.groups);
        self.resolve(&inputs, rows, &mut groups);
        for (accumulator, args) in self.accumulators.iter_mut().zip(args) {
            accumulator.grow(self.tags.len(), args.iter().all(|a| a.null_count() == 0));
            accumulator.update(args, &groups);
        }
        self.groups = groups;
        Ok(())
    }

    /// These columns, in canonical type, as keys.
    pub(super) fn key_inputs(&self, keys: &[ArrayRef]) -> Vec<KeyInput> {
        self.keys.iter().zip(keys).map(|(k, a)| KeyInput::new(a, k.data_type)).collect()
    }

    /// The group of each row, new ones added. The accumulators do not have the new groups yet.
    fn resolve(&mut self, inputs: &[KeyInput], rows: usize, groups: &mut Vec<u32>) {
        groups.clear();
        groups.resize(rows, 0);
        if inputs.is_empty() {
            return;
        }
        if let Some(plain) = inputs.iter().map(KeyInput::plain).collect::<Option<Vec<_>>>()
            && self.resolve_plain(&plain, groups)
        {
            return;
        }
        self.hashes.clear();
        self.hashes.resize(rows, EMPTY_HASH);
        inputs.iter().for_each(|input| input.hash_into(&mut self.hashes));
        let (keys, tags, index) = (&mut self.keys, &mut self.tags, &mut self.index);
        // The index is looked at for a block of rows before their keys are, so that these reads wait for memory together.
        let mut first = [(0, None); plain::BLOCK];
        for (block, (hashes, groups)) in self.hashes.chunks(plain::BLOCK).zip(groups.chunks_mut(plain::BLOCK)).enumerate() {
            for (&hash, first) in hashes.iter().zip(&mut first) {
                let tag = tag(hash);
                *first = (tag, index.first(tag));
            }
            for ((row, &(tag, first)), group) in (block * plain::BLOCK..).zip(&first).zip(groups) {
                let same = |group: u32| keys.iter().zip(inputs).all(|(k, input)| k.same(group as usize, input, row));
                *group = first.filter(|&group| same(group)).or_else(|| index.find(tag, same)).unwrap_or_else(|| {
                    let group = next_group(tags);
                    index.insert(tag, group);
                    tags.push(tag);
                    keys.iter_mut().zip(inputs).for_each(|(k, input)| k.push(input, row));
                    group
                });
            }
        }
    }

    /// [`GroupTable::resolve`] where all keys are of fixed width and no row and no group has a NULL, up to some number of keys;
    /// `false` where it is not so, and then nothing was done.
    fn resolve_plain(&mut self, inputs: &[&[i64]], groups: &mut [u32]) -> bool {
        let columns = self.keys.iter_mut().map(KeyColumn::plain_mut).collect::<Option<Vec<_>>>();
        let Some(columns) = columns else { return false };
        let (index, recent, tags) = (&mut self.index, &mut self.recent, &mut self.tags);
        match <[_; 1]>::try_from(columns).map_err(<[_; 2]>::try_from) {
            Ok(columns) => plain::resolve(index, recent, tags, columns, [inputs[0]], groups),
            Err(Ok(columns)) => plain::resolve(index, recent, tags, columns, [inputs[0], inputs[1]], groups),
            Err(Err(columns)) => match <[_; 3]>::try_from(columns) {
                Ok(columns) => plain::resolve(index, recent, tags, columns, [inputs[0], inputs[1], inputs[2]], groups),
                Err(_) => return false,
            },
        }
        true
    }

    /// Merges all of `other`'s groups in.
    pub fn merge(&mut self, other: &GroupTable) {
        if self.is_empty() {
            *self = other.clone();
        } else {
            self.merge_groups(other, &(0..other.len() as u32).collect::<Vec<_>>());
            // What was at rest does not say so of itself.
            self.nets |= other.nets;
            self.let_go_of_nothing();
        }
    }

    /// Merges one group of `other` in (or adds it).
    pub fn merge_group(&mut self, other: &GroupTable, group: usize) {
        self.merge_groups(other, &[group as u32]);
    }

    /// Merges these groups of `other` in, given in ascending order, and returns the numbers that they have here.
    pub fn merge_groups(&mut self, other: &GroupTable, from: &[u32]) -> Vec<u32> {
        let to = self.groups_of(other, from);
        for (mine, theirs) in self.accumulators.iter_mut().zip(&other.accumulators) {
            mine.grow(self.tags.len(), theirs.complete());
            mine.merge(theirs, from, &to);
        }
        to
    }

    /// The numbers that these groups of `other` have here, given in ascending order. Those that are new have keys, but no accumulators yet.
    pub(super) fn groups_of(&mut self, other: &GroupTable, from: &[u32]) -> Vec<u32> {
        debug_assert!(from.is_sorted());
        let mut to = vec![0; from.len()];
        if !self.keys.is_empty() && !self.resolve_plain_groups(other, from, &mut to) {
            let (keys, tags, index) = (&mut self.keys, &mut self.tags, &mut self.index);
            for (&theirs, to) in from.iter().zip(&mut to) {
                let tag = other.tags[theirs as usize];
                let same = |group: u32| keys.iter().zip(&other.keys).all(|(k, o)| k.same_group(group as usize, o, theirs as usize));
                *to = index.find(tag, same).unwrap_or_else(|| {
                    let group = next_group(tags);
                    index.insert(tag, group);
                    tags.push(tag);
                    keys.iter_mut().zip(&other.keys).for_each(|(k, o)| k.push_group(o, theirs as usize));
                    group
                });
            }
        }
        to
    }

    fn resolve_plain_groups(&mut self, other: &GroupTable, from: &[u32], to: &mut [u32]) -> bool {
        let Some(columns) = other.keys.iter().map(KeyColumn::plain).collect::<Option<Vec<_>>>() else { return false };
        if from.len() == other.len() {
            return self.resolve_plain(&columns, to);
        }
        let picked: Vec<Vec<i64>> = columns.iter().map(|c| from.iter().map(|&g| c[g as usize]).collect()).collect();
        self.resolve_plain(&picked.iter().map(Vec::as_slice).collect::<Vec<_>>(), to)
    }

    /// Groups of several tables that have one key, merged: a table to be read, in which nothing can be found by key.
    pub(super) fn of_one_group(parts: &[(&GroupTable, u32)]) -> Self {
        let (first, group) = parts[0];
        let (index, recent) = (Index::default(), Recent::default());
        let (tags, hashes, groups) = (vec![first.tags[group as usize]], Vec::new(), Vec::new());
        let mut keys: Vec<KeyColumn> = first.keys.iter().map(|k| KeyColumn::new(k.data_type)).collect();
        keys.iter_mut().zip(&first.keys).for_each(|(k, o)| k.push_group(o, group as usize));
        let mut accumulators: Vec<Accumulator> = first.accumulators.iter().map(Accumulator::emptied).collect();
        for (i, mine) in accumulators.iter_mut().enumerate() {
            mine.grow(1, first.accumulators[i].complete());
            parts.iter().for_each(|(part, group)| mine.merge(&part.accumulators[i], &[*group], &[0]));
        }
        GroupTable { keys, tags, index, recent, accumulators, bound: None, nets: false, hashes, groups }
    }

    /// These groups alone: a table to be read, in which nothing can be found by key.
    pub(super) fn picked(&self, groups: &[u32]) -> Self {
        let mut picked = self.emptied();
        // Without keys there is a group already.
        if !self.keys.is_empty() {
            picked.tags.extend(groups.iter().map(|&g| self.tags[g as usize]));
        }
        for (mine, theirs) in picked.keys.iter_mut().zip(&self.keys) {
            groups.iter().for_each(|&g| mine.push_group(theirs, g as usize));
        }
        let to: Vec<u32> = (0..groups.len() as u32).collect();
        for (mine, theirs) in picked.accumulators.iter_mut().zip(&self.accumulators) {
            mine.grow(groups.len(), theirs.complete());
            mine.merge(theirs, groups, &to);
        }
        picked
    }

    /// Tables that have no key in common, put together: a table to be read, in which nothing can be found by key.
    pub(super) fn joined(parts: impl IntoIterator<Item = impl Borrow<GroupTable>>) -> Option<Self> {
        let mut parts = parts.into_iter().peekable();
        let mut table = parts.peek()?.borrow().emptied();
        for part in parts {
            let part = part.borrow();
            let from: Vec<u32> = (0..part.len() as u32).collect();
            let to: Vec<u32> = (table.len() as u32..).take(part.len()).collect();
            table.tags.extend_from_slice(&part.tags);
            table.keys.iter_mut().zip(&part.keys).for_each(|(mine, theirs)| mine.append(theirs));
            for (mine, theirs) in table.accumulators.iter_mut().zip(&part.accumulators) {
                mine.grow(table.tags.len(), theirs.complete());
                mine.merge(theirs, &from, &to);
            }
        }
        Some(table)
    }

    /// Whether tables have no key in common, as far as that is seen by hashes: those that [`GroupTable::split`] gives, and shares of workers.
    pub(super) fn are_disjoint(parts: &[&GroupTable]) -> bool {
        let mut places: Vec<usize> = Vec::with_capacity(parts.len());
        let keyed = parts.iter().all(|p| !p.keys.is_empty());
        keyed
            && parts.iter().filter(|p| !p.is_empty()).all(|part| {
                let place = part.only_part(parts.len());
                let is_new = place.is_some_and(|place| !places.contains(&place));
                places.extend(place);
                is_new
            })
    }

    /// One table of tables that have no key in common, as [`GroupTable::split`] gives them; `None` of none.
    pub fn of_disjoint(parts: Vec<GroupTable>) -> Option<Self> {
        if parts.len() == 1 {
            return parts.into_iter().next();
        }
        let mut table = Self::joined(parts)?;
        table.index.reserve(table.tags.len());
        for (group, &tag) in table.tags.iter().enumerate() {
            table.index.insert(tag, group as u32);
        }
        Some(table)
    }

    /// Splits by key hash into `n` tables; equal keys go to equal places in every process.
    pub fn split(self, n: usize) -> Vec<GroupTable> {
        assert!(n > 0, "a table is split into at least one");
        if n == 1 {
            return vec![self];
        }
        (0..n)
            .map(|part| {
                let mut table = self.emptied();
                table.merge_part(&self, part, n);
                table
            })
            .collect()
    }

    /// The number of the table that [`GroupTable::split`] into `n` would put all groups into; `None` where they go into several, or there are
    /// none.
    pub fn only_part(&self, n: usize) -> Option<usize> {
        let part = part_of(*self.tags.first()?, n);
        self.tags.iter().all(|&tag| part_of(tag, n) == part).then_some(part)
    }

    /// Merges those groups of `other` in that [`GroupTable::split`] into `n` puts into the table number `part`.
    pub fn merge_part(&mut self, other: &GroupTable, part: usize, n: usize) {
        assert!(part < n, "one of the parts");
        let is_of_part = |tag: Tag| part_of(tag, n) == part;
        // Every group is written, and the next one over it if it is of another part: which it is cannot be foreseen, so a branch would be dear.
        let mut groups = vec![0; other.len() + 1];
        let mut found = 0;
        for (group, &tag) in other.tags.iter().enumerate() {
            groups[found] = group as u32;
            found += usize::from(is_of_part(tag));
        }
        groups.truncate(found);
        if self.is_empty() {
            self.index.reserve(groups.len());
        }
        self.merge_groups(other, &groups);
    }

    /// The group with this key, if present.
    pub fn find(&self, key: &[Value]) -> Option<usize> {
        if key.len() != self.keys.len() {
            return None;
        }
        if self.keys.is_empty() {
            return Some(0);
        }
        let hash = self.keys.iter().zip(key).try_fold(EMPTY_HASH, |hash, (k, value)| k.fold_value(hash, value))?;
        let same = |group: u32| self.keys.iter().zip(key).all(|(k, value)| k.same_value(group as usize, value));
        self.index.find(tag(hash), same).map(|group| group as usize)
    }

    /// The key of a group.
    pub fn key(&self, group: usize) -> Vec<Value> {
        self.keys.iter().map(|k| k.value(group)).collect()
    }

    /// One of the keys of all groups, by group, in the canonical type.
    pub fn key_column(&self, key: usize) -> ArrayRef {
        self.keys[key].take(&(0..self.len() as u32).collect::<Vec<_>>())
    }

    /// The order of two groups by key: column by column, NULL last, texts byte by byte.
    pub(super) fn compare(&self, a: u32, b: u32) -> std::cmp::Ordering {
        self.keys.iter().map(|k| k.compare(a as usize, b as usize)).find(|o| o.is_ne()).unwrap_or(std::cmp::Ordering::Equal)
    }
}
