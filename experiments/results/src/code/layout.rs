//! The canonical layout, by which lines are counted: near enough to what a formatter does that its figure is the one people would name.

use super::tree::{Bracket, End, Node, Unit};

/// No line is wider, unless one token is.
const WIDTH: usize = 100;
/// A braced group, or a chain of calls, that is wider stands on several lines.
const INLINE_MAX: usize = 60;
const INDENT: usize = 4;

/// Lines that units take, each beginning one.
pub fn lines(units: &[Unit]) -> u64 {
    units.iter().map(|unit| Pen::lines_of(unit, 0)).sum()
}

struct Pen {
    lines: u64,
    column: usize,
    indent: usize,
}

impl Pen {
    fn lines_of(unit: &Unit, indent: usize) -> u64 {
        let mut pen = Pen { lines: 1, column: indent, indent };
        pen.write(unit);
        pen.lines
    }

    fn write(&mut self, unit: &Unit) {
        let chain = calls(&unit.nodes) > 1 && width(&unit.nodes) > INLINE_MAX;
        for (index, node) in unit.nodes.iter().enumerate() {
            match node {
                Node::Leaf(text) => {
                    let breaks = chain && text == "." && is_call(&unit.nodes[index + 1..]) && index > 1;
                    if breaks || self.column + text.len() + 1 > WIDTH {
                        self.lines += 1;
                        self.column = self.indent + INDENT;
                    }
                    self.column += text.len() + 1;
                }
                Node::Group(bracket, units) => {
                    let flat = flat_width(units);
                    if is_inline(*bracket, units, flat) && self.column + flat + 2 <= WIDTH {
                        self.column += flat + 2;
                    } else {
                        let inner = self.indent + INDENT;
                        self.lines += units.iter().map(|unit| Pen::lines_of(unit, inner)).sum::<u64>() + 1;
                        self.column = self.indent + 2;
                    }
                }
            }
        }
    }
}

fn is_inline(bracket: Bracket, units: &[Unit], flat: usize) -> bool {
    if units.is_empty() {
        return true;
    }
    let query = units[0].nodes.first().is_some_and(|node| matches!(node, Node::Leaf(text) if text == "select" || text == "with"));
    let holds_block = units.iter().any(|unit| has_block(&unit.nodes));
    match bracket {
        Bracket::Round | Bracket::Square => !query && !holds_block,
        Bracket::Brace => flat <= INLINE_MAX && !holds_block && !is_block(units),
    }
}

/// A braced group of statements or arms.
fn is_block(units: &[Unit]) -> bool {
    let last = units.len() - 1;
    let arm = |unit: &Unit| unit.nodes.iter().any(|node| matches!(node, Node::Leaf(text) if text == "=>"));
    units.iter().enumerate().any(|(index, unit)| unit.end == End::Semicolon || (unit.end == End::Nothing && index < last) || arm(unit))
}

/// Holds a braced group that cannot stand on one line.
fn has_block(nodes: &[Node]) -> bool {
    nodes.iter().any(|node| match node {
        Node::Leaf(_) => false,
        Node::Group(bracket, units) => !is_inline(*bracket, units, flat_width(units)),
    })
}

fn width(nodes: &[Node]) -> usize {
    let of = |node: &Node| match node {
        Node::Leaf(text) => text.len() + 1,
        Node::Group(_, units) => flat_width(units) + 2,
    };
    nodes.iter().map(of).sum()
}

fn flat_width(units: &[Unit]) -> usize {
    units.iter().map(|unit| width(&unit.nodes) + 1).sum()
}

/// Method calls that follow one another.
fn calls(nodes: &[Node]) -> usize {
    let is_dot = |node: &Node| matches!(node, Node::Leaf(text) if text == ".");
    nodes.iter().enumerate().filter(|(index, node)| is_dot(node) && is_call(&nodes[index + 1..])).count()
}

/// A name and its arguments.
fn is_call(after_dot: &[Node]) -> bool {
    matches!(after_dot.first(), Some(Node::Leaf(_)))
        && after_dot.iter().skip(1).take(8).find_map(|node| match node {
            Node::Group(bracket, _) => Some(*bracket == Bracket::Round),
            Node::Leaf(text) if text == "." || text == ";" => Some(false),
            Node::Leaf(_) => None,
        }) == Some(true)
}
