//! The second lowering: a plan of any shape as flat queries, which engines keep, and a plan above them.

use super::{Node, NotLowered, Plan};
use crate::types::*;

/// A query cut where engines end. Each input is a flat query over one topic: groups of accumulators, which every engine keeps incrementally and the
/// serving layer merges. `finish` reads their answers ([`Node::Input`]) and is computed when an answer is asked for.
///
/// A plan that is flat as a whole is one input and nothing above it.
#[derive(Debug, Clone, PartialEq)]
pub struct Program {
    pub inputs: Vec<Query>,
    pub finish: Plan,
}

impl Program {
    /// The flat query that this program is, if it is no more than that.
    pub fn flat(&self) -> Option<&Query> {
        match (&self.inputs[..], &self.finish.node) {
            ([query], Node::Input { .. }) => Some(query),
            _ => None,
        }
    }
}

impl Plan {
    /// Cuts the plan into the largest flat queries, and what is above them.
    ///
    /// # Errors
    /// Where expressions become too large.
    pub fn program(&self) -> Result<Program, NotLowered> {
        let mut inputs = Vec::new();
        let finish = match self.lower() {
            Ok(query) => input(self, query, &mut inputs),
            Err(_) => cut(&self.narrowed(), &mut inputs)?,
        };
        Ok(Program { inputs, finish })
    }

    /// Whether something in it depends on the order of rows.
    fn is_ordered(&self) -> bool {
        matches!(self.node, Node::Sort { .. } | Node::Limit { .. }) || self.inputs().into_iter().any(Plan::is_ordered)
    }
}

fn cut(plan: &Plan, inputs: &mut Vec<Query>) -> Result<Plan, NotLowered> {
    match plan.node {
        _ if plan.is_ordered() => {}
        Node::Scan { .. } => return Ok(input(plan, flat(plan)?, inputs)),
        _ => {
            if let Ok(query) = flat(plan) {
                return Ok(input(plan, query, inputs));
            }
        }
    }
    plan.try_map_inputs(&mut |input| cut(input, inputs))
}

/// The same query twice is one input.
fn input(plan: &Plan, query: Query, inputs: &mut Vec<Query>) -> Plan {
    let number = inputs.iter().position(|known| *known == query).unwrap_or_else(|| {
        inputs.push(query);
        inputs.len() - 1
    });
    Plan::new(Node::Input { number, columns: plan.columns() }, plan.span.clone())
}

/// The plan as a flat query, with a projection of all its columns where its root puts out none of its own.
fn flat(plan: &Plan) -> Result<Query, NotLowered> {
    if let Node::Project { .. } | Node::Distinct { .. } = plan.node {
        return plan.lower();
    }
    let columns = plan.columns().into_iter().enumerate().map(|(i, (name, t))| NamedExpr { name, expr: Expr::column(i, t) }).collect();
    Plan::new(Node::Project { input: Box::new(plan.clone()), columns }, plan.span.clone()).lower()
}
