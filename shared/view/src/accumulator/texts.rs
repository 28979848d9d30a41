//! STRING_AGG: all texts of every group, in their order.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, Int64Builder, ListBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, StringArray};
use arrow_schema::DataType as ArrowType;

use super::order::{counts, rows_of};
use super::{Accumulate, Column, Reader};
use twopath_query::{Directions, EvalError};

/// A text, behind what separates it from the one before.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Separated {
    both: Box<str>,
    /// Where the text begins.
    from: usize,
}

/// By their place in the order; how often each is there. (Where rows do not say where they stand in the log, some may be alike in all.)
type Texts = BTreeMap<(Box<[u8]>, Separated), u64>;

/// See the module.
#[derive(Debug, Clone)]
pub struct TextsInOrder {
    distinct: bool,
    order: Directions,
    groups: Vec<Texts>,
}

impl TextsInOrder {
    pub fn new(distinct: bool, order: Directions) -> Self {
        TextsInOrder { distinct, order, groups: Vec::new() }
    }

    fn add(&mut self, group: u32, text: (Box<[u8]>, Separated), times: u64) {
        let known = self.groups[group as usize].entry(text).or_default();
        // They go by themselves then, and have one separator, so that what is alike is one entry.
        *known = if self.distinct { 1 } else { *known + times };
    }
}

fn joined(texts: &Texts) -> Result<Option<String>, EvalError> {
    let all = texts.iter().flat_map(|((_, text), &times)| (0..times).map(move |_| text));
    let mut joined: Option<String> = None;
    for text in all {
        match &mut joined {
            None => joined = Some(text.both[text.from..].to_owned()),
            Some(joined) => joined.push_str(&text.both),
        }
        // A column counts its bytes in 32 bits.
        if joined.as_ref().is_some_and(|joined| joined.len() > i32::MAX as usize) {
            return Err(EvalError::OutOfRange);
        }
    }
    Ok(joined)
}

impl Accumulate for TextsInOrder {
    fn emptied(&self) -> Self {
        TextsInOrder::new(self.distinct, self.order)
    }

    fn grow(&mut self, groups: usize, _complete: bool) {
        self.groups.resize_with(groups, Texts::new);
    }

    fn update(&mut self, args: &[ArrayRef], groups: &[u32]) {
        let [texts, separators, beside @ ..] = args else { panic!("a text, its separator, and what it goes by") };
        let (order, counts) = (rows_of(&beside[..beside.len() - 1], self.order), counts(beside));
        let (texts, separators) = (texts.as_string::<i32>(), separators.as_string::<i32>());
        for (row, &group) in groups.iter().enumerate() {
            if counts(row) && texts.is_valid(row) {
                let separator = if separators.is_valid(row) { separators.value(row) } else { "" };
                let text = Separated { both: [separator, texts.value(row)].concat().into(), from: separator.len() };
                self.add(group, (order.row(row).data().into(), text), 1);
            }
        }
    }

    fn merge(&mut self, other: &Self, from: &[u32], to: &[u32]) {
        for (&from, &to) in from.iter().zip(to) {
            for (text, &times) in &other.groups[from as usize] {
                self.add(to, text.clone(), times);
            }
        }
    }

    fn complete(&self) -> bool {
        true
    }

    fn finalise(&self, groups: &[u32]) -> Result<ArrayRef, EvalError> {
        let texts = groups.iter().map(|&g| joined(&self.groups[g as usize])).collect::<Result<Vec<_>, _>>()?;
        if texts.iter().flatten().map(String::len).sum::<usize>() > i32::MAX as usize {
            return Err(EvalError::OutOfRange);
        }
        Ok(Arc::new(StringArray::from(texts)))
    }

