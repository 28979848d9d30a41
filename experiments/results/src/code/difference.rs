//! The places at which two versions of a syntax differ.
//!
//! Units are aligned with their likes: first those that are the same, then those that share half of their tokens or more. Of a pair of
//! likes the difference is looked for inside, down to the tokens of an expression, of which each run that differs is one place. What has
//! no like counts one place for each unit (a new statement, a new function); where as many went as came, they were replaced.

use std::collections::HashMap;

use super::tree::{Node, Unit, leaves, same, same_node};

/// Below this share of common tokens, two units are no likes.
const LIKE_MIN: f64 = 0.5;

/// Counts the places; 0 where nothing but layout differs. Of alignments that are as good the one from the other side may have fewer places:
/// the fewest count, so that there and back are as long.
pub fn places(v1: &[Unit], v2: &[Unit]) -> u64 {
    one_way(v1, v2).min(one_way(v2, v1))
}

fn one_way(v1: &[Unit], v2: &[Unit]) -> u64 {
    let score = |i: usize, j: usize| {
        let (a, b) = (&v1[i], &v2[j]);
        if same(a, b) { Some(2.0) } else { Some(likeness(&a.nodes, &b.nodes)).filter(|like| *like >= LIKE_MIN) }
    };
    let mut places = 0;
    let mut gap = |gone: usize, came: usize| places += gone.max(came) as u64;
    let pairs = align(v1.len(), v2.len(), &score, &mut gap);
    for (i, j) in pairs {
        if !same(&v1[i], &v2[j]) {
            // Likes that differ in their end alone still differ.
            places += places_in(&v1[i].nodes, &v2[j].nodes).max(1);
        }
    }
    places
}

/// Inside a unit.
fn places_in(v1: &[Node], v2: &[Node]) -> u64 {
    let score = |i: usize, j: usize| match (&v1[i], &v2[j]) {
        (a, b) if same_node(a, b) => Some(2.0),
        (Node::Group(p, _), Node::Group(q, _)) if p == q => Some(0.5 + likeness(&v1[i..=i], &v2[j..=j])),
        _ => None,
    };
    let mut places = 0;
    let mut gap = |gone: usize, came: usize| places += u64::from(gone + came > 0);
    let pairs = align(v1.len(), v2.len(), &score, &mut gap);
    for (i, j) in pairs {
        if let (Node::Group(_, a), Node::Group(_, b)) = (&v1[i], &v2[j]) {
            places += one_way(a, b);
        }
    }
    places
}

/// The alignment of two sequences that has the highest score, as pairs of indexes; `gap` is told how many of each have no partner between
/// two pairs. A pair without a score is none.
fn align(n: usize, m: usize, score: &dyn Fn(usize, usize) -> Option<f64>, gap: &mut dyn FnMut(usize, usize)) -> Vec<(usize, usize)> {
    let scores: Vec<Vec<Option<f64>>> = (0..n).map(|i| (0..m).map(|j| score(i, j)).collect()).collect();
    let mut best = vec![vec![0.0f64; m + 1]; n + 1];
    for i in (0..n).rev() {
        for j in (0..m).rev() {
            let apart = best[i + 1][j].max(best[i][j + 1]);
            best[i][j] = scores[i][j].map_or(apart, |score| apart.max(score + best[i + 1][j + 1]));
        }
    }
    let (mut i, mut j, mut gone, mut came) = (0, 0, 0, 0);
    let mut pairs = Vec::new();
    while i < n && j < m {
        if scores[i][j].is_some_and(|score| score + best[i + 1][j + 1] >= best[i][j]) {
            gap(gone, came);
            (gone, came) = (0, 0);
            pairs.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if best[i + 1][j] >= best[i][j + 1] {
            (i, gone) = (i + 1, gone + 1);
        } else {
            (j, came) = (j + 1, came + 1);
        }
    }
    gap(gone + n - i, came + m - j);
    pairs
}

/// The share of tokens that two have in common, counted with their number (Dice's coefficient): 1 for all, 0 for none.
fn likeness(a: &[Node], b: &[Node]) -> f64 {
    let (mut left, mut right) = (Vec::new(), Vec::new());
    leaves(a, &mut left);
    leaves(b, &mut right);
    if left.is_empty() && right.is_empty() {
        return 1.0;
    }
    let mut counts: HashMap<&str, i64> = HashMap::new();
    left.iter().for_each(|token| *counts.entry(token).or_default() += 1);
    let common = right
        .iter()
        .filter(|token| {
            let count = counts.entry(token).or_default();
            *count -= 1;
            *count >= 0
        })
        .count();
    2.0 * common as f64 / (left.len() + right.len()) as f64
}
