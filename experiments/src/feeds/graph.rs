//! The graph of a folder: topics, the feeds between them, the groups that read them, and the lag on each edge.

use serde::Serialize;
use twopath_log::Log;

use super::{Definition, FeedError, FeedKind, ReaderProgress};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeKind {
    Topic,
    Feed,
    Group,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Node {
    pub kind: NodeKind,
    pub name: String,
    /// Of a topic: what it holds. Of a feed or a group: what it has done.
    pub records: u64,
    /// Of a topic: its partitions. Of a feed or a group: the partitions that somebody reads now.
    pub partitions: u64,
    /// A feed's SQL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sql: Option<String>,
    /// What a feed gives, where its inputs are there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gives: Option<FeedKind>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GraphEdge {
    pub from: String,
    pub to: String,
    pub to_kind: NodeKind,
    /// Records of the topic `from` that the reader `to` has not done yet; none for what a feed appends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lag: Option<u64>,
}

/// Topics first, then feeds, then groups, each by name; edges in the order of their readers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Graph {
    pub nodes: Vec<Node>,
    pub edges: Vec<GraphEdge>,
}

impl Graph {
    /// As it is now.
    pub fn read(log: &Log) -> Result<Graph, FeedError> {
        let feeds = Definition::all(log.dir())?;
        let mut graph = Graph { nodes: Vec::new(), edges: Vec::new() };
        let mut groups = Graph { nodes: Vec::new(), edges: Vec::new() };
        let topics = log.topics()?;
        for name in &topics {
            let topic = log.topic(name)?;
            let partitions = topic.config().partitions;
            graph.node(NodeKind::Topic, name, topic.records_left()?, u64::from(partitions));
            for group in topic.groups()? {
                let is_feed = feeds.iter().any(|f| f.inputs().any(|input| input == name) && f.group() == group);
                if !is_feed {
                    let progress = ReaderProgress::of(&topic, &group)?;
                    groups.edge(NodeKind::Group, name, &group, progress.lag);
                    groups.node(NodeKind::Group, &group, progress.done, progress.read_now);
                }
            }
        }
        for feed in &feeds {
            let mut progress = Vec::new();
            for input in feed.inputs().filter(|input| topics.contains(input)) {
                let of_input = ReaderProgress::of(&log.topic(input)?, &feed.group())?;
                graph.edge(NodeKind::Feed, input, &feed.name, of_input.lag);
                progress.push(of_input);
            }
            let sum = |of: fn(&ReaderProgress) -> u64| progress.iter().map(of).sum();
            let node = graph.node(NodeKind::Feed, &feed.name, sum(|progress| progress.done), sum(|progress| progress.read_now));
            node.gives = feed.kind(log);
            node.sql = Some(feed.sql.clone());
            if topics.contains(&feed.output) {
                graph.edges.push(GraphEdge { from: feed.name.clone(), to: feed.output.clone(), to_kind: NodeKind::Topic, lag: None });
            }
        }
        graph.nodes.extend(groups.nodes);
        graph.edges.extend(groups.edges);
        Ok(graph)
    }

    fn node(&mut self, kind: NodeKind, name: &str, records: u64, partitions: u64) -> &mut Node {
        self.nodes.push(Node { kind, name: name.to_owned(), records, partitions, sql: None, gives: None });
        self.nodes.last_mut().expect("it was just added")
    }

    /// From a topic to who reads it.
    fn edge(&mut self, to_kind: NodeKind, topic: &str, to: &str, lag: u64) {
        self.edges.push(GraphEdge { from: topic.to_owned(), to: to.to_owned(), to_kind, lag: Some(lag) });
    }

    /// In Graphviz's language.
    pub fn dot(&self) -> String {
        let quoted = |kind: NodeKind, name: &str| format!("{:?}", format!("{kind:?} {name}").to_lowercase());
        let mut text = "digraph twopath {\n  rankdir=LR;\n".to_owned();
        for node in &self.nodes {
            let (shape, label) = match node.kind {
                NodeKind::Topic => ("cylinder", format!("{}\\n{} records", node.name, node.records)),
                NodeKind::Feed => ("box", node.name.clone()),
                NodeKind::Group => ("ellipse", node.name.clone()),
            };
            text += &format!("  {} [shape={shape}, label=\"{label}\"];\n", quoted(node.kind, &node.name));
        }
        for edge in &self.edges {
            let from = quoted(if edge.to_kind == NodeKind::Topic { NodeKind::Feed } else { NodeKind::Topic }, &edge.from);
            let label = edge.lag.map(|lag| format!(" [label=\"lag {lag}\"]")).unwrap_or_default();
            text += &format!("  {from} -> {}{label};\n", quoted(edge.to_kind, &edge.to));
        }
        text + "}\n"
    }
}
