//! Syntax as a tree that both languages share: units (items, statements, arguments, clauses) of tokens and bracketed groups.

/// An item, a statement, an arm, a field, an argument, a clause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    pub nodes: Vec<Node>,
    pub end: End,
}

/// What ends a unit. A comma is no part of it: whether the last one is written is a matter of layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Comma,
    Semicolon,
    /// Nothing is written, as after a block or the last unit.
    Nothing,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    Leaf(String),
    Group(Bracket, Vec<Unit>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bracket {
    Round,
    Square,
    Brace,
}

impl Bracket {
    pub fn signs(self) -> (char, char) {
        match self {
            Bracket::Round => ('(', ')'),
            Bracket::Square => ('[', ']'),
            Bracket::Brace => ('{', '}'),
        }
    }
}

/// Two units are the same where their tokens are: how they end is told by what follows.
pub fn same(a: &Unit, b: &Unit) -> bool {
    (a.end == End::Semicolon) == (b.end == End::Semicolon) && same_nodes(&a.nodes, &b.nodes)
}

pub fn same_nodes(a: &[Node], b: &[Node]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_node(a, b))
}

pub fn same_node(a: &Node, b: &Node) -> bool {
    match (a, b) {
        (Node::Leaf(a), Node::Leaf(b)) => a == b,
        (Node::Group(p, a), Node::Group(q, b)) => p == q && a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        _ => false,
    }
}

/// Names, literals and operators, a pair of brackets as two, a semicolon as one.
pub fn tokens(units: &[Unit]) -> u64 {
    let of = |node: &Node| match node {
        Node::Leaf(_) => 1,
        Node::Group(_, units) => 2 + tokens(units),
    };
    units.iter().map(|unit| unit.nodes.iter().map(of).sum::<u64>() + u64::from(unit.end == End::Semicolon)).sum()
}

/// The leaves of some nodes, in order.
pub fn leaves<'a>(nodes: &'a [Node], into: &mut Vec<&'a str>) {
    for node in nodes {
        match node {
            Node::Leaf(text) => into.push(text),
            Node::Group(_, units) => units.iter().for_each(|unit| leaves(&unit.nodes, into)),
        }
    }
}