    fn columns(&self, groups: &[u32]) -> Vec<Column> {
        let (mut places, mut texts) = (ListBuilder::new(BinaryBuilder::new()), ListBuilder::new(StringBuilder::new()));
        let (mut begins, mut times) = (ListBuilder::new(Int64Builder::new()), ListBuilder::new(Int64Builder::new()));
        for &group in groups {
            for ((place, text), &n) in &self.groups[group as usize] {
                places.values().append_value(place);
                texts.values().append_value(&text.both);
                begins.values().append_value(text.from as i64);
                times.values().append_value(n as i64);
            }
            places.append(true);
            texts.append(true);
            begins.append(true);
            times.append(true);
        }
        vec![
            ("places", Arc::new(places.finish())),
            ("texts", Arc::new(texts.finish())),
            ("begins", Arc::new(begins.finish())),
            ("times", Arc::new(times.finish())),
        ]
    }

    fn load(&mut self, read: &mut Reader) -> Result<(), String> {
        let mut lists = |name, item| read.next_lists(name, item);
        let (places, texts) = (lists("places", ArrowType::Binary)?, lists("texts", ArrowType::Utf8)?);
        let (begins, times) = (lists("begins", ArrowType::Int64)?, lists("times", ArrowType::Int64)?);
        for group in 0..places.len() {
            let of = |lists: &ArrayRef| lists.as_list::<i32>().value(group);
            let (places, texts, begins, times) = (of(&places), of(&texts), of(&begins), of(&times));
            let columns = [&places, &texts, &begins, &times];
            if columns.iter().any(|c| c.len() != places.len() || c.null_count() > 0) {
                return Err(format!("the texts of row {group} are not whole"));
            }
            let (begins, times) = (begins.as_primitive::<Int64Type>(), times.as_primitive::<Int64Type>());
            let mut loaded = Texts::new();
            for (i, (place, text)) in places.as_binary::<i32>().iter().flatten().zip(texts.as_string::<i32>().iter().flatten()).enumerate()
            {
                let from = usize::try_from(begins.value(i)).ok().filter(|&from| text.is_char_boundary(from));
                let (Some(from), 1..) = (from, times.value(i)) else { return Err(format!("a text of row {group} is not whole")) };
                loaded.insert((place.into(), Separated { both: text.into(), from }), times.value(i) as u64);
            }
            self.groups.push(loaded);
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        let entry = size_of::<((Box<[u8]>, Separated), u64)>();
        let one =
            |texts: &Texts| size_of::<Texts>() + texts.keys().map(|(place, text)| entry + place.len() + text.both.len()).sum::<usize>();
        self.groups.iter().map(one).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::Int64Array;

    fn agg(distinct: bool, texts: &[(&str, i64)]) -> TextsInOrder {
        let mut agg = TextsInOrder::new(distinct, Directions::default());
        agg.grow(1, false);
        let column: ArrayRef = Arc::new(StringArray::from_iter_values(texts.iter().map(|t| t.0)));
        let by: ArrayRef = if distinct { column.clone() } else { Arc::new(Int64Array::from_iter_values(texts.iter().map(|t| t.1))) };
        let separators: ArrayRef = Arc::new(StringArray::from(vec!["; "; texts.len()]));
        let ones: ArrayRef = Arc::new(Int64Array::from(vec![1; texts.len()]));
        agg.update(&[column, separators, by, ones], &vec![0; texts.len()]);
        agg
    }

    fn value(agg: &TextsInOrder) -> String {
        agg.finalise(&[0]).unwrap().as_string::<i32>().value(0).to_owned()
    }

    #[test]
    fn merging_puts_each_text_in_its_place_as_often_as_it_is_there() {
        let (mut a, b) = (agg(false, &[("c", 3), ("a", 1), ("a", 1)]), agg(false, &[("b", 2), ("a", 1)]));
        a.merge(&b, &[0], &[0]);
        assert_eq!(value(&a), "a; a; a; b; c");
        let (mut a, b) = (agg(true, &[("c", 3), ("a", 1), ("a", 1)]), agg(true, &[("b", 2), ("a", 1)]));
        a.merge(&b, &[0], &[0]);
        assert_eq!(value(&a), "a; b; c");
    }
}
